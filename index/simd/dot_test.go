package simd

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// reference is Dot's definition, written as its documentation reads.
func reference(a, b []float32) float32 {
	var l [16]float32
	for i := range a {
		l[i%16] += float32(a[i] * b[i])
	}
	for w := 8; w > 0; w /= 2 {
		for i := range w {
			l[i] += l[i+w]
		}
	}
	return l[0]
}

// sequence returns n floats in [-1, 1), the same on every machine: the top 24
// bits of SplitMix64 (Steele, Lea and Flood 2014), scaled without rounding.
func sequence(seed uint64, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		v[i] = float32(int32(z>>40)-1<<23) / (1 << 23)
	}
	return v
}

// pair draws two slices of one length up to 200, so that every tail occurs.
func pair(t *rapid.T) (a, b []float32) {
	n := rapid.IntRange(0, 200).Draw(t, "n")
	element := rapid.Float32Range(-1e6, 1e6)
	a = rapid.SliceOfN(element, n, n).Draw(t, "a")
	b = rapid.SliceOfN(element, n, n).Draw(t, "b")
	return a, b
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// Law: Dot returns the bits of its definition.
func TestDotIsItsDefinition(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			a, b := pair(t)
			if got, want := Dot(a, b), reference(a, b); !sameBits(got, want) {
				t.Fatalf("Dot(%v, %v) = %x, want %x", a, b, got, want)
			}
		})
	})
}

// Law: every length from 0 to 1,100 follows the definition, on ordinary values.
func TestDotIsItsDefinitionAtEveryLength(t *testing.T) {
	a, b := sequence(1, 1100), sequence(2, 1100)
	for k := range kernels() {
		for n := range len(a) + 1 {
			if got, want := Dot(a[:n], b[:n]), reference(a[:n], b[:n]); !sameBits(got, want) {
				t.Errorf("%v: Dot of length %d = %x, want %x", k, n, got, want)
			}
		}
	}
}

// Law: the definition holds for denormals, infinities and what overflows, at any
// offset; where it is NaN, Dot is.
func TestDotIsItsDefinitionOfSpecialValues(t *testing.T) {
	a, b := sequence(3, 230), sequence(4, 230)
	for round := range 5 {
		for i := round; i < len(a); i += 7 + 31*round {
			a[i], b[(i*5)%len(b)] = specials[i%len(specials)], specials[(i*3)%len(specials)]
		}
		for k := range kernels() {
			for n := range 201 {
				x, y := a[n%5:][:n], b[n%3:][:n]
				got, want := Dot(x, y), reference(x, y)
				if !sameBits(got, want) && (got == got || want == want) {
					t.Errorf("%v: Dot(%v, %v) = %x, want %x", k, x, y, got, want)
				}
			}
		}
	}
}

// Law: Dot is within its stated error of the sum in float64.
func TestDotIsNearTheSumInFloat64(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := pair(t)
		var sum, size float64
		for i := range a {
			p := float64(a[i]) * float64(b[i])
			sum, size = sum+p, size+math.Abs(p)
		}
		n := float64(len(a))
		bound := (n/16+6)*0x1p-24*size + n*0x1p-149
		if got := float64(Dot(a, b)); math.Abs(got-sum) > bound {
			t.Fatalf("Dot(%v, %v) = %g, want %g within %g", a, b, got, sum, bound)
		}
	})
}

// Law: Dot(a, b) and Dot(b, a) are the same bits.
func TestDotIsSymmetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := pair(t)
		if got, want := Dot(a, b), Dot(b, a); !sameBits(got, want) {
			t.Fatalf("Dot(a, b) = %x, Dot(b, a) = %x for a = %v, b = %v", got, want, a, b)
		}
	})
}

// Law: appending zeros to both changes no bit, so a kernel may pad its tail.
func TestDotIgnoresZeroPadding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := pair(t)
		pad := make([]float32, rapid.IntRange(1, 40).Draw(t, "pad"))
		want := Dot(a, b)
		if got := Dot(append(a, pad...), append(b, pad...)); !sameBits(got, want) {
			t.Fatalf("Dot with %d zeros appended = %x, want %x", len(pad), got, want)
		}
	})
}

func TestDotCutsALongerSecondArgument(t *testing.T) {
	a, b := sequence(1, 20), sequence(2, 30)
	if got, want := Dot(a, b), Dot(a, b[:20]); !sameBits(got, want) {
		t.Errorf("Dot(20 elements, 30 elements) = %x, want %x", got, want)
	}
}

// The golden holds the bits of dot products, so that no machine, compiler or
// kernel changes a score unnoticed.
func TestDotMatchesTheGoldenBits(t *testing.T) {
	eachKernel(t, checkGolden)
}

func checkGolden(t *testing.T) {
	var out strings.Builder
	for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 31, 32, 33, 63, 64, 100, 255, 256, 384, 512, 513, 768, 1023, 1280, 2048} {
		for seed := range uint64(4) {
			bits := math.Float32bits(Dot(sequence(2*seed, n), sequence(2*seed+1, n)))
			fmt.Fprintf(&out, "%d %d %08x\n", n, seed, bits)
		}
	}
	path := filepath.Join("testdata", "dot.golden")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != string(want) {
		t.Errorf("Dot's bits (length, seed, bits):\n%s\nwant %s:\n%s", got, path, want)
	}
}
