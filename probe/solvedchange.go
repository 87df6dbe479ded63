package probe

import (
	"fmt"
	"slices"

	"nearcase/probe/dense"
)

// Change replaces the target of an example. It returns what Remove and Add would
// and then changes nothing. Where the Ridge is not balanced, and weight and
// ignored classes stay, the Gram matrix does too, and only the classes whose
// degree changes are solved for.
func (s *Solved) Change(x []float32, from, to Target) error {
	wide, old, err := s.ridge.read(x, from)
	if err != nil {
		return fmt.Errorf("changing an example: %w", err)
	}
	changed, err := s.ridge.label(to)
	if err != nil {
		return fmt.Errorf("changing an example: %w", err)
	}
	if s.ridge.balance != Unbalanced || old.weight != changed.weight || !slices.Equal(old.ignored(), changed.ignored()) {
		if err := s.Remove(x, from); err != nil {
			return err
		}
		return s.Add(x, to)
	}
	if !s.ridge.mayHold(old) {
		return fmt.Errorf("changing an example of %q: %w", from.Classes, ErrNotPresent)
	}
	s.ridge.tally(-1, wide, old)
	s.ridge.tally(1, wide, changed)
	s.ridge.forget()
	s.relabel(wide, old, changed)
	return nil
}

// ignored returns the classes that the label says nothing of.
func (l label) ignored() []string {
	var names []string
	for _, p := range l.parts {
		if p.ignored() {
			names = append(names, p.class)
		}
	}
	return names
}

// relabel brings the solutions up to date with another label of an example.
func (s *Solved) relabel(x []float64, from, to label) {
	next := s.systems()
	if !s.continues(next) {
		s.solve()
		return
	}
	for i, p := range s.solutions {
		if !p.relabel(next[i], x, from, to) {
			s.solve()
			return
		}
		s.keepPenalty(p)
	}
	s.publish()
}

// relabel takes the solution to the next system, where b has changed by the
// difference of the degrees times v*(x - mu).
func (p *solution) relabel(next *system, x []float64, from, to label) bool {
	p.system, p.weights = next, p.named(next.names).weights
	before, after := next.share(from), next.share(to)
	if !after.known {
		return true
	}
	var q []float64
	var classes []int
	for c := range p.names {
		by := after.parts[c].hi - before.parts[c].hi
		if by == 0 {
			continue
		}
		if q == nil {
			q = p.times(next.centredVector(x))
		}
		p.weights[c] = slices.Clone(p.weights[c]) // readers keep theirs
		dense.Add(p.weights[c], by, q)
		classes = append(classes, c)
	}
	return p.refine(classes)
}
