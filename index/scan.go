package index

import (
	"runtime"
	"slices"
	"sync"
)

// scanRows is the number of rows scored together: their scores stay in the
// first-level cache.
const scanRows = 512

// partSize is how many bytes a scan reads at least for each goroutine that it is
// split among. Each must find good neighbours of its own before it can pass over
// the rest, so that splitting less is slower: on two processors, 16,384 vectors of
// 512 took 1.1 times as long split and 32,768 took 0.74 times; of those with
// heads of 64 bytes 131,072 took 1.0 times and 262,144 took 0.65 times (BenchmarkParts).
const partSize = 8 << 20

// gatherShare is how many times fewer rows than all must match for scoring
// them one by one to be faster than scoring all in order and keeping those that
// match (BenchmarkGather).
const gatherShare = 4

// nearest returns the k best rows that the filter lets answer, exactly: a row
// is scored in float32 unless its codes prove that it is not among them.
func (r *rows) nearest(v view, q *query, k int, f *Filter) []Neighbour {
	if k = min(k, r.Len()); k <= 0 {
		return nil
	}
	if f.In != nil && f.In.Len() < v.n/gatherShare {
		some := r.keys.rowsOf(make([]uint32, 0, f.In.Len()), f.In.All())
		// Rows that were added since the view was taken are not in it.
		some = slices.DeleteFunc(some, func(row uint32) bool { return int(row) >= v.n })
		return inParts(r.parts(&v, gatherShare*len(some)), len(some), k, f, func(best *top, from, to int) { v.gather(best, q, f, some[from:to]) })
	}
	return inParts(r.parts(&v, v.n), v.n, k, f, func(best *top, from, to int) { v.scan(best, q, f, from, to) })
}

// parts is among how many goroutines a scan of n rows in order is worth splitting.
func (r *rows) parts(v *view, n int) int {
	bytes := n * v.stride
	if v.hasHeads() {
		bytes = n * v.frame.size
	}
	return max(1, min(runtime.GOMAXPROCS(0), bytes/r.partSize))
}

// inParts splits a scan of n rows. Scores are the same however many parts there
// are, and the best are among the best of the parts.
func inParts(parts, n, k int, f *Filter, scan func(best *top, from, to int)) []Neighbour {
	bests := make([]*top, parts)
	var group sync.WaitGroup
	for p := range parts {
		bests[p] = newTop(k, f)
		from, to := n*p/parts/64*64, n*(p+1)/parts/64*64
		if p == parts-1 {
			scan(bests[p], from, n)
			continue
		}
		group.Go(func() { scan(bests[p], from, to) })
	}
	group.Wait()
	best := bests[0]
	for _, more := range bests[1:] {
		for _, n := range more.heap {
			if best.admits(n) {
				best.push(n)
			}
		}
	}
	return best.ranked()
}

// scan pushes the rows from a multiple of 64 to another row, exclusive.
func (v *view) scan(best *top, q *query, f *Filter, from, to int) {
	var dots [scanRows]int32
	var alive [scanRows / 64]uint64
	var some []uint32
	for ; from < to; from += scanRows {
		n := min(scanRows, to-from)
		// Before the scores: a row shown later may be half written now.
		for i := 0; i < n; i += 64 {
			alive[i/64] = v.liveIn(from + i)
		}
		if n%64 != 0 {
			alive[n/64] &= 1<<(n%64) - 1
		}
		if v.hasHeads() {
			some = v.skim(q, some[:0], from, dots[:n], alive[:], best.least())
			v.sieve(best, q, f, some)
			continue
		}
		q.codes.Scan(v.codes[from*v.stride:(from+n)*v.stride], dots[:n])
		for i := 0; i < n; i += 64 {
			v.sift(best, q, f, from+i, alive[i/64], dots[i:min(n, i+64)])
		}
	}
}

// sift pushes those of up to 64 rows whose bit is set and whose upper bound
// reaches the k-th best score.
func (v *view) sift(best *top, q *query, f *Filter, from int, alive uint64, dots []int32) {
	for i, dot := range dots {
		row := uint32(from + i)
		// The bit first: a dead row may be written just now.
		if alive>>i&1 != 0 && v.approximate(q, row, dot)+v.doubt(q, row) >= best.least() {
			v.consider(best, q, f, row)
		}
	}
}

// consider pushes a row if its exact score and the filter admit it.
func (v *view) consider(best *top, q *query, f *Filter, row uint32) {
	key := v.keys[row]
	if f.In != nil && !f.In.Has(key) || f.Without != nil && *f.Without == key {
		return
	}
	n := v.score(q, row)
	// Last what costs most: few rows pass the first test.
	if best.admits(n) && (f.Accept == nil || f.Accept(n.Key)) {
		best.push(n)
	}
}

// gatherRows is the number of rows of a gather that are scored together.
const gatherRows = 64

// gather pushes some rows, in any order.
func (v *view) gather(best *top, q *query, f *Filter, rows []uint32) {
	var some [gatherRows]uint32
	for len(rows) > 0 {
		n := 0
		for _, row := range rows[:min(gatherRows, len(rows))] {
			if v.isAlive(row) {
				some[n] = row
				n++
			}
		}
		rows = rows[min(gatherRows, len(rows)):]
		v.sieve(best, q, f, v.screen(q, some[:n], best.least()))
	}
}

// sieve pushes those of some live rows whose upper bound reaches the k-th best
// score.
func (v *view) sieve(best *top, q *query, f *Filter, rows []uint32) {
	var dots [gatherRows]int32
	for len(rows) > 0 {
		some := rows[:min(gatherRows, len(rows))]
		rows = rows[len(some):]
		q.codes.Many(v.codes, some, dots[:])
		for i, row := range some {
			if v.approximate(q, row, dots[i])+v.doubt(q, row) >= best.least() {
				v.consider(best, q, f, row)
			}
		}
	}
}
