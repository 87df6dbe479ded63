package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/api/problem"
)

// scripted is a server that answers each request by the next of some steps, and
// every later one by the last.
type scripted struct {
	mu    sync.Mutex
	steps []http.HandlerFunc
	keys  []string // Idempotency-Key of each request
	heads []http.Header
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	step := s.steps[min(len(s.keys), len(s.steps)-1)]
	s.keys, s.heads = append(s.keys, r.Header.Get("Idempotency-Key")), append(s.heads, r.Header.Clone())
	s.mu.Unlock()
	step(w, r)
}

func (s *scripted) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

func answers(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		if status == 200 {
			fmt.Fprint(w, `{"models":[],"collections":[],"labels":1}`)
		} else {
			fmt.Fprint(w, `{"code":"not_ready","title":"not ready","status":503}`)
		}
	}
}

// breaks cuts the connection, with the request read.
func breaks(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// script returns a client of a scripted server, and the waits that it would make.
func script(t *testing.T, o client.Options, steps ...http.HandlerFunc) (*client.Client, *scripted, *[]time.Duration) {
	t.Helper()
	s := &scripted{steps: steps}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	waits := &[]time.Duration{}
	c.Pausing(func(d time.Duration) { *waits = append(*waits, d) })
	return c, s, waits
}

func TestABusyServerIsAskedAgain(t *testing.T) {
	busy, refused := []string{"Retry-After", "2", "Content-Type", problem.MediaType}, []string{"Content-Type", problem.MediaType}
	for name, c := range map[string]struct {
		steps []http.HandlerFunc
		asked int
		least time.Duration // of every wait
		most  time.Duration
		fails bool
	}{
		"at first":             {[]http.HandlerFunc{answers(200)}, 1, 0, 0, false},
		"when it says when":    {[]http.HandlerFunc{answers(429, busy...), answers(503, busy...), answers(200)}, 3, 2 * time.Second, 3 * time.Second, false},
		"sooner, if it may be": {[]http.HandlerFunc{answers(429, refused...), answers(429, refused...), answers(200)}, 3, 1, 500 * time.Millisecond, false},
		"behind a proxy":       {[]http.HandlerFunc{answers(503, "Content-Type", "text/html"), answers(200)}, 2, 1, 250 * time.Millisecond, false},
		"until it is enough":   {[]http.HandlerFunc{answers(503, busy...)}, 5, 2 * time.Second, 5 * time.Second, true},
		"not for a day":        {[]http.HandlerFunc{answers(503, "Retry-After", "86400", "Content-Type", problem.MediaType)}, 1, 0, 0, true},
		"not where that does not help": {
			[]http.HandlerFunc{answers(503, refused...)}, 1, 0, 0, true},
		"not with another error": {[]http.HandlerFunc{answers(500, busy...)}, 1, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			asked, s, waits := script(t, client.Options{}, c.steps...)
			_, err := asked.Create(t.Context(), api.NewCollection{Name: "c"}) // which is not known to do the same twice
			if (err != nil) != c.fails || s.asked() != c.asked || len(*waits) != c.asked-1 {
				t.Fatalf("got %v after %d requests and %d waits, want %d requests", err, s.asked(), len(*waits), c.asked)
			}
			for _, w := range *waits {
				if w < c.least || w > c.most {
					t.Errorf("waits: got %v, want each from %v to %v", *waits, c.least, c.most)
				}
			}
		})
	}
}

func TestALostAnswerIsAskedForAgainWhereThatChangesNothing(t *testing.T) {
	ask := map[string]struct {
		ask   func(context.Context, *client.Client) error
		again bool
	}{
		"a list": {func(ctx context.Context, c *client.Client) error { _, err := c.Collections(ctx); return err }, true},
		"a query": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Similar(ctx, "c", api.Query{Instance: "i"})
			return err
		}, true},
		"labels": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Label(ctx, "c", []api.LabelRequest{{Instance: "i"}})
			return err
		}, true},
		"a new collection": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Create(ctx, api.NewCollection{Name: "c"})
			return err
		}, false},
	}
	for name, a := range ask {
		t.Run(name, func(t *testing.T) {
			c, s, _ := script(t, client.Options{}, answers(200), breaks, breaks, answers(200))
			if _, err := c.ListModels(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := a.ask(t.Context(), c)
			if want := map[bool]int{true: 4, false: 2}[a.again]; s.asked() != want || (err == nil) != a.again {
				t.Errorf("got %v after %d requests, want %d", err, s.asked(), want)
			}
			if name == "labels" && (len(s.keys[1]) < 20 || s.keys[1] != s.keys[2] || s.keys[2] != s.keys[3]) {
				t.Errorf("Idempotency-Key: got %q, want the same each time", s.keys)
			}
		})
	}
}

// What the server's audit log could not be told of may have been done.
func TestWhatMayBeDoneIsNotAskedForTwice(t *testing.T) {
	unrecorded := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", problem.MediaType)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(503)
		fmt.Fprint(w, `{"code":"audit_unavailable","title":"the audit log cannot be written","status":503}`)
	}
	c, s, _ := script(t, client.Options{}, unrecorded)
	if _, err := c.Create(t.Context(), api.NewCollection{Name: "c"}); err == nil || s.asked() != 1 {
		t.Errorf("a new collection: got %v after %d requests, want an error after one", err, s.asked())
	}
	c, s, _ = script(t, client.Options{}, unrecorded, answers(200))
	if _, err := c.Label(t.Context(), "c", []api.LabelRequest{{Instance: "i"}}); err != nil || s.asked() != 2 {
		t.Errorf("labels, which count once: got %v after %d requests, want two", err, s.asked())
	}
}

func TestRetriesCanBeDeclined(t *testing.T) {
	c, s, _ := script(t, client.Options{Retries: -1}, answers(429))
	if _, err := c.Collections(t.Context()); err == nil || s.asked() != 1 {
		t.Errorf("got %v after %d requests, want an error after one", err, s.asked())
	}
}

func TestAnEndedContextEndsTheRetries(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, s, _ := script(t, client.Options{}, func(w http.ResponseWriter, r *http.Request) { cancel(); answers(429)(w, r) })
	if _, err := c.Collections(ctx); err == nil || s.asked() != 1 {
		t.Errorf("got %v after %d requests, want an error after one", err, s.asked())
	}
}

func TestAClientSaysWhoItIs(t *testing.T) {
	c, s, _ := script(t, client.Options{Key: "secret", UserAgent: "importer/2"}, answers(200))
	if _, err := c.Collections(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h := s.heads[0]; h.Get("Authorization") != "Bearer secret" || h.Get("User-Agent") != "importer/2" {
		t.Errorf("headers: got %v, want the key and the agent", h)
	}
}

func TestAnAnswerThatDoesNotBeginIsGivenUp(t *testing.T) {
	wait := make(chan struct{})
	defer close(wait)
	c, _, _ := script(t, client.Options{Timeout: 20 * time.Millisecond, Retries: -1}, func(http.ResponseWriter, *http.Request) { <-wait })
	if _, err := c.Collections(t.Context()); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestATLSServerIsTrustedByItsAuthority(t *testing.T) {
	server := httptest.NewUnstartedServer(answers(200))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that trust it not
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	for _, o := range []client.Options{{TLS: &tls.Config{RootCAs: pool}}, {}} {
		c, err := client.New(server.URL, o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Collections(t.Context())
		if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown != (o.TLS == nil) || (err == nil) != (o.TLS != nil) {
			t.Errorf("with TLS %v: got %v", o.TLS != nil, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnotherServersAnswerNamesItsRequest(t *testing.T) {
	c, _, _ := script(t, client.Options{}, answers(502, "X-Request-Id", "r-1", "Content-Type", "text/html"))
	if _, err := c.Collections(t.Context()); !errors.Is(err, client.ErrAnswer) || !strings.Contains(err.Error(), "r-1") {
		t.Errorf("got %v, want ErrAnswer with the request", err)
	}
}

// Waits are drawn: those who were refused together do not come back together.
func TestWaitsDiffer(t *testing.T) {
	var all []time.Duration
	for range 10 {
		c, _, waits := script(t, client.Options{}, answers(429))
		if _, err := c.Collections(t.Context()); err == nil {
			t.Fatal("got no error of 429")
		}
		all = append(all, *waits...)
	}
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n < len(all)/2 || all[len(all)-1] > 2*time.Second {
		t.Errorf("waits: got %v, want many of up to 2 s", all)
	}
}
