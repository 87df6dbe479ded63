package simd

// Scan sets out[i] to the Dot8 of row i and the query, for every i. It is bound
// by the memory's bandwidth. It panics where rows has less than len(out) rows.
func (q *Query8) Scan(rows []uint8, out []int32) {
	q.checkRows(len(rows), uint64(len(out)))
	if q.Len() == 0 || len(out) == 0 {
		clear(out)
		return
	}
	scan(rows, q.codes, q.bias, out)
}

// Scan8x2 is hi.Scan(rows, outHi) and lo.Scan(rows, outLo) in one pass over the
// memory. It panics as they do, and where the queries or the outputs differ in
// length.
func Scan8x2(hi, lo *Query8, rows []uint8, outHi, outLo []int32) {
	if hi.Len() != lo.Len() || len(outHi) != len(outLo) {
		panic("simd: two queries of one scan, or their outputs, differ in length")
	}
	hi.checkRows(len(rows), uint64(len(outHi)))
	if hi.Len() == 0 || len(outHi) == 0 {
		clear(outHi)
		clear(outLo)
		return
	}
	scan2(rows, hi, lo, outHi, outLo)
}

// scanTwice scans some rows for both queries, so that the second scan finds them
// in the cache, then the next.
func scanTwice(rows []uint8, hi, lo *Query8, outHi, outLo []int32) {
	step := max(1, 8<<10/hi.Len())
	for len(outHi) > 0 {
		n := min(len(outHi), step)
		scan(rows, hi.codes, hi.bias, outHi[:n])
		scan(rows, lo.codes, lo.bias, outLo[:n])
		rows, outHi, outLo = rows[n*hi.Len():], outHi[n:], outLo[n:]
	}
}

func scanPortable(rows []uint8, codes []int8, out []int32) {
	n := len(codes)
	for i := range out {
		out[i] = dot8Portable(rows[i*n:][:n], codes)
	}
}
