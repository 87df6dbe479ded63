package observe_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"nearcase/api/observe"
)

// receiver takes spans as a collector does.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*traces.Span
	raw   []byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	c := &receiver{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent collector.ExportTraceServiceRequest
		if err = errors.Join(err, proto.Unmarshal(body, &sent)); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("spans sent to %s: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw = append(c.raw, body...)
		for _, of := range sent.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// traced records one request with two stages of which one fails, and returns when
// all has been sent.
func traced(t *testing.T, o observe.Options, parent string) {
	t.Helper()
	r, err := observe.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	q := httptest.NewRequest(http.MethodPost, "/v1/collections/c/instances/1.2.840.1/similar?patient=Jane", nil)
	q.Header.Set("traceparent", parent)
	ctx, end := r.Request(q, "request-1")
	_, decoded := r.Begin(ctx, "decode")
	decoded(nil)
	searching, searched := r.Begin(ctx, "search")
	_, within := r.Begin(searching, "index")
	within(nil)
	searched(errors.New("instance 1.2.840.1 of Jane"))
	end(observe.Request{Operation: "similar", Collection: "c", Status: 500, Sent: 7, Key: "k1"})
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestRequestsAreTracedWithTheirStages(t *testing.T) {
	c := newReceiver(t)
	traced(t, observe.Options{Endpoint: c.URL, Ratio: 1}, "")
	byName := map[string]*traces.Span{}
	for _, s := range c.spans {
		byName[s.Name] = s
	}
	if len(byName) != 4 {
		t.Fatalf("spans: got %d, want similar, decode, search and index", len(byName))
	}
	parents := map[string]string{"decode": "similar", "search": "similar", "index": "search"}
	for child, parent := range parents {
		if !bytes.Equal(byName[child].ParentSpanId, byName[parent].SpanId) {
			t.Errorf("span %s: its parent is not %s", child, parent)
		}
	}
	for name, want := range map[string]traces.Status_StatusCode{"similar": traces.Status_STATUS_CODE_ERROR, "search": traces.Status_STATUS_CODE_ERROR, "decode": traces.Status_STATUS_CODE_UNSET} {
		if got := byName[name].GetStatus().GetCode(); got != want {
			t.Errorf("status of span %s: got %s, want %s", name, got, want)
		}
	}
	for _, secret := range []string{"1.2.840", "Jane"} {
		if bytes.Contains(c.raw, []byte(secret)) {
			t.Errorf("the spans name %s", secret)
		}
	}
	for _, known := range []string{"request-1", "k1", "nearcase.collection"} {
		if !bytes.Contains(c.raw, []byte(known)) {
			t.Errorf("the spans lack %s", known)
		}
	}
}

// W3C Trace Context: a sender's trace is continued, and it decides whether that is
// recorded.
func TestTheTraceOfTheSenderIsContinued(t *testing.T) {
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	c := newReceiver(t)
	traced(t, observe.Options{Endpoint: c.URL, Ratio: 0}, "00-"+trace+"-"+span+"-01")
	if len(c.spans) != 4 {
		t.Fatalf("spans of a trace that its sender records: got %d, want 4", len(c.spans))
	}
	for _, s := range c.spans {
		if hex.EncodeToString(s.TraceId) != trace || s.Name == "similar" && hex.EncodeToString(s.ParentSpanId) != span {
			t.Errorf("span %s: got trace %x below %x, want %s below %s", s.Name, s.TraceId, s.ParentSpanId, trace, span)
		}
	}
	c = newReceiver(t)
	traced(t, observe.Options{Endpoint: c.URL, Ratio: 1}, "00-"+trace+"-"+span+"-00")
	traced(t, observe.Options{Endpoint: c.URL, Ratio: 0}, "")
	if len(c.spans) != 0 {
		t.Errorf("spans of a trace that its sender does not record, or that the ratio leaves out: got %d, want none", len(c.spans))
	}
}

// A request of very many images does not make as many spans.
func TestSpansOfARequestAreBounded(t *testing.T) {
	c := newReceiver(t)
	r, err := observe.Open(observe.Options{Endpoint: c.URL, Ratio: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := r.Request(httptest.NewRequest(http.MethodPost, "/", nil), "id")
	for range 1000 {
		_, ended := r.Begin(ctx, "decode")
		ended(nil)
	}
	end(observe.Request{Operation: "ingest", Status: 200})
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.spans) != 257 {
		t.Errorf("spans of 1000 images: got %d, want 256 and the request's", len(c.spans))
	}
}

// A collector that is not there is told to the log once, and holds nobody up.
func TestACollectorThatIsNotThereIsNoError(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	var log bytes.Buffer
	traced(t, observe.Options{Endpoint: gone.URL, Ratio: 1, Logger: slog.New(slog.NewJSONHandler(&log, nil))}, "")
	if strings.Count(log.String(), "traces cannot be sent") != 1 {
		t.Errorf("log: got %s, want one line about the traces", log.String())
	}
}

func TestEndpointsThatAreNoneAreRefused(t *testing.T) {
	for _, endpoint := range []string{"localhost:4318", "grpc://x:1", "http://", "::", "http://who:secret@host"} {
		if r, err := observe.Open(observe.Options{Endpoint: endpoint}); err == nil {
			t.Errorf("Open with endpoint %q: got no error", endpoint)
			_ = r.Close(t.Context())
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("Open with endpoint %q: %v, which has the password", endpoint, err)
		}
	}
}
