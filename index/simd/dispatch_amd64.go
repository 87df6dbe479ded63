package simd

import (
	"slices"
	"unsafe"
)

// The functions in Go assembly. Their lengths are checked, and above 0, unless
// it is said that they may be 0.

//go:noescape
func dotAVX2(a, b *float32, n int) float32 // n may be 0

//go:noescape
func dotAVX512(a, b *float32, n int) float32 // n may be 0

//go:noescape
func scanAVX2(rows *uint8, query *int8, n int, bias int32, out *int32, count int)

//go:noescape
func scanAVX512(rows *uint8, query *int8, n int, bias int32, out *int32, count int)

//go:noescape
func splitAVX2(words *int16, codes *int8, n int)

//go:noescape
func manyAVX2(rows *uint8, ids *uint32, count int, words *int16, n int, bias int32, out *int32)

//go:noescape
func manyAVX512(rows *uint8, ids *uint32, count int, query *int8, n int, bias int32, out *int32)

//go:noescape
func quantiseAVX2(dst *uint8, src *float32, n int, inverse float32) // n is a multiple of 32

//go:noescape
func maxAbsAVX2(v *float32, n int) float32 // n is a multiple of 32

//go:noescape
func reachAVX512(w *Weights, dots *int32, bias, scale, lost, length, rest *float32, n int) uint64 // n is a multiple of 16

//go:noescape
func prefetchLines(p unsafe.Pointer, n int) // n may be 0

//go:noescape
func prefetchTable(rows *uint8, ids *uint32, count, n int)

func dot(a, b []float32) float32 {
	switch x, y := unsafe.SliceData(a), unsafe.SliceData(b); chosen {
	case avx512vnni:
		return dotAVX512(x, y, len(a))
	case avx2:
		return dotAVX2(x, y, len(a))
	}
	return dotPortable(a, b)
}

func scan(rows []uint8, codes []int8, bias int32, out []int32) {
	switch chosen {
	case avx512vnni:
		scanAVX512(&rows[0], &codes[0], len(codes), bias, &out[0], len(out))
	case avx2:
		scanAVX2(&rows[0], &codes[0], len(codes), bias, &out[0], len(out))
	default:
		scanPortable(rows, codes, out)
	}
}

// prepare sets what a kernel takes of the query beside its codes.
func (q *Query8) prepare() {
	if n := q.Len(); n > 0 && chosen == avx2 {
		q.words = slices.Grow(q.words[:0], n)[:n]
		splitAVX2(&q.words[0], &q.codes[0], n)
	}
}

func many(rows []uint8, ids []uint32, q *Query8, out []int32) {
	switch n := q.Len(); chosen {
	case avx512vnni:
		manyAVX512(&rows[0], &ids[0], len(ids), &q.codes[0], n, q.bias, &out[0])
	case avx2:
		manyAVX2(&rows[0], &ids[0], len(ids), &q.words[0], n, q.bias, &out[0])
	default:
		manyPortable(rows, ids, q.codes, out)
	}
}

// quantise leaves the elements after the last 32 to Go, as maxAbs does.
func quantise(dst []uint8, src []float32, inverse float32) {
	if n := len(src) &^ 31; n > 0 && chosen != portable {
		quantiseAVX2(&dst[0], &src[0], n, inverse)
		dst, src = dst[n:], src[n:]
	}
	quantisePortable(dst, src, inverse)
}

func maxAbs(v []float32) float32 {
	n := len(v) &^ 31
	if n == 0 || chosen == portable {
		return maxAbsPortable(v)
	}
	return max(maxAbsAVX2(&v[0], n), maxAbsPortable(v[n:]))
}

// reach leaves the rows after the last 16 to Go.
func reach(w *Weights, b *Bounds) (word uint64) {
	n := len(b.Dots) &^ 15
	if n == 0 || chosen != avx512vnni {
		return reachPortable(w, b, 0)
	}
	word = reachAVX512(w, &b.Dots[0], &b.Bias[0], &b.Scale[0], &b.Lost[0], &b.Length[0], &b.Rest[0], n)
	return word | reachPortable(w, b, n)
}

func prefetch(p unsafe.Pointer, n int) { prefetchLines(p, n) }

func prefetchRows(rows []uint8, ids []uint32, n int) {
	prefetchTable(unsafe.SliceData(rows), &ids[0], len(ids), n)
}
