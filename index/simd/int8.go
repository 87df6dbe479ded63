package simd

import "bytes"

// Block is what the length of a row and its query must be a multiple of: a
// cache line, and the widest vector there is.
const Block = 64

// Dot8 returns the sum over i of (row[i] - 128) · query[i]. A row holds codes
// offset by 128, because the instruction that multiplies bytes takes one of its
// operands without a sign. Query8 is faster where a query meets many rows.
//
// The result is the exact integer up to a length of 65,536, where its size is
// at most 128 · 128 · 65536 = 2³⁰; it may wrap at twice that. Dot8 panics where
// the lengths differ or are no multiple of Block.
func Dot8(row []uint8, query []int8) int32 {
	checkLength(len(query))
	if len(row) != len(query) {
		panic("simd: a row and its query differ in length")
	}
	if len(row) == 0 {
		return 0
	}
	var sum [1]int32
	scan(row, query, bias(query), sum[:])
	return sum[0]
}

func checkLength(n int) {
	if n%Block != 0 {
		panic("simd: a length is no multiple of 64")
	}
}

// zero is a row whose products with every query are 0.
var zero = bytes.Repeat([]byte{128}, 4096)

// bias returns what a kernel's sum over a row lacks to the sum that Dot8 defines:
// -128 · the sum of codes for one that takes rows as they are, else 0.
func bias(codes []int8) (b int32) {
	var sum [1]int32
	for len(codes) > 0 {
		n := min(len(codes), len(zero))
		scan(zero[:n], codes[:n], 0, sum[:])
		b -= sum[0]
		codes = codes[n:]
	}
	return b
}

func dot8Portable(row []uint8, query []int8) (sum int32) {
	query = query[:len(row)]
	for i, r := range row {
		sum += (int32(r) - 128) * int32(query[i])
	}
	return sum
}
