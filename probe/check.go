package probe

import (
	"fmt"
	"math"
	"slices"
)

// Check reports what a Tuning that was stored and read lacks: ErrDimension,
// ErrTarget, ErrLambda or ErrWeighting. One that passes answers, or returns an
// error, but does not panic. One without Classes, of too few examples, passes.
func (u Tuning) Check() error {
	if len(u.Classes) == 0 {
		return nil
	}
	if !ascending(u.Classes) || len(u.Priors) != len(u.Classes) || !within(u.Priors, 0, 1) {
		return fmt.Errorf("a tuning of classes %q with priors %v: %w", u.Classes, u.Priors, ErrDimension)
	}
	if u.Better != RidgeHead && (u.Better != SoftmaxHead || u.Softmax == nil) {
		return fmt.Errorf("a tuning whose better head is %q: %w", u.Better, ErrDimension)
	}
	if err := u.Ridge.check(u.Classes, u.Multi); err != nil {
		return fmt.Errorf("the ridge probe: %w", err)
	}
	if u.Softmax != nil {
		if err := u.Softmax.check(u.Classes, u.Multi); err != nil {
			return fmt.Errorf("the softmax probe: %w", err)
		}
	}
	if u.Voting == nil {
		return nil
	}
	return u.Voting.Validate()
}

// check is that of a head of a tuning of the classes.
func (h *Head) check(classes []string, multi bool) error {
	if !(h.Lambda > 0) || h.Linear == nil {
		return fmt.Errorf("lambda %g: %w", h.Lambda, ErrLambda)
	}
	if err := h.Linear.Check(); err != nil {
		return err
	}
	if !subset(h.Linear.Classes, classes) {
		return fmt.Errorf("scores of %q for classes %q: %w", h.Linear.Classes, classes, ErrDimension)
	}
	if h.Calibration == nil {
		if h.Sets != nil || h.Points != nil {
			return fmt.Errorf("sets or operating points without probabilities: %w", ErrDimension)
		}
		return nil
	}
	if err := h.Calibration.check(classes, multi); err != nil {
		return err
	}
	if h.Sets != nil {
		if err := h.Sets.check(classes, multi); err != nil {
			return err
		}
	}
	return checkPoints(h.Points, classes)
}

// Check returns ErrDimension unless there are classes, sorted by name and each
// once, with an intercept and as many weights each.
func (l *Linear) Check() error {
	k := len(l.Classes)
	if k == 0 || !ascending(l.Classes) || len(l.Weights) != k || len(l.Intercept) != k {
		return fmt.Errorf("%d weights and %d intercepts of classes %q: %w", len(l.Weights), len(l.Intercept), l.Classes, ErrDimension)
	}
	for c, w := range l.Weights {
		if len(w) != len(l.Weights[0]) {
			return fmt.Errorf("%d weights of class %q, want %d: %w", len(w), l.Classes[c], len(l.Weights[0]), ErrDimension)
		}
	}
	return nil
}

func (c *Calibration) check(classes []string, multi bool) error {
	k := len(classes)
	if !slices.Equal(c.Classes, classes) || c.Multi != multi || len(c.Slope) != k || len(c.Bias) != k || c.Reasons != nil && len(c.Reasons) != k {
		return fmt.Errorf("a calibration of classes %q with %d slopes, %d biases and %d reasons, want those of %q: %w",
			c.Classes, len(c.Slope), len(c.Bias), len(c.Reasons), classes, ErrDimension)
	}
	for i, slope := range c.Slope {
		if !(slope > 0) && !c.refused(i) {
			return fmt.Errorf("slope %v of class %q: %w", slope, classes[i], ErrTarget)
		}
	}
	return nil
}

func (r *SetRule) check(classes []string, multi bool) error {
	k, absent := len(classes), 0
	if multi {
		absent = k
	}
	if !slices.Equal(r.Classes, classes) || r.Multi != multi || len(r.Present) != k || len(r.Absent) != absent || r.Reasons != nil && len(r.Reasons) != k {
		return fmt.Errorf("sets of classes %q with %d and %d thresholds and %d reasons, want those of %q: %w",
			r.Classes, len(r.Present), len(r.Absent), len(r.Reasons), classes, ErrDimension)
	}
	if !(r.Coverage > 0 && r.Coverage < 1) || !within(r.Present, 0, 1) || !within(r.Absent, 0, 1) {
		return fmt.Errorf("sets of coverage %v with thresholds %v and %v: %w", r.Coverage, r.Present, r.Absent, ErrTarget)
	}
	return nil
}

// checkPoints returns why there is not one operating point for each class.
func checkPoints(points []OperatingPoint, classes []string) error {
	if points != nil && len(points) != len(classes) {
		return fmt.Errorf("%d operating points for %d classes: %w", len(points), len(classes), ErrDimension)
	}
	for c, p := range points {
		values := []float64{p.RuleOut.Probability, p.RuleOut.Achieved, p.RuleOut.Lower, p.RuleIn.Probability, p.RuleIn.Achieved, p.RuleIn.Lower}
		if p.Class != classes[c] || !within(values, 0, 1) {
			return fmt.Errorf("operating point %+v of class %q: %w", p, classes[c], ErrTarget)
		}
	}
	return nil
}

// ascending reports whether names are sorted and each there once.
func ascending(names []string) bool {
	for i := range names {
		if i > 0 && names[i] <= names[i-1] {
			return false
		}
	}
	return true
}

// within reports whether all values lie in [low, high], and none is NaN.
func within(values []float64, low, high float64) bool {
	return !slices.ContainsFunc(values, func(v float64) bool { return math.IsNaN(v) || v < low || v > high })
}
