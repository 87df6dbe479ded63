package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A Target is what an example is labelled with: how far it has each of some
// classes. It has no other class. The zero Target has none.
type Target struct {
	Classes []string
	// Degrees are between 0, the class is absent, and 1, it is present; NaN where
	// the example says nothing of the class and is not to count for it. Nil means
	// that all are 1. A class may be repeated with the same degree.
	Degrees []float64
	// Weight is the example's confidence, from MinWeight to MaxWeight; 0 means 1.
	Weight float64
}

// Target returns what the i-th example is labelled with.
func (e Examples) Target(i int) Target {
	t := Target{Classes: e.Classes, Degrees: e.Y[i]}
	if e.Weight != nil {
		t.Weight = e.Weight[i]
	}
	return t
}

// label is a target after checking: no class twice and none with degree zero,
// sorted by class.
type label struct {
	weight float64
	parts  []part
}

type part struct {
	class  string
	degree float64
}

func (p part) ignored() bool { return math.IsNaN(p.degree) }

// read checks an example.
func (r *Ridge) read(x []float32, t Target) ([]float64, label, error) {
	wide, err := widen(x, r.dimension)
	if err != nil {
		return nil, label{}, err
	}
	l, err := r.label(t)
	return wide, l, err
}

// label returns the target checked, or ErrTarget.
func (r *Ridge) label(t Target) (label, error) {
	l := label{weight: cmp.Or(t.Weight, 1)}
	if !mayWeigh(l.weight) {
		return l, fmt.Errorf("weight %v: %w", t.Weight, ErrTarget)
	}
	if t.Degrees != nil && len(t.Degrees) != len(t.Classes) {
		return l, fmt.Errorf("%d degrees of %d classes: %w", len(t.Degrees), len(t.Classes), ErrTarget)
	}
	sum := 0.0
	for i, name := range t.Classes {
		p := part{name, 1}
		if t.Degrees != nil {
			p.degree = t.Degrees[i]
		}
		if p.degree < 0 || p.degree > 1 || p.ignored() && r.balance == ByClass {
			return l, fmt.Errorf("degree %v of class %q: %w", p.degree, name, ErrTarget)
		}
		l.parts = append(l.parts, p)
	}
	if err := l.settle(); err != nil {
		return l, err
	}
	l.parts = slices.DeleteFunc(l.parts, func(p part) bool { return p.degree == 0 })
	for _, p := range l.parts {
		sum += p.degree
	}
	if r.balance == ByClass && math.Abs(sum-1) > 1e-9 {
		return l, fmt.Errorf("degrees of a single-label task sum to %v: %w", sum, ErrTarget)
	}
	return l, nil
}

// settle sorts the parts and drops repetitions, or returns ErrTarget where they
// contradict each other.
func (l *label) settle() error {
	if len(l.parts) < 2 {
		return nil
	}
	slices.SortStableFunc(l.parts, func(a, b part) int { return cmp.Compare(a.class, b.class) })
	kept := l.parts[:1]
	for _, p := range l.parts[1:] {
		last := kept[len(kept)-1]
		if p.class != last.class {
			kept = append(kept, p)
		} else if p.degree != last.degree && !(p.ignored() && last.ignored()) {
			return fmt.Errorf("class %q has degrees %v and %v: %w", p.class, last.degree, p.degree, ErrTarget)
		}
	}
	l.parts = kept
	return nil
}
