package probe

import (
	"math"

	vec "gonum.org/v1/gonum/floats"
)

// softmaxProblem is the function that a softmax or logistic fit minimises, of
// the coefficients of k classes one after the other, each stride long: d
// weights of the centred vectors, the intercept, and zeros.
//
//	F = sum_i w_i*H(y_i, p_i) + penalty/2 * |weights|^2
//
// with H the cross-entropy and p the softmax of the classes' scores. Where k is
// one it is the logistic function of the only score.
type softmaxProblem struct {
	x            [][]float32
	target       []float64 // k for each example
	weight       []float64 // nil: all 1
	k, d, stride int
	mean         []float64 // of the vectors by weight, stride long
	total        float64   // of the weights
	scale        float64   // mean diagonal entry of the weighted centred Gram matrix
	penalty      float64
	workers      int
	probability  []float64 // k for each example, at the last evaluation
	parts        []softmaxPart
}

// softmaxPart is a run of examples and their part of the function. The parts
// depend on the number of examples alone and are summed in order, so that the
// result is the same on any number of workers.
type softmaxPart struct {
	first, end int
	loss       float64
	gradient   []float64
	rows       []float64 // fusedRows centred vectors, each followed by a one
	score      []float64 // of each class, for each of the rows
	residual   []float64 // the same way
}

const (
	softmaxParts    = 64  // at most
	softmaxPartRows = 256 // at least
)

func newSoftmaxProblem(x [][]float32, target, weight []float64, k, workers int) *softmaxProblem {
	n, d := len(x), len(x[0])
	p := &softmaxProblem{x: x, target: target, weight: weight, k: k, d: d, stride: fusedStride(d + 1), workers: max(workers, 1)}
	p.probability = make([]float64, n*k)
	rows := max(softmaxPartRows, fusedStride((n+softmaxParts-1)/softmaxParts))
	for first := 0; first < n; first += rows {
		p.parts = append(p.parts, softmaxPart{
			first: first, end: min(first+rows, n),
			gradient: make([]float64, k*p.stride), rows: make([]float64, fusedRows*p.stride),
			score: make([]float64, k*fusedRows), residual: make([]float64, k*fusedRows),
		})
	}
	p.moments()
	return p
}

// moments sets total, mean and scale.
func (p *softmaxProblem) moments() {
	p.mean = make([]float64, p.stride)
	sum := make([]float64, p.k*p.stride)
	for i := range p.x {
		p.total += p.weightOf(i)
	}
	p.each(func(part *softmaxPart) {
		clear(part.gradient)
		p.groups(part, func(first, n int) {
			for i := range n {
				part.residual[i] = p.weightOf(first+i) / p.total
			}
			fusedAdd(part.gradient[:p.stride], part.rows, p.stride, part.residual[:n])
		})
	})
	for i := range p.parts {
		vec.Add(sum, p.parts[i].gradient)
	}
	copy(p.mean[:p.d], sum)
	p.each(func(part *softmaxPart) {
		part.loss = 0
		p.groups(part, func(first, n int) {
			for i := range n {
				row := part.rows[i*p.stride:][:p.d]
				part.loss += p.weightOf(first+i) * vec.Dot(row, row)
			}
		})
	})
	for i := range p.parts {
		p.scale += p.parts[i].loss / float64(max(p.d, 1))
	}
}

func (p *softmaxProblem) weightOf(i int) float64 {
	if p.weight == nil {
		return 1
	}
	return p.weight[i]
}

// each calls f for every part, on the workers.
func (p *softmaxProblem) each(f func(part *softmaxPart)) {
	spread(p.workers, len(p.parts), func(i int) { f(&p.parts[i]) })
}

// groups widens the part's vectors, a group at a time, and calls f with the
// first example of each group and their number. The rows after them are zero.
func (p *softmaxProblem) groups(part *softmaxPart, f func(first, n int)) {
	for first := part.first; first < part.end; first += fusedRows {
		n := min(fusedRows, part.end-first)
		p.widen(part.rows, p.x[first:first+n])
		clear(part.rows[n*p.stride:])
		f(first, n)
	}
}

// widen sets rows to the centred vectors, each followed by a one.
func (p *softmaxProblem) widen(rows []float64, x [][]float32) {
	for i, v := range x {
		row := rows[i*p.stride:][:p.stride]
		fusedWiden(row, v, p.mean)
		row[p.d] = 1
	}
}

// evaluate returns F at theta and sets gradient and p.probability.
func (p *softmaxProblem) evaluate(theta, gradient []float64) float64 {
	p.each(func(part *softmaxPart) {
		part.loss = 0
		clear(part.gradient)
		p.groups(part, func(first, n int) { p.evaluateGroup(part, theta, first, n) })
	})
	loss := 0.0
	clear(gradient)
	for i := range p.parts {
		loss += p.parts[i].loss
		vec.Add(gradient, p.parts[i].gradient)
	}
	for c := range p.k {
		w := theta[c*p.stride:][:p.d]
		loss += p.penalty / 2 * vec.Dot(w, w)
		vec.AddScaled(gradient[c*p.stride:][:p.d], p.penalty, w)
	}
	return loss
}

func (p *softmaxProblem) evaluateGroup(part *softmaxPart, theta []float64, first, n int) {
	for c := range p.k {
		fusedDots(part.score[c*fusedRows:][:fusedRows], part.rows, p.stride, theta[c*p.stride:][:p.stride])
	}
	for i := range n {
		at := (first + i) * p.k
		y, q := p.target[at:at+p.k], p.probability[at:at+p.k]
		w := p.weightOf(first + i)
		if p.k == 1 {
			part.loss += w * logistic(part.score[i], y[0], &q[0])
		} else {
			part.loss += w * softmaxEntropy(part.score[i:], y, q)
		}
		for c := range p.k {
			part.residual[c*fusedRows+i] = w * (q[c] - y[c])
		}
	}
	for c := range p.k {
		fusedAdd(part.gradient[c*p.stride:][:p.stride], part.rows, p.stride, part.residual[c*fusedRows:][:n])
	}
}

// logistic sets q to the probability of a score and returns its cross-entropy
// with the target y.
func logistic(score, y float64, q *float64) float64 {
	e := math.Exp(-math.Abs(score))
	if score >= 0 {
		*q = 1 / (1 + e)
		return (1-y)*score + math.Log1p(e)
	}
	*q = e / (1 + e)
	return -y*score + math.Log1p(e)
}

// softmaxEntropy sets q to the softmax of the scores, of which every
// fusedRows-th counts, and returns its cross-entropy with the targets y, which
// sum to one.
func softmaxEntropy(score, y, q []float64) float64 {
	top := 0
	for c := range y {
		if score[c*fusedRows] > score[top*fusedRows] {
			top = c
		}
	}
	others, dot := 0.0, 0.0 // the largest class's exponential is one
	for c, t := range y {
		q[c] = 1
		if c != top {
			z := score[c*fusedRows] - score[top*fusedRows]
			q[c] = math.Exp(z)
			others += q[c]
			dot += t * z
		}
	}
	for c := range q {
		q[c] /= 1 + others
	}
	return math.Log1p(others) - dot
}
