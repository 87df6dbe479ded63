package probe

import (
	"math"
	"slices"

	vec "gonum.org/v1/gonum/floats"
)

// relative returns what lambda is relative to.
func (p *softmaxProblem) relative() float64 {
	if p.scale <= 0 {
		return 1
	}
	return p.scale
}

// add adds the rows of the problem's classes at theta, whose intercepts are
// those of centred vectors.
func (s *SoftmaxProbe) add(p *softmaxProblem, theta []float64, multi bool) {
	for c := range p.k {
		w := slices.Clone(theta[c*p.stride:][:p.d])
		b := theta[c*p.stride+p.d] - vec.Dot(w, p.mean[:p.d])
		if p.k == 1 && !multi {
			half := slices.Clone(w)
			vec.Scale(-0.5, half)
			vec.Scale(0.5, w)
			s.Weights, s.Intercept = append(s.Weights, half), append(s.Intercept, -b/2)
			b /= 2
		}
		s.Weights, s.Intercept = append(s.Weights, w), append(s.Intercept, b)
	}
}

// start returns the coefficients at which the search of the i-th problem
// begins: those of the last probe, or no weights and the intercepts that give
// every class its share.
func (f *softmaxFit) start(i int, p *softmaxProblem) []float64 {
	theta := make([]float64, p.k*p.stride)
	share := make([]float64, p.k)
	for j := range p.x {
		for c := range share {
			share[c] += p.weightOf(j) * p.target[j*p.k+c] / p.total
		}
	}
	for c, q := range share {
		q = min(max(q, 1e-12), 1-1e-12)
		if p.k == 1 {
			theta[p.d] = math.Log(q / (1 - q))
		} else {
			theta[c*p.stride+p.d] = math.Log(q)
		}
	}
	if f.last != nil {
		names := f.classes
		if f.multi {
			names = names[i : i+1]
		}
		f.warm(theta, names, p)
	}
	if p.k > 1 {
		p.contrast(theta)
	}
	return theta
}

// contrast takes from theta what is common to all classes, of which the
// probabilities know nothing and which at the optimum is zero.
func (p *softmaxProblem) contrast(theta []float64) {
	mean := make([]float64, p.stride)
	for c := range p.k {
		vec.AddScaled(mean, 1/float64(p.k), theta[c*p.stride:][:p.stride])
	}
	for c := range p.k {
		vec.Sub(theta[c*p.stride:][:p.stride], mean)
	}
}

// warm copies the last probe's rows of the named classes to theta.
func (f *softmaxFit) warm(theta []float64, names []string, p *softmaxProblem) {
	rows := make([]int, len(names))
	for i, name := range names {
		rows[i] = slices.Index(f.last.Classes, name)
		if rows[i] >= 0 && len(f.last.Weights[rows[i]]) != p.d {
			return
		}
	}
	if p.k == 1 && !f.multi { // one vector for the difference of two classes
		if rows[0] < 0 || rows[1] < 0 {
			return
		}
		w := theta[:p.d]
		vec.SubTo(w, f.last.Weights[rows[1]], f.last.Weights[rows[0]])
		theta[p.d] = f.last.Intercept[rows[1]] - f.last.Intercept[rows[0]] + vec.Dot(w, p.mean[:p.d])
		return
	}
	for c, row := range rows {
		if row >= 0 {
			w := theta[c*p.stride:][:p.d]
			copy(w, f.last.Weights[row])
			theta[c*p.stride+p.d] = f.last.Intercept[row] + vec.Dot(w, p.mean[:p.d])
		}
	}
}

// known returns the curvature of the last probe for the i-th problem, nil if it
// has none or one of other classes.
func (f *softmaxFit) known(i int) *softmaxCurvature {
	if f.last == nil || len(f.last.curvature) == 0 {
		return nil
	}
	if !f.multi {
		if slices.Equal(f.last.Classes, f.classes) {
			return f.last.curvature[0]
		}
		return nil
	}
	if at := slices.Index(f.last.Classes, f.classes[i]); at >= 0 && at < len(f.last.curvature) {
		return f.last.curvature[at]
	}
	return nil
}

// adopt makes a curvature that was estimated elsewhere, if any, the metric to
// begin with, and sets how long to be patient with what there is.
func (l *lbfgs) adopt(c *softmaxCurvature) {
	p := l.problem
	l.plan(curvatureSample)
	l.forget()
	if c != nil && c.stride == p.stride && c.d == p.d && c.classes == p.k {
		l.curvature = c.factorised(p.penalty)
	}
}

// plan sets when and from how many examples for each row the curvature is
// estimated next.
func (l *lbfgs) plan(sample int) {
	l.sample = sample
	l.patience = leastPatience + int(l.problem.curvatureCost(sample))
}

// leastPatience is how many passes a metric is tried for in any case.
const leastPatience = 8

// curvatureCost returns about how many passes take as long as an estimate of the
// curvature, by the multiplications of each.
func (p *softmaxProblem) curvatureCost(sample int) float64 {
	n, d, blocks := float64(len(p.x)), float64(p.stride), float64(p.curvatureBlocks())
	sampled := min(n, float64(sample)*blocks*d)
	products := blocks * (blocks + 1) / 2 * sampled * d * d / 2
	factor := blocks * blocks * blocks * d * d * d / 6
	return (products + 1.5*factor) / (2 * n * float64(p.k) * d)
}
