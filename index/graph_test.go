package index

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// withProcs runs f on a number of processors.
func withProcs(n int, f func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	f()
}

// graphOf returns a graph of the vectors under the keys 0, 1, ….
func graphOf(t fataler, spec Spec, vectors [][]float32) *Graph {
	t.Helper()
	spec.Engine = EngineGraph
	return filledWith(t, spec, vectors).(*Graph)
}

// churn removes a third of the keys and adds some of the vectors again.
func churn(t fataler, g *Graph, vectors [][]float32) {
	t.Helper()
	n := uint64(len(vectors))
	for key := uint64(0); key < n; key += 3 {
		g.Remove(key)
	}
	mustAddAll(t, g, keysFrom(n, len(vectors)/4), vectors[:len(vectors)/4])
	for key := n; key < n+40; key += 2 {
		g.Remove(key)
		mustAdd(t, g, 10*n+key, vectors[key-n])
	}
}

func TestAGraphIsTheSameOnAnyNumberOfProcessors(t *testing.T) {
	vectors := clustered(1200, 24)
	var graphs []*Graph
	for _, procs := range []int{1, 4} {
		withProcs(procs, func() {
			g := graphOf(t, Spec{M: 6, EfConstruction: 40}, vectors)
			churn(t, g, vectors)
			graphs = append(graphs, g)
		})
	}
	want := graphs[0].arrays.Load()
	for _, g := range graphs[1:] {
		got := g.arrays.Load()
		for _, part := range []struct {
			name      string
			got, want []byte
		}{
			{"keys", raw(got.keys), raw(want.keys)}, {"codes", got.codes, want.codes},
			{"lists of layer 0", raw(got.base), raw(want.base)}, {"lists above", raw(got.upper), raw(want.upper)},
			{"places", raw(got.first), raw(want.first)}, {"levels", got.level, want.level},
		} {
			if !slices.Equal(part.got, part.want) {
				t.Errorf("%s differ between 1 processor and 4", part.name)
			}
		}
		if got, want := g.entry.Load(), graphs[0].entry.Load(); got != want {
			t.Errorf("entry = %x on 4 processors, want %x as on one", got, want)
		}
	}
}

func TestLevelsHaveTheirShares(t *testing.T) {
	const n = 200_000
	for _, m := range []int{1, 2, 4, 16, 256} {
		var count [maxLevel + 2]int // of keys of a level at least
		for key := range uint64(n) {
			for layer := levelOf(key, m); layer >= 0; layer-- {
				count[layer]++
			}
		}
		for layer := 1; layer <= 3; layer++ {
			share := math.Pow(float64(max(2, m)), -float64(layer))
			if off := math.Abs(float64(count[layer]) - n*share); off > 5*math.Sqrt(n*share)+1 {
				t.Errorf("M = %d: %d of %d keys reach layer %d, want about %.0f", m, count[layer], n, layer, n*share)
			}
		}
	}
}

func TestLevelsAreBounded(t *testing.T) {
	for key := range uint64(1 << 20) {
		if got := levelOf(key*0x9e3779b97f4a7c15, 1); got < 0 || got > maxLevel {
			t.Fatalf("levelOf(%d, 1) = %d, want at most %d", key, got, maxLevel)
		}
	}
}

// reachable is the share of live rows that a walk from the entry could meet.
func (g *Graph) reachable() float64 {
	v, e := g.view(), entry(g.entry.Load())
	if e == 0 {
		return 0
	}
	b := new(beam)
	b.begin(&v)
	b.meet(e.row())
	live := 0
	for i := 0; i < len(b.touched); i++ {
		row := b.touched[i]
		if v.isAlive(row) {
			live++
		}
		for _, to := range read(nil, v.list(row, 0)) {
			b.meet(to)
		}
	}
	return float64(live) / float64(g.Len())
}

func TestLiveRowsAreReachable(t *testing.T) {
	for _, c := range datasets {
		t.Run(c.name, func(t *testing.T) {
			vectors := c.generate(sized(2000), 24)
			g := graphOf(t, Spec{}, vectors)
			mustReach(t, g, 0.999, "after adding")
			churn(t, g, vectors)
			mustReach(t, g, 0.99, "after replacing")
			mustBeSound(t, g)
		})
	}
}

func mustReach(t *testing.T, g *Graph, floor float64, when string) {
	t.Helper()
	if got := g.reachable(); got < floor {
		t.Errorf("%s: %.4f of the live rows can be reached on layer 0, want %.4f", when, got, floor)
	}
}

// Removed rows are in the way until they are mended: what is added among many
// of them must neither be left without lists nor be led to by nothing.
func TestWhatReplacesAClumpIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	vectors := clustered(2000, 12)
	for i := 1950; i < len(vectors); i++ {
		vectors[i] = moved(r, vectors[0], 0.1)
	}
	g := graphOf(t, Spec{M: 4, EfConstruction: 8}, vectors)
	for key := uint64(1950); key < 2000; key++ {
		g.Remove(key)
	}
	for key := uint64(2000); key < 2050; key++ {
		mustAdd(t, g, key, vectors[key-50])
		row, _ := g.keys.row(key)
		if v := g.view(); read(nil, v.list(row, 0)) == nil {
			t.Errorf("row %d of key %d leads nowhere", row, key)
		}
		// Narrower than the removed rows that are as near.
		if got := g.walked(vectors[key-50], 1, 40, Filter{}); len(got) != 1 || got[0].Key != key {
			t.Errorf("a walk for the vector of key %d found %v", key, got)
		}
	}
	if got := len(g.sweep.waiting); got != 50 {
		t.Fatalf("%d rows wait to be mended, want all 50: the test needs them in the way", got)
	}
	mustReach(t, g, 0.999, "after replacing a clump")
}

// A row that was removed is used again only when no search can be looking at it.
func TestARowIsUsedAgainOnlyWhenNoSearchMayKnowIt(t *testing.T) {
	vectors := clustered(400, 8)
	for _, engine := range []string{EngineExact, EngineGraph, EngineCoder} {
		t.Run(engine, func(t *testing.T) {
			x := filledWith(t, Spec{Engine: engine}, vectors[:200])
			r, _ := rowsOf(x)
			first := r.epochs.enter() // a search that takes long
			x.Remove(0)
			second := r.epochs.enter() // and one that begins an epoch later
			for key := range uint64(200) {
				x.Remove(key)
			}
			r.epochs.leave(first)
			mustAddAll(t, x, keysFrom(200, 100), vectors[200:300])
			if got := x.Stats().Rows; got != 300 {
				t.Errorf("Rows = %d while a search may know all 200, want 300", got)
			}
			r.epochs.leave(second)
			mustAddAll(t, x, keysFrom(300, 100), vectors[300:])
			if got := x.Stats().Rows; got > 302 {
				t.Errorf("Rows = %d after it has left, want at most 302", got)
			}
		})
	}
}

func TestRowsAreUsedAgain(t *testing.T) {
	vectors := clustered(100, 8)
	forEngines(t, func(t *testing.T, e engine) {
		x := e.open(t, 8)
		for key := range uint64(1000) {
			mustAdd(t, x, key, vectors[key%100])
			if key >= 100 {
				x.Remove(key - 100)
			}
		}
		if got := x.Stats().Rows; got > 100+40 {
			t.Errorf("Rows = %d after 1,000 of 100 at a time, want at most 140", got)
		}
	})
}
