package probe

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	lapack "gonum.org/v1/gonum/lapack/gonum"

	"nearcase/probe/dense"
)

// sweep returns, per class and lambda, how the scores scatter.
func (r *Ridge) sweep(patients []*patient, grid []float64) [][]scatter {
	var scatters [][]scatter
	chunks := r.chunks(patients)
	for _, s := range r.centred() {
		w := &sweeper{r, s, s.turned(), grid}
		parts := make([][][]scatter, len(chunks)) // to be added in order
		_ = each(chunks, func(i int, chunk []*patient) error {
			parts[i] = newScatters(len(s.names), len(grid))
			w.chunk(chunk, parts[i])
			return nil
		})
		sums := newScatters(len(s.names), len(grid))
		for _, part := range parts {
			for c := range part {
				for i, v := range part[c] {
					sums[c][i].add(v)
				}
			}
		}
		scatters = append(scatters, sums...)
	}
	return scatters
}

func newScatters(classes, lambdas int) [][]scatter {
	s := make([][]scatter, classes)
	for c := range s {
		s[c] = make([]scatter, lambdas)
	}
	return s
}

func table(rows, cols int) [][]float64 {
	t := make([][]float64, rows)
	for i := range t {
		t[i] = make([]float64, cols)
	}
	return t
}

// sweeper leaves out the patients of one system.
type sweeper struct {
	ridge *Ridge
	*system
	turned *turned
	grid   []float64
}

// turned is a system in the basis Q where G is tridiagonal.
type turned struct {
	*tridiagonal
	q dense.Matrix
}

func (s *system) turned() *turned {
	d := s.dimension
	if d == 0 {
		return &turned{&tridiagonal{}, dense.New(0, 0)}
	}
	a := s.dense(0).Data
	t := &turned{&tridiagonal{diagonal: make([]float64, d), off: make([]float64, d-1)}, dense.Rows(a, d)}
	tau, best := make([]float64, d-1), make([]float64, 1)
	var l lapack.Implementation
	l.Dsytrd(blas.Upper, d, a, d, t.diagonal, t.off, tau, best, -1)
	work := make([]float64, max(int(best[0]), d*64))
	l.Dsytrd(blas.Upper, d, a, d, t.diagonal, t.off, tau, work, len(work))
	for _, b := range s.right {
		t.right = append(t.right, turn(a, tau, b))
	}
	if d > 1 {
		l.Dorgtr(blas.Upper, d, a, d, tau, work, len(work))
	} else {
		a[0] = 1
	}
	return t
}

// chunk adds the patients' scores.
func (w *sweeper) chunk(chunk []*patient, to [][]scatter) {
	var groups []*group
	rows := 0
	for _, p := range chunk {
		if w.ridge.huge(p) {
			w.refit(p, to)
			continue
		}
		g := w.group(p.xs, p.labels)
		groups, rows = append(groups, g), rows+len(g.raw)
	}
	x, z := stack(groups, rows, w.dimension), dense.New(rows, w.dimension)
	dense.MulAdd(z, 1, x, w.turned.q)
	for i, lambda := range w.grid {
		f := w.turned.factor(lambda * w.scale)
		first := 0
		for _, g := range groups {
			end := first + len(g.raw)
			add(to, i, g, w.leave(f, g, z.Slice(first, end, 0, w.dimension), lambda*w.scale))
			first = end
		}
	}
}

// factored is T + penalty*I = L*D*LT of a tridiagonal T, with the right-hand
// sides divided by L and the root of D.
type factored struct {
	below, root []float64 // L's subdiagonal, 1/sqrt(D)
	right       [][]float64
	explained   []float64 // b.w
}

func (t *tridiagonal) factor(penalty float64) *factored {
	d := len(t.diagonal)
	f := &factored{below: make([]float64, d), root: make([]float64, d)}
	pivot := 0.0
	for i := range d {
		next := t.diagonal[i] + penalty
		if i > 0 {
			f.below[i] = t.off[i-1] / pivot
			next -= f.below[i] * t.off[i-1]
		}
		pivot = max(next, penalty, math.SmallestNonzeroFloat64)
		f.root[i] = 1 / math.Sqrt(pivot)
	}
	for _, b := range t.right {
		v := slices.Clone(b)
		f.divide(v)
		f.right, f.explained = append(f.right, v), append(f.explained, dense.Dot(v, v))
	}
	return f
}

// divide replaces v by D^-1/2*L^-1*v.
func (f *factored) divide(v []float64) {
	below, root := f.below[:len(v)], f.root[:len(v)]
	last := 0.0
	for i, x := range v {
		last = x - below[i]*last
		v[i] = last * root[i]
	}
}

// trusted is the relative error of I - H that a loss may have.
const trusted = 1e-3

// leave returns the scores of the group, per class, of the fit without it; nil if
// they cannot be told from rounding.
func (w *sweeper) leave(f *factored, g *group, z dense.Matrix, penalty float64) [][]float64 {
	n := len(g.raw)
	if n == 0 || penalty == 0 {
		return w.leaveAlike(g)
	}
	y := dense.New(n, w.dimension)
	for i := range n {
		copy(y.Row(i), z.Row(i))
		f.divide(y.Row(i))
	}
	k, m := dense.New(n, n), dense.New(n, n)
	dense.MulAdd(k, 1, y, y.T())
	root := make([]float64, n)
	for i, of := range g.shares {
		root[i] = math.Sqrt(of.weight.hi)
	}
	for i := range n {
		for j := range n {
			m.Data[i*n+j] = -root[i] * root[j] * (k.Data[i*n+j] + 1/w.weight.hi)
		}
		m.Data[i*n+i]++
	}
	cholesky, ok := dense.NewCholesky(m)
	if !ok {
		return nil
	}
	for i := range n {
		if v := m.Data[i*n+i]; 8*0x1p-53*(w.scale*float64(w.dimension)+penalty) > trusted*penalty*v*v {
			return nil
		}
	}
	scores := make([][]float64, len(w.names))
	for c := range scores {
		scores[c] = w.scores(c, f, g, y, k, root, cholesky)
	}
	return scores
}

// leaveAlike is leave where all examples are alike.
func (w *sweeper) leaveAlike(g *group) [][]float64 {
	scores := table(len(w.names), len(g.raw))
	for c := range scores {
		some, all := w.members(c, g)
		for i := range scores[c] {
			if scores[c][i] = 0.5; some == 0 || all {
				scores[c][i] = boundary(some == 0)
			}
		}
	}
	return scores
}

// scores returns the scores for class c by sums over the group alone. With e the
// residuals left out, n the weight of all and n' that of the others, m' the mean
// of their targets and mu' that of their vectors, which is
// mu - sum_g v x/n' for x centred, the weights' product with a centred vector of
// the group is y - e - m + sum_g v e/n, and b' = b - sum_g v (y - m') x.
func (w *sweeper) scores(c int, f *factored, g *group, y, k dense.Matrix, root []float64, m *dense.Cholesky) []float64 {
	n := len(root)
	weight, mean := w.weight.hi, w.inside[c].hi/w.weight.hi
	along, e := make([]float64, n), make([]float64, n)
	left, inside := weight, w.inside[c].hi
	for i, of := range g.shares {
		along[i] = dense.Dot(y.Row(i), f.right[c])
		e[i] = root[i] * (of.degree(c) - mean - along[i])
		left -= of.weight.hi
		inside -= of.parts[c].hi
	}
	m.Solve(e)
	base, moved := mean, 0.0
	for i := range e {
		e[i] /= root[i]
		base -= root[i] * root[i] * e[i] / weight
	}
	scores := make([]float64, n)
	for i, of := range g.shares {
		scores[i] = of.degree(c) - e[i] - base
		moved += root[i] * root[i] * scores[i] / left
	}
	if some, all := w.members(c, g); some == 0 || all {
		for i := range scores {
			scores[i] = boundary(some == 0)
		}
		return scores
	}
	product := f.explained[c] - w.drop(g, c, along, inside/left)
	for i := range e {
		cross := along[i]
		for j, of := range g.shares {
			cross -= of.weight.hi * (of.degree(c) - inside/left) * k.Data[i*n+j]
		}
		product -= root[i] * root[i] * e[i] * cross
	}
	shift := (1/inside - 1/(left-inside)) / 2
	for i := range scores {
		scores[i] += 0.5 + moved - shift*product
	}
	return scores
}

func (w *sweeper) drop(g *group, c int, along []float64, mean float64) float64 {
	sum := 0.0
	for i, of := range g.shares {
		sum += of.weight.hi * (of.degree(c) - mean) * along[i]
	}
	return sum
}

// boundary is the score of a class that no other example has, or all.
func boundary(none bool) float64 {
	if none {
		return 0
	}
	return 1
}

// add adds the group's scores at the i-th lambda; nil are infinite.
func add(to [][]scatter, i int, g *group, scores [][]float64) {
	for c := range to {
		s := &to[c][i]
		for k, of := range g.shares {
			score := math.Inf(1)
			if scores != nil {
				score = scores[c][k]
			}
			inside := of.parts[c].hi
			tallyScore(&s.present, inside, score)
			tallyScore(&s.absent, of.weight.hi-inside, score)
		}
	}
}

// tallyScore adds a score to its sums, unless the weight is that of rounding.
func tallyScore(s *[3]float64, weight, score float64) {
	if weight > 1e-12 {
		s[0] += weight * score * score
		s[1] += weight * score
		s[2] += weight
	}
}

// refit adds the scores of a huge patient.
func (w *sweeper) refit(p *patient, to [][]scatter) {
	g := w.group(p.xs, p.labels)
	of := &solution{system: w.system}
	left, ok := w.ridge.lessSystem(of, p)
	var t *tridiagonal
	var z [][]float64
	if ok && left.scale > 0 {
		turned := left.turned()
		t = turned.tridiagonal
		x, product := dense.New(len(p.xs), w.dimension), dense.New(len(p.xs), w.dimension)
		for i, v := range g.raw {
			copy(x.Row(i), left.centredVector(v))
		}
		dense.MulAdd(product, 1, x, turned.q)
		for i := range p.xs {
			z = append(z, product.Row(i))
		}
	}
	rest := of.gap(g)
	for i, lambda := range w.grid {
		scores := table(len(w.names), len(g.raw))
		var f *factored
		if t != nil {
			f = t.factor(lambda * w.scale)
		}
		for k := range g.raw {
			var v []float64
			if f != nil {
				v = slices.Clone(z[k])
				f.divide(v)
			}
			for c := range scores {
				scores[c][k] = rest.score(c, f, v)
			}
		}
		add(to, i, g, scores)
	}
}

// score returns the score for class c of an example whose vector, centred
// without the group, has been divided by the factor of the system without it.
func (r *rest) score(c int, f *factored, v []float64) float64 {
	if some, all := r.members(c, r.group); some == 0 || all {
		return boundary(some == 0)
	}
	if f == nil {
		return 0.5
	}
	inside := r.inside[c].hi
	shift := (1/inside - 1/r.weight.minus(r.inside[c]).hi) / 2
	return 0.5 + dense.Dot(v, f.right[c]) - shift*f.explained[c]
}
