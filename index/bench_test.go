package index

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkEngines reports of each engine how long it takes to build, how many
// queries it answers in a second one after another, and recall@10 against the
// exact answer, on clustered vectors.
func BenchmarkEngines(b *testing.B) {
	const queries = 100
	for _, n := range []int{5_000, 20_000} {
		vectors := clustered(n+queries, 512)
		exact, _ := built(b, Spec{}, vectors[:n])
		for _, engine := range []string{EngineExact, EngineCoder} {
			x, elapsed := built(b, Spec{Engine: engine}, vectors[:n])
			b.Run(fmt.Sprintf("%s/%dx512", engine, n), func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					search(b, x, vectors[n+i%queries], 10, nil)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
				b.ReportMetric(recall(b, x, exact, vectors[n:], 10), "recall@10")
				b.ReportMetric(elapsed.Seconds(), "build-s")
			})
		}
	}
}

// built returns an index of the vectors under the keys 0, 1, … and the time
// that adding them took.
func built(t testing.TB, spec Spec, vectors [][]float32) (Index, time.Duration) {
	t.Helper()
	x, err := New(spec, len(vectors[0]))
	if err != nil {
		t.Fatalf("New(%+v) = %v", spec, err)
	}
	start := time.Now()
	for key, v := range vectors {
		if err := x.Add(uint64(key), v); err != nil {
			t.Fatalf("Add(%d) = %v", key, err)
		}
	}
	return x, time.Since(start)
}

// recall returns the share of exact's k nearest that x finds too.
func recall(t testing.TB, x, exact Index, queries [][]float32, k int) float64 {
	t.Helper()
	found := 0
	for _, q := range queries {
		in := map[uint64]bool{}
		for _, n := range search(t, exact, q, k, nil) {
			in[n.Key] = true
		}
		for _, n := range search(t, x, q, k, nil) {
			if in[n.Key] {
				found++
			}
		}
	}
	return float64(found) / float64(k*len(queries))
}

// search returns what x.Search does, which must not fail.
func search(t testing.TB, x Index, query []float32, k int, accept func(uint64) bool) []Neighbour {
	t.Helper()
	found, err := x.Search(query, k, accept)
	if err != nil {
		t.Fatalf("Search(k = %d) = %v, want no error", k, err)
	}
	return found
}
