package index

import (
	"runtime"
	"slices"
	"sort"
	"sync"

	"nearcase/index/simd"
)

// chunkRows is the number of vectors of a chunk, a multiple of 64.
const chunkRows = 1024

// chunk holds chunkRows keys, ascending, and their vectors, one after another.
type chunk struct {
	keys    []uint64
	vectors []float32
	dead    *[chunkRows / 64]uint64 // a set bit is a removed row; nil is none
}

// table holds rows of keys and vectors, keys ascending. A copy of a table is a
// snapshot: add writes only beyond the rows of every copy, and bury and
// compacted replace what they change. One goroutine at a time may write.
type table struct {
	dimension  int
	chunks     []*chunk
	rows, dead int // dead counts those of the rows that are removed
}

func (t *table) live() int { return t.rows - t.dead }

func (t *table) key(row int) uint64 { return t.chunks[row/chunkRows].keys[row%chunkRows] }

func (t *table) vector(row int) []float32 {
	from := row % chunkRows * t.dimension
	to := from + t.dimension
	return t.chunks[row/chunkRows].vectors[from:to:to]
}

func (t *table) isDead(row int) bool {
	d := t.chunks[row/chunkRows].dead
	return d != nil && d[row%chunkRows/64]>>(row%64)&1 != 0
}

// find returns the row of key and whether key is present.
func (t *table) find(key uint64) (int, bool) {
	row := sort.Search(t.rows, func(r int) bool { return t.key(r) >= key })
	return row, row < t.rows && t.key(row) == key && !t.isDead(row)
}

// add appends a row. key must exceed the keys of the table, and vector must
// have its dimension.
func (t *table) add(key uint64, vector []float32) {
	if t.rows == len(t.chunks)*chunkRows {
		t.chunks = append(t.chunks, &chunk{
			keys:    make([]uint64, chunkRows),
			vectors: make([]float32, chunkRows*t.dimension),
		})
	}
	t.chunks[t.rows/chunkRows].keys[t.rows%chunkRows] = key
	copy(t.vector(t.rows), vector)
	t.rows++
}

// bury marks row, which must be alive, as removed.
func (t *table) bury(row int) {
	c := *t.chunks[row/chunkRows]
	dead := [chunkRows / 64]uint64{}
	if c.dead != nil {
		dead = *c.dead
	}
	dead[row%chunkRows/64] |= 1 << (row % 64)
	c.dead = &dead
	t.chunks = slices.Clone(t.chunks)
	t.chunks[row/chunkRows] = &c
	t.dead++
}

// compacted returns a table of the live rows that shares no memory with t.
func (t *table) compacted() table {
	n := table{dimension: t.dimension}
	for row := range t.rows {
		if !t.isDead(row) {
			n.add(t.key(row), t.vector(row))
		}
	}
	return n
}

// nearest returns the k best live rows that accept says yes to, as Search does.
func (t *table) nearest(query []float32, k int, accept func(key uint64) bool) []Neighbour {
	best := top{k: min(k, t.live())}
	if best.k <= 0 {
		return nil
	}
	for row, score := range t.scores(query) {
		n := Neighbour{Key: t.key(row), Score: score}
		// Last what costs most: few rows pass the first test.
		if best.admits(n) && !t.isDead(row) && (accept == nil || accept(n.Key)) {
			best.push(n)
		}
	}
	return best.ranked()
}

// scores returns the score of every live row. It splits the rows among
// goroutines when that pays; each score is one simd.Dot either way, so the
// result is the same.
func (t *table) scores(query []float32) []float32 {
	scores := make([]float32, t.rows)
	parts := min(runtime.GOMAXPROCS(0), t.rows*t.dimension/partSize)
	if parts < 2 {
		t.score(query, scores, 0, t.rows)
		return scores
	}
	var group sync.WaitGroup
	for p := range parts {
		group.Go(func() { t.score(query, scores, t.rows*p/parts, t.rows*(p+1)/parts) })
	}
	group.Wait()
	return scores
}

// partSize is the least number of multiplications worth a goroutine: two such
// parts, 512 vectors of 512, took 45 µs on two cores rather than 78 on one.
const partSize = 1 << 17

// score writes the scores of the live rows between from and to, exclusive.
func (t *table) score(query, scores []float32, from, to int) {
	for row := from; row < to; row++ {
		if !t.isDead(row) {
			scores[row] = simd.Dot(query, t.vector(row))
		}
	}
}
