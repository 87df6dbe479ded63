package observe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracing makes spans; its zero value makes none.
type tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// newTracing returns what sends spans to the endpoint, if there is one.
func newTracing(ctx context.Context, o Options) (tracing, error) {
	if o.Endpoint == "" {
		return tracing{}, nil
	}
	endpoint, err := tracesURL(o.Endpoint)
	if err != nil {
		return tracing{}, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return tracing{}, fmt.Errorf("traces to %s: %w", endpoint, err)
	}
	t := tracing{provider: sdk.NewTracerProvider(
		sdk.WithBatcher(quiet{exporter, o, new(atomic.Bool)}),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Ratio))),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "nearcase"), attribute.String("service.version", o.Version))),
	)}
	t.tracer = t.provider.Tracer("nearcase")
	return t, nil
}

// tracesURL is where traces go: an endpoint without a path is that of a collector,
// which has them below /v1/traces.
func tracesURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil { // which might have a password in it
		return "", errors.New("traces: the endpoint is not an http:// or https:// URL")
	}
	if u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("traces to %q: not an http:// or https:// URL without a user", u.Redacted())
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

// quiet tells the log that spans cannot be sent, once until they can again, and
// nobody else: the program goes on without them.
type quiet struct {
	sdk.SpanExporter
	o      Options
	failed *atomic.Bool
}

func (q quiet) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := q.SpanExporter.ExportSpans(ctx, spans)
	if failed := err != nil; q.failed.Swap(failed) != failed && failed {
		q.o.Logger.WarnContext(ctx, "traces cannot be sent", "endpoint", q.o.Endpoint, "error", err)
	}
	return nil
}

// close sends what has not been sent.
func (t tracing) close(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// methods are those that a span may name.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

// request begins the span of a request, as part of its sender's trace if it names
// one (W3C Trace Context).
func (t tracing) request(q *http.Request, id string) (context.Context, trace.Span) {
	if t.tracer == nil {
		return q.Context(), nil
	}
	method := q.Method
	if !methods[method] {
		method = "_OTHER"
	}
	ctx := context.WithValue(q.Context(), stagesKey{}, new(atomic.Int64))
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(q.Header))
	return t.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", method), attribute.String("nearcase.request", id)))
}

// endRequest ends the span of a request, if it has one.
func endRequest(span trace.Span, e Request) {
	if span == nil {
		return
	}
	span.SetName(e.Operation)
	span.SetAttributes(attribute.String("nearcase.operation", e.Operation), attribute.Int("http.response.status_code", e.Status),
		attribute.Int64("http.request.body.size", e.Received), attribute.Int64("http.response.body.size", e.Sent))
	if e.Collection != "" {
		span.SetAttributes(attribute.String("nearcase.collection", e.Collection))
	}
	if e.Key != "" {
		span.SetAttributes(attribute.String("nearcase.key", e.Key))
	}
	if e.Status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(e.Status))
	}
	span.End()
}

// maxStages bounds the spans of one request: an upload may have thousands of
// images.
const maxStages = 256

// stagesKey is the key of a request's number of stages in its context.
type stagesKey struct{}

// stage begins the span of a stage of a request that is traced.
func (t tracing) stage(ctx context.Context, stage string) (context.Context, trace.Span) {
	if t.tracer == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, nil
	}
	if n, ok := ctx.Value(stagesKey{}).(*atomic.Int64); ok && n.Add(1) > maxStages {
		return ctx, nil
	}
	return t.tracer.Start(ctx, stage)
}

// endStage ends the span of a stage, if it has one. What went wrong is in the
// log: it might name whom an image is of.
func endStage(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		span.SetStatus(codes.Error, "failed")
	}
	span.End()
}
