package probe_test

import (
	"math/rand/v2"
	"testing"

	"nearcase/probe"
)

// BenchmarkTuneFolds measures what a version of a task's probes takes: 2,000
// examples of 768 components and three classes.
func BenchmarkTuneFolds(b *testing.B) {
	const n, d = 2000, 768
	rng := rand.New(rand.NewPCG(1, 1))
	e, folds := probe.Examples{Classes: []string{"a", "b", "c"}}, []int{}
	for i := range n {
		x, y := make([]float32, d), make([]float64, 3)
		for k := range x {
			x[k] = float32(rng.NormFloat64())
		}
		y[i%3] = 1
		x[i%3] += 8
		e.X, e.Y, e.Patient, folds = append(e.X, unit32(x)), append(e.Y, y), append(e.Patient, i/2), append(folds, i/2%5)
	}
	for b.Loop() {
		if _, err := probe.TuneFolds(b.Context(), e, []int{0, 1, 2, 3, 4}, probe.TuneOptions{Fold: folds}); err != nil {
			b.Fatal(err)
		}
	}
}
