package probe

import (
	"fmt"
	"maps"
	"slices"

	"nearcase/probe/dense"
)

// Without returns the probe as it would be had the given examples, such as those
// of the query's own patient, never been added: with the penalty that it has,
// and examples weighing what they do. It changes nothing. For k examples it
// takes O(d^2 k) by the formula of Woodbury, "Inverting modified matrices"
// (Princeton, 1950), and O(d^3) where that is not to be had: there are d examples
// or more, or without them a class has no examples, or all are alike.
func (s *Solved) Without(xs [][]float32, targets []Target) (*Linear, error) {
	if len(xs) != len(targets) {
		return nil, fmt.Errorf("solving without %d vectors with %d targets: %w", len(xs), len(targets), ErrDimension)
	}
	wide, labels := make([][]float64, len(xs)), make([]label, len(xs))
	for i, x := range xs {
		var err error
		if wide[i], labels[i], err = s.ridge.read(x, targets[i]); err != nil {
			return nil, fmt.Errorf("solving without example %d: %w", i, err)
		}
		if !s.ridge.mayHold(labels[i]) {
			return nil, fmt.Errorf("solving without an example of %q: %w", targets[i].Classes, ErrNotPresent)
		}
	}
	if l, ok := s.leftOut(wide, labels); ok {
		return l, nil
	}
	return s.refit(xs, targets)
}

// refit is Without in O(d^3).
func (s *Solved) refit(xs [][]float32, targets []Target) (*Linear, error) {
	rest := &Solved{ridge: s.ridge.Clone(), lambda: s.lambda, balances: s.balances, penalties: maps.Clone(s.penalties)}
	for i, x := range xs {
		if err := rest.ridge.Remove(x, targets[i]); err != nil {
			return nil, err
		}
	}
	rest.solve()
	return rest.Linear()
}

// leftOut is Without by the formula, if it can be had.
func (s *Solved) leftOut(xs [][]float64, labels []label) (*Linear, bool) {
	l := newLinear(s.ridge.Classes(), s.lambda)
	for _, p := range s.solutions {
		g := p.group(xs, labels)
		if len(g.raw) == 0 {
			p.put(l, p.weights)
			continue
		}
		if p.inverse.Data == nil || len(g.raw) >= p.dimension {
			return nil, false
		}
		u := dense.New(len(g.raw), p.dimension)
		for i, x := range g.centred {
			copy(u.Row(i), p.times(x))
		}
		o, ok := p.without(g, u)
		if !ok || !o.refine() {
			return nil, false
		}
		for c, name := range p.names {
			if !o.sound(c) {
				return nil, false
			}
			at, _ := slices.BinarySearch(l.Classes, name)
			l.Weights[at], l.Intercept[at] = o.linear(c, o.weights[c])
		}
	}
	return l, l.finite() && s.tellsWithout(xs, labels)
}

// sound reports whether class c has examples without the group, and whether they
// and the others weigh what some can.
func (r *rest) sound(c int) bool {
	some, all := r.members(c, r.group)
	return some > 0 && r.inside[c].hi > 0 && (all || r.weight.minus(r.inside[c]).hi > 0)
}

// tellsWithout reports whether some class still tells examples apart.
func (s *Solved) tellsWithout(xs [][]float64, labels []label) bool {
	for _, p := range s.solutions {
		g := p.group(xs, labels)
		for c := range p.names {
			if some, all := p.members(c, g); some > 0 && !all {
				return true
			}
		}
	}
	return false
}
