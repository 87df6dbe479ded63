package probe

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// MinLambda and MaxLambda bound the regularisation, which is relative: the
// penalty is lambda times the mean diagonal entry of the centred Gram matrix,
// so lambda means the same whatever the number of examples, the dimension or
// the scale of the vectors. Down to MinLambda, and for vectors that differ by at
// least 1e-6 of their length, coefficients are accurate to 1e-12 relative to the
// class's largest. At MaxLambda the probe is, up to scale, the
// nearest-class-mean classifier.
const (
	MinLambda = 1e-8
	MaxLambda = 1e4
)

// Fit returns the ridge probe of the examples: for each class c the w that
// minimises
//
//	sum_i (y_i - m - w.(x_i - mu))^2 + lambda*s*|w|^2
//
// with y_i one if example i carries c and zero otherwise, m and mu the means of
// y and x, and s the mean diagonal entry of the centred Gram matrix
// G = sum_i (x_i-mu)(x_i-mu)T, that is trace(G)/dimension. The intercept is
// thus not penalised. It then is set so that the mean of the class and the mean
// of the other examples score equally far above and below 1/2, which differs
// from the regression's own intercept only in unbalanced classes: for two
// classes this is Fisher's discriminant with equal priors, so a rare class is
// not drowned by a frequent one.
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
	s := r.centre()
	if lambda <= 0 {
		lambda = s.choose()
	}
	weights, ok := s.solve(lambda)
	if !ok {
		return nil, fmt.Errorf("fitting a probe to %d examples: %w", r.count, ErrInconsistent)
	}
	return s.linear(weights, lambda), nil
}

// FitWithout returns the probe as it would be had the given examples, such as
// those of the query's own patient, never been added. It equals Remove of each
// followed by Fit, and leaves r as it is.
func (r *Ridge) FitWithout(lambda float64, xs [][]float32, classes [][]string) (*Linear, error) {
	if len(xs) != len(classes) {
		return nil, fmt.Errorf("fitting without %d vectors with %d labels: %w", len(xs), len(classes), ErrDimension)
	}
	rest := r.Clone()
	for i, x := range xs {
		if err := rest.Remove(x, classes[i]); err != nil {
			return nil, err
		}
	}
	return rest.Fit(lambda)
}

func (r *Ridge) fittable(lambda float64) error {
	if math.IsNaN(lambda) || lambda > 0 && (lambda < MinLambda || lambda > MaxLambda) {
		return fmt.Errorf("lambda %g: %w", lambda, ErrLambda)
	}
	for _, c := range r.classes {
		if c.count < r.count {
			return nil
		}
	}
	return fmt.Errorf("%d examples of %d classes: %w", r.count, len(r.classes), ErrNotEnough)
}

// system is the centred normal equations G*w = b, one b per class.
type system struct {
	examples int
	names    []string
	counts   []int
	mean     []float64
	gram     sums       // G, upper triangle packed by rows
	scale    float64    // trace(G)/dimension, zero if the examples are all alike
	right    [][]double // b = sum_i (y_i - m)(x_i - mu), per class
}

// alike is the part of the vectors' squared length that must vary between
// examples to be told from rounding in doubled precision (1e-32 each).
const alike = 1e-29

// centre subtracts the means. Embeddings share a large common component, so
// most leading digits cancel here; the sums carry twice as many as are needed,
// and products are formed before the division so that they lose none.
func (r *Ridge) centre() *system {
	n, d := float64(r.count), r.dimension
	s := &system{examples: r.count, names: r.Classes(), mean: make([]float64, d), gram: newSums(len(r.products.hi))}
	raw, trace, at := 0.0, 0.0, 0
	for i := range d {
		total := r.total.at(i)
		s.mean[i] = total.over(n).hi
		raw += r.products.hi[at]
		for j := i; j < d; j++ {
			g := r.products.at(at).times(double{hi: n}).minus(total.times(r.total.at(j))).over(n)
			s.gram.hi[at], s.gram.lo[at] = g.hi, g.lo
			at++
		}
		trace += s.gram.hi[at-(d-i)]
	}
	if math.Abs(trace) > alike*raw {
		s.scale = trace / float64(d)
	}
	for _, name := range s.names {
		c := r.classes[name]
		s.counts = append(s.counts, c.count)
		s.right = append(s.right, c.centred(r.total, n))
	}
	return s
}

// centred returns sum_i (y_i - m)(x_i - mu), which is the class's sum less
// count/n of the total.
func (c *sum) centred(total sums, n float64) []double {
	b := make([]double, len(c.hi))
	if float64(c.count) == n { // zero also where the sums carry rounding
		return b
	}
	for i := range b {
		b[i] = c.at(i).times(double{hi: n}).minus(total.at(i).times(double{hi: float64(c.count)})).over(n)
	}
	return b
}

// solve returns per class the w with (G + lambda*scale*I) w = b, or false if
// that matrix is not positive definite. A Cholesky solution in float64 is off
// by the condition number (up to dimension/lambda) times 1e-16; iterative
// refinement with residuals in doubled precision removes that (Higham, Accuracy
// and Stability of Numerical Algorithms, 2nd ed., chapter 12).
func (s *system) solve(lambda float64) ([][]float64, bool) {
	d := len(s.mean)
	weights := make([][]float64, len(s.names))
	if s.scale == 0 { // the examples are all alike, or have no components
		for c := range weights {
			weights[c] = make([]float64, d)
		}
		return weights, true
	}
	penalty := lambda * s.scale
	var cholesky mat.Cholesky
	if penalty < 0 || !cholesky.Factorize(s.dense(penalty)) {
		return nil, false
	}
	for c, b := range s.right {
		w := his(b)
		solve(&cholesky, w)
		for range refinements {
			correction := s.residual(b, w, penalty)
			solve(&cholesky, correction)
			for i, v := range correction {
				w[i] += v
			}
		}
		weights[c] = w
	}
	return weights, true
}

// refinements is how often a solution is corrected. Each time the error shrinks
// by the factor 1e-16*dimension/lambda, at most about 1e-5.
const refinements = 2

// solve replaces b by the solution. Cholesky's error only says that the
// condition number is large, which is what refinement is for.
func solve(cholesky *mat.Cholesky, b []float64) {
	v := mat.NewVecDense(len(b), b)
	_ = cholesky.SolveVecTo(v, v)
}

// his returns the doubles rounded to float64.
func his(doubles []double) []float64 {
	f := make([]float64, len(doubles))
	for i, v := range doubles {
		f[i] = v.hi
	}
	return f
}

// dense returns G + penalty*I in float64.
func (s *system) dense(penalty float64) *mat.SymDense {
	d, at := len(s.mean), 0
	g := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			g.SetSym(i, j, s.gram.hi[at])
			at++
		}
		g.SetSym(i, i, g.At(i, i)+penalty)
	}
	return g
}

// residual returns b - (G + penalty*I) w, computed in doubled precision.
func (s *system) residual(b []double, w []float64, penalty float64) []float64 {
	d, at := len(w), 0
	product := make([]double, d) // (G + penalty*I) w - b, not normalised
	for i, v := range w {
		row := product[i]
		row.add(double{-b[i].hi, -b[i].lo})
		row.add(twoProduct(penalty, v))
		row.add(s.entry(at, v))
		at++
		for j := i + 1; j < d; j++ {
			row.add(s.entry(at, w[j]))
			product[j].add(s.entry(at, v))
			at++
		}
		product[i] = row
	}
	r := make([]float64, d)
	for i, p := range product {
		r[i] = -(p.hi + p.lo)
	}
	return r
}

// entry returns v times the packed entry of G.
func (s *system) entry(at int, v float64) double {
	p := twoProduct(s.gram.hi[at], v)
	return double{p.hi, p.lo + s.gram.lo[at]*v}
}

// linear returns the probe with the given weights.
func (s *system) linear(weights [][]float64, lambda float64) *Linear {
	l := &Linear{Classes: s.names, Weights: weights, Intercept: make([]float64, len(weights)), Lambda: lambda}
	for c, w := range weights {
		l.Intercept[c] = s.intercept(c, w)
	}
	return l
}

// intercept puts 1/2 halfway between the mean of class c, which is
// mu + b/count, and the mean of the others, mu - b/(examples-count).
func (s *system) intercept(c int, w []float64) float64 {
	inside, outside := float64(s.counts[c]), float64(s.examples-s.counts[c])
	if outside == 0 {
		return 1
	}
	shift := (1/inside - 1/outside) / 2
	score := 0.5
	for i, v := range w {
		score -= v * (s.mean[i] + shift*s.right[c][i].hi)
	}
	return score
}
