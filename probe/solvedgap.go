package probe

import (
	"math"
	"slices"

	"nearcase/probe/dense"
)

// group is examples that may be left out of a system, centred there.
type group struct {
	raw, centred [][]float64
	shares       []share
	whole, some  []int // per class, the examples that have it wholly, or at all
}

// group returns those of the examples that the system knows.
func (s *system) group(xs [][]float64, labels []label) *group {
	g := &group{whole: make([]int, len(s.names)), some: make([]int, len(s.names))}
	for i, l := range labels {
		of := s.share(l)
		if !of.known {
			continue
		}
		for _, p := range l.parts {
			if c, ok := slices.BinarySearch(s.names, p.class); ok {
				if g.some[c]++; p.degree == 1 {
					g.whole[c]++
				}
			}
		}
		g.raw, g.centred, g.shares = append(g.raw, xs[i]), append(g.centred, s.centredVector(xs[i])), append(g.shares, of)
	}
	return g
}

// rest is a system without a group: what is left of its sums.
type rest struct {
	*system
	group   *group // nil for none
	penalty float64
	largest float64
	weight  double
	total   []double
	inside  []double
	right   [][]double
}

// gap returns the system without the group, nil for none.
func (p *solution) gap(g *group) *rest {
	r := &rest{system: p.system, group: g, penalty: p.penalty, largest: p.largest, weight: p.weight, total: p.totals(), inside: p.inside, right: p.right}
	if g == nil {
		return r
	}
	sums := make([][]double, len(p.names))
	r.inside = slices.Clone(p.inside)
	for c, sum := range p.sums {
		sums[c] = slices.Clone(sum)
	}
	for i, x := range g.raw {
		of := g.shares[i]
		r.weight = r.weight.minus(of.weight)
		subtract(r.total, of.weight, x)
		for c, part := range of.parts {
			if part.hi != 0 {
				r.inside[c] = r.inside[c].minus(part)
				subtract(sums[c], part, x)
			}
		}
	}
	r.right = make([][]double, len(sums))
	for c, sum := range sums {
		r.right[c] = centredSum(sum, r.inside[c], r.total, r.weight)
	}
	return r
}

func subtract(from []double, f double, x []float64) {
	for j, v := range x {
		p := f.scaled(v)
		from[j] = from[j].minus(p)
	}
}

// refine corrects w, an approximate solution, by an approximate inverse until
// the correction is below 1e-10 of the largest weight. It gives up where that
// does not help.
func (r *rest) refine(w []float64, b []double, inverse func([]float64) []float64) bool {
	for range 6 {
		correction := inverse(r.residual(w, b))
		dense.Add(w, 1, correction)
		size, of := largest(correction), largest(w)
		if size <= accurate*of {
			return true
		}
		if !(size <= 0.1*of) {
			return false
		}
	}
	return false
}

// squares bounds the weighted sum of the vectors' squared lengths.
func (s *system) squares() float64 {
	sum := 0.0
	for _, t := range s.terms {
		sum += math.Abs(t.by) * t.of.products.trace(s.dimension)
	}
	return sum
}

func largest(v []float64) float64 {
	most := 0.0
	for _, x := range v {
		most = max(most, math.Abs(x)) // NaN if any is
	}
	return most
}

// accurate is a bound of the relative error that float64 may leave.
const accurate = 1e-10

// members returns how many examples have class c without the group, nil for
// none, and whether all have it wholly.
func (s *system) members(c int, g *group) (some int, all bool) {
	some, whole, examples := s.some[c], s.whole[c], s.examples
	if g != nil {
		some, whole, examples = some-g.some[c], whole-g.whole[c], examples-len(g.shares)
	}
	return some, whole == examples
}

// linear returns weights and intercept of class c of the fit with weights w: none
// and 1 where all examples have the class, none and 0 where none has.
func (r *rest) linear(c int, w []float64) ([]float64, float64) {
	if some, all := r.members(c, r.group); some == 0 || all {
		intercept := 0.0
		if some > 0 {
			intercept = 1
		}
		return make([]float64, len(w)), intercept
	}
	inside := r.inside[c].hi
	outside := r.weight.minus(r.inside[c]).hi
	shift := (1/inside - 1/outside) / 2
	score := 0.5
	for i, v := range w {
		score -= v * (r.total[i].per(r.weight).hi + shift*r.right[c][i].hi)
	}
	return w, score
}

// residual returns b - (G + penalty*I) w from the sums as they are, in doubled
// precision.
func (r *rest) residual(w []float64, b []double) []float64 {
	negative := make([]double, len(w)) // not normalised
	along := double{}
	for i, v := range w {
		along = along.plus(r.total[i].scaled(v))
	}
	along = along.per(r.weight)
	for i, v := range w {
		negative[i] = twoProduct(r.penalty, v).minus(b[i]).minus(along.times(r.total[i]))
	}
	for _, t := range r.terms {
		t.of.products.addTimes(t.by, w, negative)
	}
	if r.group != nil {
		for i, x := range r.group.raw {
			sum := double{}
			for j, v := range x {
				sum = sum.plus(twoProduct(v, w[j]))
			}
			subtract(negative, sum.times(r.group.shares[i].weight), x)
		}
	}
	return negated(negative)
}

// negated returns minus the doubles in float64.
func negated(doubles []double) []float64 {
	f := make([]float64, len(doubles))
	for i, v := range doubles {
		f[i] = -(v.hi + v.lo)
	}
	return f
}

// addTimes adds f times the packed symmetric matrix times w to out, in doubled
// precision: with an error of less than d*2^-103 times trace and length of w, if
// the matrix is positive semidefinite.
func (s sums) addTimes(f float64, w []float64, out []double) {
	d := len(w)
	offset := fixedOffset(s.trace(d) * math.Sqrt(dense.Dot(w, w)))
	product := newSums(d)
	for i := range d {
		product.hi[i] = offset
	}
	at := 0
	for i, v := range w {
		row, n := s.from(at, d-i), d-i-1
		l := &lanes{}
		for k := range l.fixed {
			l.fixed[k] = offset
		}
		addRow(row.hi[1:], row.lo[1:], w[i+1:], v, product.from(i+1, n), l)
		sum := twoProduct(row.hi[0], v)
		sum.add(double{product.hi[i] - offset, product.lo[i] + row.lo[0]*v})
		for k, fixed := range l.fixed {
			sum.add(double{fixed - offset, l.rest[k]})
		}
		out[i].add(double{}.plus(sum).scaled(f))
		at += d - i
	}
}

// trace returns the sum of the sizes of a packed matrix's diagonal entries.
func (s sums) trace(d int) float64 {
	sum := 0.0
	for i := range d {
		sum += math.Abs(s.hi[rowStart(d, i)])
	}
	return sum
}

// fixedOffset returns the offset of fixed-point sums that do not exceed bound in
// size.
func fixedOffset(bound float64) float64 {
	_, exponent := math.Frexp(bound)
	return math.Ldexp(3, exponent)
}

// leftOut is the solution without a group, by the formula of Woodbury ("Inverting
// modified matrices", Princeton, 1950): with u = P*x for the centred x of the
// group, K = xT*P*x, weights v and S = sqrt(v)(1/n + K)sqrt(v), the residuals of
// the group are e = (I - S)^-1 (y - m - x.w) and the weights
// w - sum_i v_i e_i u_i.
type leftOut struct {
	*rest
	weights [][]float64
	size    []float64 // bound of the largest weights before and of what changed them
	root    []float64 // of the examples' weights
	u       dense.Matrix
	inverse func([]float64) []float64 // of P, without the group
	matrix  *dense.Cholesky           // of I - S
	pivot   float64                   // the least of its diagonal
}

// without returns the solution without the group, given u; or false where there
// is none to be had by the formula.
func (p *solution) without(g *group, u dense.Matrix) (*leftOut, bool) {
	o := &leftOut{rest: p.gap(g), u: u, weights: make([][]float64, len(p.names))}
	if !(o.weight.hi > 0) || !o.factor() {
		return nil, false
	}
	for c, w := range p.weights {
		e := make([]float64, len(g.shares))
		for i, x := range g.centred {
			e[i] = o.root[i] * (g.shares[i].degree(c) - p.inside[c].hi/p.system.weight.hi - dense.Dot(x, w))
		}
		o.matrix.Solve(e)
		o.weights[c] = append([]float64(nil), w...)
		size := largest(w)
		for i, v := range e {
			dense.Add(o.weights[c], -o.root[i]*v, o.u.Row(i))
			size += math.Abs(o.root[i]*v) * largest(o.u.Row(i))
		}
		o.size = append(o.size, size)
	}
	o.inverse = func(v []float64) []float64 { return o.spread(p.times(v), v) }
	return o, true
}

func (o *leftOut) factor() bool {
	n := len(o.group.shares)
	for _, of := range o.group.shares {
		o.root = append(o.root, math.Sqrt(of.weight.hi))
	}
	x := dense.New(n, o.dimension)
	for i, v := range o.group.centred {
		copy(x.Row(i), v)
	}
	m := dense.New(n, n)
	dense.MulAdd(m, 1, x, o.u.T())
	for i := range n {
		for j := range n {
			m.Data[i*n+j] = -o.root[i] * o.root[j] * (m.Data[i*n+j] + 1/o.system.weight.hi)
		}
		m.Data[i*n+i]++
	}
	var ok bool
	if o.matrix, ok = dense.NewCholesky(m); !ok {
		return false
	}
	o.pivot = math.Inf(1)
	for i := range n {
		o.pivot = min(o.pivot, m.Data[i*n+i]*m.Data[i*n+i])
	}
	return true
}

// spread takes P*v to the product with the inverse without the group.
func (o *leftOut) spread(pv, v []float64) []float64 {
	e := make([]float64, len(o.root))
	for i := range e {
		e[i] = o.root[i] * dense.Dot(o.u.Row(i), v)
	}
	o.matrix.Solve(e)
	for i, f := range e {
		dense.Add(pv, o.root[i]*f, o.u.Row(i))
	}
	return pv
}

// refine corrects the weights where the formula may have left more than the
// error allowed, which is relative to weights that may be much below what they are
// the sum of: that of the weights before, in doubled precision, and its own.
func (o *leftOut) refine() bool {
	rounding := 16*0x1p-53*o.largest + 16*0x1p-106*o.system.squares()
	for c := range o.weights {
		if rounding*o.size[c] <= accurate*o.penalty*o.pivot*largest(o.weights[c]) {
			continue
		}
		if !o.rest.refine(o.weights[c], o.right[c], o.inverse) {
			return false
		}
	}
	return true
}
