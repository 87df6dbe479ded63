// Package observe measures what the service does: metrics for Prometheus, and
// traces by OpenTelemetry where they are asked for. It is the only importer of
// both.
//
// What is measured names operations, stages, collections, tasks and models. It
// never names an instance, a study, a series, a patient or a file, and no text of
// an error, which might.
package observe

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options of Open. The zero value measures without tracing.
type Options struct {
	// Version, Commit and Go say what the program is.
	Version, Commit, Go string
	// Endpoint is the URL that traces are sent to, by OTLP over HTTP, such as
	// http://localhost:4318; empty is nowhere.
	Endpoint string
	// Ratio is the share of requests that are traced, of those whose sender has not
	// decided that.
	Ratio float64
	// RecallEvery is how often the index of each collection is compared with the exact
	// answer; 0 is never.
	RecallEvery time.Duration
	// Logger is told what goes wrong; nil means nobody is.
	Logger *slog.Logger
}

// Recorder measures. Its methods are safe for concurrent use.
type Recorder struct {
	Options
	registry *prometheus.Registry
	metrics  metrics
	tracing  tracing
	sampled  map[string]bool // collections whose recall is; of one goroutine

	ctx    context.Context // ends when Close begins
	end    context.CancelFunc
	active sync.WaitGroup
}

// Open returns a recorder. Nothing is sent anywhere, and no connection made,
// unless Options.Endpoint says so.
func Open(o Options) (*Recorder, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Recorder{Options: o, registry: prometheus.NewRegistry(), sampled: map[string]bool{}}
	r.ctx, r.end = context.WithCancel(context.Background())
	r.metrics = newMetrics(r.registry, o)
	var err error
	if r.tracing, err = newTracing(r.ctx, o); err != nil {
		r.end()
		return nil, err
	}
	return r, nil
}

// Close ends what is measured in the background, and sends the traces that have
// not been, for which it waits until the context ends.
func (r *Recorder) Close(ctx context.Context) error {
	r.end()
	r.active.Wait()
	return r.tracing.close(ctx)
}

// Metrics answers with all metrics in the format of Prometheus.
func (r *Recorder) Metrics() http.Handler {
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(r.Logger.Handler(), slog.LevelWarn),
	})
}

// Request is what is told of a request that has ended.
type Request struct {
	// Operation is its name in the contract; empty where no route matched.
	Operation string
	// Collection that it is about, if that is one there is.
	Collection string
	Status     int
	Took       time.Duration
	// Received and Sent are the bytes of its bodies.
	Received, Sent int64
	// Key is the ID of the API key, if it had one.
	Key string
}

// Request tells that a request of that ID begins, and by the function that it
// returns how it ended. The context is the request's, with the ID for the log and,
// where it is traced, its span.
func (r *Recorder) Request(q *http.Request, id string) (context.Context, func(Request)) {
	r.metrics.inFlight.Inc()
	ctx, span := r.tracing.request(q, id)
	return withRequest(ctx, id), func(e Request) {
		r.metrics.inFlight.Dec()
		if e.Operation == "" {
			e.Operation = "none"
		}
		r.metrics.requests.WithLabelValues(e.Operation, strconv.Itoa(e.Status)).Observe(e.Took.Seconds())
		r.metrics.received.WithLabelValues(e.Operation).Add(float64(max(0, e.Received)))
		r.metrics.sent.WithLabelValues(e.Operation).Add(float64(max(0, e.Sent)))
		endRequest(span, e)
	}
}

// Begin tells that a stage of the work begins, and by the function that it returns
// how it ended: see api.Options.Begin.
func (r *Recorder) Begin(ctx context.Context, stage string) (context.Context, func(error)) {
	began := time.Now()
	ctx, span := r.tracing.stage(ctx, stage)
	return ctx, func(err error) {
		r.metrics.stages.WithLabelValues(stage).Observe(time.Since(began).Seconds())
		if err != nil && !errors.Is(err, context.Canceled) {
			r.metrics.failures.WithLabelValues(stage).Inc()
		}
		endStage(span, err)
	}
}
