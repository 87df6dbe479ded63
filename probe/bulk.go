package probe

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// AddAll counts the i-th of xs with the i-th of classes, for all of them. The
// statistics are afterwards, to the bit, those of calling Add for each in
// order; only the time differs. It returns ErrDimension or ErrNotFinite if Add
// would for any of them, and ErrDimension if there are not as many of classes
// as of xs; then it changes nothing.
//
// The work is spread over GOMAXPROCS goroutines, which have ended when AddAll
// returns. Beside the statistics it takes 1024*dimension bytes for each.
func (r *Ridge) AddAll(xs [][]float32, classes [][]string) error {
	if len(xs) != len(classes) {
		return fmt.Errorf("adding %d vectors with %d labels: %w", len(xs), len(classes), ErrDimension)
	}
	for i, x := range xs {
		if err := check(x, r.dimension); err != nil {
			return fmt.Errorf("adding example %d of %d: %w", i, len(xs), err)
		}
	}
	wide := make([]float64, r.dimension)
	for i, x := range xs {
		for j, v := range x {
			wide[j] = float64(v)
		}
		r.tally(1, wide, distinct(classes[i]))
	}
	r.products.addAllProducts(xs, r.dimension)
	return nil
}

// addAllProducts adds x*xT for every x, of dimension d, with the result of
// addProducts for each in order: every element of the triangle belongs to one
// goroutine, which adds to it in the order of xs.
func (s sums) addAllProducts(xs [][]float32, d int) {
	var workers sync.WaitGroup
	first := 0
	for _, end := range shares(d, runtime.GOMAXPROCS(0)) {
		rows := rows{s.from(rowStart(d, first), rowStart(d, end)-rowStart(d, first)), first, end}
		workers.Go(func() { rows.addAllProducts(xs) })
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
	first, end int
}

// block is how many examples are added to one row before the next row's turn.
// A row and what is multiplied into it then stay in a core's cache, where
// example by example the whole triangle passes through it each time.
const block = 128

// addAllProducts adds these rows of x*xT for every x in order.
func (r rows) addAllProducts(xs [][]float32) {
	var columns []float64
	for some := range slices.Chunk(xs, block) {
		columns = transpose(columns[:0], some, r.first)
		start, n := 0, len(some)
		for i := range r.end - r.first {
			rest := columns[i*n:]
			r.from(start, len(rest)/n).addDots(rest[:n], rest)
			start += len(rest) / n
		}
	}
}

// transpose appends to columns the components of xs from first on: the first
// component of every x, then the second of every x, and so on.
func transpose(columns []float64, xs [][]float32, first int) []float64 {
	n := (len(xs[0]) - first) * len(xs)
	columns = slices.Grow(columns, n)[:n]
	for k, x := range xs {
		for j, v := range x[first:] {
			columns[j*len(xs)+k] = float64(v)
		}
	}
	return columns
}

// addDots adds v[k]*c[k] for every k in order to the sum of each column c, of
// which columns holds one after the other, all as long as v.
func (s sums) addDots(v, columns []float64) {
	n, j := len(v), 0
	for ; j+4 <= len(s.hi); j += 4 {
		addFourDots((*[4]float64)(s.hi[j:]), (*[4]float64)(s.lo[j:]), v, columns[j*n:])
	}
	for ; j < len(s.hi); j++ {
		c := columns[j*n : (j+1)*n]
		for k, u := range v {
			s.hi[j], s.lo[j] = accumulate(s.hi[j], s.lo[j], u*c[k])
		}
	}
}

// addFourDots is addDots for four columns. Their sums stay in registers, and
// the processor has four independent additions at hand where each one waits for
// the last of its own column.
func addFourDots(hi, lo *[4]float64, v, columns []float64) {
	n := len(v)
	a, b, c, d := columns[:n], columns[n:][:n], columns[2*n:][:n], columns[3*n:][:n]
	ha, hb, hc, hd := hi[0], hi[1], hi[2], hi[3]
	la, lb, lc, ld := lo[0], lo[1], lo[2], lo[3]
	for k, u := range v {
		ha, la = accumulate(ha, la, u*a[k])
		hb, lb = accumulate(hb, lb, u*b[k])
		hc, lc = accumulate(hc, lc, u*c[k])
		hd, ld = accumulate(hd, ld, u*d[k])
	}
	*hi, *lo = [4]float64{ha, hb, hc, hd}, [4]float64{la, lb, lc, ld}
}
