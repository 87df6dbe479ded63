package simd

import (
	"encoding/binary"
	"math"
	"testing"
)

// floats are the bits in data, four bytes each: any value there is.
func floats(data []byte) []float32 {
	v := make([]float32, len(data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return v
}

func bits(v []float32) (data []byte) {
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return data
}

func FuzzDot(f *testing.F) {
	f.Add(bits(specials), bits(sequence(1, len(specials))))
	for n := range 70 {
		f.Add(bits(sequence(1, n)), bits(sequence(2, n)))
	}
	f.Fuzz(func(t *testing.T, x, y []byte) {
		n := min(len(x), len(y)) &^ 3
		a, b := floats(x[:n]), floats(y[:n])
		want := reference(a, b)
		for k := range kernels() {
			if got := Dot(a, b); !sameBits(got, want) && (got == got || want == want) {
				t.Errorf("%v: Dot(%v, %v) = %x, want %x", k, a, b, got, want)
			}
		}
	})
}

// FuzzMany takes as many rows of one or a few blocks as data has, and compares
// what every int8 function makes of them.
func FuzzMany(f *testing.F) {
	f.Add(make([]byte, 64), []byte{0}, uint8(1))
	for _, n := range []int{1, 2, 3, 8} {
		x := newTable(uint64(n), 64*n, 9)
		f.Add(append([]byte(x.rows), x.rows[:64*n]...), []byte{0, 8, 3, 3, 200}, uint8(n))
	}
	f.Fuzz(func(t *testing.T, data, ids []byte, blocks uint8) {
		n := 64 * int(blocks%16)
		if n == 0 || len(data) < 2*n {
			return
		}
		x := tableOf{data[n:], make([]int8, n), make([]uint32, len(ids)), new(Query8)}
		for i := range x.codes {
			x.codes[i] = int8(data[i])
		}
		count := len(x.rows) / n
		for i, id := range ids {
			x.ids[i] = uint32(int(id) % count)
		}
		x.ids = x.ids[:min(len(ids), count)]
		for range kernels() {
			x.query.Set(x.codes)
			x.check(t, make([]int32, len(x.ids)))
		}
	})
}

func FuzzQuantise(f *testing.F) {
	f.Add(bits(specials), float32(1))
	f.Add(bits(sequence(1, 100)), float32(180))
	f.Fuzz(func(t *testing.T, data []byte, inverse float32) {
		src := floats(data)
		dst := make([]uint8, len(src))
		for k := range kernels() {
			Quantise(dst, src, inverse)
			checkQuantised(t, k, dst, src, inverse)
			checkMaxAbs(t, k, src)
		}
	})
}
