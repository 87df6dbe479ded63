package index

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"nearcase/index/simd"
)

// Law: adding vectors in order and removing some answers like never having
// added those, whether or not the removals compact the table.
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
		for _, key := range rapid.Permutation(slices.Collect(keysOf(n))).Draw(t, "order") {
			if !keep[key] {
				removed.Remove(key)
			}
		}
		query, k := vectorOf(t), rapid.IntRange(0, n).Draw(t, "k")
		got, _ := removed.Search(query, k, nil)
		want, _ := never.Search(query, k, nil)
		if !slices.Equal(got, want) || removed.Len() != never.Len() {
			t.Fatalf("Search(%v, %d) = %v of %d, want %v of %d", query, k, got, removed.Len(), want, never.Len())
		}
	})
}

// keysOf yields the keys below n.
func keysOf(n int) func(func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for key := range uint64(n) {
			if !yield(key) {
				return
			}
		}
	}
}

func TestParallelScoresAreTheSerialScores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(7))
	vectors := clustered(3*chunkRows+17, 300)
	x, _ := built(t, Spec{}, vectors)
	o := newOracle()
	for key, v := range vectors {
		o.add(uint64(key), v)
	}
	for key := uint64(0); key < uint64(len(vectors)); key += 3 {
		x.Remove(key)
		o.remove(key)
	}
	if parts := len(vectors) * 300 / partSize; parts < 7 {
		t.Fatalf("%d vectors make %d parts, want 7: the test must scan in parallel", len(vectors), parts)
	}
	for _, query := range vectors[:5] {
		k := len(vectors) // all of them, so that no row of any part is missed
		mustAgree(t, EngineExact, o, search(t, x, query, k, nil), query, k, nil)
	}
}

func TestRemovingMostFreesTheirMemory(t *testing.T) {
	vectors := clustered(10*chunkRows, 8)
	built, _ := built(t, Spec{}, vectors)
	x := built.(*Exact)
	for key := range vectors {
		if key%10 != 0 {
			x.Remove(uint64(key))
		}
	}
	live := x.Len()
	if got := x.snapshot(); got.rows > 2*live || len(got.chunks) > 2*live/chunkRows+1 {
		t.Errorf("%d live vectors in %d rows and %d chunks, want at most twice as many rows", live, got.rows, len(got.chunks))
	}
}

// watched is an index under test by several goroutines: every key below
// removed is gone, every key below added has been added.
type watched struct {
	Index
	vectors        [][]float32
	added, removed atomic.Uint64
}

// write adds all vectors and removes all but the last hundred behind them.
func (w *watched) write(t *testing.T) {
	for key, v := range w.vectors {
		if err := w.Add(uint64(key), v); err != nil {
			t.Errorf("Add(%d) = %v, want no error", key, err)
		}
		w.added.Store(uint64(key) + 1)
		if old := key - 100; old >= 0 {
			if !w.Remove(uint64(old)) {
				t.Errorf("Remove(%d) = false, want true", old)
			}
			w.removed.Store(uint64(old) + 1)
		}
	}
}

// read searches once and checks what must hold whatever is written meanwhile.
func (w *watched) read(t *testing.T, query []float32) {
	removed, added := w.removed.Load(), w.added.Load()
	got, err := w.Search(query, 7, func(key uint64) bool { return key%8 != 0 })
	if err != nil || len(got) < min(7, int(added-removed)-15) {
		t.Errorf("Search = %v, %v, want 7 once there are as many", got, err)
	}
	for i, n := range got {
		if n.Key < removed || n.Key%8 == 0 {
			t.Errorf("Search[%d] = key %d, want one that is accepted and not removed before %d", i, n.Key, removed)
		}
		if s := simd.Dot(query, w.vectors[n.Key]); math.Float32bits(s) != math.Float32bits(n.Score) {
			t.Errorf("Search[%d] = %v, want score %v", i, n, s)
		}
	}
	if !slices.IsSortedFunc(got, compare) {
		t.Errorf("Search = %v, want best first", got)
	}
	if v, ok := w.Vector(added); ok && !slices.Equal(v, w.vectors[added]) {
		t.Errorf("Vector(%d) = %v, want %v", added, v, w.vectors[added])
	}
}

func TestSearchesWhileWriting(t *testing.T) {
	forEngines(t, func(t *testing.T, spec Spec) {
		w := &watched{Index: mustNew(t, spec, 16), vectors: clustered(2000, 16)}
		var writing atomic.Bool
		writing.Store(true)
		var group sync.WaitGroup
		for reader := range 3 {
			group.Go(func() {
				for i := reader; writing.Load(); i++ {
					w.read(t, w.vectors[i%len(w.vectors)])
				}
			})
		}
		w.write(t)
		writing.Store(false)
		group.Wait()
		if w.Len() != 100 {
			t.Errorf("Len() = %d, want 100", w.Len())
		}
	})
}
