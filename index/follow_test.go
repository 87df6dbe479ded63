package index

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// vectorOf draws from few unit vectors, so that ties and duplicates abound.
func vectorOf(t *rapid.T) []float32 {
	corner := rapid.SliceOfN(rapid.IntRange(-1, 1), 5, 5).
		Filter(func(c []int) bool { return slices.ContainsFunc(c, func(x int) bool { return x != 0 }) }).
		Draw(t, "corner")
	v := make([]float64, len(corner))
	for i, x := range corner {
		v[i] = float64(x)
	}
	return normalised(v)
}

// filterOf draws a filter of any combination that keeps all, some, one in many,
// or no keys.
func filterOf(t *rapid.T) (f Filter) {
	of := func(label string, choices ...string) string { return rapid.SampledFrom(choices).Draw(t, label) }
	switch of("in", "nil", "nil", "half", "few", "unknown") {
	case "half":
		f.In = multiples(2, 400)
	case "few":
		f.In = multiples(29, 400)
	case "unknown":
		f.In = setOf(5000)
	}
	switch of("accept", "nil", "nil", "half", "few", "none") {
	case "half":
		f.Accept = func(key uint64) bool { return key%4 < 2 }
	case "few":
		f.Accept = func(key uint64) bool { return key%17 == 3 }
	case "none":
		f.Accept = func(uint64) bool { return false }
	}
	switch of("group", "nil", "nil", "few", "many") {
	case "few":
		f.Group = func(key uint64) uint64 { return key % 4 }
	case "many":
		f.Group = func(key uint64) uint64 { return key / 3 }
	}
	return f
}

// follower does to an index what it does to the oracle.
type follower struct {
	x    Index
	o    *oracle
	last uint64
}

func (w *follower) add(t *rapid.T) {
	w.last += rapid.Uint64Range(1, 3).Draw(t, "step")
	v := vectorOf(t)
	mustAdd(t, w.x, w.last, v)
	w.o.add(w.last, v)
}

func (w *follower) addAll(t *rapid.T) {
	vectors := make([][]float32, rapid.IntRange(0, 40).Draw(t, "n"))
	keys := make([]uint64, len(vectors))
	for i := range vectors {
		w.last++
		keys[i], vectors[i] = w.last, vectorOf(t)
		w.o.add(keys[i], vectors[i])
	}
	mustAddAll(t, w.x, keys, vectors)
}

func (w *follower) remove(t *rapid.T) {
	from := rapid.Uint64Range(0, w.last+1).Draw(t, "from")
	to := from + rapid.Uint64Range(1, 60).Draw(t, "n")
	for key := from; key < to; key++ {
		if got, want := w.x.Remove(key), w.o.remove(key); got != want {
			t.Fatalf("Remove(%d) = %t, want %t", key, got, want)
		}
	}
}

func (w *follower) vector(t *rapid.T) {
	key := rapid.Uint64Range(0, w.last+1).Draw(t, "key")
	got, ok := w.x.Vector(key)
	if want, is := w.o.vectors[key]; ok != is || !slices.Equal(got, want) {
		t.Fatalf("Vector(%d) = %v, %t, want %v, %t", key, got, ok, want, is)
	}
}

func (w *follower) search(t *rapid.T) {
	query, k := vectorOf(t), rapid.SampledFrom([]int{-1, 0, 1, 2, 5, 1000}).Draw(t, "k")
	mustAnswer(t, w.x, w.o, query, k, filterOf(t))
}

func (w *follower) check(t *rapid.T) {
	if got, want := w.x.Len(), len(w.o.keys); got != want || w.x.Stats().Len != want {
		t.Fatalf("Len() = %d, Stats().Len = %d, want %d", got, w.x.Stats().Len, want)
	}
	if last, ok := w.x.LastKey(); last != w.last || ok != (w.last > 0) {
		t.Fatalf("LastKey() = %d, %t, want %d", last, ok, w.last)
	}
	switch x := w.x.(type) {
	case *Graph:
		mustBeSound(t, x)
	case walker:
		mustBeSound(t, x.Graph)
	case loosener:
		mustBeSound(t, x.Graph)
	}
}

// Law: under any sequence of calls an engine does what the oracle does, its
// searches agree with it, and its graph stays sound.
func TestEnginesFollowTheOracle(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		if e.name == "graph" {
			return // it scans so few vectors; the walking ones do not
		}
		rapid.Check(t, func(t *rapid.T) {
			w := &follower{x: e.open(t, 5), o: newOracle()}
			for range rapid.IntRange(0, 4).Draw(t, "initial") {
				w.addAll(t)
			}
			t.Repeat(map[string]func(*rapid.T){
				"add": w.add, "addAll": w.addAll, "remove": w.remove, "vector": w.vector, "search": w.search, "": w.check,
			})
		})
	})
}

// Law: adding vectors in order and removing some answers like never having
// added those, whatever the order of the removals.
func TestRemovedIsAsIfNeverAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "n")
		keep := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "keep")
		removed, never := mustNew(t, Spec{}, 5), mustNew(t, Spec{}, 5)
		for key := range uint64(n) {
			v := vectorOf(t)
			mustAdd(t, removed, key, v)
			if keep[key] {
				mustAdd(t, never, key, v)
			}
		}
		for _, key := range rapid.Permutation(keysFrom(0, n)).Draw(t, "order") {
			if !keep[key] {
				removed.Remove(key)
			}
		}
		query, k := vectorOf(t), rapid.IntRange(0, n).Draw(t, "k")
		got, want := search(t, removed, query, k, Filter{}), search(t, never, query, k, Filter{})
		if !slices.Equal(got, want) || removed.Len() != never.Len() {
			t.Fatalf("Search(%v, %d) = %v of %d, want %v of %d", query, k, got, removed.Len(), want, never.Len())
		}
	})
}
