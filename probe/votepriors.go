package probe

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrPrior says that priors do not fit a task's classes, are not above zero
// (for a finding also below one) or do not sum to one, or that what they are to
// correct is no probability.
var ErrPrior = errors.New("probe: invalid prior")

// Priors returns how frequent each class is among the examples, in the order of
// the classes: the weighted mean of its targets over those images of which it
// is known. It is NaN for a class of which none is known. Those of a
// single-label task sum to one.
func (e Examples) Priors() []float64 {
	priors := make([]float64, len(e.Classes))
	for c := range priors {
		var sum, total float64
		for i, y := range e.Y {
			if !math.IsNaN(y[c]) {
				sum += e.weight(i) * y[c]
				total += e.weight(i)
			}
		}
		priors[c] = sum / total
	}
	return priors
}

// weight of example i.
func (e Examples) weight(i int) float64 {
	if e.Weight == nil {
		return 1
	}
	return e.Weight[i]
}

// A Correction turns probabilities that hold where classes are as frequent as
// among the labels into those that hold where they are as frequent as stated.
type Correction struct {
	multi    bool
	from, to []float64
}

// NewCorrection returns the correction from the labels' priors, in the order of
// the classes (see Examples.Priors), to the stated ones by class. Those of a
// single-label task are needed for every class, lie in (0, 1] and sum to one
// within 1e-6; those of a multi-label task lie in (0, 1), and a finding without
// one is not corrected. Otherwise it returns ErrPrior: a class that no label
// has, or all have, cannot be corrected.
func NewCorrection(classes []string, multi bool, from []float64, stated map[string]float64) (Correction, error) {
	if len(from) != len(classes) {
		return Correction{}, fmt.Errorf("%d priors for %d classes: %w", len(from), len(classes), ErrPrior)
	}
	for class := range stated {
		if !slices.Contains(classes, class) {
			return Correction{}, fmt.Errorf("no class is called %q: %w", class, ErrPrior)
		}
	}
	c := Correction{multi, slices.Clone(from), slices.Clone(from)}
	for i, class := range classes {
		p, ok := stated[class]
		switch {
		case !ok && multi:
			c.from[i], c.to[i] = 0.5, 0.5
			continue
		case !ok:
			return Correction{}, fmt.Errorf("class %q has no stated prior: %w", class, ErrPrior)
		case !c.may(p):
			return Correction{}, fmt.Errorf("stated prior %v of class %q is not above 0 and below 1: %w", p, class, ErrPrior)
		case !c.may(from[i]):
			return Correction{}, fmt.Errorf("prior %v of class %q among the labels is not above 0 and below 1: %w", from[i], class, ErrPrior)
		}
		c.to[i] = p
	}
	return c, c.checkSums()
}

// may tells whether p can be a prior; in a single-label task of one class it is
// one.
func (c Correction) may(p float64) bool { return p > 0 && (p < 1 || p == 1 && !c.multi) }

func (c Correction) checkSums() error {
	if c.multi {
		return nil
	}
	for _, priors := range [][]float64{c.from, c.to} {
		if sum := sumOf(priors); math.Abs(sum-1) > 1e-6 {
			return fmt.Errorf("priors of a single-label task sum to %v: %w", sum, ErrPrior)
		}
	}
	return nil
}

// Apply returns the probabilities p corrected: p[c]*to[c]/from[c], renormalised
// over the classes of a single-label task, and over presence and absence for
// each finding of a multi-label one (Saerens, Latinne and Decaestecker,
// "Adjusting the outputs of a classifier to new a priori probabilities", Neural
// Comput. 14, 2002, equation 2.4). A probability that is NaN, because nothing
// is known, stays so; in a single-label task all are or none. It returns
// ErrPrior if there are not as many as classes, if one is not in [0, 1] or if
// those of a single-label task do not sum to one within 1e-6.
func (c Correction) Apply(p []float64) ([]float64, error) {
	if len(p) != len(c.from) {
		return nil, fmt.Errorf("%d probabilities for %d priors: %w", len(p), len(c.from), ErrPrior)
	}
	for _, v := range p {
		if v < 0 || v > 1 {
			return nil, fmt.Errorf("probability %v: %w", v, ErrPrior)
		}
	}
	corrected := make([]float64, len(p))
	for i, v := range p {
		corrected[i] = v * c.to[i] / c.from[i]
		if c.multi {
			corrected[i] /= corrected[i] + (1-v)*(1-c.to[i])/(1-c.from[i])
		}
	}
	if c.multi || !slices.ContainsFunc(p, func(v float64) bool { return !math.IsNaN(v) }) {
		return corrected, nil
	}
	if sum := sumOf(p); !(math.Abs(sum-1) <= 1e-6) {
		return nil, fmt.Errorf("probabilities of a single-label task sum to %v: %w", sum, ErrPrior)
	}
	sum := sumOf(corrected)
	for i := range corrected {
		corrected[i] /= sum
	}
	return corrected, nil
}

// sumOf returns the sum of the given numbers.
func sumOf(numbers []float64) float64 {
	sum := 0.0
	for _, v := range numbers {
		sum += v
	}
	return sum
}
