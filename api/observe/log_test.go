package observe_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"nearcase/api/observe"
)

// What is logged with the context of a request has its ID, once.
func TestLogLinesCarryTheRequest(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(observe.Handler(slog.NewJSONHandler(&b, nil))).With("part", "store")
	ctx, end := open(t, observe.Options{}).Request(httptest.NewRequest(http.MethodGet, "/", nil), "abc")
	defer end(observe.Request{})
	log.WarnContext(ctx, "first")
	log.InfoContext(ctx, "second", "request", "abc")
	log.Info("third")
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for i, want := range []int{1, 1, 0} {
		if got := strings.Count(lines[i], `"request":"abc"`); got != want || !strings.Contains(lines[i], `"part":"store"`) {
			t.Errorf("line %d: got %s, want the request %d times", i+1, lines[i], want)
		}
	}
}
