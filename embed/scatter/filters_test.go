package scatter

import (
	"math"
	"math/cmplx"
	"testing"
)

func sum(k kernel) (s float64) {
	for _, v := range k {
		s += v
	}
	return s
}

func TestFiltersHaveTheirMassExactly(t *testing.T) {
	for a := range angles {
		re, im := morlet(a)
		if sum(re) != 0 || sum(im) != 0 {
			t.Errorf("morlet(%d) sums to %v and %v, want 0 and 0", a, sum(re), sum(im))
		}
	}
	if got := sum(gaussian()); got != 1 {
		t.Errorf("gaussian() sums to %v, want 1", got)
	}
	for i, r := range colours() {
		if got, want := r[0]+r[1]+r[2], []float64{1, 0, 0}[i]; got != want {
			t.Errorf("colours()[%d] sums to %v, want %v", i, got, want)
		}
	}
}

func TestFiltersAreMultiplesThatFloatsHold(t *testing.T) {
	all := map[string]kernel{"gaussian": gaussian()}
	all["real"], all["imaginary"] = morlet(3)
	for name, k := range all {
		for i, v := range k {
			if v != round(v) || float64(float32(v)) != v {
				t.Errorf("%s kernel, tap %d = %v, want a multiple of 2⁻²⁰ that float32 holds", name, i, v)
			}
		}
	}
}

func TestRoundingLeavesNoSignOnZero(t *testing.T) {
	for _, v := range []float64{0, 1e-17, -1e-17, math.Copysign(0, -1)} {
		if got := round(v); got != 0 || math.Signbit(got) {
			t.Errorf("round(%v) = %v, want 0 without a sign", v, got)
		}
	}
}

// response is a kernel's Fourier transform at a frequency in radians per pixel.
func response(angle int, fx, fy float64) float64 {
	re, im := morlet(angle)
	var sum complex128
	for i := range re {
		x, y := float64(i%(2*reach+1)-reach), float64(i/(2*reach+1)-reach)
		sum += complex(re[i], im[i]) * cmplx.Exp(complex(0, -(fx*x+fy*y)))
	}
	return cmplx.Abs(sum)
}

func TestWaveletsAnswerTheirOwnWaveAboveAllOthers(t *testing.T) {
	for a := range angles {
		own := 0.0
		for b := range angles {
			sin, cos := math.Sincos(math.Pi * float64(b) / angles)
			got := response(a, frequency*cos, frequency*sin)
			if b == a {
				own = got
			}
			// The next orientations overlap, those across do not.
			if apart := min((a-b+angles)%angles, (b-a+angles)%angles); apart >= 2 && got > 0.35 {
				t.Errorf("wavelet %d answers a wave %d·π/8 away by %.3f, want at most 0.35", a, apart, got)
			}
		}
		if own < 0.9 || own > 1.1 {
			t.Errorf("wavelet %d answers its own wave by %.3f, want about 1", a, own)
		}
	}
}
