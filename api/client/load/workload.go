package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// workload is what the clients do together.
type workload struct {
	options
	http *http.Client

	mu    sync.Mutex
	tally map[string]*tally
	first error // that was not expected
}

// tally is what became of the requests of one kind.
type tally struct {
	took            []time.Duration // of those that succeeded
	refused, failed int
}

func newWorkload(o options) *workload {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = o.clients, o.clients
	w := &workload{options: o, http: &http.Client{Transport: transport, Timeout: 2 * time.Minute}, tally: map[string]*tally{}}
	for _, a := range w.actions() {
		w.tally[a.name] = &tally{}
	}
	return w
}

// action is one kind of request, which is drawn as often as its weight says.
type action struct {
	name    string
	weight  int
	request func(w *workload, r *rand.Rand) request
}

// request is a body to post to the collection, unless by another method.
type request struct{ path, mediaType, body, method string }

func (w *workload) actions() []action {
	if w.soak.admin != "" {
		return soaking()
	}
	return []action{
		{"ingest", 15, ingest},
		{"similar", 35, similar},
		{"classify", 35, classify},
		{"labels", 15, labels},
	}
}

func (w *workload) draw(r *rand.Rand) action {
	n := r.IntN(100)
	for _, a := range w.actions() {
		if n -= a.weight; n < 0 {
			return a
		}
	}
	return w.actions()[0]
}

var classes = []string{"dark", "light"}

// ingest replaces an image by another.
func ingest(w *workload, r *rand.Rand) request {
	n := r.IntN(w.images)
	return request{path: "/instances?replace=true", mediaType: "application/x-ndjson", body: w.line(r, n)}
}

// line is an image with what is known of it.
func (w *workload) line(r *rand.Rand, n int) string {
	text, _ := json.Marshal(map[string]any{ // such values can be encoded
		"id": fmt.Sprint("i", n), "patient": fmt.Sprint("p", n/2), "image": bitmap(r, n),
		"labels": map[string][]string{"finding": {classes[n%2]}},
	})
	return string(text) + "\n"
}

func similar(w *workload, r *rand.Rand) request {
	if r.IntN(2) == 0 {
		return request{path: "/similar", mediaType: "application/json", body: fmt.Sprintf(`{"instance":"i%d","k":10}`, r.IntN(w.images))}
	}
	return request{path: "/similar", mediaType: "image/bmp", body: string(bitmap(r, r.IntN(2)))}
}

func classify(w *workload, r *rand.Rand) request {
	if r.IntN(2) == 0 {
		return request{path: "/classify", mediaType: "application/json", body: fmt.Sprintf(`{"instance":"i%d"}`, r.IntN(w.images))}
	}
	return request{path: "/classify", mediaType: "image/bmp", body: string(bitmap(r, r.IntN(2)))}
}

// labels gives an image the label of its kind, or withdraws it for a while.
func labels(w *workload, r *rand.Rand) request {
	n := r.IntN(w.images)
	return request{path: "/labels", mediaType: "application/json", body: fmt.Sprintf(`{"labels":[{"instance":"i%d","task":"finding","classes":[%q],"reader":"r%d"}]}`,
		n, classes[(n+r.IntN(10)/9)%2], r.IntN(3))}
}

// bitmap is a BMP file of 128 × 128 grey pixels at random, light for odd n.
func bitmap(r *rand.Rand, n int) []byte {
	const side, header = 128, 14 + 40 + 4*256
	b := make([]byte, header, header+side*side)
	copy(b, "BM")
	for at, v := range map[int]uint32{2: header + side*side, 10: header, 14: 40, 18: side, 22: side, 26: 1 | 8<<16, 34: side * side, 46: 256} {
		binary.LittleEndian.PutUint32(b[at:], v)
	}
	for i := range 256 {
		g := byte(i)
		copy(b[54+4*i:], []byte{g, g, g, 0})
	}
	base, period := byte(100*(n%2)), 1+r.IntN(30)
	for i := range side * side {
		b = append(b, base+byte(i%side/period*8%64)+byte(r.Uint32()&63))
	}
	return b
}

// prepare makes the collection anew and fills it.
func (w *workload) prepare(ctx context.Context) error {
	path := "/v1/collections/" + w.collection
	_, _ = w.send(ctx, http.MethodDelete, path+"?confirm="+w.collection, "", "") // there may be none
	made := fmt.Sprintf(`{"name":%q,"model":%q,"tasks":[{"name":"finding","classes":["dark","light"]}]}`, w.collection, w.model)
	if _, err := w.send(ctx, http.MethodPost, "/v1/collections", "application/json", made); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, 1))
	for from := 0; from < w.images; from += 100 {
		var lines bytes.Buffer
		for n := from; n < min(from+100, w.images); n++ {
			lines.WriteString(w.line(r, n))
		}
		if _, err := w.send(ctx, http.MethodPost, path+"/instances", "application/x-ndjson", lines.String()); err != nil {
			return err
		}
	}
	return nil
}

var (
	// errBusy is a server that says when to come back.
	errBusy = errors.New("busy")
	// errGone is an image that was deleted before, in a soak.
	errGone = errors.New("gone")
)

// send posts a request and reads its answer. It returns how long a server that is
// busy wants to be left alone.
func (w *workload) send(ctx context.Context, method, path, mediaType, body string) (time.Duration, error) {
	_, wait, err := w.answer(ctx, method, path, mediaType, body)
	return wait, err
}

// answer is send for who wants the answer.
func (w *workload) answer(ctx context.Context, method, path, mediaType, body string) (text []byte, wait time.Duration, err error) {
	h, err := http.NewRequestWithContext(ctx, method, w.server+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, 0, err
	}
	if mediaType != "" {
		h.Header.Set("Content-Type", mediaType)
	}
	if w.key != "" {
		h.Header.Set("Authorization", "Bearer "+w.key)
	}
	answer, err := w.http.Do(h)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	if text, err = io.ReadAll(answer.Body); err != nil {
		return nil, 0, err
	}
	busy := answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusServiceUnavailable
	switch {
	case busy && answer.Header.Get("Retry-After") != "":
		wait, _ := time.ParseDuration(answer.Header.Get("Retry-After") + "s")
		return nil, wait, errBusy
	case w.soak.admin != "" && bytes.Contains(text, []byte(`"instance_not_found"`)):
		return nil, 0, errGone
	case answer.StatusCode >= 300:
		return nil, 0, fmt.Errorf("%s %s: %s: %.300s", method, path, answer.Status, text)
	}
	return text, 0, nil
}

// work lets all clients ask until the time is over.
func (w *workload) work(ctx context.Context, d time.Duration) {
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	var group sync.WaitGroup
	for n := range w.clients {
		group.Go(func() {
			r := rand.New(rand.NewPCG(2, uint64(n)))
			for ctx.Err() == nil {
				w.ask(ctx, r)
			}
		})
	}
	group.Wait()
}

// ask sends one request and counts what became of it. One that the end of the time
// has cut off counts for nothing.
func (w *workload) ask(ctx context.Context, r *rand.Rand) {
	a := w.draw(r)
	q := a.request(w, r)
	began := time.Now()
	wait, err := w.send(ctx, cmp.Or(q.method, http.MethodPost), "/v1/collections/"+w.collection+q.path, q.mediaType, q.body)
	took := time.Since(began)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	t := w.tally[a.name]
	switch {
	case err == nil:
		t.took = append(t.took, took)
	case errors.Is(err, errBusy), errors.Is(err, errGone):
		t.refused++
	default:
		t.failed++
		if w.first == nil {
			w.first = fmt.Errorf("%s: %w", a.name, err)
		}
	}
	w.mu.Unlock()
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

func (w *workload) print(out io.Writer, d time.Duration) {
	fmt.Fprintf(out, "%d clients for %s\n\n", w.clients, d)
	fmt.Fprintln(out, "| operation | requests/s | p50, ms | p95, ms | p99, ms | refused with Retry-After, or of what is gone | errors |")
	fmt.Fprintln(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, a := range w.actions() {
		t := w.tally[a.name]
		slices.Sort(t.took)
		fmt.Fprintf(out, "| %s | %.1f | %s | %s | %s | %d | %d |\n", a.name, float64(len(t.took))/d.Seconds(),
			t.percentile(50), t.percentile(95), t.percentile(99), t.refused, t.failed)
	}
}

// percentile is one of the times in milliseconds, which are sorted.
func (t *tally) percentile(p int) string {
	if len(t.took) == 0 {
		return "–"
	}
	at := min(len(t.took)*p/100, len(t.took)-1)
	return fmt.Sprintf("%.1f", float64(t.took[at].Microseconds())/1000)
}

// verdict is the first error that was not expected.
func (w *workload) verdict() error {
	asked := 0
	for _, t := range w.tally {
		asked += len(t.took)
	}
	if w.first != nil {
		return w.first
	}
	if asked == 0 {
		return errors.New("nothing was answered")
	}
	return nil
}
