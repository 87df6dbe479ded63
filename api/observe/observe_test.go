package observe_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nearcase/api/observe"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// open opens a recorder that is closed with the test.
func open(t testing.TB, o observe.Options) *observe.Recorder {
	t.Helper()
	r, err := observe.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// scrape returns what Prometheus reads.
func scrape(t testing.TB, r *observe.Recorder) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET /metrics: got %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// want fails for each line that the text lacks.
func want(t testing.TB, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(text, l) {
			t.Errorf("metrics lack %q", l)
		}
	}
}

func TestRequestsAreCountedByOperationAndStatus(t *testing.T) {
	r := open(t, observe.Options{Version: "1.2", Commit: "abc", Go: "go1"})
	for _, e := range []observe.Request{
		{Operation: "similar", Collection: "c", Status: 200, Took: 3 * time.Millisecond, Received: 10, Sent: 100},
		{Operation: "similar", Collection: "c", Status: 422, Took: time.Millisecond, Received: -1, Sent: 5},
		{Status: 404},
	} {
		_, end := r.Request(httptest.NewRequest(http.MethodPost, "/v1/collections/c/instances/1.2.840.1/similar", nil), "id")
		want(t, scrape(t, r), "nearcase_http_requests_in_flight 1\n")
		end(e)
	}
	text := scrape(t, r)
	want(t, text, `nearcase_build_info{commit="abc",go="go1",version="1.2"} 1`,
		`nearcase_http_request_duration_seconds_count{operation="similar",status="200"} 1`,
		`nearcase_http_request_duration_seconds_bucket{operation="similar",status="200",le="0.005"} 1`,
		`nearcase_http_request_duration_seconds_count{operation="similar",status="422"} 1`,
		`nearcase_http_request_duration_seconds_count{operation="none",status="404"} 1`,
		`nearcase_http_request_bytes_total{operation="similar"} 10`, `nearcase_http_response_bytes_total{operation="similar"} 105`,
		"nearcase_http_requests_in_flight 0\n", "go_goroutines ", "process_resident_memory_bytes ")
	if strings.Contains(text, "1.2.840") {
		t.Error("metrics name an instance")
	}
}

func TestStagesAreTimedAndTheirFailuresCounted(t *testing.T) {
	r := open(t, observe.Options{})
	for _, err := range []error{nil, io.ErrUnexpectedEOF, context.Canceled, errors.New("instance 1.2.840.1")} {
		_, end := r.Begin(t.Context(), "decode")
		end(err)
	}
	text := scrape(t, r)
	want(t, text, `nearcase_stage_duration_seconds_count{stage="decode"} 4`, `nearcase_stage_failures_total{stage="decode"} 2`)
	if strings.Contains(text, "1.2.840") {
		t.Error("metrics name an instance")
	}
}
