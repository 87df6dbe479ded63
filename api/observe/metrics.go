package observe

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

const namespace = "nearcase"

// Seconds that requests and stages are counted up to.
var (
	requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	stageBuckets   = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}
)

// metrics are those that are counted as things happen. What is read when it is
// asked for is in watched and sampled.
type metrics struct {
	requests       *prometheus.HistogramVec // operation, status
	received, sent *prometheus.CounterVec   // operation
	inFlight       prometheus.Gauge
	stages         *prometheus.HistogramVec // stage
	failures       *prometheus.CounterVec   // stage
	wanted, found  *prometheus.CounterVec   // collection
	disk           *prometheus.GaugeVec     // part
	free           prometheus.Gauge
	modelBytes     *prometheus.GaugeVec // model
	modelUsable    *prometheus.GaugeVec // model
}

func newMetrics(registry *prometheus.Registry, o Options) metrics {
	m := metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "http_request_duration_seconds",
			Help: "Requests by operation and status, until the whole answer was sent.", Buckets: requestBuckets}, []string{"operation", "status"}),
		received: counters("http_request_bytes_total", "Bytes of the bodies of requests.", "operation"),
		sent:     counters("http_response_bytes_total", "Bytes of the bodies of answers.", "operation"),
		inFlight: gauge("http_requests_in_flight", "Requests under way."),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "stage_duration_seconds",
			Help: "Stages of the work: decode, embed, store, commit, index, search, probe.", Buckets: stageBuckets}, []string{"stage"}),
		failures:    counters("stage_failures_total", "Stages that ended with an error.", "stage"),
		wanted:      counters("index_recall_wanted_total", "Exact nearest neighbours of stored vectors drawn at random.", "collection"),
		found:       counters("index_recall_found_total", "Those of them that the index finds: their share is its recall@10.", "collection"),
		disk:        gauges("store_bytes", "What the data directory takes of the disk, by part: log, originals, index, derived, other.", "part"),
		free:        gauge("store_free_bytes", "What is free on the disk of the data directory."),
		modelBytes:  gauges("model_bytes", "Files of a model.", "model"),
		modelUsable: gauges("model_usable", "1 if a model that is there can be used.", "model"),
	}
	build := gauges("build_info", "What the program is; always 1.", "version", "commit", "go")
	build.WithLabelValues(o.Version, o.Commit, o.Go).Set(1)
	registry.MustRegister(
		m.requests, m.received, m.sent, m.inFlight, m.stages, m.failures, m.wanted, m.found, m.disk, m.free, m.modelBytes, m.modelUsable,
		build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}
