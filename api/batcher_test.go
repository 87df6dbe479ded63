package api_test

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store/local"
)

// gate is the small network, held up until it is opened. It counts its calls and
// gives no vector for a picture of a shade that is poison.
type gate struct {
	means
	open   chan struct{}
	calls  atomic.Int64
	most   atomic.Int64
	poison float32
}

func (g *gate) Run(ctx context.Context, batch []float32, n int) ([]float32, []int, error) {
	g.calls.Add(1)
	for old := g.most.Load(); int64(n) > old && !g.most.CompareAndSwap(old, int64(n)); old = g.most.Load() {
	}
	<-g.open
	out, shape, err := g.means.Run(ctx, batch, n)
	for i := range n {
		if out[4*i] == g.poison {
			clear(out[4*i : 4*i+4])
		}
	}
	return out, shape, err
}

// gated is a service on a gate, with a collection "c".
func gated(t *testing.T, g *gate, workers int) *api.Service {
	t.Helper()
	catalog, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Options{Catalog: catalog, Workers: workers, Batch: 8, OpenModel: func(string) (*embed.Model, error) {
		return embed.NewModel(small, fmt.Sprintf("%064x", 4), g)
	}})
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "c", Model: "means"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(t *testing.T, s *api.Service, n int) error {
	_, err := s.Similar(t.Context(), "c", api.Query{Image: shade(t, n)})
	return err
}

// Callers that come while the network is busy go through it together, and each
// gets its own answer: the image that gives no vector fails alone.
func TestConcurrentQueriesShareRuns(t *testing.T) {
	g := &gate{open: make(chan struct{}), poison: 7. / 255}
	s := gated(t, g, 1)
	var group sync.WaitGroup
	errs := make([]error, 17)
	for n := range errs {
		group.Go(func() { errs[n] = ask(t, s, n) })
	}
	close(g.open)
	group.Wait()
	for n, err := range errs {
		if want := n == 7; errors.Is(err, embed.ErrNotVector) != want || (err != nil) != want {
			t.Errorf("Similar(shade %d): got error %v, want one: %v", n, err, want)
		}
	}
	if most := g.most.Load(); most > 8 {
		t.Errorf("a run of %d pictures, want at most 8", most)
	}
}

// With the one worker held up in a run, everything that comes meanwhile waits for
// it and then goes together: far fewer runs than callers.
func TestAQueueIsRunAsBatches(t *testing.T) {
	g := &gate{open: make(chan struct{}), poison: -1}
	s := gated(t, g, 1)
	var group sync.WaitGroup
	group.Go(func() { _ = ask(t, s, 100) })
	for g.calls.Load() == 0 { // the first is in the network
	}
	for n := range 16 {
		group.Go(func() {
			if err := ask(t, s, n); err != nil {
				t.Error(err)
			}
		})
	}
	close(g.open)
	group.Wait()
	if calls := g.calls.Load(); calls > 17 {
		t.Errorf("17 callers took %d runs", calls)
	}
}

// A caller who gives up gets its context's error at once and takes nobody along.
func TestACallerWhoLeavesTakesNobodyAlong(t *testing.T) {
	g := &gate{open: make(chan struct{}), poison: -1}
	s := gated(t, g, 1)
	ctx, cancel := context.WithCancel(t.Context())
	left, stayed := make(chan error, 1), make(chan error, 1)
	first := shade(t, 1)
	go func() {
		_, err := s.Similar(ctx, "c", api.Query{Image: first})
		left <- err
	}()
	for g.calls.Load() == 0 {
	}
	go func() { stayed <- ask(t, s, 2) }()
	cancel()
	close(g.open)
	if err := <-left; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("who left: got %v", err)
	}
	if err := <-stayed; err != nil {
		t.Errorf("who stayed: got %v, want none", err)
	}
}

// What comes back from a shared run is what each would get alone.
func TestSharedRunsGiveEachItsOwnVector(t *testing.T) {
	s, _ := newService(t, false)
	emptied(t, s)
	var images []api.Image
	for n := range 30 {
		images = append(images, given(fmt.Sprint(n), flat(t, color.RGBA{uint8(8 * n), uint8(255 - 8*n), 40, 255})))
	}
	collect(t, s, slices.Values(images), api.IngestOptions{})
	var group sync.WaitGroup
	for n := range 30 {
		group.Go(func() {
			// One level apart, so that the nearest is the one it was made from.
			near := flat(t, color.RGBA{uint8(8*n + 1), uint8(255 - 8*n), 40, 255})
			got, err := s.Similar(t.Context(), "c", api.Query{Image: near, K: 1})
			if err != nil || len(got.Cases) != 1 || got.Cases[0].Name != fmt.Sprint(n) {
				t.Errorf("nearest of image %d: got %+v, %v", n, got.Cases, err)
			}
		})
	}
	group.Wait()
}
