package simd

// Query8 is an int8 query prepared for many rows. The zero value is a query of
// length 0. Its methods but Set may be called at the same time, and allocate
// nothing.
//
// A table of rows is one slice: row j is rows[j·n : (j+1)·n] where n is Len. The
// kernels are fastest where rows starts at a multiple of 64 bytes.
type Query8 struct {
	codes []int8
	bias  int32
	words []int16 // the codes as the AVX2 kernel of Many takes them, else empty
}

// Set makes codes the query. It reuses the storage of the previous one, and
// panics where the length of codes is no multiple of Block.
func (q *Query8) Set(codes []int8) {
	checkLength(len(codes))
	q.codes = append(q.codes[:0], codes...)
	q.bias = bias(codes)
	q.prepare()
}

// Len returns the length of the query and of a row.
func (q *Query8) Len() int { return len(q.codes) }

// checkRows panics where count rows of q's length are more than size bytes.
func (q *Query8) checkRows(size int, count uint64) {
	if count*uint64(q.Len()) > uint64(size) {
		panic("simd: a row is outside of the table")
	}
}
