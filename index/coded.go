package index

import (
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sync"

	"nearcase/index/simd"
)

// coded are rows as their codes in a frame, with what bounds their scores.
type coded struct {
	frame        *frame
	codes        []uint8 // stride a row
	scales, lost []float32
	bias         []float32 // mean·w
	length       []float32 // of w, rounded up
	heads
}

// heads are the same of the rows' heads; all empty where the frame has none.
type heads struct {
	headCodes            []uint8 // frame.size a row
	headScales, headLost []float32
	rest                 []float32 // the length of what the head leaves, rounded up
}

// grown returns longer ones with the same rows. The codes of a row have stride.
func (c *coded) grown(rows, stride int) coded {
	g := coded{
		frame: c.frame, codes: grown(c.codes, rows*stride), scales: grown(c.scales, rows),
		lost: grown(c.lost, rows), bias: grown(c.bias, rows), length: grown(c.length, rows),
	}
	if size := c.frame.size; size > 0 {
		g.heads = heads{
			headCodes: grown(c.headCodes, rows*size), headScales: grown(c.headScales, rows),
			headLost: grown(c.headLost, rows), rest: grown(c.rest, rows),
		}
	}
	return g
}

// encoder is the scratch of set.
type encoder struct{ difference, head []float32 }

// set codes a row.
func (c *coded) set(e *encoder, row uint32, vector []float32) {
	f := c.frame
	e.difference = f.difference(e.difference[:0], vector)
	w, n := e.difference, stride(len(vector))
	length := math.Sqrt(exactDot(w, w))
	c.scales[row], c.lost[row] = encode(c.codes[int(row)*n:][:n], w)
	c.bias[row], c.length[row] = float32(f.bias(w)), upward(length)
	if f.size > 0 {
		e.head = slices.Grow(e.head[:0], f.size)[:f.size]
		c.rest[row] = f.head(e.head, w, length)
		c.headScales[row], c.headLost[row] = encode(c.headCodes[int(row)*f.size:][:f.size], e.head)
	}
}

// approximate is the score of a row whose codes have this product with q's.
func (c *coded) approximate(q *query, row uint32, dot int32) float32 {
	return q.base + c.bias[row] + q.scale*c.scales[row]*float32(dot)
}

// doubt is how far from that a score can be.
func (c *coded) doubt(q *query, row uint32) float32 {
	return q.length*c.lost[row] + q.lost*c.length[row] + q.slack
}

// headMost is the most that a row can score whose head has this product with q's.
func (c *coded) headMost(q *query, row uint32, dot int32) float32 {
	return q.base + c.bias[row] + q.headScale*c.headScales[row]*float32(dot) +
		q.headLength*c.headLost[row] + q.headLost*c.length[row] + q.headRest*c.rest[row] + q.slack
}

// hasHeads says whether a scan may look at heads first.
func (c *coded) hasHeads() bool { return c.frame.size > 0 }

// skim appends to some those of the rows from a multiple of 64 on whose heads
// admit a score of at least least, as headMost says.
func (v *view) skim(q *query, some []uint32, from int, dots []int32, alive []uint64, least float32) []uint32 {
	size := v.frame.size
	q.headCodes.Scan(v.headCodes[from*size:(from+len(dots))*size], dots)
	w := simd.Weights{Base: q.base + q.slack - least, Scale: q.headScale, Lost: q.headLength, Length: q.headLost, Rest: q.headRest}
	for i := 0; i < len(dots); i += 64 {
		at := from + i
		b := simd.Bounds{
			Dots: dots[i:min(len(dots), i+64)], Bias: v.bias[at:], Scale: v.headScales[at:],
			Lost: v.headLost[at:], Length: v.length[at:], Rest: v.rest[at:],
		}
		for word := w.Reach(&b) & alive[i/64]; word != 0; word &= word - 1 {
			some = append(some, uint32(at+bits.TrailingZeros64(word)))
		}
	}
	return some
}

// screen keeps those of up to gatherRows live rows whose heads admit a score of
// at least least, in the same memory.
func (v *view) screen(q *query, rows []uint32, least float32) []uint32 {
	if !v.hasHeads() {
		return rows
	}
	kept := rows[:0]
	var dots [gatherRows]int32
	q.headCodes.Many(v.headCodes, rows, dots[:])
	for i, row := range rows {
		if v.headMost(q, row, dots[i]) >= least {
			kept = append(kept, row)
		}
	}
	return kept
}

// minTrain is the number of rows below which a frame does not pay.
const minTrain = 1024

// sharpen trains a frame on the rows and codes every row in it, unless there are
// few rows or not many more than when it last did. Writers wait only for the
// rows that were added meanwhile.
func (r *rows) sharpen() {
	if size := r.Len(); size >= max(minTrain, 2*int(r.trained.Load())) {
		r.reframe()
		r.trained.Store(int64(size))
	}
}

// reframe is sharpen, whatever the number of rows.
func (r *rows) reframe() {
	defer r.epochs.leave(r.epochs.enter())
	v := r.view()
	var vectors [][]float32
	for _, row := range v.some(trainRows) {
		vectors = append(vectors, v.vector(row))
	}
	c := coded{frame: train(vectors, r.dimension)}
	c = c.grown(len(v.keys), r.stride)
	seen := make([]uint64, v.n) // the key of a coded row, plus one
	encoders := sync.Pool{New: func() any { return new(encoder) }}
	forEach(v.n, func(row int) {
		if !v.isAlive(uint32(row)) {
			return
		}
		e := encoders.Get().(*encoder)
		defer encoders.Put(e)
		seen[row] = v.keys[row] + 1
		c.set(e, uint32(row), v.vector(uint32(row)))
	})
	runtime.KeepAlive(v.arrays) // and so the file that vectors may lie in
	r.adoptCodes(c, seen)
}

// adoptCodes codes also the rows that came since seen was taken, and makes the
// codes the rows'. Rows that were removed but still lead to others keep some.
func (r *rows) adoptCodes(c coded, seen []uint64) {
	r.write.Lock()
	defer r.write.Unlock()
	a := *r.arrays.Load()
	if len(c.scales) < len(a.keys) {
		c = c.grown(len(a.keys), r.stride)
	}
	a.coded = c
	v := r.view()
	for row := range uint32(r.next) {
		if int(row) >= len(seen) || seen[row] != v.keys[row]+1 {
			a.set(&r.encoder, row, v.vector(row))
		}
	}
	r.arrays.Store(&a)
}

// some returns up to n live rows, evenly spread.
func (v *view) some(n int) (rows []uint32) {
	n = min(n, v.n)
	for i := range n {
		if row := uint32(i * v.n / n); v.isAlive(row) {
			rows = append(rows, row)
		}
	}
	return rows
}
