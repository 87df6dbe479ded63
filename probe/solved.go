package probe

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"nearcase/probe/dense"
)

// Solved is a Ridge that is kept solved while labels come, change and go, in
// O(d^2) each. With P = (G + penalty*I)^-1 and the weights w = P*b, an example x
// of weight v adds k*(x-mu)(x-mu)T to G, k = n*v/(n+v) for n the weight of those
// there were, so that P changes by a matrix of rank one (Sherman and Morrison,
// "Adjustment of an inverse matrix corresponding to a change in one element of a
// given matrix", Ann. Math. Statist. 21, 1950). A new target of the same x
// changes b only.
//
// Rounding is kept from adding up: after each change the residual of every
// class's weights is computed anew from the sums, in doubled precision, and
// corrected by P until the correction is below 1e-10; where P has drifted too far
// for that it is computed anew. So the weights are within 1e-9, relative to the
// class's largest, of a fit with the same penalty, where that is at least 1e-21
// times the weighted sum of the vectors' squared lengths. Vectors that differ by
// 1e-4 of their length, of at most 4,096 components, are so at every lambda; below,
// the rounding of the sums themselves shows.
//
// The penalty is that of the last full solve: lambda times the mean diagonal
// entry that the Gram matrix had then; and so is what classes weigh if the Ridge
// is balanced. A full solve, in O(d^3), is that of Solve, and later one where
// the first example ignores a class or the last does, where a class loses its
// last example, where a class that examples ignore or whose Ridge is balanced
// gets its first, and where one that all had is first lacking. The penalty then
// stays for the classes that had one, unless examples that were nearly alike have
// since been joined by such that differ so much more that it cannot be solved
// with; the balance is struck anew.
//
// It is not safe for concurrent use while it is changed, except for Linear.
type Solved struct {
	ridge     *Ridge
	lambda    float64
	balances  map[string]balance
	penalties map[string]float64 // of each class
	solutions []*solution
	answer    atomic.Pointer[answer]
}

type answer struct {
	linear *Linear
	err    error
}

// solution is a system with its solution.
type solution struct {
	*system
	penalty float64
	// inverse is (G + penalty*I)^-1, its upper triangle. It has no numbers where
	// the examples are all alike.
	inverse dense.Matrix
	weights [][]float64
	largest float64 // bound of the eigenvalues of G + penalty*I, but for growth
}

// Solve returns the solved probe of the examples. A lambda of zero or less is
// chosen; errors are those of Fit. It takes r over: examples are to be changed
// through it alone.
func (r *Ridge) Solve(lambda float64) (*Solved, error) {
	if err := r.fittable(lambda); err != nil {
		return nil, fmt.Errorf("solving a probe: %w", err)
	}
	s := &Solved{ridge: r, lambda: lambda, penalties: map[string]float64{}, balances: r.balances()}
	if lambda <= 0 {
		s.lambda = choose(r.centred())
	}
	s.solve()
	_, err := s.Linear()
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Ridge returns the statistics, which are not to be changed.
func (s *Solved) Ridge() *Ridge { return s.ridge }

// Linear returns the probe as it is after the last change, or ErrNotEnough where
// the examples that are left tell no class from another. The probe itself does
// not change. It is safe to call at any time.
func (s *Solved) Linear() (*Linear, error) {
	a := s.answer.Load()
	return a.linear, a.err
}

// Add counts an example, with the errors of Ridge.Add.
func (s *Solved) Add(x []float32, t Target) error {
	if err := s.ridge.Add(x, t); err != nil {
		return err
	}
	return s.follow(1, x, t)
}

// Remove undoes an earlier Add, with the errors of Ridge.Remove.
func (s *Solved) Remove(x []float32, t Target) error {
	if err := s.ridge.Remove(x, t); err != nil {
		return err
	}
	return s.follow(-1, x, t)
}

// follow brings the solutions up to date with an example that the Ridge has
// counted or let go.
func (s *Solved) follow(sign float64, x []float32, t Target) error {
	wide, l, err := s.ridge.read(x, t)
	if err != nil {
		return err
	}
	next := s.systems()
	if !s.continues(next) {
		s.balances = s.ridge.balances()
		s.solve()
		return nil
	}
	for i, old := range s.solutions {
		if !old.follow(next[i], sign, wide, l) {
			s.solve()
			return nil
		}
		s.keepPenalty(old)
	}
	s.publish()
	return nil
}

// continues reports whether next are the systems that are solved, with other
// examples; one may have got new classes.
func (s *Solved) continues(next []*system) bool {
	if len(next) != len(s.solutions) || s.ridge.tells() != nil {
		return false
	}
	for i, n := range next {
		old := s.solutions[i]
		grown := s.ridge.balance == Unbalanced && subset(old.names, n.names)
		if !grown && !slices.Equal(old.names, n.names) || old.inverse.Data == nil {
			return false
		}
		if len(old.terms) != len(n.terms) || !(n.weight.hi > 0) {
			return false
		}
		for c := range old.names {
			if s.ridge.balance != Unbalanced && (old.outside[c].hi == 0) != (n.outside[c].hi == 0) {
				return false
			}
		}
	}
	return true
}

func subset(names, of []string) bool {
	for _, name := range names {
		if _, ok := slices.BinarySearch(of, name); !ok {
			return false
		}
	}
	return true
}

// solve computes everything anew.
func (s *Solved) solve() {
	s.solutions = nil
	if err := s.ridge.tells(); err != nil {
		s.answer.Store(&answer{nil, err})
		return
	}
	for name := range s.penalties {
		if s.ridge.Count(name) == 0 {
			delete(s.penalties, name)
		}
	}
	for _, system := range s.systems() {
		system.centre()
		solution, ok := system.solution(s.penalty(system))
		if !ok { // too small for examples that differ so much more by now
			solution, ok = system.solution(s.lambda * system.scale)
		}
		if !ok || !system.sound() {
			s.solutions = nil
			s.answer.Store(&answer{nil, fmt.Errorf("solving a probe of %d examples: %w", s.ridge.all.count, ErrInconsistent)})
			return
		}
		s.solutions = append(s.solutions, solution)
		s.keepPenalty(solution)
	}
	s.publish()
}

// systems returns the systems of the Ridge, cut up where classes have had
// different penalties.
func (s *Solved) systems() []*system {
	var cut []*system
	for _, all := range s.ridge.systems(s.balances) {
		parts := map[float64]int{}
		first := len(cut)
		for _, name := range all.names {
			p, ok := s.penalties[name]
			if at, seen := parts[p]; ok && seen {
				cut[at].names = append(cut[at].names, name)
			} else if ok {
				parts[p] = len(cut)
				cut = append(cut, &system{names: []string{name}, terms: all.terms, examples: all.examples, weigh: all.weigh})
			}
		}
		if len(cut) <= first+1 {
			cut = append(cut[:first], all)
			continue
		}
		for _, name := range all.names { // new ones
			if _, ok := s.penalties[name]; !ok {
				cut[first].names = append(cut[first].names, name)
			}
		}
		slices.Sort(cut[first].names)
		for _, c := range cut[first:] {
			s.ridge.means(c)
		}
	}
	return cut
}

// penalty returns the penalty of a system, which is that of its classes if one
// had any.
func (s *Solved) penalty(of *system) float64 {
	for _, name := range of.names {
		if p, ok := s.penalties[name]; ok {
			return p
		}
	}
	return s.lambda * of.scale
}

// keepPenalty notes the penalty of the classes of a solution, unless their
// examples are all alike.
func (s *Solved) keepPenalty(p *solution) {
	for _, name := range p.names {
		if p.inverse.Data != nil {
			s.penalties[name] = p.penalty
		}
	}
}

// solution solves a centred system.
func (s *system) solution(penalty float64) (*solution, bool) {
	weights, cholesky, ok := s.solve(penalty)
	if !ok {
		return nil, false
	}
	p := &solution{system: s, penalty: penalty, weights: weights}
	if cholesky != nil {
		p.inverse = cholesky.Inverse()
		p.largest = s.scale*float64(s.dimension) + penalty
	}
	s.gram = sums{}
	return p, true
}

// publish makes the present weights the answer.
func (s *Solved) publish() {
	l := newLinear(s.ridge.Classes(), s.lambda)
	for _, p := range s.solutions {
		p.put(l, p.weights)
	}
	if !l.finite() {
		s.answer.Store(&answer{nil, fmt.Errorf("solving a probe of %d examples: %w", s.ridge.all.count, ErrInconsistent)})
		return
	}
	s.answer.Store(&answer{linear: l})
}

// follow takes the solution from its system to the next, which has one example
// more or, for a negative sign, less. It reports whether that went well.
func (p *solution) follow(next *system, sign float64, x []float64, l label) bool {
	old := p.named(next.names)
	p.system, p.weights = next, old.weights
	of := next.share(l)
	if !of.known {
		return true
	}
	v := sign * of.weight.hi
	n := old.weight.hi
	k := n * v / (n + v)
	difference := old.centredVector(x)
	q := p.times(difference)
	g := dense.Dot(difference, q)
	if n+v <= 0 || !(1+k*g > 1e-6) {
		return false
	}
	shrink := k / (1 + k*g)
	classes := make([]int, len(old.right))
	for c, b := range old.right {
		classes[c] = c
		moved := k * (of.degree(c) - old.inside[c].hi/n)
		by := moved - shrink*(dotHi(b, q)+moved*g)
		p.weights[c] = slices.Clone(p.weights[c]) // readers keep theirs
		dense.Add(p.weights[c], by, q)
	}
	p.largest += max(k*dense.Dot(difference, difference), 0)
	dense.AddSquare(p.inverse, -shrink, q)
	return p.refine(classes)
}

// named returns the system and the weights with the given classes, of which new
// ones are those of a class that no example has.
func (p *solution) named(names []string) *solution {
	if slices.Equal(names, p.names) {
		return &solution{system: p.system, weights: slices.Clone(p.weights)}
	}
	s := *p.system
	s.names, s.inside, s.right = names, nil, nil
	n := &solution{system: &s}
	for _, name := range names {
		if c, ok := slices.BinarySearch(p.names, name); ok {
			s.inside, s.right, n.weights = append(s.inside, p.inside[c]), append(s.right, p.right[c]), append(n.weights, p.weights[c])
		} else {
			d := s.dimension
			s.inside, s.right, n.weights = append(s.inside, double{}), append(s.right, make([]double, d)), append(n.weights, make([]float64, d))
		}
	}
	return n
}

// refine corrects the weights of the classes until they are accurate, and reports
// whether that succeeded. Classes are corrected side by side.
func (p *solution) refine(classes []int) bool {
	r := p.gap(nil)
	done := make([]bool, len(classes))
	var workers sync.WaitGroup
	for i, c := range classes {
		workers.Go(func() { done[i] = r.refine(p.weights[c], p.right[c], p.times) })
	}
	workers.Wait()
	return !slices.Contains(done, false)
}

// times returns the inverse times v.
func (p *solution) times(v []float64) []float64 { return dense.MulSymmetric(p.inverse, v) }

// centredVector returns x - mu.
func (s *system) centredVector(x []float64) []float64 {
	c := make([]float64, len(x))
	for i, v := range x {
		c[i] = (v - s.mean[i].hi) - s.mean[i].lo
	}
	return c
}

func dotHi(a []double, b []float64) float64 {
	sum := 0.0
	for i, v := range b {
		sum += a[i].hi * v
	}
	return sum
}
