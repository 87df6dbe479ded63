package probe

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// fusedInput draws rows of one stride, floats of any size, and what the fused
// functions take beside them.
func fusedInput(t *rapid.T) (x, w, g, r []float64, stride int) {
	rows := rapid.IntRange(0, 27).Draw(t, "rows")
	width := rapid.IntRange(0, 12).Draw(t, "lanes") * fusedLanes
	stride = width + rapid.IntRange(0, 2).Draw(t, "pad")*fusedLanes
	value := rapid.Float64Range(-1e6, 1e6)
	x = rapid.SliceOfN(value, rows*stride, rows*stride).Draw(t, "x")
	w = rapid.SliceOfN(value, width, width).Draw(t, "w")
	g = rapid.SliceOfN(value, width, width).Draw(t, "g")
	r = rapid.SliceOfN(value, rows, rows).Draw(t, "r")
	return x, w, g, r, stride
}

func sameFloats(a, b []float64) bool {
	for i := range a {
		if math.Float64bits(a[i]) != math.Float64bits(b[i]) {
			return false
		}
	}
	return len(a) == len(b)
}

// Law: every kernel returns the bits of the functions in Go.
func TestFusedKernelsReturnTheSameBits(t *testing.T) {
	eachFusedKernel(t, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			x, w, g, r, stride := fusedInput(t)
			got, want := make([]float64, len(r)), make([]float64, len(r))
			fusedDots(got, x, stride, w)
			fusedDotsGo(want, x, stride, w)
			if !sameFloats(got, want) {
				t.Fatalf("fusedDots = %v, want %v", got, want)
			}
			sum := append([]float64(nil), g...)
			fusedAdd(g, x, stride, r)
			fusedAddGo(sum, x, stride, r)
			if !sameFloats(g, sum) {
				t.Fatalf("fusedAdd = %v, want %v", g, sum)
			}
		})
	})
}

// Law: widening is exact but for one rounding of the difference, at every length.
func TestFusedWidenSubtractsTheMean(t *testing.T) {
	eachFusedKernel(t, func(t *testing.T) {
		for n := range 70 {
			src, mean := make([]float32, n), make([]float64, n)
			for i := range src {
				src[i], mean[i] = float32(i)*0.37-3, float64(i)*0.01
			}
			got, want := make([]float64, n), make([]float64, n)
			fusedWiden(got, src, mean)
			fusedWidenGo(want, src, mean)
			if !sameFloats(got, want) {
				t.Errorf("fusedWiden of %d = %v, want %v", n, got, want)
			}
		}
	})
}

// Law: a product is the sum of the products but for rounding.
func TestFusedDotsAreTheSumsOfProducts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, w, _, r, stride := fusedInput(t)
		got := make([]float64, len(r))
		fusedDots(got, x, stride, w)
		for i := range got {
			sum, size := 0.0, 0.0
			for j, v := range w {
				sum, size = sum+v*x[i*stride+j], size+math.Abs(v*x[i*stride+j])
			}
			if math.Abs(got[i]-sum) > 1e-14*size {
				t.Fatalf("fusedDots[%d] = %g, want %g", i, got[i], sum)
			}
		}
	})
}
