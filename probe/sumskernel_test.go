package probe

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// manySizes draws n floats of either sign and many sizes, some zero.
func manySizes(r *rand.Rand, n int) []float64 {
	f := make([]float64, n)
	for i := range f {
		if r.IntN(8) > 0 {
			f[i] = math.Ldexp(2*r.Float64()-1, r.IntN(120)-60)
		}
	}
	return f
}

// narrow draws what manySizes does, in float32.
func narrow(r *rand.Rand, n int) []float64 {
	f := manySizes(r, n)
	for i, v := range f {
		f[i] = float64(float32(v))
	}
	return f
}

func drawSums(r *rand.Rand, n int) sums { return sums{manySizes(r, n), manySizes(r, n)} }

func sameSums(a, b sums) bool { return sameFloats(a.hi, b.hi) && sameFloats(a.lo, b.lo) }

// Law: every kernel returns the bits of the functions in Go, at every length and
// alignment.
func TestSumsKernelsReturnTheSameBits(t *testing.T) {
	eachFusedKernel(t, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
			n, skip := rapid.IntRange(0, 70).Draw(t, "n"), rapid.IntRange(0, 7).Draw(t, "skip")
			s := drawSums(r, skip+n).from(skip, n)
			checkRowKernels(t, r, s)
			checkTileKernels(t, r, n)
		})
	})
}

func checkRowKernels(t *rapid.T, r *rand.Rand, s sums) {
	n := len(s.hi)
	row, v := narrow(r, n), narrow(r, 1)[0]
	got, want := s.clone(), s.clone()
	addExact(got.hi, got.lo, v, row)
	addExactGo(want.hi, want.lo, v, row)
	if !sameSums(got, want) {
		t.Fatalf("addExact(%v, %v) to %v = %v, want %v", v, row, s, got, want)
	}
	x, f := manySizes(r, n), twoSum(manySizes(r, 1)[0], manySizes(r, 1)[0])
	addScaled(got.hi, got.lo, f, x)
	addScaledGo(want.hi, want.lo, f, x)
	if !sameSums(got, want) {
		t.Fatalf("addScaled(%v, %v) to %v = %v, want %v", f, x, s, got, want)
	}
	var gotLanes lanes
	copy(gotLanes.fixed[:], manySizes(r, 8))
	copy(gotLanes.rest[:], manySizes(r, 8))
	wantLanes := gotLanes
	addRow(s.hi, s.lo, x, f.hi, got, &gotLanes)
	addRowGo(s.hi, s.lo, x, f.hi, want, &wantLanes)
	if !sameSums(got, want) || !sameFloats(gotLanes.fixed[:], wantLanes.fixed[:]) || !sameFloats(gotLanes.rest[:], wantLanes.rest[:]) {
		t.Fatalf("addRow(%v, %v, %v) = %v and %v, want %v and %v", s, x, f.hi, got, gotLanes, want, wantLanes)
	}
}

func checkTileKernels(t *rapid.T, r *rand.Rand, n int) {
	s := drawSums(r, panel)
	got, want := s.clone(), s.clone()
	v, columns := narrow(r, n), narrow(r, n*panel)
	addDots((*[panel]float64)(got.hi), (*[panel]float64)(got.lo), v, columns)
	addDotsGo((*[panel]float64)(want.hi), (*[panel]float64)(want.lo), v, columns)
	if !sameSums(got, want) {
		t.Fatalf("addDots(%v, %v) to %v = %v, want %v", v, columns, s, got, want)
	}
	f := make([]double, n)
	for k := range f {
		f[k] = twoSum(manySizes(r, 1)[0], manySizes(r, 1)[0])
	}
	addScaledDots((*[panel]float64)(got.hi), (*[panel]float64)(got.lo), f, columns)
	addScaledDotsGo((*[panel]float64)(want.hi), (*[panel]float64)(want.lo), f, columns)
	if !sameSums(got, want) {
		t.Fatalf("addScaledDots(%v, %v) to %v = %v, want %v", f, columns, s, got, want)
	}
}

// Law: a product with a packed matrix of doubles is within d*2^-103 of the trace
// times the length of the vector.
func TestAddTimesIsAccurateInDoubledPrecision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 40).Draw(t, "d")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		s, w := newSums(d*(d+1)/2), make([]float64, d)
		for range 5 {
			x := make([]float64, d)
			for i := range x {
				x[i] = float64(float32(r.NormFloat64()))
			}
			s.addProducts(twoProduct(1.0/3, r.Float64()), x)
		}
		trace, length := 0.0, 0.0
		for i := range w {
			w[i] = r.NormFloat64()
			trace, length = trace+s.hi[rowStart(d, i)], math.Hypot(length, w[i])
		}
		got := make([]double, d)
		s.addTimes(1, w, got)
		for i, g := range got {
			off := exactTimes(s, w, i)
			off.Sub(off, new(big.Float).SetPrec(300).Add(big.NewFloat(g.hi), big.NewFloat(g.lo)))
			if f, _ := off.Float64(); math.Abs(f) > float64(d)*0x1p-103*trace*length {
				t.Fatalf("row %d of %d is off by %g, want below %g", i, d, f, float64(d)*0x1p-103*trace*length)
			}
		}
	})
}

// exactTimes returns row i of the packed matrix times w.
func exactTimes(s sums, w []float64, i int) *big.Float {
	sum := new(big.Float).SetPrec(300)
	for j, v := range w {
		at := rowStart(len(w), min(i, j)) + max(i, j) - min(i, j)
		for _, part := range []float64{s.hi[at], s.lo[at]} {
			p := new(big.Float).SetPrec(300).Mul(big.NewFloat(part), big.NewFloat(v))
			sum.Add(sum, p)
		}
	}
	return sum
}
