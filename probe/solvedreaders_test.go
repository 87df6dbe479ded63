package probe

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// Law: what Linear returns while labels change is the probe after some change,
// whole, and it stays as it is.
func TestReadersSeeWholeProbesWhileLabelsChange(t *testing.T) {
	const d, n = 24, 60
	xs, targets := randomTargets(2*n, d, []string{"a", "b", "c"})
	r := NewRidge(d, Unbalanced)
	if err := r.AddAll(xs[:n], targets[:n]); err != nil {
		t.Fatalf("AddAll = %v, want nil", err)
	}
	s, err := r.Solve(1e-4)
	if err != nil {
		t.Fatalf("Solve = %v, want nil", err)
	}
	published, seen := map[*Linear]string{}, make([]map[*Linear]string, 2)
	note(t, s, published)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for i := range seen {
		seen[i] = map[*Linear]string{}
		readers.Go(func() {
			for note(t, s, seen[i]); ; note(t, s, seen[i]) {
				select {
				case <-done:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	for i := range n {
		relabelOne(t, s, xs, targets, i, published)
	}
	close(done)
	readers.Wait()
	for _, read := range seen {
		for l, is := range read {
			if was, ok := published[l]; !ok || is != was || is != fmt.Sprint(*l) {
				t.Fatalf("a reader saw %s, then %v, want one of those published, here %s", is, *l, was)
			}
		}
	}
}

// note keeps what the present probe looks like.
func note(t *testing.T, s *Solved, in map[*Linear]string) {
	l, err := s.Linear()
	if err != nil {
		t.Errorf("Linear = %v, want nil", err)
	} else {
		in[l] = fmt.Sprint(*l)
	}
}

// relabelOne adds the example after the i-th n, changes the i-th and removes it,
// and notes the probe after each.
func relabelOne(t *testing.T, s *Solved, xs [][]float32, targets []Target, i int, published map[*Linear]string) {
	x, from, to := xs[i], targets[i], targets[i+1]
	late := i + len(xs)/2
	for _, change := range []func() error{
		func() error { return s.Add(xs[late], targets[late]) },
		func() error { return s.Change(x, from, to) },
		func() error { return s.Remove(x, to) },
	} {
		if err := change(); err != nil {
			t.Errorf("a change = %v, want nil", err)
		}
		note(t, s, published)
	}
}
