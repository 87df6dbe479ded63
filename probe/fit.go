package probe

import (
	"fmt"
	"math"
	"slices"

	"nearcase/probe/dense"
)

// MinLambda and MaxLambda bound the regularisation, which is relative: the
// penalty is lambda times the mean diagonal entry of the centred Gram matrix,
// so lambda means the same whatever the number of examples, the dimension or
// the scale of the vectors. Down to MinLambda, and for vectors that differ by at
// least 1e-3 of their length, coefficients are accurate to 1e-12 relative to the
// class's largest. At MaxLambda the probe is, up to scale, the
// nearest-class-mean classifier.
const (
	MinLambda = 1e-8
	MaxLambda = 1e4
)

// Fit returns the ridge probe of the examples: for each class c the w that
// minimises
//
//	sum_i v_i (y_i - m - w.(x_i - mu))^2 + lambda*s*|w|^2
//
// over the examples that do not ignore c, with y_i the degree to which example i
// has c, v_i its weight (times what the Balance says), m and mu the weighted
// means of y and x, and s the mean diagonal entry of the centred Gram matrix
// G = sum_i v_i (x_i-mu)(x_i-mu)T, that is trace(G)/dimension. The intercept is
// thus not penalised. It then is set so that the mean of the class and the mean
// of the other examples score equally far above and below 1/2, which differs
// from the regression's own intercept only in unbalanced classes: for two
// classes this is Fisher's discriminant with equal priors, so a rare class is
// not drowned by a frequent one. An example of a degree between 0 and 1 is in
// both means, with its degree and with the rest.
//
// A lambda of zero or less is chosen (see Linear.Lambda). Otherwise it must lie
// in [MinLambda, MaxLambda], or Fit returns ErrLambda. It returns ErrNotEnough
// when no class tells some examples from others: there are none, or all carry
// the same classes. A class that every example of a multi-label task carries
// has zero weights and intercept one.
//
// The result depends on the examples present only, not on the order in which
// they, or others since removed, came.
func (r *Ridge) Fit(lambda float64) (*Linear, error) {
	if err := r.fittable(lambda); err != nil {
		return nil, fmt.Errorf("fitting a probe: %w", err)
	}
	systems := r.centred()
	if lambda <= 0 {
		lambda = choose(systems)
	}
	l := newLinear(r.Classes(), lambda)
	for _, s := range systems {
		weights, _, ok := s.solve(lambda * s.scale)
		if !ok || !s.sound() {
			return nil, fmt.Errorf("fitting a probe to %d examples: %w", r.all.count, ErrInconsistent)
		}
		s.put(l, weights)
	}
	if !l.finite() {
		return nil, fmt.Errorf("fitting a probe to %d examples: %w", r.all.count, ErrInconsistent)
	}
	return l, nil
}

// FitWithout returns the probe as it would be had the given examples, such as
// those of the query's own patient, never been added. It equals Remove of each
// followed by Fit, and leaves r as it is.
func (r *Ridge) FitWithout(lambda float64, xs [][]float32, targets []Target) (*Linear, error) {
	if len(xs) != len(targets) {
		return nil, fmt.Errorf("fitting without %d vectors with %d targets: %w", len(xs), len(targets), ErrDimension)
	}
	rest := r.Clone()
	for i, x := range xs {
		if err := rest.Remove(x, targets[i]); err != nil {
			return nil, err
		}
	}
	return rest.Fit(lambda)
}

func (r *Ridge) fittable(lambda float64) error {
	if math.IsNaN(lambda) || lambda > 0 && (lambda < MinLambda || lambda > MaxLambda) {
		return fmt.Errorf("lambda %g: %w", lambda, ErrLambda)
	}
	return r.tells()
}

// tells returns ErrNotEnough unless some class tells examples apart.
func (r *Ridge) tells() error {
	for _, c := range r.classes {
		if c.count > 0 && !r.constant(c) {
			return nil
		}
	}
	return fmt.Errorf("%d examples of %d classes: %w", r.all.count, len(r.Classes()), ErrNotEnough)
}

// system is the centred normal equations G*w = b of classes that are fitted to
// the same examples with the same weights, one b per class.
type system struct {
	dimension, examples int
	names               []string
	some, whole         []int   // per class, the examples that have it, and wholly
	terms               []term  // whose sum the moments are
	weigh               weigher // the examples' weights
	weight              double  // of all examples
	mean                []double
	inside, outside     []double   // weights of each class and of the rest; zero if empty
	sums                [][]double // sum_i v_i y_i x_i, per class
	right               [][]double // b = sum_i v_i (y_i - m)(x_i - mu), per class
	gram                sums       // G, upper triangle packed by rows; once centred
	scale               float64    // trace(G)/dimension, zero if the examples are all alike
}

// term is moments times a factor.
type term struct {
	by float64
	of *moments
}

// sum returns the sum of the terms of what of selects.
func (s *system) sum(of func(*moments) double) double {
	sum := double{}
	for _, t := range s.terms {
		v := of(t.of)
		if t.by != 1 {
			v = v.times(double{hi: t.by})
		}
		sum = sum.plus(v)
	}
	return sum
}

// alike is the part of the vectors' squared length that must vary between
// examples to be told from rounding in doubled precision (1e-32 each).
const alike = 1e-29

// centred returns all systems with their Gram matrices.
func (r *Ridge) centred() []*system {
	systems := r.systems(r.balances())
	for _, s := range systems {
		s.centre()
	}
	return systems
}

// centre subtracts the means. Embeddings share a large common component, so
// most leading digits cancel here; the sums carry twice as many as are needed,
// and products are formed before the division so that they lose none.
func (s *system) centre() {
	d := s.dimension
	s.gram = newSums(d * (d + 1) / 2)
	total := s.totals()
	raw, trace, at := 0.0, 0.0, 0
	for i := range d {
		for j := i; j < d; j++ {
			product := s.sum(func(m *moments) double { return m.products.at(at) })
			if i == j {
				raw += product.hi
			}
			g := product.times(s.weight).minus(total[i].times(total[j])).per(s.weight)
			s.gram.hi[at], s.gram.lo[at] = g.hi, g.lo
			at++
		}
		trace += s.gram.hi[at-(d-i)]
	}
	s.scale = 0
	if math.Abs(trace) > alike*raw {
		s.scale = trace / float64(d)
	}
}

// totals returns the weighted sum of the vectors.
func (s *system) totals() []double {
	t := make([]double, s.dimension)
	for i := range t {
		t[i] = s.sum(func(m *moments) double { return m.total.at(i) })
	}
	return t
}

// solve returns per class the w with (G + penalty*I) w = b, and the factor of
// that matrix, none if the examples are all alike; or false if the matrix is not positive
// definite. A Cholesky solution in float64 is off by the condition number (up to
// dimension/lambda) times 1e-16; iterative refinement with residuals in doubled
// precision removes that (Higham, Accuracy and Stability of Numerical Algorithms,
// 2nd ed., chapter 12).
func (s *system) solve(penalty float64) ([][]float64, *dense.Cholesky, bool) {
	weights := make([][]float64, len(s.names))
	if s.scale == 0 { // or the vectors have no components
		for c := range weights {
			weights[c] = make([]float64, s.dimension)
		}
		return weights, nil, true
	}
	if penalty < 0 {
		return nil, nil, false
	}
	cholesky, ok := dense.NewCholesky(s.dense(penalty))
	if !ok {
		return nil, nil, false
	}
	for c, b := range s.right {
		w := his(b)
		cholesky.Solve(w)
		for range refinements {
			correction := s.residual(b, w, penalty)
			cholesky.Solve(correction)
			dense.Add(w, 1, correction)
			if largest(correction) <= negligible*largest(w) {
				break
			}
		}
		weights[c] = w
	}
	return weights, cholesky, true
}

// A solution is corrected until a correction is below negligible relative to the
// largest weight, and at most refinements times. Each time the error shrinks by
// the factor 1e-16*trace(G)/penalty: 1e-16*dimension/lambda where the penalty is
// of this system, at most about 1e-5, but more where it is one of earlier examples.
const (
	refinements = 8
	negligible  = 1e-14
)

// his returns the doubles rounded to float64.
func his(doubles []double) []float64 {
	f := make([]float64, len(doubles))
	for i, v := range doubles {
		f[i] = v.hi
	}
	return f
}

// dense returns G + penalty*I in float64.
func (s *system) dense(penalty float64) dense.Matrix {
	d, at := s.dimension, 0
	g := dense.New(d, d)
	for i := range d {
		for j := i; j < d; j++ {
			g.Data[i*d+j], g.Data[j*d+i] = s.gram.hi[at], s.gram.hi[at]
			at++
		}
		g.Data[i*d+i] += penalty
	}
	return g
}

// residual returns b - (G + penalty*I) w, computed in doubled precision.
func (s *system) residual(b []double, w []float64, penalty float64) []float64 {
	negative := make([]double, len(w)) // not normalised
	for i, v := range w {
		negative[i] = twoProduct(penalty, v).minus(b[i])
	}
	s.gram.addTimes(1, w, negative)
	return negated(negative)
}

// sound reports whether the examples weigh what some can.
func (s *system) sound() bool {
	for c, inside := range s.inside {
		if !(inside.hi > 0 && s.outside[c].hi >= 0) {
			return false
		}
	}
	return s.weight.hi > 0
}

// put sets the classes of the system in the probe.
func (s *system) put(l *Linear, weights [][]float64) {
	for c, name := range s.names {
		at, _ := slices.BinarySearch(l.Classes, name)
		l.Weights[at], l.Intercept[at] = weights[c], s.intercept(c, weights[c])
	}
}

// intercept puts 1/2 halfway between the mean of class c, which is
// mu + b/inside, and the mean of the others, mu - b/outside.
func (s *system) intercept(c int, w []float64) float64 {
	if s.outside[c].hi == 0 {
		return 1
	}
	shift := (1/s.inside[c].hi - 1/s.outside[c].hi) / 2
	score := 0.5
	for i, v := range w {
		score -= v * (s.mean[i].hi + shift*s.right[c][i].hi)
	}
	return score
}
