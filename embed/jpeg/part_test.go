package jpeg

import (
	"bytes"
	"math"
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

// plainInverse is the inverse transform to 8 bits, unrounded.
func plainInverse(at *[64]int32, x, y int) float64 {
	return min(max(plainSum(at, x, y)+128, 0), 255)
}

// plainSum is the inverse transform of T.81, A.3.3.
func plainSum(at *[64]int32, x, y int) float64 {
	sum := 0.0
	for v := range 8 {
		for u := range 8 {
			term := float64(at[8*v+u]) / 4
			if u == 0 {
				term /= math.Sqrt2
			}
			if v == 0 {
				term /= math.Sqrt2
			}
			sum += term * math.Cos(float64((2*x+1)*u)*math.Pi/16) * math.Cos(float64((2*y+1)*v)*math.Pi/16)
		}
	}
	return sum
}

// drawn draws a block with coefficients in the first places only.
func drawn(t *rapid.T) block {
	var b block
	for k := range rapid.IntRange(0, 64).Draw(t, "places") {
		if k == 0 || rapid.Bool().Draw(t, "coefficient") {
			b.at[zigzag[k]] = rapid.Int32Range(-300, 300).Draw(t, "value")
			b.set |= 1 << zigzag[k]
		}
	}
	return b
}

// Law: the transform is within one level of the exact one.
func TestInverseIsTheCosineTransform(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawn(t)
		at, got := b.at, make([]byte, 64)
		b.inverse(got, 8)
		for i := range got {
			if want := plainInverse(&at, i%8, i/8); math.Abs(float64(got[i])-want) > 1 {
				t.Fatalf("inverse(%v) at (%d, %d) = %d, want %.3f", at, i%8, i/8, got[i], want)
			}
		}
	})
}

// Law: which coefficients are known to be 0 does not change the samples, and
// a block is zero again when it has been transformed.
func TestInverseShortcutsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawn(t)
		all, at := b, b.at
		all.set = math.MaxUint64
		got, want := make([]byte, 64), make([]byte, 64)
		b.inverse(got, 8)
		all.inverse(want, 8)
		if !bytes.Equal(got, want) {
			t.Fatalf("inverse(%v) = %v, want %v", at, got, want)
		}
		if b.at != [64]int32{} || b.set != 0 {
			t.Fatalf("inverse(%v) leaves %v, %x", at, b.at, b.set)
		}
	})
}

// Law: the reader's bits are those of the data less their stuffing, up to a
// marker, and then zeros that it owns up to; end finds the marker.
func TestBitsAreThoseOfTheData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x7f, 0xfe, 0xff, 0xff, 0xaa}), 0, 40).Draw(t, "plain")
		data := bytes.ReplaceAll(plain, []byte{0xff}, []byte{0xff, 0})
		size := len(data)
		data = append(data, rapid.SampledFrom([]string{"", "\xff", "\xff\xd9rest", "\xff\xff\xff\xd0 and more bytes"}).Draw(t, "after")...)
		b, read := stream{data: data}, 0
		for !b.overrun() {
			k := rapid.IntRange(1, 16).Draw(t, "k")
			got, want := b.take(k), uint32(0)
			for range k {
				want <<= 1
				if read < 8*len(plain) {
					want |= uint32(plain[read/8]>>(7-read%8)) & 1
				}
				read++
			}
			if got != want || b.overrun() != (read > 8*len(plain)) {
				t.Fatalf("take(%d) of %x = %b, overrun %t; want %b after %d of %d bits", k, data, got, b.overrun(), want, read, 8*len(plain))
			}
			if left := len(plain) - (read+7)/8; rapid.IntRange(0, 9).Draw(t, "stop") == 0 && left >= 0 {
				at, ok := b.end()
				if ok != (left <= maxPadding) || ok && at != size {
					t.Fatalf("end of %x, %d bytes left: %d, %t; want %d", data, left, at, ok, size)
				}
				return
			}
		}
	})
}

// Law: every code that a table defines gives its value, with the bits of its
// coefficient, whatever follows; and every other gives none.
func TestHuffmanCodesGiveTheirValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts, total, room := make([]byte, 16), 0, 2
		for i := range counts {
			n := rapid.IntRange(0, min(room-1, 256-total, 20)).Draw(t, "count")
			counts[i] = byte(n)
			total, room = total+n, 2*(room-n)
		}
		values := rapid.SliceOfN(rapid.Byte(), total, total).Draw(t, "values")
		var h huffman
		if n, err := h.define(append(bytes.Clone(counts), values...)); n != 16+total || err != nil {
			t.Fatalf("define(%v) = %d, %v", counts, n, err)
		}
		h.build()
		acc := rapid.Uint64().Draw(t, "bits")
		wantLength, wantValue := lookedUp(counts, values, acc)
		length, value, coefficient := found(&h, acc)
		if length != wantLength || value != wantValue {
			t.Fatalf("%016b… by %v: length %d, value %#x; want %d, %#x", acc>>48, counts, length, value, wantLength, wantValue)
		}
		size := int(value & 15)
		if want := extend(uint32(acc<<length>>1>>(63-size)), max(size, 1)); coefficient != 0 && coefficient != want {
			t.Fatalf("%016b… by %v: coefficient %d, want %d", acc>>48, counts, coefficient, want)
		}
	})
}

// found returns what the decoding loops make of a code.
func found(h *huffman, acc uint64) (length int, value byte, coefficient int32) {
	e := h.look[acc>>(64-lookBits)]
	switch {
	case e.bits() == 0:
		length, value = h.find(acc)
		return length, value, 0
	case e.coefficient() != 0:
		return e.bits() - int(e.value()&15), e.value(), e.coefficient()
	}
	return e.bits(), e.value(), 0
}

// lookedUp goes through all codes in turn (T.81, annex C).
func lookedUp(counts, values []byte, acc uint64) (length int, value byte) {
	code := uint64(0)
	for l := 1; l <= 16; l++ {
		for range counts[l-1] {
			if acc>>(64-l) == code {
				return l, values[0]
			}
			code++
			values = values[1:]
		}
		code <<= 1
	}
	return 0, 0
}

// Law: T.81, table F.1: the sizes cover all numbers once.
func TestExtendCountsThroughTheNumbers(t *testing.T) {
	for size := 1; size <= 15; size++ {
		for v := range uint32(1) << size {
			got := extend(v, size)
			want := int32(v)
			if bits.Len32(v) < size {
				want = -int32(^v & (1<<size - 1))
			}
			if got != want {
				t.Fatalf("extend(%b, %d) = %d, want %d", v, size, got, want)
			}
		}
	}
}

// Law: upsampling keeps a flat component flat and every sample between its
// neighbours' values, at all ratios and edges.
func TestUpsamplingStaysWithinTheSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Byte().Draw(t, "low")
		high := rapid.ByteMin(low).Draw(t, "high")
		c := component{
			stretch: rapid.IntRange(1, 4).Draw(t, "stretch"), drop: rapid.IntRange(1, 4).Draw(t, "drop"),
			width: rapid.IntRange(1, 12).Draw(t, "width"), height: rapid.IntRange(1, 12).Draw(t, "height"),
		}
		c.plane = newPlane(2, 2, 2, true)
		for i := range c.plane.pix {
			c.plane.pix[i] = rapid.ByteRange(low, high).Draw(t, "sample")
		}
		c.scratch = make([]byte, c.width*c.stretch)
		for y := range c.height * c.drop {
			row := c.upsampled(y)
			if len(row) != c.width*c.stretch {
				t.Fatalf("row of %d pixels, want %d", len(row), c.width*c.stretch)
			}
			for x, v := range row {
				if v < low || v > high {
					t.Fatalf("pixel (%d, %d) = %d of samples from %d to %d", x, y, v, low, high)
				}
			}
		}
	})
}

// Law: ITU-T T.871, rounded, of constants that are rounded, too.
func TestColourIsT871(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y, b, r := rapid.Byte().Draw(t, "y"), rapid.Byte().Draw(t, "cb"), rapid.Byte().Draw(t, "cr")
		got := make([]byte, 3)
		colour(got, [4][]byte{{y}, {b}, {r}})
		cb, cr := float64(b)-128, float64(r)-128
		for c, exact := range []float64{float64(y) + 1.402*cr, float64(y) - 0.344136286*cb - 0.714136286*cr, float64(y) + 1.772*cb} {
			if exact = min(max(exact, 0), 255); math.Abs(float64(got[c])-exact) > 0.503 {
				t.Fatalf("colour(%d, %d, %d)[%d] = %d, want %.3f", y, b, r, c, got[c], exact)
			}
		}
	})
}

// Law: where chroma says grey, triple is colour.
func TestGreyChromaIsGrey(t *testing.T) {
	luma, chroma := make([]byte, 256), bytes.Repeat([]byte{128}, 256)
	for i := range luma {
		luma[i] = byte(i)
	}
	got, want := make([]byte, 768), make([]byte, 768)
	triple(got, luma)
	colour(want, [4][]byte{luma, chroma, chroma})
	if !bytes.Equal(got, want) {
		t.Errorf("triple = %v, want %v", got, want)
	}
	for i := range 19 {
		row := bytes.Repeat([]byte{128}, 19)
		if !isGrey(row) {
			t.Errorf("isGrey(%v) = false", row)
		}
		if row[i] = 127; isGrey(row) {
			t.Errorf("isGrey(%v) = true", row)
		}
	}
}
