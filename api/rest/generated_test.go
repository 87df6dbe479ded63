package rest_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearcase/api/apitest"
	"nearcase/api/rest"
)

var (
	requests = flag.Int("rest.requests", 3000, "how many generated requests TestGeneratedRequests sends")
	seed     = flag.Uint64("rest.seed", 1, "what TestGeneratedRequests makes requests of")
)

const (
	// age is how many requests there are until all collections are made anew, so
	// that what is stored stays small.
	age = 500
	// patience is how long an answer may take: none waits longer than 10 s for
	// something to happen, and jobs share the processor.
	patience = 60 * time.Second
)

// Whatever is sent, the answer is one that the contract has, comes in time, and is
// no failure of the server; and what was asked leaves no memory behind.
// -rest.requests=100000 sends as many, and -rest.seed others.
func TestGeneratedRequests(t *testing.T) {
	s := newGenerating(t)
	for first := 0; first < *requests; first += age {
		s.send(first, min(age, *requests-first))
		if len(s.failed) > 20 {
			break
		}
		s.renew()
		if first >= *requests/10 && s.before == 0 {
			s.before = heap()
		}
	}
	s.report()
}

// heap is how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// generating sends generated requests to a world, and counts what it gets.
type generating struct {
	*world
	key    string
	own    string       // the key's ID
	bare   *http.Client // which adds no key
	made   generator
	errors *failures
	before uint64 // bytes in use early on
	begun  time.Time

	mu      sync.Mutex
	status  map[int]int
	done    map[string]int // answers of 2xx by operation
	failed  map[string]int
	slowest map[string]time.Duration
}

func newGenerating(t *testing.T) *generating {
	s := &generating{errors: &failures{}, begun: time.Now(), status: map[int]int{}, done: map[string]int{}, failed: map[string]int{}, slowest: map[string]time.Duration{}}
	logger := slog.New(slog.NewJSONHandler(s.errors, &slog.HandlerOptions{Level: slog.LevelError}))
	s.world, s.own = keyed(t, rest.Options{MaxBody: 200_000, MaxImageBytes: 20_000, MaxFiles: 30, Logger: logger})
	with := s.http.Transport.(bearer)
	s.bare, s.key = &http.Client{Transport: with.RoundTripper}, with.key
	s.made = generator{operations: askings(document(t)), files: s.pictures(), known: s.names()}
	s.fillAgain()
	return s
}

// names are values that mean something in the world.
func (s *generating) names() map[string][]any {
	ids := []any{"i0", "i1", "i2", "i3", "i7", "1.2.1.1.1.1", "nobody"}
	known := map[string][]any{
		"collection": {"cases", "cases", "cases", "cases", "small", "none"}, "confirm": {"small", "none"}, "id": ids, "instance": ids, "instances": ids,
		"task": {"finding", "finding", "marks", "age"}, "tasks": {"finding", "marks"}, "labelled": {"finding", "marks"}, "classes": {"dark", "light", "a", "b"},
		"model": {"quadrants", "quadrants", "corners", "none"}, "name": {"small", "made", "odd name"}, "wait": {"0s", "1ms", "5ms"}, "rounds": {0, 100}, "folds": {0, 2, 3},
		"study": {"1.2.1.1", "1.2.1.2", "1.2.9"}, "series": {"1.2.1.1.1", "1.2.9.9"}, "frames": {"1", "1,2", "0"}, "patient": {"p0", "p1", "nobody"},
		"field": {"Modality", "PatientSex", "Rows"}, "fingerprint": {""}, "keys": {"finding", "marks", "dark", "light", "a", "Modality", "x"}, "method": {"votes", "ridge"}, "methods": {"votes", "ridge"},
	}
	for _, name := range []string{"ImageLine", "LabelRequest", "Query"} {
		if ref := document(s.t).Components.Schemas[name]; ref != nil {
			known["line"] = append(known["line"], ref)
		}
	}
	return known
}

// pictures are files that may be sent, good and bad.
func (s *generating) pictures() (files [][]byte) {
	for n := range 4 {
		files = append(files, picture(s.t, uint64(100+n)), apitest.DICOM(s.t, of(1, 1, n, "CT"), 10, byte(n)))
	}
	zip := apitest.Zip(s.t, map[string][]byte{"a.png": picture(s.t, 107), "b.dcm": files[1]}, "a.png", "b.dcm")
	bad := apitest.Bad(s.t)
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		if len(bad[name]) < 20_000 {
			files = append(files, bad[name])
		}
	}
	return append(files, zip, zip[:len(zip)/2], nil, []byte("no image"), []byte("{}"))
}

// fillAgain makes the collections that requests are about.
func (s *generating) fillAgain() {
	t := s.t
	t.Helper()
	s.fill(12)
	s.world.send(http.MethodPost, at+"/instances", "application/dicom", string(apitest.DICOM(t, of(1, 1, 1, "CT"), 10))).want(200)
	s.json(http.MethodPost, "/v1/collections", `{"name":"small","model":"quadrants"}`).want(201)
	s.json(http.MethodPost, at+"/reembedding", `{"model":"corners","leave_out":true}`).want(202)
	s.learn()
}

// learn finds out the IDs of what requests have made: jobs, keys and the like.
func (s *generating) learn() {
	const instances = "/v1/collections/{collection}/dicomweb/studies/"
	s.made.known[instances] = []any{"1.2.1.1", "1.2.1.1", "1.2.9"}
	s.made.known[instances+"{study}/series/"] = []any{"1.2.1.1.1", "1.2.1.1.1", "1.2.9"}
	s.made.known[instances+"{study}/series/{series}/instances/"] = []any{"1.2.1.1.1.1", "1.2.1.1.1.1", "1.2.9"}
	for _, o := range s.made.operations {
		list, rest, _ := strings.Cut(o.path, "{")
		if o.method != http.MethodGet || rest != "" || !strings.HasPrefix(list, "/v1/") || list == "/v1/collections" {
			continue
		}
		s.made.known[list+"/"] = nil
		for _, found := range regexp.MustCompile(`"(?:id|receipt)":"([^"]+)"`).FindAllSubmatch(s.get(list).body, 20) {
			if id := string(found[1]); id != s.own {
				s.made.known[list+"/"] = append(s.made.known[list+"/"], id)
			}
		}
	}
}

// renew drops all collections and fills again.
func (s *generating) renew() {
	s.t.Helper()
	all, err := s.service.Collections(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range all {
		if err := s.service.Drop(s.t.Context(), c.Name); err != nil {
			s.t.Fatal(err)
		}
	}
	s.fillAgain()
}

// send sends n requests from number first on, a few at a time. Each is made of the
// seed and its number alone.
func (s *generating) send(first, n int) {
	var workers sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				g := s.made
				g.Rand = rand.New(rand.NewPCG(*seed, uint64(first+i)))
				s.one(first+i, &g)
			}
		})
	}
	workers.Wait()
	if text := s.errors.String(); text != "" && s.failed["log"] == 0 {
		s.failed["log"]++
		s.t.Errorf("log: got %.4000s, want no failure of the server", text)
	}
}

// one makes, sends and judges a request.
func (s *generating) one(number int, g *generator) {
	r := g.next()
	if !g.chance(3) {
		r.header["Authorization"] = []string{"Bearer " + s.key}
	}
	started := time.Now()
	a, err := s.answered(r)
	took := time.Since(started)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if s.failed[r.operation]++; s.failed[r.operation] == 1 { // the first of each operation tells
			s.t.Errorf("request %d of seed %d: %v\n%s", number, *seed, err, r)
		}
		return
	}
	s.status[a.status]++
	s.slowest[r.operation] = max(s.slowest[r.operation], took)
	if a.status/100 == 2 {
		s.done[r.operation]++
	}
}

// answered returns the answer to a request, and an error if it is not one that may
// be.
func (s *generating) answered(r request) (a answer, err error) {
	within := patience
	if r.follows() {
		within = time.Second / 4
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	sent, err := http.NewRequestWithContext(ctx, r.method, s.url+r.url, bytes.NewReader(r.body))
	if err != nil {
		return a, err
	}
	maps.Copy(sent.Header, r.header)
	response, err := s.bare.Do(sent)
	if r.follows() && errors.Is(err, context.DeadlineExceeded) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	a = answer{s.t, r.method + " " + r.url, response.StatusCode, response.Header, body}
	switch {
	case r.follows() && errors.Is(err, context.DeadlineExceeded):
		return a, nil
	case err != nil:
		return a, err
	case a.status == http.StatusInsufficientStorage && bytes.Contains(body, []byte(`"code":"collection_full"`)): // a quota that was set
	case a.status >= 500 && a.status != http.StatusServiceUnavailable:
		return a, fmt.Errorf("got %d %.500s", a.status, body)
	case r.method == http.MethodHead || r.method == http.MethodOptions:
		return a, nil // of which the contract says nothing
	}
	if err := a.departs(rest.Asked(r.method, sent.URL)); err != nil {
		return a, fmt.Errorf("got %d %.1000s, which departs from the contract: %w", a.status, body, err)
	}
	return a, nil
}

// report tells what was got, and fails if memory has grown.
func (s *generating) report() {
	after, sum := heap(), 0
	for _, n := range s.status {
		sum += n
	}
	var never []string
	for _, o := range s.made.operations {
		if s.done[o.OperationID] == 0 {
			never = append(never, o.OperationID)
		}
	}
	s.t.Logf("%d requests of seed %d to %d operations in %s: by status %v; %.1f MB in use after a tenth and %.1f MB at the end; never done: %s",
		sum, *seed, len(s.made.operations), time.Since(s.begun).Round(time.Second), s.status, float64(s.before)/1e6, float64(after)/1e6, strings.Join(never, " "))
	if sum >= 50_000 && after > s.before+s.before/4+8<<20 {
		s.t.Errorf("memory: got %d bytes in use at the end after %d early on, want about as many", after, s.before)
	}
}

// failures keeps the beginning of what the server logs of its failures.
type failures struct{ apitest.Journal }

// Write implements io.Writer.
func (f *failures) Write(p []byte) (int, error) {
	if len(f.String()) > 64<<10 {
		return len(p), nil
	}
	return f.Journal.Write(p)
}
