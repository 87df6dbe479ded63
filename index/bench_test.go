package index

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// benchN is the number of vectors of 512 dimensions that benchmarks use.
var benchN = flag.Int("index.n", 20_000, "the number of vectors of the benchmarks")

const benchQueries = 200

// benchGraph is the tuned graph that most benchmarks walk, built once.
var benchGraph = sync.OnceValues(func() (*Graph, [][]float32) {
	vectors := clustered(*benchN+benchQueries, 512)
	g := newGraph(Spec{Engine: EngineGraph}, 512)
	if err := g.AddAll(keysFrom(0, *benchN), vectors[:*benchN]); err != nil {
		panic(err)
	}
	if err := Tune(context.Background(), g); err != nil {
		panic(err)
	}
	return g, vectors[*benchN:]
})

// BenchmarkEngines reports of each engine how long it takes to build, how many
// queries it answers in a second one after another, and recall@10 against the
// exact answer, on clustered vectors.
func BenchmarkEngines(b *testing.B) {
	for _, n := range []int{5_000, *benchN} {
		vectors := clustered(n+benchQueries, 512)
		for _, engine := range []string{EngineExact, EngineGraph, EngineCoder} {
			start := time.Now()
			x := filledWith(b, Spec{Engine: engine}, vectors[:n])
			built := time.Since(start)
			mustTune(b, x)
			b.Run(fmt.Sprintf("%s/%dx512", engine, n), func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					search(b, x, vectors[n+i%benchQueries], 10, Filter{})
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
				b.ReportMetric(searchRecall(b, x, vectors[n:]), "recall@10")
				b.ReportMetric(built.Seconds(), "build-s")
			})
		}
	}
}

// BenchmarkWalk reports how many rows a walk meets for the width of its beam: the
// slope is walkRows, and what it meets on its way there walkStart.
func BenchmarkWalk(b *testing.B) {
	g, queries := benchGraph()
	v, e := g.view(), entry(g.entry.Load())
	for _, width := range []int{10, 20, 40, 80, 160, 320, 640, 1280} {
		b.Run(fmt.Sprint("width ", width), func(b *testing.B) {
			w, met := new(beam), 0
			for i := 0; b.Loop(); i++ {
				w.query.set(queries[i%benchQueries], v.frame)
				w.skims = v.hasHeads()
				w.explore(&v, w.descend(&v, e.row(), e.level(), 0), 0, width)
				met += len(w.touched)
			}
			b.ReportMetric(float64(met)/float64(b.N), "rows/op")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(met), "ns/row")
		})
	}
}

// shares are how much of the keys a filter lets answer.
var shares = []float64{0.5, 0.25, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001}

// BenchmarkCrossover times the three ways to answer under a filter on one
// processor: a walk with a beam as much wider as fewer keys match, a scan of the
// matching rows, and a scan of all. walkRows and walkStart are to choose the first
// where it is faster than the second, gatherShare the second where it is faster
// than the third.
func BenchmarkCrossover(b *testing.B) {
	g, queries := benchGraph()
	for _, share := range shares {
		f := Filter{In: randomKeys(g.Len(), share)}
		width := int(40 / share)
		for _, way := range []struct {
			name string
			find func(q []float32) []Neighbour
		}{
			{"walk", func(q []float32) []Neighbour { return g.walked(q, 10, width, f) }},
			{"gather", func(q []float32) []Neighbour { return g.gathered(q, 10, f) }},
			{"scan", func(q []float32) []Neighbour { return g.scanned(q, 10, f) }},
		} {
			if way.name == "walk" && width > g.Len()/2 {
				continue
			}
			b.Run(fmt.Sprintf("%s/%g%%", way.name, 100*share), func(b *testing.B) {
				withProcs(1, func() {
					for i := 0; b.Loop(); i++ {
						way.find(queries[i%benchQueries])
					}
				})
				b.ReportMetric(filteredRecall(b, g, queries[:50], f, way.find), "recall@10")
			})
		}
	}
}

// randomKeys returns a share of the keys below n.
func randomKeys(n int, share float64) *Set {
	r, s := rand.New(rand.NewPCG(1, 1)), new(Set)
	for key := range uint64(n) {
		if r.Float64() < share {
			s.Add(key)
		}
	}
	return s
}

// gathered is a scan of the rows of the keys of f.In, however many they are.
func (g *Graph) gathered(vector []float32, k int, f Filter) []Neighbour {
	v, q := g.view(), queries.Get().(*query)
	defer queries.Put(q)
	q.set(vector, v.frame)
	some := g.keys.rowsOf(make([]uint32, 0, f.In.Len()), f.In.All())
	return inParts(1, len(some), k, &f, func(best *top, from, to int) { v.gather(best, q, &f, some[from:to]) })
}

// scanned is a scan of all rows.
func (g *Graph) scanned(vector []float32, k int, f Filter) []Neighbour {
	v, q := g.view(), queries.Get().(*query)
	defer queries.Put(q)
	q.set(vector, v.frame)
	return inParts(1, v.n, k, &f, func(best *top, from, to int) { v.scan(best, q, &f, from, to) })
}

func filteredRecall(t fataler, g *Graph, queries [][]float32, f Filter, find func(q []float32) []Neighbour) float64 {
	t.Helper()
	hits, wanted := 0, 0
	for _, q := range queries {
		want := g.scanned(q, 10, f)
		wanted += len(want)
		for _, n := range find(q) {
			if slices.Contains(want, n) {
				hits++
			}
		}
	}
	return float64(hits) / float64(max(1, wanted))
}

// BenchmarkGather times the kernels alone: the codes of a random share of the
// rows against those of all, in order.
func BenchmarkGather(b *testing.B) {
	g, queries := benchGraph()
	v, q := g.view(), new(query)
	q.set(queries[0], v.frame)
	dots := make([]int32, v.n)
	b.Run("scan/100%", func(b *testing.B) {
		for b.Loop() {
			q.codes.Scan(v.codes[:v.n*v.stride], dots)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*v.n), "ns/row")
	})
	for _, share := range shares {
		some := g.keys.rowsOf(nil, randomKeys(v.n, share).All())
		b.Run(fmt.Sprintf("many/%g%%", 100*share), func(b *testing.B) {
			for b.Loop() {
				q.codes.Many(v.codes, some, dots)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(some)), "ns/row")
		})
	}
}

// BenchmarkParts times exact scans without and with heads: -index.n sets how many
// vectors, and -cpu 1,2 tells from where on splitting a scan pays (partSize).
func BenchmarkParts(b *testing.B) {
	vectors := clustered(*benchN+benchQueries, 512)
	x := filledWith(b, Spec{}, vectors[:*benchN])
	for _, heads := range []bool{false, true} {
		if heads {
			mustTune(b, x)
		}
		b.Run(fmt.Sprintf("heads=%t", heads), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				search(b, x, vectors[*benchN+i%benchQueries], 10, Filter{})
			}
		})
	}
}
