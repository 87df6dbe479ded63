package dense

import "math"

// Cholesky is the lower triangular L of a positive definite A = L*LT.
type Cholesky struct{ l Matrix }

// base is the size of the blocks that are not cut any further.
const base = 32

// NewCholesky factors a, of which it reads and overwrites the lower triangle;
// false says that a is not positive definite.
func NewCholesky(a Matrix) (*Cholesky, bool) {
	if !factor(a) {
		return nil, false
	}
	return &Cholesky{a}, true
}

// Factored returns a factor that is known: l is stored by rows, and what is above
// its diagonal is not read.
func Factored(l Matrix) *Cholesky { return &Cholesky{l} }

// half returns where to cut n rows in two.
func half(n int) int { return (n/2 + base - 1) / base * base }

func factor(a Matrix) bool {
	n := a.Rows
	if n <= base {
		return factorBase(a)
	}
	h := half(n)
	first, below, last := a.Slice(0, h, 0, h), a.Slice(h, n, 0, h), a.Slice(h, n, h, n)
	if !factor(first) {
		return false
	}
	divide(below, first)
	subtractSquare(last, below)
	return factor(last)
}

func factorBase(a Matrix) bool {
	for j := range a.Rows {
		row := a.Row(j)
		for k := range j + 1 {
			v, other := row[k], a.Row(k)
			for i := range k {
				v -= row[i] * other[i]
			}
			if k < j {
				row[k] = v / other[k]
			} else if !(v > 0) || math.IsInf(v, 1) {
				return false
			} else {
				row[j] = math.Sqrt(v)
			}
		}
	}
	return true
}

// divide replaces b by the X with X*LT = b.
func divide(b, l Matrix) {
	n := l.Rows
	if n <= base {
		for i := range b.Rows {
			row := b.Row(i)
			for k := range n {
				v, other := row[k], l.Row(k)
				for j := range k {
					v -= row[j] * other[j]
				}
				row[k] = v / other[k]
			}
		}
		return
	}
	h := half(n)
	left, right := b.Slice(0, b.Rows, 0, h), b.Slice(0, b.Rows, h, n)
	divide(left, l.Slice(0, h, 0, h))
	MulAdd(right, -1, left, l.Slice(h, n, 0, h).T())
	divide(right, l.Slice(h, n, h, n))
}

// subtractSquare subtracts the lower triangle of x*xT from c.
func subtractSquare(c, x Matrix) {
	n := c.Rows
	if n <= 4*base {
		MulAdd(c, -1, x, x.T())
		return
	}
	h := half(n)
	top, bottom := x.Slice(0, h, 0, x.Cols), x.Slice(h, n, 0, x.Cols)
	subtractSquare(c.Slice(0, h, 0, h), top)
	MulAdd(c.Slice(h, n, 0, h), -1, bottom, top.T())
	subtractSquare(c.Slice(h, n, h, n), bottom)
}

// Solve replaces b by the x with A*x = b.
func (c *Cholesky) Solve(b []float64) {
	n := c.l.Rows
	for i := range n {
		row := c.l.Row(i)
		b[i] = (b[i] - Dot(row[:i], b[:i])) / row[i]
	}
	for i := n - 1; i >= 0; i-- {
		row := c.l.Row(i)
		b[i] /= row[i]
		add(b[:i], -b[i], row[:i])
	}
}

// Inverse returns the inverse of A, symmetric to the bit. It costs about twice
// what the factor does.
func (c *Cholesky) Inverse() Matrix {
	n := c.l.Rows
	w := New(n, n)
	invert(w, c.l)
	a := New(n, n)
	for i := 0; i < n; i += 4 * base { // A^-1 = WT*W with W = L^-1
		iEnd := min(i+4*base, n)
		rows := w.Slice(i, n, i, iEnd)
		MulAdd(a.Slice(i, iEnd, 0, iEnd), 1, rows.T(), w.Slice(i, n, 0, iEnd))
	}
	for i := range n {
		for j := range i {
			a.Data[j*n+i] = a.Data[i*n+j]
		}
	}
	return a
}

// invert sets the lower triangle of w, which is zero, to that of the inverse of l.
func invert(w, l Matrix) {
	n := l.Rows
	if n <= base {
		invertBase(w, l)
		return
	}
	h := half(n)
	first, last := w.Slice(0, h, 0, h), w.Slice(h, n, h, n)
	invert(first, l.Slice(0, h, 0, h))
	invert(last, l.Slice(h, n, h, n))
	product := New(n-h, h)
	MulAdd(product, 1, l.Slice(h, n, 0, h), first)
	MulAdd(w.Slice(h, n, 0, h), -1, last, product)
}

func invertBase(w, l Matrix) {
	for j := range l.Rows {
		w.Row(j)[j] = 1 / l.at(j, j)
		for i := j + 1; i < l.Rows; i++ {
			v := 0.0
			for k := j; k < i; k++ {
				v -= l.at(i, k) * w.at(k, j)
			}
			w.Row(i)[j] = v / l.at(i, i)
		}
	}
}
