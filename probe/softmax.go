package probe

import (
	"context"
	"fmt"
	"math"
	"slices"

	vec "gonum.org/v1/gonum/floats"
)

// SoftmaxOptions are what is optional in fitting a softmax probe.
type SoftmaxOptions struct {
	// Tolerance of the coefficients, 1e-5 if zero: the search ends when no
	// component of the gradient is larger than Tolerance times that of the
	// penalty, which is the largest absolute weight times the penalty. As the
	// penalty bounds the curvature from below, the weights are then nearer to the
	// optimum than Tolerance times the largest weight times the root of their
	// number, and mostly much nearer.
	Tolerance float64
	// Passes over the examples after which the search of one class ends in any
	// case, 2000 if zero.
	Passes int
	// Workers is how many goroutines share a pass, 1 if zero. The result is the
	// same, to the bit, for every number.
	Workers int
	// Warm is where the search begins: an earlier probe of the same or fewer
	// classes; one of another kind of task or another dimension is not used, nor
	// one whose Check fails. Classes are matched by name, and others begin at zero.
	// What the earlier search learned of the curvature is used again, unless the
	// probe has since been stored and read.
	Warm *SoftmaxProbe
}

// Stop is why a search ended.
type Stop string

const (
	// StopConverged says that the tolerance was met.
	StopConverged Stop = "converged"
	// StopPasses says that the passes were used up.
	StopPasses Stop = "passes"
	// StopPrecision says that no progress could be told from rounding.
	StopPrecision Stop = "precision"
)

// A SoftmaxProbe is a fitted softmax probe, or the independent logistic probes of a
// multi-label task. Its Linear scores with logits, and its Lambda is the
// relative regularisation lambda that it was fitted with.
type SoftmaxProbe struct {
	Linear
	// Multi tells that each class is judged for itself.
	Multi bool `json:"multi,omitempty"`
	// Unfitted are the classes of the task that the examples say too little of
	// and that Linear therefore has not: no example has the class or, in a
	// multi-label task, none has not.
	Unfitted []string `json:"unfitted,omitempty"`
	// C is scikit-learn's name of the inverse penalty: of the task or, in a
	// multi-label task, of each class fitted.
	C []float64 `json:"c"`
	// Loss is the cross-entropy per weight of the examples, without the penalty;
	// in a multi-label task its mean over the classes.
	Loss float64 `json:"loss"`
	// Passes over the examples that the search took, in a multi-label task of all
	// classes together.
	Passes int `json:"passes"`
	// Gradient is the largest component left, and Stop why the search ended; in a
	// multi-label task those of the worst class.
	Gradient float64 `json:"gradient"`
	Stop     Stop    `json:"stop"`

	curvature []*softmaxCurvature // of the task, or of each class fitted; nil where none was needed
}

// FitSoftmax returns the softmax probe of the examples: the weights W and
// intercepts b that minimise
//
//	sum_i w_i*H(y_i, softmax(W*x_i + b)) + |W|^2/(2*C)
//
// with H the cross-entropy, which is the objective of scikit-learn's
// LogisticRegression. Intercepts are not penalised. As there, two classes have
// one vector of coefficients, w, and H is of the logistic function of the second
// class; it is returned as the rows -w/2 and w/2, of which the softmax is the
// same. A multi-label task has one such w for each class, fitted to the examples
// where the class is known, with the logit of the class as its score.
//
// The penalty is relative, as the ridge probe's: 1/C is lambda times the mean
// diagonal entry of the centred Gram matrix of the examples by weight (see
// SoftmaxScale), or lambda itself if the vectors are all alike. Lambda is above
// zero and finite, or else ErrLambda.
//
// Classes that no example has are left out of the probe, as are those of a
// multi-label task that every example has: see SoftmaxProbe.Unfitted. Where less
// than two classes remain, or none of a multi-label task, it is ErrNotEnough.
// Examples that do not pass Check are refused with its error, and a context
// that ends ends the search with its error.
func FitSoftmax(ctx context.Context, e Examples, lambda float64, o SoftmaxOptions) (*SoftmaxProbe, error) {
	path, err := FitSoftmaxPath(ctx, e, []float64{lambda}, o)
	if err != nil {
		return nil, err
	}
	return path[0], nil
}

// FitSoftmaxPath returns the probe of FitSoftmax for every lambda, in the order
// given. They are fitted from the largest to the smallest, each from the one
// before, which takes much less time than apart.
func FitSoftmaxPath(ctx context.Context, e Examples, lambdas []float64, o SoftmaxOptions) ([]*SoftmaxProbe, error) {
	if err := checkLambdas(lambdas); err != nil {
		return nil, fmt.Errorf("fitting a softmax probe: %w", err)
	}
	f, err := newSoftmaxFit(e, o)
	if err != nil {
		return nil, fmt.Errorf("fitting a softmax probe: %w", err)
	}
	path := make([]*SoftmaxProbe, len(lambdas))
	for _, i := range strongestFirst(lambdas) {
		if path[i], err = f.fit(ctx, lambdas[i]); err != nil {
			return nil, fmt.Errorf("fitting a softmax probe with lambda %g: %w", lambdas[i], err)
		}
	}
	return path, nil
}

// SoftmaxScale returns the mean diagonal entry of the centred Gram matrix of the
// examples by weight, that is trace/dimension: the relative lambda of the
// inverse penalty C is 1/(C*SoftmaxScale).
func SoftmaxScale(e Examples) float64 {
	if len(e.X) == 0 {
		return 0
	}
	return newSoftmaxProblem(e.X, nil, e.Weight, 1, 1).relative()
}

func checkLambdas(lambdas []float64) error {
	for _, l := range lambdas {
		if !(l > 0) || math.IsInf(l, 1) {
			return fmt.Errorf("lambda %g, want above zero and finite: %w", l, ErrLambda)
		}
	}
	return nil
}

// strongestFirst returns the positions of lambdas from the largest down.
func strongestFirst(lambdas []float64) []int {
	at := make([]int, len(lambdas))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int {
		return -compareFloat(lambdas[i], lambdas[j])
	})
	return at
}

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// softmaxFit fits the probes of one set of examples, each from the one before.
type softmaxFit struct {
	options  SoftmaxOptions
	multi    bool
	classes  []string // that are fitted
	unfitted []string
	problems []*softmaxProblem // one, or of a multi-label task one for each class
	last     *SoftmaxProbe
}

func newSoftmaxFit(e Examples, o SoftmaxOptions) (*softmaxFit, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	if o.Tolerance == 0 {
		o.Tolerance = 1e-5
	}
	if o.Passes == 0 {
		o.Passes = 2000
	}
	f := &softmaxFit{options: o, multi: e.Multi}
	if o.Warm != nil && o.Warm.Multi == e.Multi && o.Warm.Check() == nil {
		f.last = o.Warm
	}
	if e.Multi {
		f.addFindings(e)
	} else {
		f.addTask(e)
	}
	if len(f.problems) == 0 {
		return nil, fmt.Errorf("%d examples of %d classes, of which %d can be told: %w", len(e.X), len(e.Classes), len(f.classes), ErrNotEnough)
	}
	for i, p := range f.problems {
		if math.IsInf(p.scale, 0) || math.IsNaN(p.scale) {
			return nil, fmt.Errorf("vectors of class %q are too long to be squared: %w", f.classes[i], ErrNotFinite)
		}
	}
	return f, nil
}

// addTask adds the problem of a single-label task, of the classes that any
// example has, if there are two.
func (f *softmaxFit) addTask(e Examples) {
	var present []int
	for c, name := range e.Classes {
		if slices.ContainsFunc(e.Y, func(y []float64) bool { return y[c] > 0 }) {
			present, f.classes = append(present, c), append(f.classes, name)
		} else {
			f.unfitted = append(f.unfitted, name)
		}
	}
	if len(present) < 2 {
		return
	}
	k := len(present)
	if k == 2 {
		k, present = 1, present[1:]
	}
	target := make([]float64, 0, len(e.X)*k)
	for _, y := range e.Y {
		sum := vec.Sum(y) // nearly one
		for _, c := range present {
			target = append(target, y[c]/sum)
		}
	}
	f.problems = append(f.problems, newSoftmaxProblem(e.X, target, e.Weight, k, f.options.Workers))
}

// addFindings adds a problem for each class that some example has, and some has
// not, of those that say.
func (f *softmaxFit) addFindings(e Examples) {
	for c, name := range e.Classes {
		known := e.knownOf(c)
		var has, lacks bool
		for _, y := range known.Y {
			has, lacks = has || y[c] > 0, lacks || y[c] < 1
		}
		if !has || !lacks {
			f.unfitted = append(f.unfitted, name)
			continue
		}
		target := make([]float64, len(known.Y))
		for i, y := range known.Y {
			target[i] = y[c]
		}
		f.classes = append(f.classes, name)
		f.problems = append(f.problems, newSoftmaxProblem(known.X, target, known.Weight, 1, f.options.Workers))
	}
}

// knownOf returns the examples that say something of class c.
func (e Examples) knownOf(c int) Examples {
	var at []int
	for i, y := range e.Y {
		if !math.IsNaN(y[c]) {
			at = append(at, i)
		}
	}
	if len(at) == len(e.Y) {
		return e
	}
	return e.Subset(at)
}

// fit returns the probe for lambda, begun at the last.
func (f *softmaxFit) fit(ctx context.Context, lambda float64) (*SoftmaxProbe, error) {
	s := &SoftmaxProbe{Linear: Linear{Classes: f.classes, Lambda: lambda}, Multi: f.multi, Unfitted: f.unfitted, Stop: StopConverged}
	s.curvature = make([]*softmaxCurvature, len(f.problems))
	for i, p := range f.problems {
		if err := f.fitOne(ctx, s, i, p); err != nil {
			return nil, err
		}
	}
	if f.last != nil && f.last != f.options.Warm {
		f.last.curvature = nil // a path would keep one for every lambda
	}
	f.last = s
	return s, nil
}

// fitOne adds to s the classes of the i-th problem.
func (f *softmaxFit) fitOne(ctx context.Context, s *SoftmaxProbe, i int, p *softmaxProblem) error {
	p.penalty = s.Lambda * p.relative()
	l := newLBFGS(p, f.start(i, p))
	l.tolerance, l.most = f.options.Tolerance, f.options.Passes
	l.adopt(f.known(i))
	stop, err := l.minimise(ctx)
	if err != nil {
		return err
	}
	loss := l.value
	for c := range p.k {
		w := l.theta[c*p.stride:][:p.d]
		loss -= p.penalty / 2 * vec.Dot(w, w)
	}
	s.add(p, l.theta, f.multi)
	s.C = append(s.C, 1/p.penalty)
	s.Loss += loss / p.total / float64(len(f.problems))
	s.Passes += l.passes
	s.curvature[i] = l.curvature.unfactorised()
	if i == 0 || stop != StopConverged && s.Stop == StopConverged || stop == s.Stop && l.steepest() > s.Gradient {
		s.Stop, s.Gradient = stop, l.steepest()
	}
	return nil
}
