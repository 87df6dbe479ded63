package index

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"nearcase/index/simd"
)

// candidate is a row with its approximate score, as one number that orders as
// the scores do and, where they tie, by row. Its last bit marks a row whose list
// has been followed.
type candidate uint64

func candidateOf(score float32, row uint32) candidate {
	bits := math.Float32bits(score)
	// The order of floats, as that of unsigned numbers.
	if bits>>31 != 0 {
		bits = ^bits
	} else {
		bits |= 1 << 31
	}
	return candidate(bits)<<32 | candidate(row)<<1
}

func (c candidate) row() uint32    { return uint32(c) >> 1 }
func (c candidate) followed() bool { return c&1 != 0 }

func (c candidate) score() float32 {
	bits := uint32(c >> 32)
	if bits>>31 != 0 {
		return math.Float32frombits(bits &^ (1 << 31))
	}
	return math.Float32frombits(^bits)
}

// beam is what one search of a graph works with: the best rows met so far, best
// first, and which rows it has met. Beams are pooled.
type beam struct {
	query   query
	best    []candidate
	visited []uint64 // a bit a row
	touched []uint32 // rows whose bit is set
	ids     []uint32
	dots    []int32
	skims   bool     // scores heads
	without uint32   // a row that is not met; 0 is none, else one more than it
	loose   []uint32 // rows to be scored that a walk may not come to
}

var beams = sync.Pool{New: func() any { return new(beam) }}

// begin forgets what was met and makes room for the rows of a view.
func (b *beam) begin(v *view) {
	for _, row := range b.touched {
		b.visited[row/64] = 0
	}
	b.touched, b.best = b.touched[:0], b.best[:0]
	// A search may meet rows that were added since its view was taken.
	if need := (len(v.keys) + 63) / 64; len(b.visited) < need {
		b.visited = make([]uint64, need+need/4)
	}
	if b.without != 0 {
		b.meet(b.without - 1)
	}
}

// meet says whether a row is met for the first time.
func (b *beam) meet(row uint32) bool {
	word, bit := row/64, uint64(1)<<(row%64)
	if b.visited[word]&bit != 0 {
		return false
	}
	b.visited[word] |= bit
	b.touched = append(b.touched, row)
	return true
}

// explore follows the lists of a layer from the rows of entry and leaves in
// best the width best rows it meets (Malkov and Yashunin 2018, algorithm 2, with
// one ordered list for both of its queues).
func (b *beam) explore(v *view, entry uint32, layer, width int) {
	b.begin(v)
	b.meet(entry)
	b.ids = append(b.ids[:0], entry)
	b.score(v, width)
	for next := 0; next < len(b.best); {
		c := b.best[next]
		if c.followed() {
			next++
			continue
		}
		b.best[next] |= 1
		b.ids = b.ids[:0]
		list := v.list(c.row(), layer)
		for _, row := range read(b.ids, list) {
			if b.meet(row) {
				b.ids = append(b.ids, row)
			}
		}
		next = min(next, b.score(v, width))
		b.fetchLists(v, next, layer)
	}
}

// fetchLists asks for the lists that are likely to be followed next.
func (b *beam) fetchLists(v *view, next, layer int) {
	for ahead := 2; next < len(b.best) && ahead > 0; next++ {
		if !b.best[next].followed() {
			simd.Prefetch(v.list(b.best[next].row(), layer))
			ahead--
		}
	}
}

// score puts the rows of ids into best and returns the first place that changed.
func (b *beam) score(v *view, width int) (first int) {
	first = len(b.best)
	if len(b.ids) == 0 {
		return first
	}
	if len(b.dots) < len(b.ids) {
		b.dots = make([]int32, 2*len(b.ids))
	}
	scale, scales := b.query.scale, v.scales
	if b.skims {
		scale, scales = b.query.headScale, v.headScales
		b.query.headCodes.Many(v.headCodes, b.ids, b.dots)
	} else {
		b.query.codes.Many(v.codes, b.ids, b.dots)
	}
	for i, row := range b.ids {
		c := candidateOf(b.query.base+v.bias[row]+scale*scales[row]*float32(b.dots[i]), row)
		if len(b.best) < width || c > b.best[len(b.best)-1] {
			first = min(first, b.put(c, width))
		}
	}
	return first
}

// put inserts a candidate that is not there and returns its place.
func (b *beam) put(c candidate, width int) int {
	low, high := 0, len(b.best)
	for low < high {
		middle := (low + high) / 2
		if b.best[middle] > c {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if len(b.best) < width {
		b.best = append(b.best, 0)
	}
	copy(b.best[low+1:], b.best[low:])
	b.best[low] = c
	return low
}

// descend goes from the entry down to a layer, always to the nearest row.
func (b *beam) descend(v *view, entry uint32, from, to int) uint32 {
	for layer := from; layer > to; layer-- {
		b.explore(v, entry, layer, 1)
		entry = b.best[0].row()
	}
	return entry
}

// remove takes candidates out of best.
func (b *beam) remove(drop func(row uint32) bool) {
	b.best = slices.DeleteFunc(b.best, func(c candidate) bool { return drop(c.row()) })
}

// surprise is how much better than its codes a row may score: eight standard
// deviations of what many rounding errors add up to, which happens about never,
// or what Cauchy and Schwarz allow. In 512 dimensions that is a quarter of it.
func (b *beam) surprise(v *view, row uint32) float32 {
	return v.doubt(&b.query, row) * min(1, 5.7/float32(math.Sqrt(float64(v.dimension))))
}

func (b *beam) prefetch(v *view, row uint32) { simd.Prefetch(v.vector(row)) }

// refine scores best by whole codes where it was scored by heads.
func (b *beam) refine(v *view) {
	if !b.skims {
		return
	}
	b.ids = b.ids[:0]
	for _, c := range b.best {
		b.ids = append(b.ids, c.row())
	}
	b.dots = slices.Grow(b.dots[:0], len(b.ids))[:len(b.ids)]
	b.query.codes.Many(v.codes, b.ids, b.dots)
	for i, row := range b.ids {
		b.best[i] = candidateOf(v.approximate(&b.query, row, b.dots[i]), row)
	}
	slices.SortFunc(b.best, func(c, d candidate) int { return cmp.Compare(d, c) })
}
