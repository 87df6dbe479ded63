package simd

import "unsafe"

// The functions in Go assembly. Their lengths are checked, and above 0, unless
// it is said that they may be 0.

//go:noescape
func dotNEON(a, b *float32, blocks int, tailA, tailB *[16]float32) float32

//go:noescape
func scanNEON(rows *uint8, query *int8, n int, out *int32, count int)

//go:noescape
func scanSDOT(rows *uint8, query *int8, n int, out *int32, count int)

//go:noescape
func manyNEON(rows *uint8, ids *uint32, count int, query *int8, n int, out *int32)

//go:noescape
func manySDOT(rows *uint8, ids *uint32, count int, query *int8, n int, out *int32)

//go:noescape
func prefetchLines(p unsafe.Pointer, n int) // n may be 0

//go:noescape
func prefetchTable(rows *uint8, ids *uint32, count, n int)

// dot gives the kernel blocks of 16 elements, of which there may be none, and
// the rest as one block more, padded with zeros.
func dot(a, b []float32) float32 {
	if chosen == portable {
		return dotPortable(a, b)
	}
	var tailA, tailB [16]float32
	n := len(a) &^ 15
	copy(tailA[:], a[n:])
	copy(tailB[:], b[n:])
	return dotNEON(unsafe.SliceData(a), unsafe.SliceData(b), n/16, &tailA, &tailB)
}

func scan(rows []uint8, codes []int8, _ int32, out []int32) {
	switch chosen {
	case neonDotprod:
		scanSDOT(&rows[0], &codes[0], len(codes), &out[0], len(out))
	case neon:
		scanNEON(&rows[0], &codes[0], len(codes), &out[0], len(out))
	default:
		scanPortable(rows, codes, out)
	}
}

func (q *Query8) prepare() {}

func many(rows []uint8, ids []uint32, q *Query8, out []int32) {
	switch n := q.Len(); chosen {
	case neonDotprod:
		manySDOT(&rows[0], &ids[0], len(ids), &q.codes[0], n, &out[0])
	case neon:
		manyNEON(&rows[0], &ids[0], len(ids), &q.codes[0], n, &out[0])
	default:
		manyPortable(rows, ids, q.codes, out)
	}
}

func quantise(dst []uint8, src []float32, inverse float32) { quantisePortable(dst, src, inverse) }

func maxAbs(v []float32) float32 { return maxAbsPortable(v) }

func reach(w *Weights, b *Bounds) uint64 { return reachPortable(w, b, 0) }

func prefetch(p unsafe.Pointer, n int) { prefetchLines(p, n) }

func prefetchRows(rows []uint8, ids []uint32, n int) {
	prefetchTable(unsafe.SliceData(rows), &ids[0], len(ids), n)
}
