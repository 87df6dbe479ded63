package rest_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
)

// early is a server on a real listener that has no service yet.
func early(t *testing.T, o rest.Options) *world {
	t.Helper()
	w := &world{t: t, log: &apitest.Journal{}, served: make(chan error, 1), http: &http.Client{Transport: &http.Transport{}}}
	o.Logger = slog.New(slog.NewJSONHandler(w.log, nil))
	w.server = rest.New(nil, o)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.served <- w.server.Serve(ctx, listener); close(w.served) }()
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		stop()
		for err := range w.served {
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		}
	})
	return w
}

// While the data directory is being opened the server tells that it lives and is
// not ready, and turns away the rest; then it answers all of it.
func TestAServerAnswersForItsHealthBeforeItIsOpen(t *testing.T) {
	w := early(t, rest.Options{Version: map[string]string{"version": "1"}})
	w.get("/livez").want(200)
	w.get("/version").want(200)
	p := w.get("/readyz").problem(503, "not_ready")
	if len(p.Errors) != 1 || p.Errors[0].Name != "catalog" || p.Errors[0].Status != "loading" {
		t.Errorf("/readyz: got %+v, want the check catalog loading", p)
	}
	for _, path := range []string{"/", "/v1/collections", "/v1/collections/cases/instances", "/nowhere", "/readyz/x"} {
		a := w.get(path)
		a.problem(503, "not_ready")
		if a.header.Get("Retry-After") == "" || a.header.Get("X-Request-Id") == "" {
			t.Errorf("GET %s: got headers %v, want Retry-After and X-Request-Id", path, a.header)
		}
	}
	w.json(http.MethodPost, "/v1/collections", `{"name":"cases","model":"quadrants"}`).problem(503, "not_ready")

	service, _ := newService(t, t.TempDir(), api.Options{})
	if err := w.server.Open(service, nil, nil); err != nil {
		t.Fatal(err)
	}
	w.get("/readyz").want(200)
	w.json(http.MethodPost, "/v1/collections", `{"name":"cases","model":"quadrants"}`).want(201)
	w.get("/nowhere").problem(404, "route_not_found")
}

func TestAServerTellsWhatItLoads(t *testing.T) {
	what := ""
	w := early(t, rest.Options{Loading: func() string { return what }})
	for told, want := range map[string]string{"": "loading", "collection cxr, 40,000 of 100,000 entries": "loading: collection cxr, 40,000 of 100,000 entries"} {
		what = told
		if p := w.get("/readyz").problem(503, "not_ready"); p.Detail != "catalog: "+want || p.Errors[0].Status != want {
			t.Errorf("/readyz: got %+v, want the catalog %q", p, want)
		}
		w.get("/livez").want(200)
	}
}

func TestAServerThatIsNotOpenYetHasOneName(t *testing.T) {
	w := early(t, rest.Options{})
	r, err := http.NewRequest(http.MethodGet, w.url+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	w.do(r).problem(421, "host_not_allowed")
}

// A server that others can reach and that has no keys is refused when it is opened,
// and has answered nothing before.
func TestAnExposedServerWithoutKeysIsNotOpened(t *testing.T) {
	server := rest.New(nil, rest.Options{})
	l := widened{newListener(t)}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	response, err := http.Get("http://" + l.Listener.Addr().String() + "/livez")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET /livez: got %v, %v, want 200", response, err)
	}
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	service, _ := newService(t, t.TempDir(), api.Options{})
	if err := server.Open(service, nil, nil); !errors.Is(err, rest.ErrExposed) {
		t.Errorf("Open of a server that listens on all addresses: got %v, want ErrExposed", err)
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("Serve: got %v", err)
	}
}

// widened is a listener that says that others can reach it.
type widened struct{ net.Listener }

func (widened) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 80} }

func newListener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// What the server rests on is named by /readyz, and only what fails makes it 503.
func TestReadinessNamesEveryCheck(t *testing.T) {
	checks := []rest.Check{{Name: "disk", State: "degraded: 1 KiB is free"}, {Name: "models", State: "ok"}}
	w := open(t, api.Options{}, rest.Options{Checks: func(context.Context) []rest.Check { return checks }})
	got := decoded[struct {
		Status string
		Checks map[string]string
	}](w.get("/readyz").want(200)).Checks
	if got["disk"] != "degraded: 1 KiB is free" || got["catalog"] != "ok" || got["serving"] != "ok" || got["models"] != "ok" {
		t.Errorf("/readyz: got %v, want all checks", got)
	}
	checks = []rest.Check{{Name: "models", State: "loading", Fails: true}}
	if p := w.get("/readyz").problem(503, "not_ready"); p.Detail != "models: loading" || len(p.Errors) != 1 || p.Errors[0].Name != "models" {
		t.Errorf("/readyz: got %+v, want the check models loading", p)
	}
}

// A request is observed with its operation, its collection if there is one, and its
// bytes; the same is in the log, and nothing of what the path names.
func TestRequestsAreObservedAndLogged(t *testing.T) {
	var seen []rest.Ended
	w := open(t, api.Options{}, rest.Options{Observe: func(r *http.Request, id string) (context.Context, func(rest.Ended)) {
		return r.Context(), func(e rest.Ended) { seen = append(seen, e) }
	}})
	w.fill(2)
	seen = nil
	w.get(at + "/instances/i1").want(200)
	w.get("/v1/collections/JaneDoe/instances/1.2.840.7").want(404)
	w.get("/nowhere/1.2.840.7").want(404)
	w.stop()
	for range w.served { // all are logged then
	}
	for i, want := range []rest.Ended{{Operation: "describeInstance", Collection: "cases", Status: 200}, {Operation: "describeInstance", Status: 404}, {Status: 404}} {
		got := seen[i]
		if got.Operation != want.Operation || got.Collection != want.Collection || got.Status != want.Status || got.Took <= 0 || got.Sent <= 0 {
			t.Errorf("request %d: observed %+v, want %+v", i+1, got, want)
		}
	}
	log := w.log.String()
	for _, secret := range []string{"JaneDoe", "1.2.840.7", `i1"`} {
		if strings.Contains(log, secret) {
			t.Errorf("the log names %s: %s", secret, log)
		}
	}
	for _, known := range []string{`"operation":"describeInstance"`, `"collection":"cases"`, `"bytes":`, `"received":`, `"key":""`, `"request":"`} {
		if !strings.Contains(log, known) {
			t.Errorf("the log lacks %s: %s", known, log)
		}
	}
}

// asked asks an address that the contract is not of, under a name.
func asked(t *testing.T, url, host string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

// The admin listener has metrics, profiles and health, for this machine by its own
// names; the API's own address has metrics only where it is told to.
func TestTheAdminListenerAnswersThoseWhoOperate(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "nearcase_x 1\n")
	})
	w := open(t, api.Options{}, rest.Options{})
	listener := newListener(t)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- w.server.ServeAdmin(ctx, listener, metrics) }()
	admin := "http://" + listener.Addr().String()
	for path, want := range map[string]string{
		"/metrics": "nearcase_x 1", "/livez": "live", "/readyz": "ready", "/version": "", "/debug/pprof/": "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/cmdline": "rest",
	} {
		if status, body := asked(t, admin+path, "localhost"); status != 200 || !strings.Contains(body, want) {
			t.Errorf("GET %s: got %d %.200s, want 200 and %q in it", path, status, body, want)
		}
	}
	if status, _ := asked(t, admin+"/v1/collections", "localhost"); status != 404 {
		t.Errorf("the API on the admin listener: got %d, want 404", status)
	}
	if status, _ := asked(t, admin+"/metrics", "evil.example"); status != 421 {
		t.Errorf("the admin listener under another name: got %d, want 421", status)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-served; err != nil {
		t.Errorf("ServeAdmin: got %v, want none at the end of its context", err)
	}
	w.get("/metrics").problem(404, "route_not_found")
	if a := open(t, api.Options{}, rest.Options{Metrics: metrics}).get("/metrics"); a.status != 200 || string(a.body) != "nearcase_x 1\n" {
		t.Errorf("GET /metrics where the API has them: got %d %s, want 200 and the metrics", a.status, a.body)
	}
}

func TestTheAdminListenerIsOfTheLoopback(t *testing.T) {
	service, _ := newService(t, t.TempDir(), api.Options{})
	l := &wide{}
	err := rest.New(service, rest.Options{}).ServeAdmin(t.Context(), l, http.NotFoundHandler())
	if !errors.Is(err, rest.ErrExposed) || !l.closed {
		t.Errorf("ServeAdmin beyond loopback: got %v, closed %v, want ErrExposed and the listener closed", err, l.closed)
	}
}
