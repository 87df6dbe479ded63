package simd

// window is how many rows are fetched before the first is needed. Together they
// come twice as fast as one after the other, and they fit the second cache.
const window = 64

// Many sets out[i] to the Dot8 of row ids[i] and the query, for every i. It is
// meant for rows that are scattered in memory and in no cache. It panics where a
// row is outside of rows, and where out is shorter than ids; of a longer out the
// rest is kept.
func (q *Query8) Many(rows []uint8, ids []uint32, out []int32) {
	if len(out) < len(ids) {
		panic("simd: more ids than places for their products")
	}
	if q.Len() == 0 {
		clear(out[:len(ids)])
		return
	}
	for len(ids) > 0 {
		n := min(len(ids), window)
		// To fetch a row that is not there does nothing; so it need not wait
		// for the check.
		prefetchRows(rows, ids[:n], q.Len())
		q.checkRows(len(rows), count(ids[:n]))
		many(rows, ids[:n], q, out)
		ids, out = ids[n:], out[n:]
	}
}

// count returns how many rows a table needs to have all ids.
func count(ids []uint32) (n uint64) {
	for _, id := range ids {
		n = max(n, uint64(id)+1)
	}
	return n
}

func manyPortable(rows []uint8, ids []uint32, codes []int8, out []int32) {
	n := len(codes)
	for i, id := range ids {
		out[i] = dot8Portable(rows[int(id)*n:][:n], codes)
	}
}
