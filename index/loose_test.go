package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// looseGraph is a graph of the vectors of which all from the first on are loose.
func looseGraph(t fataler, vectors [][]float32, first int) *Graph {
	t.Helper()
	g := filledWith(t, Spec{Engine: EngineGraph, EfSearch: 40}, vectors[:first]).(*Graph)
	if err := AddLoose(g, keysFrom(uint64(first), len(vectors)-first), vectors[first:]); err != nil {
		t.Fatalf("AddLoose = %v, want no error", err)
	}
	return g
}

// What is loose is found by every search, most surely: it is scored. The walk must not
// have become a scan.
func TestLooseRowsAreFound(t *testing.T) {
	const loose, k = 600, 10
	n := max(sized(20_000), 4000) // of fewer the search is a scan
	vectors := clustered(n, 32)
	g := looseGraph(t, vectors, n-loose)
	if !IsLoose(g) || g.Len() != n {
		t.Fatalf("IsLoose() = %t, Len() = %d, want true, %d", IsLoose(g), g.Len(), n)
	}
	r, groups := rand.New(rand.NewPCG(1, 2)), func(key uint64) uint64 { return 1 + key/3 }
	for i := range 200 {
		query := vectors[r.IntN(n)]
		f := Filter{}
		switch i % 4 {
		case 1:
			f.Group = groups
		case 2:
			f.Accept = func(key uint64) bool { return key%2 == 0 }
		case 3:
			without := uint64(n - 1 - r.IntN(loose))
			f.Without = &without
		}
		want, err := g.SearchExact(query, k, f)
		if err != nil {
			t.Fatal(err)
		}
		got := search(t, g, query, k, f)
		for _, one := range want {
			if one.Key >= uint64(n-loose) && !slices.Contains(got, one) {
				t.Fatalf("Search %d misses %v, which is loose: it found %v, want %v", i, one, got, want)
			}
		}
		if len(got) != k || !slices.IsSortedFunc(got, compare) {
			t.Fatalf("Search %d = %v, want %d, best first", i, got, k)
		}
	}
	if _, walks := g.walk(new(g.view()), beamFor(g, vectors[0]), entry(g.entry.Load()), k, 40, &Filter{}); !walks {
		t.Error("a search scans, want it to walk")
	}
}

func beamFor(g *Graph, vector []float32) *beam {
	v, b := g.view(), new(beam)
	b.query.set(vector, v.frame)
	b.skims, b.loose = v.hasHeads(), g.looseRows()
	return b
}

// Linked at last, the graph finds as much as one that never had loose rows.
func TestLinkMakesAGraph(t *testing.T) {
	n := sized(6000)
	vectors := clustered(n, 32)
	g := looseGraph(t, vectors, n*3/4)
	for key := uint64(n * 3 / 4); key < uint64(n); key += 50 {
		if !g.Remove(key) {
			t.Fatalf("Remove(%d) = false, want true", key)
		}
	}
	mustBeSound(t, g)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Link(ended, g); !errors.Is(err, context.Canceled) || !IsLoose(g) {
		t.Errorf("Link with an ended context = %v, IsLoose() = %t, want it to stop", err, IsLoose(g))
	}
	if err := Link(context.Background(), g); err != nil || IsLoose(g) {
		t.Fatalf("Link = %v, IsLoose() = %t, want nothing loose", err, IsLoose(g))
	}
	mustBeSound(t, g)
	whole := filledWith(t, g.spec, vectors).(*Graph)
	for key := uint64(n * 3 / 4); key < uint64(n); key += 50 {
		whole.Remove(key)
	}
	var queries [][]float32
	for i := range 200 {
		queries = append(queries, vectors[i*n/200])
	}
	if got, want := recallOf(t, g, queries), recallOf(t, whole, queries); got < want-0.005 {
		t.Errorf("recall@10 = %.4f, of a graph that never had loose rows %.4f", got, want)
	}
}

// A snapshot has everything, linked.
func TestASnapshotLinksWhatIsLoose(t *testing.T) {
	vectors := clustered(3000, 16)
	g := looseGraph(t, vectors, 2000)
	path := filepath.Join(t.TempDir(), "snapshot")
	if err := saveTo(Freeze(g), path, nil); err != nil || IsLoose(g) {
		t.Fatalf("save = %v, IsLoose() = %t, want nothing loose", err, IsLoose(g))
	}
	x, _, err := loadFrom(path, g.spec, 16)
	if err != nil || x.Len() != 3000 {
		t.Fatalf("Load = %v, %v, want all of it", x, err)
	}
	mustBeSound(t, x.(*Graph))
}

// While rows are linked, nothing that is there is missed, and nothing told twice.
func TestSearchesWhileLinking(t *testing.T) {
	const n = 4000 // of fewer the search is a scan
	vectors := clustered(n, 16)
	g := looseGraph(t, vectors, n-900)
	linked := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		defer close(linked)
		for IsLoose(g) {
			g.linkSome()
		}
	})
	group.Go(func() {
		for key := uint64(n - 900); key < n; key += 10 {
			g.Remove(key)
		}
	})
	for going := true; going; {
		select {
		case <-linked:
			going = false
		default:
		}
		for i := 1; i < n; i += 97 {
			if i >= n-900 && i%10 == 0 {
				continue // may be removed
			}
			found := search(t, g, vectors[i], 20, Filter{})
			at := slices.IndexFunc(found, func(o Neighbour) bool { return o.Key == uint64(i) })
			if i >= n-900 && at < 0 {
				t.Fatalf("Search by vector %d = %v, want it among them", i, found)
			}
			for j := range found {
				if slices.ContainsFunc(found[:j], func(o Neighbour) bool { return o.Key == found[j].Key }) {
					t.Fatalf("Search by vector %d = %v, want each key once", i, found)
				}
			}
		}
	}
	group.Wait()
	mustBeSound(t, g)
}

// Nothing of what was removed is in a snapshot, whether it had been linked or not, and
// whatever was linked meanwhile.
func TestMendLeavesNothingOfWhatWasLoose(t *testing.T) {
	vectors := clustered(2500, 32)
	g, o := looseGraph(t, vectors, 2000), oracleOf(vectors)
	for key := uint64(1950); key < 2050; key++ {
		g.Remove(key)
		o.remove(key)
	}
	g.linkSome()
	for key := uint64(2050); key < 2100; key++ {
		g.Remove(key)
		o.remove(key)
	}
	Mend(g)
	path := saved(t, g, nil)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for key := 1950; key < 2100; key++ {
		if bytes.Contains(whole, raw(vectors[key][:8])) {
			t.Fatalf("snapshot after Mend: has the beginning of vector %d, want nothing of it", key)
		}
	}
	loaded, _ := mustLoad(t, path, g.spec, 32)
	for _, x := range []Index{g, loaded} {
		checkAnswers(t, x, o, vectors[1900:2150:2150])
	}
	mustBeSound(t, loaded.(*Graph))
}

// A snapshot that is made while another goroutine links has all, as it was.
func TestASnapshotWhileLinking(t *testing.T) {
	vectors := clustered(3000, 16)
	for range sized(5) {
		g := looseGraph(t, vectors, 1200)
		var group sync.WaitGroup
		group.Go(func() { _ = Link(context.Background(), g) })
		path := saved(t, g, nil)
		group.Wait()
		loaded, _ := mustLoad(t, path, g.spec, 16)
		mustBeSound(t, loaded.(*Graph))
		checkAnswers(t, loaded, oracleOf(vectors), vectors[1000:1400:1400])
	}
}

// Where much is loose a search is a scan.
func TestASearchScansWhereMuchIsLoose(t *testing.T) {
	vectors := clustered(sized(6000), 16)
	g := looseGraph(t, vectors, len(vectors)/2)
	for _, query := range vectors[:50] {
		want, err := g.SearchExact(query, 10, Filter{})
		if got := search(t, g, query, 10, Filter{}); err != nil || !slices.Equal(got, want) {
			t.Fatalf("Search = %v, %v, want the answer of a scan, %v", got, err, want)
		}
	}
}

// BenchmarkLoose times searches of a graph of -index.n vectors of which some are loose,
// beside a scan of all of them.
func BenchmarkLoose(b *testing.B) {
	const most = 32
	n := *benchN
	vectors := clustered(n+benchQueries, 512)
	vectors, queries := vectors[:n], vectors[n:]
	g := newGraph(Spec{Engine: EngineGraph}, 512)
	linked := n - n*10/most
	mustAddAll(b, g, keysFrom(0, linked), vectors[:linked])
	if err := Tune(b.Context(), g); err != nil {
		b.Fatal(err)
	}
	for _, part := range []int{0, 1, 2, 4, 7, 10} {
		from, to := g.Len(), linked+n*part/most
		if err := AddLoose(g, keysFrom(uint64(from), to-from), vectors[from:to]); err != nil {
			b.Fatal(err)
		}
		for name, ask := range map[string]func([]float32, int, Filter) ([]Neighbour, error){"search": g.Search, "scan": g.SearchExact} {
			b.Run(fmt.Sprintf("%d-of-%d-loose/%s", to-linked, to, name), func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					if _, err := ask(queries[i%len(queries)], 10, Filter{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
