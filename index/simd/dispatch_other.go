//go:build !amd64 && !arm64

package simd

import "unsafe"

func dot(a, b []float32) float32 { return dotPortable(a, b) }

func scan(rows []uint8, codes []int8, _ int32, out []int32) { scanPortable(rows, codes, out) }

func (q *Query8) prepare() {}

func many(rows []uint8, ids []uint32, q *Query8, out []int32) {
	manyPortable(rows, ids, q.codes, out)
}

func quantise(dst []uint8, src []float32, inverse float32) { quantisePortable(dst, src, inverse) }

func maxAbs(v []float32) float32 { return maxAbsPortable(v) }

func reach(w *Weights, b *Bounds) uint64 { return reachPortable(w, b, 0) }

func prefetch(unsafe.Pointer, int) {}

func prefetchRows([]uint8, []uint32, int) {}
