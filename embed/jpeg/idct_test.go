package jpeg

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// coefficient draws what a block may hold: small values as those of images, the
// products of 16 bits by 16 that a hostile file may ask for, and any other.
func coefficient(t *rapid.T) int32 {
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return rapid.Int32Range(-300, 300).Draw(t, "value")
	case 1:
		return rapid.Int32Range(math.MinInt16, math.MaxInt16).Draw(t, "value") * rapid.Int32Range(0, math.MaxUint16).Draw(t, "quant")
	case 2:
		return rapid.SampledFrom([]int32{math.MinInt32, math.MinInt32 + 1, -1 << 18, 1 << 18, math.MaxInt32}).Draw(t, "value")
	}
	return rapid.Int32().Draw(t, "value")
}

// Law: the transform in assembly is that in Go for any coefficients, writes
// nothing beside its samples and leaves the block zero.
func TestInverseVectorIsThePortableInverse(t *testing.T) {
	if !vectorised() {
		t.Skip("the inverse transform is in Go only on this machine")
	}
	rapid.Check(t, func(t *rapid.T) {
		// Sparse blocks, dense ones, and those without high frequencies.
		a := block{set: rapid.Uint64().Draw(t, "set") | rapid.SampledFrom([]uint64{0, 0, 0x0f0f0f0f, math.MaxUint64}).Draw(t, "more")}
		for i := range a.at {
			if a.set>>i&1 == 1 {
				a.at[i] = coefficient(t)
			}
		}
		b, at := a, a.at
		stride := rapid.IntRange(8, 20).Draw(t, "stride")
		got := bytes.Repeat([]byte{0x55}, 7*stride+8+rapid.IntRange(0, 9).Draw(t, "behind"))
		want := bytes.Clone(got)
		a.inverseVector(got, stride)
		b.inversePortable(want, stride)
		if !bytes.Equal(got, want) {
			t.Fatalf("inverseVector(%v) = %v, want %v", at, got, want)
		}
		if a.at != [64]int32{} || a.set != 0 {
			t.Fatalf("inverseVector(%v) leaves %v, %x", at, a.at, a.set)
		}
	})
}
