package index

import (
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"nearcase/index/simd"
)

// watched is an index under test by several goroutines: every key below removed
// is gone and every key from removing on is not, every key below added has been
// added. Key 5 stays.
type watched struct {
	Index
	vectors                  [][]float32 // by key, modulo their number
	added, removing, removed atomic.Uint64
}

func (w *watched) vectorOf(key uint64) []float32 { return w.vectors[key%uint64(len(w.vectors))] }

// present is how many keys the writer keeps.
const present = 1100

// write adds n keys in batches of growing size and removes all but the last
// behind them: the arrays grow and rows are used again. Now and then it calls at
// with the last key.
func (w *watched) write(t *testing.T, n uint64, at func(key uint64)) {
	for key, batch := uint64(0), 1; key < n; batch = batch%40 + 1 {
		keys := keysFrom(key, min(batch, int(n-key)))
		vectors := make([][]float32, len(keys))
		for i, key := range keys {
			vectors[i] = w.vectorOf(key)
		}
		if err := w.AddAll(keys, vectors); err != nil {
			t.Errorf("AddAll(%d, …) = %v, want no error", key, err)
		}
		key += uint64(len(keys))
		w.added.Store(key)
		for w.removed.Load()+present < key {
			old := w.removed.Load()
			w.removing.Store(old + 1)
			if old != 5 && !w.Remove(old) {
				t.Errorf("Remove(%d) = false, want true", old)
			}
			w.removed.Store(old + 1)
		}
		if batch == 40 {
			at(key - 1)
		}
	}
}

// read searches once, in one of several ways, and checks what must hold whatever
// is written meanwhile.
func (w *watched) read(t *testing.T, i int) {
	query := w.vectors[i*31%len(w.vectors)]
	added, gone := w.added.Load(), w.removed.Load()
	k, f, ways := 7, Filter{}, w.Search
	expected := int(added - gone)
	switch i % 6 {
	case 0:
		f.Accept = func(key uint64) bool { return key%8 != 0 }
		expected = expected*7/8 - 8
	case 1: // some of them will only be added during the search
		f.In = multiples(13, added+500)
		expected = expected/13 - 8
	case 2:
		f.Group = func(key uint64) uint64 { return 1 + key%5 }
		k = 5
	case 3:
		ways = w.SearchExact
	case 4:
		f.In, ways = setOf(5, added, added+1, added+20, added+40, added+80), w.SearchExact
		expected = 0
	}
	got, err := ways(query, k, f)
	late := int(w.removing.Load() - gone) // removed since, and perhaps not seen
	if err != nil || len(got) < min(k, expected-late) {
		t.Errorf("Search %d = %v, %v, want %d once there are as many", i%6, got, err, k)
	}
	if !slices.IsSortedFunc(got, compare) {
		t.Errorf("Search %d = %v, want best first", i%6, got)
	}
	for _, n := range got {
		w.mustBeTrue(t, n, query, gone, &f)
	}
	w.look(t, added, gone)
}

func (w *watched) mustBeTrue(t *testing.T, n Neighbour, query []float32, gone uint64, f *Filter) {
	if n.Key < gone && n.Key != 5 || !f.allows(n.Key) {
		t.Errorf("Search = key %d, want one that is let answer and not removed before %d", n.Key, gone)
	}
	if s := simd.Dot(query, w.vectorOf(n.Key)); math.Float32bits(s) != math.Float32bits(n.Score) {
		t.Errorf("Search = %v, want score %v", n, s)
	}
}

// look uses what else may be called at any time.
func (w *watched) look(t *testing.T, added, gone uint64) {
	for _, key := range []uint64{5, gone, gone + 1, added - 1, added} {
		if v, ok := w.Vector(key); ok && !slices.Equal(v, w.vectorOf(key)) {
			t.Errorf("Vector(%d) = %v, want %v", key, v, w.vectorOf(key))
		}
	}
	if last, ok := w.LastKey(); added > 0 && (!ok || last < added-1) {
		t.Errorf("LastKey() = %d, %t, want at least %d", last, ok, added-1)
	}
	if s := w.Stats(); added > 0 && (s.Len == 0 || s.Rows == 0 || s.Bytes == 0) {
		t.Errorf("Stats() = %+v with %d added and %d removed, want some of everything", s, added, gone)
	}
}

// during runs f while goroutines read.
func (w *watched) during(t *testing.T, readers int, f func()) {
	var done atomic.Bool
	var group sync.WaitGroup
	for reader := range readers {
		group.Go(func() {
			for i := reader; !done.Load(); i++ {
				w.read(t, i)
				runtime.Gosched()
			}
		})
	}
	f()
	done.Store(true)
	group.Wait()
}

func TestSearchesWhileWriting(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		if e.name == "graph" {
			return // the others build theirs the same way, and faster
		}
		w := &watched{Index: e.open(t, 16), vectors: clustered(700, 16)}
		w.during(t, 2, func() { w.write(t, present+uint64(sized(3000)), func(uint64) {}) })
		if w.Len() != present+1 {
			t.Errorf("Len() = %d, want %d", w.Len(), present+1)
		}
	})
}

// unwrapped is the index itself, which Freeze and Tune know.
func unwrapped(x Index) Index {
	switch x := x.(type) {
	case walker:
		return x.Graph
	case loosener:
		return x.Graph
	}
	return x
}

// While vectors are moved into a file, saved ones and others are searched, and
// rows are used again.
func TestSearchesWhileSavingAndTuning(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		if e.name == "graph" {
			return // the others build theirs the same way, and faster
		}
		w := &watched{Index: e.open(t, 16), vectors: clustered(700, 16)}
		path := filepath.Join(t.TempDir(), "snapshot")
		var group sync.WaitGroup
		at := func(key uint64) {
			group.Wait() // for the last
			s := Freeze(unwrapped(w.Index))
			group.Go(func() {
				if err := saveTo(s, path, fmt.Append(nil, key)); err != nil {
					t.Errorf("Save = %v, want no error", err)
				}
				mustTune(t, unwrapped(w.Index))
			})
		}
		w.during(t, 2, func() { w.write(t, present+uint64(sized(3000)), at) })
		group.Wait()
		w.mustLoad(t, e, path)
	})
}

// mustLoad checks that the last snapshot is of the moment that its meta tells.
func (w *watched) mustLoad(t *testing.T, e engine, path string) {
	x, meta, err := loadFrom(path, e.spec, 16)
	if err != nil {
		t.Fatalf("Load = %v, want no error", err)
	}
	last, _ := x.LastKey()
	if string(meta) != fmt.Sprint(last) {
		t.Errorf("meta = %s with last key %d, want the same", meta, last)
	}
	for key := last - 100; key <= last; key++ {
		if v, ok := x.Vector(key); !ok || !slices.Equal(v, w.vectorOf(key)) {
			t.Errorf("Vector(%d) = %v, %t, want %v", key, v, ok, w.vectorOf(key))
		}
	}
	if g, ok := x.(*Graph); ok {
		mustBeSound(t, g)
	}
}

// AddAll of several goroutines at once adds all or none, whoever comes first.
func TestAddAllIsWhole(t *testing.T) {
	vectors := clustered(60, 16)
	forEngines(t, func(t *testing.T, e engine) {
		for range 20 {
			x := e.open(t, 16)
			var group sync.WaitGroup
			for i := range uint64(4) {
				keys := keysFrom(10*i, 30) // in conflict with the others'
				group.Go(func() {
					if x.AddAll(keys, vectors[:30]) == nil {
						return
					}
					runtime.Gosched()
				})
			}
			group.Wait()
			mustHoldWholeBatches(t, x)
		}
	})
}

// mustHoldWholeBatches checks that the keys are those of batches of 30.
func mustHoldWholeBatches(t *testing.T, x Index) {
	t.Helper()
	for key := uint64(0); key < 60; {
		if _, ok := x.Vector(key); !ok {
			key += 10
			continue
		}
		for end := key + 30; key < end; key++ {
			if _, ok := x.Vector(key); !ok {
				t.Fatalf("key %d is missing of a batch up to %d, want all or none", key, end)
			}
		}
	}
	if x.Len()%30 != 0 {
		t.Fatalf("Len() = %d, want whole batches of 30", x.Len())
	}
}

// An addition while the library's graph is rebuilt must not be lost to it.
// Removing the first sixty rebuilds it once, while forty others are added.
func TestCoderKeepsUpWithConcurrentWriters(t *testing.T) {
	vectors := clustered(100, 16)
	for range 50 {
		x := builtCoder(t, vectors[:60])
		var group sync.WaitGroup
		group.Go(func() {
			for key := range uint64(60) {
				x.Remove(key)
			}
		})
		for key := uint64(60); key < 100; key++ {
			mustAdd(t, x, key, vectors[key])
			runtime.Gosched()
		}
		group.Wait()
		for key := uint64(60); key < 100; key++ {
			if _, ok := x.graph.Lookup(key); !ok {
				t.Fatalf("graph.Lookup(%d) = false, want every live key in the graph", key)
			}
		}
	}
}
