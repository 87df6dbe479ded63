package probe

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"

	"nearcase/probe/dense"
)

// LeaveOutOptions says what LeaveOut tries and how it chooses.
type LeaveOutOptions struct {
	// Lambdas to try, rising; nil means the grid of four per decade from
	// MinLambda to MaxLambda.
	Lambdas []float64
}

// LeaveOut is what leaving out each patient in turn shows.
type LeaveOut struct {
	Lambdas []float64
	// Loss of each lambda: 1 - R^2 between the scores of the examples, each left
	// out with its patient, and their degrees, with those that have a class and
	// those that have it not weighing the same, in the mean over the classes. It
	// does not depend on how far the penalty shrinks the scores. It is infinite
	// where the matrices are too ill-conditioned to tell.
	Loss []float64
	// Best is the position of the lambda with the least loss, the largest where
	// several are within 1e-6 of it.
	Best int
	// Scores[i][c] of example i is what the probe fitted with the best lambda's
	// penalty without all examples of its patient gives for e.Classes[c]: 0 where
	// no other patient has the class, 1 where all others have it.
	Scores [][]float64
}

// LeaveOut scores every example of e by the probe fitted without its patient,
// and chooses the regularisation by that, without a refit. All of e must have
// been added to r as they are; e may be a sample of those, of whole patients.
//
// With the hat matrix H of the regression, intercept included, the residuals of
// a patient g left out are e_g = (I - H_gg)^-1 r_g (Allen, "The relationship
// between variable selection and data augmentation and a method for prediction",
// Technometrics 16, 1974; the block form follows from Woodbury's identity). The
// penalty is lambda times the mean diagonal entry of the Gram matrix of all, and
// balanced classes weigh what they do among all. One tridiagonal form of that
// matrix serves all lambdas; the scores at the best are accurate to 1e-9 of the
// largest weight, and r stays as it is.
//
// For n examples, patients of k, d dimensions and l lambdas it takes
// O(d^3 + n d^2 + l n d k) and beside the statistics 32*d^2 bytes and O(d) for
// each of at most 1,024 examples at a time or those of a patient. Patients of
// more than max(64, d/6) examples are refitted without instead, in
// O(d^3 + k d^2) each, so that a few of any size do not matter.
func (r *Ridge) LeaveOut(e Examples, o LeaveOutOptions) (LeaveOut, error) {
	grid, err := o.grid()
	if err != nil {
		return LeaveOut{}, err
	}
	if err := e.Check(); err != nil {
		return LeaveOut{}, fmt.Errorf("leaving out: %w", err)
	}
	if len(e.X) == 0 || e.Dimension() != r.dimension {
		return LeaveOut{}, fmt.Errorf("leaving out %d examples of dimension %d from %d: %w", len(e.X), e.Dimension(), r.dimension, ErrDimension)
	}
	if err := r.tells(); err != nil {
		return LeaveOut{}, fmt.Errorf("leaving out: %w", err)
	}
	patients, err := r.patients(e)
	if err != nil {
		return LeaveOut{}, fmt.Errorf("leaving out: %w", err)
	}
	if len(patients) < 2 && len(e.X) == r.all.count {
		return LeaveOut{}, fmt.Errorf("leaving out the only patient: %w", ErrNotEnough)
	}
	out := LeaveOut{Lambdas: grid}
	out.Loss = meanLosses(r.sweep(patients, grid))
	out.Best = pick(out.Loss)
	out.Scores, err = r.leftOutScores(e, patients, grid[out.Best])
	return out, err
}

func (o LeaveOutOptions) grid() ([]float64, error) {
	if o.Lambdas == nil {
		grid := make([]float64, perDecade*decades+1)
		for i := range grid {
			grid[i] = gridPoint(i)
		}
		return grid, nil
	}
	for i, l := range o.Lambdas {
		if !(l >= MinLambda && l <= MaxLambda) || i > 0 && !(l > o.Lambdas[i-1]) {
			return nil, fmt.Errorf("leaving out: lambdas %v: %w", o.Lambdas, ErrLambda)
		}
	}
	if len(o.Lambdas) == 0 {
		return nil, fmt.Errorf("leaving out: no lambda: %w", ErrLambda)
	}
	return o.Lambdas, nil
}

// patient is the examples of one.
type patient struct {
	at     []int // in Examples
	xs     [][]float64
	labels []label
}

// patients returns the examples by patient, in the order of their first ones.
func (r *Ridge) patients(e Examples) ([]*patient, error) {
	var patients []*patient
	by := map[int]*patient{}
	for i, x := range e.X {
		p := by[e.Patient[i]]
		if p == nil {
			p = &patient{}
			by[e.Patient[i]] = p
			patients = append(patients, p)
		}
		wide, l, err := r.read(x, e.Target(i))
		if err != nil {
			return nil, fmt.Errorf("example %d: %w", i, err)
		}
		if !r.mayHold(l) {
			return nil, fmt.Errorf("example %d: %w", i, ErrNotPresent)
		}
		p.at, p.xs, p.labels = append(p.at, i), append(p.xs, wide), append(p.labels, l)
	}
	return patients, nil
}

// huge reports whether a patient is to be left out by a refit.
func (r *Ridge) huge(p *patient) bool { return len(p.at) > max(64, r.dimension/6) }

// leftOutScores returns the scores of all examples at the lambda.
func (r *Ridge) leftOutScores(e Examples, patients []*patient, lambda float64) ([][]float64, error) {
	s := &Solved{ridge: r, lambda: lambda, penalties: map[string]float64{}, balances: r.balances()}
	s.solve()
	if _, err := s.Linear(); err != nil {
		return nil, err
	}
	scores := make([][]float64, len(e.X))
	for i := range scores {
		scores[i] = make([]float64, len(e.Classes))
	}
	for _, p := range s.solutions {
		p.mirror()
		err := each(r.chunks(patients), func(_ int, chunk []*patient) error { return s.scoreChunk(p, e, chunk, scores) })
		if err != nil {
			return nil, err
		}
	}
	return scores, nil
}

// chunks cuts the patients into runs of at most 512 examples, or a single patient.
func (r *Ridge) chunks(patients []*patient) [][]*patient {
	var chunks [][]*patient
	size := 0
	for _, p := range patients {
		if size += len(p.at); len(chunks) == 0 || size > 512 {
			chunks, size = append(chunks, nil), len(p.at)
		}
		chunks[len(chunks)-1] = append(chunks[len(chunks)-1], p)
	}
	return chunks
}

// each calls do for all chunks and their positions, several at a time, and returns the first error.
func each(chunks [][]*patient, do func(int, []*patient) error) error {
	errs := make([]error, len(chunks))
	spread(runtime.GOMAXPROCS(0), len(chunks), func(i int) { errs[i] = do(i, chunks[i]) })
	return cmp.Or(errs...)
}

// mirror fills the lower triangle of the inverse.
func (p *solution) mirror() {
	d := p.inverse.Rows
	for i := range d {
		for j := range i {
			p.inverse.Data[i*d+j] = p.inverse.Data[j*d+i]
		}
	}
}

// scoreChunk sets the scores of the classes of p for the patients.
func (s *Solved) scoreChunk(p *solution, e Examples, chunk []*patient, scores [][]float64) error {
	groups, u := p.groups(chunk)
	first := 0
	for i, patient := range chunk {
		g := groups[i]
		end := first + len(g.raw)
		weights, intercepts, err := s.leaveOne(p, g, u.Slice(first, end, 0, p.dimension), patient)
		if err != nil {
			return err
		}
		first = end
		for c, name := range p.names {
			at, ok := slices.BinarySearch(e.Classes, name)
			if !ok {
				continue
			}
			for k, x := range patient.xs {
				scores[patient.at[k]][at] = dense.Dot(x, weights[c]) + intercepts[c]
			}
		}
	}
	return nil
}

// groups returns the patients' groups and the product of all their centred
// vectors with the inverse, row by row.
func (p *solution) groups(chunk []*patient) ([]*group, dense.Matrix) {
	groups, rows := make([]*group, len(chunk)), 0
	for i, patient := range chunk {
		groups[i] = p.group(patient.xs, patient.labels)
		rows += len(groups[i].raw)
	}
	x, u := stack(groups, rows, p.dimension), dense.New(rows, p.dimension)
	if p.inverse.Data != nil {
		dense.MulAdd(u, 1, x, p.inverse)
	}
	return groups, u
}

// stack returns the centred vectors of the groups as rows.
func stack(groups []*group, rows, d int) dense.Matrix {
	x, at := dense.New(rows, d), 0
	for _, g := range groups {
		for _, v := range g.centred {
			copy(x.Row(at), v)
			at++
		}
	}
	return x
}

// leaveOne returns weights and intercepts of the system without the patient.
func (s *Solved) leaveOne(p *solution, g *group, u dense.Matrix, of *patient) ([][]float64, []float64, error) {
	if p.inverse.Data != nil && len(g.raw) <= max(64, p.dimension/6) {
		if o, ok := p.without(g, u); ok && o.refine() {
			return o.rest.linears(o.weights)
		}
	}
	left, ok := s.ridge.lessSystem(p, of)
	if !ok {
		weights := make([][]float64, len(p.names))
		for c := range weights {
			weights[c] = make([]float64, p.dimension)
		}
		return p.gap(g).linears(weights)
	}
	weights, _, ok := left.solve(p.penalty)
	if !ok {
		return nil, nil, fmt.Errorf("leaving out a patient of %d examples: %w", len(of.at), ErrInconsistent)
	}
	return p.gap(g).linears(weights)
}

// linears returns weights and intercepts of all classes, given their weights.
func (r *rest) linears(weights [][]float64) ([][]float64, []float64, error) {
	intercepts := make([]float64, len(weights))
	for c := range weights {
		weights[c], intercepts[c] = r.linear(c, weights[c])
	}
	return weights, intercepts, nil
}

// lessSystem returns the centred system of p without a patient, by its sums; or
// false where no example is left.
func (r *Ridge) lessSystem(p *solution, of *patient) (*system, bool) {
	gone := &Ridge{dimension: r.dimension, balance: r.balance, all: newMoments(r.dimension, true)}
	for i, x := range of.xs {
		gone.apply(1, x, of.labels[i])
	}
	left := *p.system
	left.terms = slices.Clone(left.terms)
	for _, t := range p.terms {
		if m := r.counterpart(gone, t.of); m != nil {
			left.terms = append(left.terms, term{-t.by, m})
		}
	}
	g := p.gap(p.group(of.xs, of.labels))
	if left.weight = g.weight; !(g.weight.hi > 0) || len(g.group.raw) == p.examples {
		return nil, false
	}
	left.mean, left.right, left.inside = make([]double, r.dimension), g.right, g.inside
	for i := range left.mean {
		left.mean[i] = g.total[i].per(g.weight)
	}
	for c := range left.names {
		if some, all := g.members(c, g.group); some == 0 || all {
			left.right = slices.Clone(left.right)
			left.right[c] = make([]double, r.dimension)
		}
	}
	left.centre()
	return &left, true
}

// counterpart returns those moments of o that are what m is of r, nil if it has
// none.
func (r *Ridge) counterpart(o *Ridge, m *moments) *moments {
	if m == &r.all {
		return &o.all
	}
	for name, c := range r.classes {
		other := o.classes[name]
		if other == nil {
			continue
		}
		if m == &c.moments {
			return &other.moments
		}
		if m == c.missing {
			return other.missing
		}
	}
	return nil
}

// scatter is sums over the scores of a class's examples, and of the others:
// of their squares, of themselves, and of the weights.
type scatter struct{ present, absent [3]float64 }

func (s *scatter) add(o scatter) {
	for i := range 3 {
		s.present[i] += o.present[i]
		s.absent[i] += o.absent[i]
	}
}

// loss returns 1 - R^2 of the scores as a measure of having the class, where
// examples that have it and examples that have it not weigh the same: the part of
// the scores' variance that is within those two. It is 1 where the class does not
// score higher by more than the scores are accurate to, infinite where a score cannot be told.
func (s scatter) loss() float64 {
	if math.IsInf(s.present[0]+s.absent[0], 1) {
		return math.Inf(1)
	}
	if s.present[2] <= 0 || s.absent[2] <= 0 {
		return 1
	}
	p, a := s.present[1]/s.present[2], s.absent[1]/s.absent[2]
	within := max(s.present[0]/s.present[2]-p*p, 0) + max(s.absent[0]/s.absent[2]-a*a, 0)
	between := (p - a) * (p - a) / 2
	if !(p-a > 1e-9*max(math.Abs(p), math.Abs(a))) {
		return 1
	}
	return within / (within + between)
}

// meanLosses returns the loss of every lambda, in the mean over classes.
func meanLosses(scatters [][]scatter) []float64 {
	losses := make([]float64, len(scatters[0]))
	for _, class := range scatters {
		for i, s := range class {
			losses[i] += s.loss() / float64(len(scatters))
		}
	}
	return losses
}
