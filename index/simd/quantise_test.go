package simd

import (
	"math"
	"testing"
)

// code is the definition of one code of Quantise, for what is not NaN.
func code(x, inverse float32) uint8 {
	r := math.RoundToEven(float64(float32(x * inverse)))
	return uint8(128 + max(-127, min(127, r)))
}

func checkQuantised(t *testing.T, k kernel, dst []uint8, src []float32, inverse float32) {
	t.Helper()
	for i, x := range src {
		want := uint8(1) // NaN
		if p := x * inverse; p == p {
			want = code(x, inverse)
		}
		if dst[i] != want {
			t.Errorf("%v: Quantise of %g · %g = %d, want %d", k, x, inverse, dst[i], want)
		}
	}
}

func checkMaxAbs(t *testing.T, k kernel, v []float32) {
	t.Helper()
	want := float32(0)
	for _, x := range v {
		if a := float32(math.Abs(float64(x))); a > want {
			want = a
		}
	}
	if got := MaxAbs(v); !sameBits(got, want) {
		t.Errorf("%v: MaxAbs of %d elements = %x, want %x", k, len(v), got, want)
	}
}

// specials are the values at which something changes: of rounding, of range.
var specials = func() []float32 {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	half := []float32{0, 0.5, 1.5, 2.5, 125.5, 126.5, 127, 127.5, 128, 1e9, math.MaxFloat32, inf}
	half = append(half, math.SmallestNonzeroFloat32, 1e-40, 0x1p-126, math.Nextafter32(0.5, 0), math.Nextafter32(126.5, 127))
	for _, x := range half {
		half = append(half, -x)
	}
	return append(half, nan, float32(math.Copysign(0, -1)), math.Float32frombits(0x7f800001))
}()

func TestQuantiseIsItsDefinition(t *testing.T) {
	for k := range kernels() {
		for n := range 201 {
			src, dst := sequence(uint64(n), n), make([]uint8, n+3)
			Quantise(dst, src, 180)
			checkQuantised(t, k, dst, src, 180)
			for _, pad := range dst[n:] {
				if pad != 128 {
					t.Errorf("%v: Quantise filled with %d, want 128", k, pad)
				}
			}
		}
	}
}

func TestQuantiseRoundsTiesToEvenAndCuts(t *testing.T) {
	for k := range kernels() {
		for _, inverse := range append(specials, 1, -1, 2) {
			dst := make([]uint8, len(specials))
			Quantise(dst, specials, inverse)
			checkQuantised(t, k, dst, specials, inverse)
		}
	}
}

func TestMaxAbsIsItsDefinition(t *testing.T) {
	for k := range kernels() {
		for n := range 201 {
			v := sequence(uint64(n), n)
			checkMaxAbs(t, k, v)
			for i, x := range specials {
				if n > 0 {
					v[(7*i)%n] = x
				}
				checkMaxAbs(t, k, v)
			}
		}
	}
}
