package probe

import (
	"math"

	vec "gonum.org/v1/gonum/floats"

	"nearcase/probe/dense"
)

// softmaxCurvature is an estimate of the second derivatives of a
// softmaxProblem,
//
//	sum_i w_i * S_i (x) x_i*x_iT + penalty*I    with S_i = diag(p_i) - p_i*p_iT
//
// at the probabilities p of one point, x being centred and followed by a one
// that is not penalised. It is a metric to search in, and its errors cost steps,
// not accuracy.
//
// S has no curvature where all classes change alike, and the search never goes
// there: the estimate is of the other directions, in Helmert's orthonormal basis
// of as many blocks as there are classes, less one. Where that would be too
// large a matrix, S_i is taken to be the same in all of them, which leaves one
// block for all.
type softmaxCurvature struct {
	classes, d, stride int
	blocks             int       // of one matrix; 1 where all share it
	basis              []float64 // helmert(classes)
	gram               []float64 // without the penalty, lower triangle, size*size
	factor             []float64 // Cholesky factor with the penalty
}

const (
	// curvatureSample is how many examples for each row of the matrix the first
	// estimate is made from.
	curvatureSample = 4
	// curvatureRows bounds the rows of the matrix of more than one block.
	curvatureRows = 3072
	// curvatureMost bounds those of a single block, in 0.5 GB.
	curvatureMost = 8192
	// curvatureBlock is how many examples enter at a time, and curvatureTile how
	// many columns: the factors of a product then stay in the fastest cache.
	curvatureBlock = 64
	curvatureTile  = 32
)

// newCurvature returns the estimate of a sum without examples.
func (p *softmaxProblem) newCurvature() *softmaxCurvature {
	c := &softmaxCurvature{classes: p.k, d: p.d, stride: p.stride, basis: helmert(p.k), blocks: p.curvatureBlocks()}
	c.gram = make([]float64, c.size()*c.size())
	return c
}

func (p *softmaxProblem) curvatureBlocks() int {
	if blocks := max(p.k-1, 1); blocks*p.stride <= curvatureRows {
		return blocks
	}
	return 1
}

// size returns the number of rows of the matrix.
func (c *softmaxCurvature) size() int { return c.blocks * c.stride }

// helmert returns an orthonormal basis of the vectors of k components whose sum
// is zero, as k-1 rows; of one component it is a one.
func helmert(k int) []float64 {
	if k == 1 {
		return []float64{1}
	}
	b := make([]float64, (k-1)*k)
	for a := range k - 1 {
		length := math.Sqrt(float64((a + 1) * (a + 2)))
		for c := range a + 1 {
			b[a*k+c] = 1 / length
		}
		b[a*k+a+1] = -float64(a+1) / length
	}
	return b
}

// curvature returns the estimate at the last evaluation, from about the given
// number of examples for each row of the matrix.
func (p *softmaxProblem) curvature(sample int) *softmaxCurvature {
	c := p.newCurvature()
	at, factor := p.sample(sample * c.size())
	pairs := c.blocks * (c.blocks + 1) / 2
	rows := make([]float64, curvatureBlock*p.stride)
	columns := make([]float64, curvatureBlock*p.stride)
	weights := make([]float64, pairs*curvatureBlock)
	x := make([][]float32, 0, curvatureBlock)
	for first := 0; first < len(at); first += curvatureBlock {
		some := at[first:min(first+curvatureBlock, len(at))]
		x = x[:0]
		for r, i := range some {
			x = append(x, p.x[i])
			c.weigh(weights[r:], p.probability[i*p.k:][:p.k], factor[first+r]*p.weightOf(i))
		}
		p.widen(rows, x)
		pair := 0
		for a := range c.blocks {
			for b := range a + 1 {
				c.columns(columns, rows, weights[pair*curvatureBlock:][:len(some)])
				c.add(c.gram[a*c.stride*c.size()+b*c.stride:], rows, columns, len(some), p.workers)
				pair++
			}
		}
	}
	c.mirror()
	return c
}

// weigh sets every curvatureBlock-th of weights to the elements of the lower
// triangle of an example's S in the basis, times w.
func (c *softmaxCurvature) weigh(weights, p []float64, w float64) {
	if c.blocks < c.classes-1 || c.classes == 1 {
		weights[0] = w * softmaxSpread(p) / float64(max(c.classes-1, 1))
		return
	}
	pair := 0
	for a := range c.blocks {
		for b := range a + 1 {
			u, v := c.basis[a*c.classes:][:c.classes], c.basis[b*c.classes:][:c.classes]
			product, mu, mv := 0.0, 0.0, 0.0
			for k, q := range p {
				product, mu, mv = product+q*u[k]*v[k], mu+q*u[k], mv+q*v[k]
			}
			weights[pair*curvatureBlock] = w * (product - mu*mv)
			pair++
		}
	}
}

// softmaxSpread returns the trace of S.
func softmaxSpread(p []float64) float64 {
	sum := 0.0
	for _, q := range p {
		sum += q * (1 - q)
	}
	return sum
}

// columns sets columns to the transposed rows times their weights.
func (c *softmaxCurvature) columns(columns, rows, weights []float64) {
	for r, w := range weights {
		for j, u := range rows[r*c.stride:][:c.d+1] {
			columns[j*curvatureBlock+r] = w * u
		}
	}
}

// add adds the products of rows and columns to the lower triangle of a block.
func (c *softmaxCurvature) add(block, rows, columns []float64, n, workers int) {
	tiles := (c.d + curvatureTile) / curvatureTile
	spread(workers, tiles, func(tile int) {
		j := tile * curvatureTile
		width := min(curvatureTile, c.stride-j)
		for i := j; i <= c.d; i++ {
			fusedAdd(block[i*c.size()+j:][:width], rows[j:], c.stride, columns[i*curvatureBlock:][:n])
		}
	})
}

// mirror completes the blocks below the diagonal, which are symmetric.
func (c *softmaxCurvature) mirror() {
	for a := range c.blocks {
		for b := range a {
			block := c.gram[a*c.stride*c.size()+b*c.stride:]
			for i := range c.stride {
				for j := range i {
					block[j*c.size()+i] = block[i*c.size()+j]
				}
			}
		}
	}
}

// sample returns about most examples and the factors of their weights such that
// the weighted sum over them estimates the sum over all: all examples if they
// are hardly more; otherwise those that weigh much, and of the others one in so
// many as their weight is less than that.
func (p *softmaxProblem) sample(most int) (at []int, factor []float64) {
	if len(p.x) <= most*3/2 {
		for i := range p.x {
			at, factor = append(at, i), append(factor, 1)
		}
		return at, factor
	}
	share := make([]float64, len(p.x))
	sum := 0.0
	for i := range share {
		share[i] = p.weightOf(i) * softmaxSpread(p.probability[i*p.k:][:p.k])
		sum += share[i]
	}
	passed := 0.5
	for i, s := range share {
		chance := min(s*float64(most)/sum, 1)
		if passed += chance; passed >= 1 {
			passed--
			at, factor = append(at, i), append(factor, 1/chance)
		}
	}
	return at, factor
}

// factorised returns the estimate with another penalty, nil if the sum is not
// one of finite squares.
func (c *softmaxCurvature) factorised(penalty float64) *softmaxCurvature {
	o, n, trace := *c, c.size(), 0.0
	o.factor = append([]float64(nil), c.gram...)
	for i := range n {
		trace += c.gram[i*n+i]
	}
	rounding := 1e-14 * trace
	for i := range n {
		switch j := i % c.stride; {
		case j < c.d:
			o.factor[i*n+i] += penalty + rounding
		case j == c.d:
			o.factor[i*n+i] += rounding
		default:
			o.factor[i*n+i] = 1
		}
	}
	if !curvatureCholesky(o.factor, n) {
		return nil
	}
	return &o
}

// unfactorised returns the estimate without its factor, which takes as much
// memory again; nil of nil.
func (c *softmaxCurvature) unfactorised() *softmaxCurvature {
	if c == nil {
		return nil
	}
	o := *c
	o.factor = nil
	return &o
}

// curvatureCholesky replaces the lower triangle of a, which has n rows, a multiple of
// fusedRows, by its Cholesky factor and reports whether it is positive definite.
// What is above the triangle is finite, and not read. Below about 1,000 rows it
// takes about half of the time of dense.NewCholesky, and one goroutine.
func curvatureCholesky(a []float64, n int) bool {
	row, dots := make([]float64, n), make([]float64, n)
	for j := range n {
		copy(row, a[j*n:][:j])
		from := j &^ (fusedRows - 1) // rows above j are computed in vain, in whole groups
		fusedDots(dots[from:], a[from*n:], n, row[:fusedStride(j)])
		pivot := a[j*n+j] - dots[j]
		if !(pivot > 0) || math.IsInf(pivot, 1) {
			return false
		}
		pivot = math.Sqrt(pivot)
		a[j*n+j] = pivot
		for i := j + 1; i < n; i++ {
			a[i*n+j] = (a[i*n+j] - dots[i]) / pivot
		}
	}
	return true
}

// solve replaces v, as long as the problem's coefficients, by the product of the
// inverse estimate and what of v is not common to all classes.
func (c *softmaxCurvature) solve(v []float64) {
	u := make([]float64, max(c.classes-1, 1)*c.stride)
	for a := range len(u) / c.stride {
		for k := range c.classes {
			vec.AddScaled(u[a*c.stride:][:c.stride], c.basis[a*c.classes+k], v[k*c.stride:][:c.stride])
		}
	}
	n := c.size()
	factor := dense.Factored(dense.Rows(c.factor, n))
	for w := u; len(w) > 0; w = w[n:] {
		factor.Solve(w[:n])
	}
	clear(v)
	for a := range len(u) / c.stride {
		for k := range c.classes {
			vec.AddScaled(v[k*c.stride:][:c.stride], c.basis[a*c.classes+k], u[a*c.stride:][:c.stride])
		}
	}
}
