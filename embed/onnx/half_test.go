package onnx

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// widened is the value of a binary16: the definition, not the bits.
func widened(h uint16) float64 {
	sign, exponent, fraction := 1-2*float64(h>>15), int(h>>10&31), float64(h&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		return sign * math.Inf(1) // of these tests, no NaN
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

func TestEveryHalfIsItsOwn(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		if h&0x7fff > 0x7c00 {
			continue // not a number
		}
		if got := float16(float32(widened(h))); got != h {
			t.Fatalf("float16(%v) = %#04x, want %#04x", widened(h), got, h)
		}
	}
}

// Law: no other half is nearer, and of two that are as near the even one is
// taken. Beyond the greatest a step as wide as the last leads to infinity.
func TestHalvesAreTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := math.Float32frombits(rapid.Uint32().Draw(t, "bits"))
		if rapid.Bool().Draw(t, "in range") {
			f = float32(math.Ldexp(rapid.Float64Range(-2, 2).Draw(t, "value"), rapid.IntRange(-27, 16).Draw(t, "exponent")))
		}
		if rapid.Bool().Draw(t, "half way") {
			h := rapid.Uint16Range(0, 0x7bfe).Draw(t, "half")
			f = float32((widened(h) + widened(h+1)) / 2)
		}
		if f != f {
			if got := float16(f); got&0x7c00 != 0x7c00 || got&0x3ff == 0 {
				t.Fatalf("float16(NaN) = %#04x, want no number", got)
			}
			return
		}
		finite := func(h uint16) float64 {
			if h&0x7fff == 0x7c00 {
				return math.Copysign(65536, 1-2*float64(h>>15))
			}
			return widened(h)
		}
		got := float16(f)
		distance := math.Abs(finite(got) - float64(f))
		for _, other := range []uint16{got - 1, got + 1} {
			if other&0x7fff > 0x7c00 || (other^got)&0x8000 != 0 {
				continue
			}
			if d := math.Abs(finite(other) - float64(f)); d < distance || d == distance && got&1 == 1 {
				t.Fatalf("float16(%v) = %#04x (%v), but %#04x (%v) is nearer or even", f, got, finite(got), other, finite(other))
			}
		}
	})
}

func TestUpperHalvesAreTheNearest(t *testing.T) {
	for bits, want := range map[uint32]uint16{
		0x3f800000: 0x3f80, 0x3f807fff: 0x3f80, 0x3f808000: 0x3f80, 0x3f808001: 0x3f81, 0x3f818000: 0x3f82,
		0xbf818000: 0xbf82, 0x7f7fffff: 0x7f80, 0x7f800000: 0x7f80, 0x7f800001: 0x7fc0, 0xffffffff: 0xffff, 0: 0,
	} {
		if got := bfloat16(math.Float32frombits(bits)); got != want {
			t.Errorf("bfloat16(%#08x) = %#04x, want %#04x", bits, got, want)
		}
	}
}

func TestOctetsAreTheNearest(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	got := octets([]float32{-inf, -1, 0, 0.5, 0.51, 1.5, 254.5, 255, 256, inf, nan})
	if want := []uint8{0, 0, 0, 0, 1, 2, 254, 255, 255, 255, 0}; !slices.Equal(got, want) {
		t.Errorf("octets() = %v, want %v", got, want)
	}
}
