package dense

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// Law: every kernel returns the bits of the functions in Go, and those are the
// products and sums but for rounding.
func TestVectorsAreMultipliedAndAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, f := rapid.IntRange(0, 70).Draw(t, "n"), rapid.Float64Range(-10, 10).Draw(t, "f")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		x, y, row := random(r, n, 1).Data, random(r, n, 1).Data, random(r, n, 1).Data
		added := append([]float64(nil), y...)
		Add(added, f, x)
		dot, portable := 0.0, [lanes]float64{}
		dotPortable(&portable, x, y)
		for j, v := range x {
			if want := math.FMA(f, v, y[j]); math.Float64bits(added[j]) != math.Float64bits(want) {
				t.Fatalf("Add of %d: [%d] = %v, want %v", n, j, added[j], want)
			}
			dot += v * y[j]
		}
		if got, want := Dot(x, y), join(&portable); math.Float64bits(got) != math.Float64bits(want) || math.Abs(got-dot) > 1e-13*float64(n) {
			t.Fatalf("Dot of %d = %v, want %v, about %v", n, got, want, dot)
		}
		var got, want [lanes]float64
		again := append([]float64(nil), added...)
		dotAdd(&got, added, f, row, x)
		dotAddPortable(&want, again, f, row, x)
		for j, v := range append(added, got[:]...) {
			if w := append(again, want[:]...)[j]; math.Float64bits(v) != math.Float64bits(w) {
				t.Fatalf("dotAdd of %d: %v, %v, want %v, %v", n, added, got, again, want)
			}
		}
	})
}

func TestSymmetricProductsReadTheUpperTriangle(t *testing.T) {
	for _, n := range []int{0, 1, 2, 17, 40, 133} {
		r := rand.New(rand.NewPCG(uint64(n), 2))
		x, a := random(r, n, 1).Data, random(r, n, n)
		product, square := MulSymmetric(a, x), Matrix{append([]float64(nil), a.Data...), n, n, n, 1}
		AddSquare(square, -0.5, x)
		for i := range n {
			want := 0.0
			for j, v := range x {
				want += v * a.at(min(i, j), max(i, j))
				changed := a.at(i, j)
				if j >= i {
					changed -= 0.5 * x[i] * v
				}
				if math.Abs(square.at(i, j)-changed) > 1e-14 {
					t.Errorf("AddSquare of %d: (%d, %d) = %v, want %v", n, i, j, square.at(i, j), changed)
				}
			}
			if math.Abs(product[i]-want) > 1e-12 {
				t.Errorf("MulSymmetric of %d: [%d] = %v, want %v", n, i, product[i], want)
			}
		}
	}
}
