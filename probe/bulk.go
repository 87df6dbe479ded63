package probe

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// AddAll counts the i-th of xs with the i-th of targets, for all of them. The
// statistics are afterwards, to the bit, those of calling Add for each in
// order; only the time differs. It returns the error that Add would for any of
// them, and ErrDimension if there are not as many targets as vectors; then it
// changes nothing.
//
// The work is spread over GOMAXPROCS goroutines, which have ended when AddAll
// returns. Beside the statistics it takes 1024*dimension bytes for each.
func (r *Ridge) AddAll(xs [][]float32, targets []Target) error {
	if len(xs) != len(targets) {
		return fmt.Errorf("adding %d vectors with %d targets: %w", len(xs), len(targets), ErrDimension)
	}
	labels := make([]label, len(xs))
	for i, x := range xs {
		err := check(x, r.dimension)
		if err == nil {
			labels[i], err = r.label(targets[i])
		}
		if err != nil {
			return fmt.Errorf("adding example %d of %d: %w", i, len(xs), err)
		}
	}
	batches := map[*moments]*batch{}
	wide := make([]float64, r.dimension)
	for i, x := range xs {
		for j, v := range x {
			wide[j] = float64(v)
		}
		r.tally(1, wide, labels[i])
		for _, f := range r.factors(labels[i]) {
			batches[f.of] = batches[f.of].with(x, f.by)
		}
	}
	for m, b := range batches {
		m.products.addAllProducts(b, r.dimension)
	}
	return nil
}

// batch is vectors and what each weighs.
type batch struct {
	xs      [][]float32
	factors []double
	weighed bool // some factor is not one
}

func (b *batch) with(x []float32, f double) *batch {
	if b == nil {
		b = &batch{}
	}
	b.xs, b.factors = append(b.xs, x), append(b.factors, f)
	b.weighed = b.weighed || f != double{hi: 1}
	return b
}

// addAllProducts adds f*x*xT for every x, of dimension d, and its factor f,
// with the result of addProducts for each in order: every element of the
// triangle belongs to one goroutine, which adds to it in the order of the batch.
func (s sums) addAllProducts(b *batch, d int) {
	var workers sync.WaitGroup
	first := 0
	for _, end := range shares(d, runtime.GOMAXPROCS(0)) {
		rows := rows{s.from(rowStart(d, first), rowStart(d, end)-rowStart(d, first)), d, first, end}
		workers.Go(func() { rows.addAllProducts(b) })
		first = end
	}
	workers.Wait()
}

// rowStart returns where row i begins in a packed upper triangle of d rows.
func rowStart(d, i int) int { return i * (2*d - i + 1) / 2 }

// shares cuts the rows of a packed upper triangle of d rows, of which row i has
// d-i elements, into at most n runs of about equally many elements. It returns
// the end of each run; none is empty.
func shares(d, n int) []int {
	var ends []int
	last := 0
	for left := n - 1; left >= 0; left-- {
		// The rows from end on are a triangle with left/n of the elements.
		end := d - int(math.Round(float64(d)*math.Sqrt(float64(left)/float64(n))))
		if end > last {
			ends = append(ends, end)
			last = end
		}
	}
	return ends
}

// rows are the rows first to end, exclusive, of a packed upper triangle.
type rows struct {
	sums
	dimension, first, end int
}

// block is how many examples are added to a panel's width of a row before the next
// row's turn. What is multiplied then stays in a core's cache, where example by
// example the whole triangle passes through it each time.
const block = 128

// addAllProducts adds these rows of f*x*xT for every x in order.
func (r rows) addAllProducts(b *batch) {
	var columns []float64
	for from := 0; from < len(b.xs); from += block {
		end := min(from+block, len(b.xs))
		columns = panels(columns[:0], b.xs[from:end], r.first)
		for i := r.first; i < r.end; i += panel {
			rest := columns[(i-r.first)*(end-from):]
			s := newStrip(min(panel, r.end-i), rest, b.factors[from:end], b.weighed)
			r.addStrip(i, s, rest)
		}
	}
}

// panels appends to columns the components of xs from first on, in panels of as
// many: those of the first x, then those of the second and so on, the last panel
// filled up with zeros.
func panels(columns []float64, xs [][]float32, first int) []float64 {
	n := (len(xs[0]) - first + panel - 1) / panel * panel * len(xs)
	columns = slices.Grow(columns, n)[:n]
	clear(columns[n-panel*len(xs):])
	for k, x := range xs {
		for j, v := range x[first:] {
			columns[(j/panel*len(xs)+k)*panel+j%panel] = float64(v)
		}
	}
	return columns
}

// strip is what multiplies some rows: for each row one number per example.
type strip struct {
	rows, n int
	v       []float64
	scaled  []double // with the factors, if one is not one, instead of v
}

// newStrip returns the strip of the first rows of a panel.
func newStrip(rows int, columns []float64, factors []double, weighed bool) *strip {
	s := &strip{rows: rows, n: len(factors)}
	if weighed {
		s.scaled = make([]double, rows*s.n)
	} else {
		s.v = make([]float64, rows*s.n)
	}
	for k, f := range factors {
		for i, v := range columns[k*panel:][:rows] {
			if weighed {
				s.scaled[i*s.n+k] = f.scaled(v)
			} else {
				s.v[i*s.n+k] = v
			}
		}
	}
	return s
}

// addStrip adds the products to the rows from i on.
func (r rows) addStrip(i int, s *strip, columns []float64) {
	for to := i; to < r.dimension; to += panel {
		for k := range s.rows {
			r.addTile(i+k, to, s, k, columns)
		}
		columns = columns[panel*s.n:]
	}
}

// addTile adds the products of the strip's k-th row to row i of the triangle,
// from column to on.
func (r rows) addTile(i, to int, s *strip, k int, columns []float64) {
	at := rowStart(r.dimension, i) - rowStart(r.dimension, r.first) + to - i
	if to >= i && to+panel <= r.dimension {
		s.add((*[panel]float64)(r.hi[at:]), (*[panel]float64)(r.lo[at:]), k, columns)
		return
	}
	var hi, lo [panel]float64
	from, end := max(i-to, 0), min(r.dimension-to, panel)
	copy(hi[from:end], r.hi[at+from:])
	copy(lo[from:end], r.lo[at+from:])
	s.add(&hi, &lo, k, columns)
	copy(r.hi[at+from:], hi[from:end])
	copy(r.lo[at+from:], lo[from:end])
}

func (s *strip) add(hi, lo *[panel]float64, k int, columns []float64) {
	if s.v != nil {
		addDots(hi, lo, s.v[k*s.n:][:s.n], columns)
	} else {
		addScaledDots(hi, lo, s.scaled[k*s.n:][:s.n], columns)
	}
}
