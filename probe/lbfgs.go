package probe

import (
	"context"
	"math"

	vec "gonum.org/v1/gonum/floats"
)

// lbfgsMemory is how many steps a search remembers.
const lbfgsMemory = 16

// lbfgs is the search for the minimum of a softmaxProblem by the limited-memory
// method of Broyden, Fletcher, Goldfarb and Shanno (Liu and Nocedal,
// Mathematical Programming 45, 1989).
//
// It begins in a metric that is diagonal. Where that proves slow, so that as
// much time has passed as the curvature costs, the curvature is estimated where
// the search then stands and becomes the metric: the search takes at most about
// twice the time of the better of the two. After as much time again it is
// estimated again, from twice as many examples.
type lbfgs struct {
	problem    *softmaxProblem
	theta      []float64
	gradient   []float64
	value      float64
	passes     int
	most       int     // passes
	tolerance  float64 // see SoftmaxOptions
	curvature  *softmaxCurvature
	sample     int // examples for each row of the next estimate
	patience   int // passes until then
	s, y       [][]float64
	rho        []float64
	gamma      float64
	next, grad []float64 // scratch: a trial point and its gradient
}

func newLBFGS(p *softmaxProblem, theta []float64) *lbfgs {
	n := len(theta)
	return &lbfgs{problem: p, theta: theta, gradient: make([]float64, n), next: make([]float64, n), grad: make([]float64, n)}
}

// minimise searches from theta and says why it ended.
func (l *lbfgs) minimise(ctx context.Context) (Stop, error) {
	l.value = l.evaluate(l.theta, l.gradient)
	since, fresh := 0, false
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		switch {
		case l.reached():
			return StopConverged, nil
		case l.passes >= l.most:
			return StopPasses, nil
		case l.passes-since >= l.patience:
			l.estimate()
			since, fresh = l.passes, true
		}
		if l.step() {
			fresh = false
			continue
		}
		if fresh {
			return StopPrecision, nil
		}
		l.evaluate(l.theta, l.gradient) // the probabilities of theta
		l.estimate()
		since, fresh = l.passes, true
	}
}

func (l *lbfgs) evaluate(theta, gradient []float64) float64 {
	l.passes++
	return l.problem.evaluate(theta, gradient)
}

// estimate makes the curvature at theta, where the function was evaluated last,
// the metric, if that is not too large a matrix, and forgets the steps so far.
func (l *lbfgs) estimate() {
	sample := l.sample
	l.forget()
	l.plan(2 * sample)
	if l.problem.stride > curvatureMost {
		return
	}
	c := l.problem.curvature(sample)
	if c = c.factorised(l.problem.penalty); c != nil {
		l.curvature = c
	}
}

func (l *lbfgs) forget() { l.s, l.y, l.rho, l.gamma = nil, nil, nil, 1 }

// reached reports whether the gradient is as small as the tolerance asks.
func (l *lbfgs) reached() bool { return l.steepest() <= l.limit() }

// steepest returns the largest component of the gradient.
func (l *lbfgs) steepest() float64 { return vec.Norm(l.gradient, math.Inf(1)) }

// limit returns how large a component of the gradient may be.
func (l *lbfgs) limit() float64 {
	p, largest := l.problem, 0.0
	for c := range p.k {
		largest = max(largest, vec.Norm(l.theta[c*p.stride:][:p.d], math.Inf(1)))
	}
	rounding := 1e-14 * p.total * max(1, math.Sqrt(p.scale/p.total))
	return max(l.tolerance*p.penalty*largest, rounding)
}

// step moves theta along the search direction. It reports false where no
// further progress can be told from rounding.
func (l *lbfgs) step() bool {
	direction := l.direction()
	slope := vec.Dot(direction, l.gradient)
	if !(slope < 0) {
		l.forget()
		direction = l.direction()
		if slope = vec.Dot(direction, l.gradient); !(slope < 0) {
			return false
		}
	}
	value, ok := l.lineSearch(direction, slope)
	if !ok {
		return false
	}
	l.remember()
	l.theta, l.next = l.next, l.theta
	l.gradient, l.grad = l.grad, l.gradient
	l.value = value
	return true
}

// direction returns minus the inverse metric times the gradient, by the two
// loops of the method.
func (l *lbfgs) direction() []float64 {
	v := append([]float64(nil), l.gradient...)
	alpha := make([]float64, len(l.s))
	for i := len(l.s) - 1; i >= 0; i-- {
		alpha[i] = l.rho[i] * vec.Dot(l.s[i], v)
		vec.AddScaled(v, -alpha[i], l.y[i])
	}
	l.metric(v)
	vec.Scale(l.gamma, v)
	for i := range l.s {
		vec.AddScaled(v, alpha[i]-l.rho[i]*vec.Dot(l.y[i], v), l.s[i])
	}
	vec.Scale(-1, v)
	return v
}

// metric replaces v by the inverse of the first metric times v. Without a
// curvature this is diagonal: the mean curvature of the weights and that of the
// intercept, of classes that are equally likely.
func (l *lbfgs) metric(v []float64) {
	if l.curvature != nil {
		l.curvature.solve(v)
		return
	}
	p := l.problem
	q := 1 / float64(max(p.k, 2))
	spread := q * (1 - q)
	for c := range p.k {
		w := v[c*p.stride:][:p.d+1]
		vec.Scale(1/(spread*p.scale+p.penalty), w[:p.d])
		w[p.d] /= spread * p.total
	}
}

// remember keeps the step from theta to next.
func (l *lbfgs) remember() {
	s, y := make([]float64, len(l.theta)), make([]float64, len(l.theta))
	vec.SubTo(s, l.next, l.theta)
	vec.SubTo(y, l.grad, l.gradient)
	sy := vec.Dot(s, y)
	if !(sy > 0) {
		return
	}
	scaled := append([]float64(nil), y...)
	l.metric(scaled)
	l.gamma = sy / vec.Dot(y, scaled)
	if len(l.s) == lbfgsMemory {
		l.s, l.y, l.rho = l.s[1:], l.y[1:], l.rho[1:]
	}
	l.s, l.y, l.rho = append(l.s, s), append(l.y, y), append(l.rho, 1/sy)
}

// The conditions on a step: it must lower the function by part of what the
// slope promises, and may leave only part of the slope (Wolfe). Where the
// function cannot tell any more because of rounding, the slope must not have
// turned to more than that of a parabola would (Hager and Zhang, SIAM J. Optim.
// 16, 2005).
const (
	wolfeDecrease = 1e-4
	wolfeSlope    = 0.9
	wolfeRounding = 1e-13
	wolfeTrials   = 40
)

// lineSearch sets next and grad to a point along the direction that meets the
// conditions, and returns its value. The function is convex, so its slope
// rises along the direction, and the secant of the slopes at the ends of an
// interval that contains such a point is in it.
func (l *lbfgs) lineSearch(direction []float64, slope float64) (float64, bool) {
	low, lowSlope, high, highSlope := 0.0, slope, math.Inf(1), 0.0
	t := 1.0
	for range wolfeTrials {
		vec.AddScaledTo(l.next, l.theta, t, direction)
		value := l.evaluate(l.next, l.grad)
		at := vec.Dot(l.grad, direction)
		switch {
		case !l.lowers(value, at, t, slope):
			high, highSlope = t, at
		case at < wolfeSlope*slope:
			low, lowSlope = t, at
		default:
			return value, true
		}
		t = between(low, lowSlope, high, highSlope)
	}
	return 0, false
}

func (l *lbfgs) lowers(value, at, t, slope float64) bool {
	if math.IsNaN(value) || math.IsInf(value, 0) || math.IsNaN(at) {
		return false
	}
	if value <= l.value+wolfeDecrease*t*slope {
		return true
	}
	return value <= l.value+wolfeRounding*math.Abs(l.value) && at <= -(1-2*wolfeDecrease)*slope
}

// between returns the next trial: where the secant of the slopes is zero, but
// not near an end of the interval, or further out where the interval has none.
func between(low, lowSlope, high, highSlope float64) float64 {
	if math.IsInf(high, 1) {
		return low * 4
	}
	t := low + (high-low)/2
	if highSlope > 0 && !math.IsInf(highSlope, 0) {
		t = low + (high-low)*lowSlope/(lowSlope-highSlope)
	}
	margin := 0.05 * (high - low)
	return min(max(t, low+margin), high-margin)
}
