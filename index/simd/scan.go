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

func scanPortable(rows []uint8, codes []int8, out []int32) {
	n := len(codes)
	for i := range out {
		out[i] = dot8Portable(rows[i*n:][:n], codes)
	}
}
