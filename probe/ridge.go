package probe

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Errors that a caller can act on.
var (
	// ErrDimension says that a vector or probe has another dimension.
	ErrDimension = errors.New("probe: wrong dimension")
	// ErrNotFinite says that a vector has a component that is NaN or infinite.
	ErrNotFinite = errors.New("probe: component is not finite")
	// ErrNotPresent says that an example to be removed cannot have been added.
	ErrNotPresent = errors.New("probe: example is not present")
	// ErrNotEnough says that the examples do not tell any class from another.
	ErrNotEnough = errors.New("probe: not enough labelled examples")
	// ErrLambda says that a regularisation is outside [MinLambda, MaxLambda].
	ErrLambda = errors.New("probe: regularisation out of range")
	// ErrTarget says that a label's target or weight is out of range.
	ErrTarget = errors.New("probe: target out of range")
	// ErrInconsistent says that the statistics are those of no set of examples:
	// something was removed that had never been added.
	ErrInconsistent = errors.New("probe: inconsistent statistics")
)

// A Balance says what examples of different classes weigh in a fit.
type Balance int

const (
	// Unbalanced lets every example weigh what its target says.
	Unbalanced Balance = iota
	// ByClass is for single-label tasks: all classes weigh the same together, an
	// example n/(K*n_c) times its weight for n the weight of all, K classes and
	// n_c the weight of its own.
	ByClass
	// ByFinding is for multi-label tasks: for each class, examples that have it
	// and examples that have it not weigh the same together.
	ByFinding
)

// Ridge holds the sufficient statistics of a ridge regression from embeddings
// to class membership: the weight of the examples, the sum of their vectors, the
// sum of the vectors' outer products and, per class, weight and sum. They are
// updated with every label in O(d^2), and a fit from them equals a fit from the
// examples themselves (McDonnell et al., RanPAC, arXiv 2307.02251; Zhuang et
// al., ACIL, arXiv 2205.14922), so labels may come, change and go, and classes
// appear and disappear, at any time and in any order. To a class that appears
// late, earlier examples are ones that do not have it.
//
// A class that some examples say nothing of has, beside the sums over all, those
// over the examples that are not to count, and is fitted from the difference,
// which is exact. A balanced fit needs the outer products per class as well. An
// example of several degrees, or with a degree between 0 and 1, counts in parts:
// as an example that has the class, with weight times degree, and as one that
// has it not, with the rest.
//
// The sums are compensated: in effect they are exact, whatever the order of
// additions and removals was (for unit vectors within 1e-20 relative after a
// million operations). It takes 8*d*(d+1) bytes, 16*d more per class, and as
// much again as the first for every class that examples ignore and, if
// balanced, for every class.
//
// It is not safe for concurrent use while it is changed; Fit, FitWithout,
// LeaveOut and MarshalBinary only read.
type Ridge struct {
	dimension int
	balance   Balance
	bare      int // examples that have no class and ignore none
	all       moments
	classes   map[string]*class // only classes that examples have or ignore
}

// moments are weighted sums over some examples.
type moments struct {
	count    int
	weight   double // of 1, not normalised
	total    sums   // of x
	products sums   // of x*xT, upper triangle packed by rows; may be left out
}

// class is what Ridge knows of one class. Its moments weigh each example by its
// weight times its degree, and count those with a degree above zero.
type class struct {
	moments
	whole   int      // examples of degree one
	missing *moments // of the examples that ignore the class, nil for none
}

// NewRidge returns the statistics of no examples of the given dimension. The
// zero Ridge is NewRidge(0, Unbalanced).
func NewRidge(dimension int, balance Balance) *Ridge {
	d := max(dimension, 0)
	return &Ridge{dimension: d, balance: balance, all: newMoments(d, true), classes: map[string]*class{}}
}

func newMoments(d int, products bool) moments {
	m := moments{total: newSums(d)}
	if products {
		m.products = newSums(d * (d + 1) / 2)
	}
	return m
}

// Add counts an example. It returns ErrDimension, ErrNotFinite or ErrTarget, the
// latter also for a target that ByClass has no place for: one that ignores a
// class, or whose degrees do not sum to one. Then it changes nothing.
func (r *Ridge) Add(x []float32, t Target) error {
	wide, label, err := r.read(x, t)
	if err != nil {
		return fmt.Errorf("adding an example: %w", err)
	}
	r.apply(1, wide, label)
	return nil
}

// Remove undoes an earlier Add of the same vector and target. Which vectors
// were added is not kept, so removing what was never added is noticed only
// where a count would go wrong (ErrNotPresent, changing nothing) or later by
// Fit (ErrInconsistent).
func (r *Ridge) Remove(x []float32, t Target) error {
	wide, label, err := r.read(x, t)
	if err != nil {
		return fmt.Errorf("removing an example: %w", err)
	}
	if !r.mayHold(label) {
		return fmt.Errorf("removing an example of %q: %w", t.Classes, ErrNotPresent)
	}
	r.apply(-1, wide, label)
	r.forget()
	return nil
}

// forget leaves nothing behind of what has no examples any more.
func (r *Ridge) forget() {
	for name, c := range r.classes {
		if c.missing != nil && c.missing.count == 0 {
			c.missing = nil
		}
		if c.count > 0 {
			continue
		}
		if c.moments.clear(); c.missing == nil {
			delete(r.classes, name)
		}
	}
	if r.all.count == 0 {
		r.all.clear()
	}
}

// mayHold reports whether the counts allow an example of exactly this label:
// each class has one, and the others fit the examples that remain.
func (r *Ridge) mayHold(l label) bool {
	if len(l.parts) == 0 {
		return r.bare > 0
	}
	for _, p := range l.parts {
		c := r.classes[p.class]
		if c == nil || p.ignored() && c.missing == nil || !p.ignored() && c.count == 0 || p.degree == 1 && c.whole == 0 {
			return false
		}
	}
	for name, c := range r.classes {
		if c.count == r.known(c)-r.bare && !slices.ContainsFunc(l.parts, func(p part) bool { return p.class == name }) {
			return false
		}
	}
	return true
}

// known returns how many examples do not ignore c.
func (r *Ridge) known(c *class) int {
	if c.missing == nil {
		return r.all.count
	}
	return r.all.count - c.missing.count
}

// constant reports whether all examples that do not ignore c have it.
func (r *Ridge) constant(c *class) bool { return c.whole == r.known(c) }

func (r *Ridge) apply(sign int, x []float64, l label) {
	r.tally(sign, x, l)
	for _, f := range r.factors(l) {
		f.of.products.addProducts(f.by.scaled(float64(sign)), x)
	}
}

// factor is what an example weighs in some outer products.
type factor struct {
	of *moments
	by double
}

// factors returns the outer products that a label belongs to, those over all
// first.
func (r *Ridge) factors(l label) []factor {
	f := []factor{{&r.all, double{hi: l.weight}}}
	for _, p := range l.parts {
		if c := r.classes[p.class]; p.ignored() {
			f = append(f, factor{c.missing, double{hi: l.weight}})
		} else if r.balance != Unbalanced {
			f = append(f, factor{&c.moments, twoProduct(l.weight, p.degree)})
		}
	}
	return f
}

// tally applies an example to all but the products.
func (r *Ridge) tally(sign int, x []float64, l label) {
	weight := double{hi: l.weight}
	r.all.tally(sign, weight, x)
	if len(l.parts) == 0 {
		r.bare += sign
	}
	for _, p := range l.parts {
		c := r.class(p.class)
		if p.ignored() {
			r.ignore(c).tally(sign, weight, x)
			continue
		}
		if c.tally(sign, twoProduct(l.weight, p.degree), x); p.degree == 1 {
			c.whole += sign
		}
	}
}

func (m *moments) tally(sign int, weight double, x []float64) {
	m.count += sign
	weight = weight.scaled(float64(sign))
	m.weight.add(weight)
	m.total.addScaled(weight, x)
}

// class returns what is known of the class, nothing if it is new.
func (r *Ridge) class(name string) *class {
	if r.classes == nil {
		r.classes = map[string]*class{}
	}
	if r.classes[name] == nil {
		r.classes[name] = &class{moments: newMoments(r.dimension, r.balance != Unbalanced)}
	}
	return r.classes[name]
}

// ignore returns the moments of the examples that ignore c.
func (r *Ridge) ignore(c *class) *moments {
	if c.missing == nil {
		m := newMoments(r.dimension, true)
		c.missing = &m
	}
	return c.missing
}

// Merge adds the examples of o, as if each had been added to r. It returns
// ErrDimension, changing nothing, unless the dimensions and the balance are
// equal.
func (r *Ridge) Merge(o *Ridge) error {
	if r.dimension != o.dimension || r.balance != o.balance {
		return fmt.Errorf("merging dimension %d, balance %d into %d, %d: %w", o.dimension, o.balance, r.dimension, r.balance, ErrDimension)
	}
	r.bare += o.bare
	r.all.merge(&o.all)
	for _, name := range slices.Sorted(maps.Keys(o.classes)) {
		c, from := r.class(name), o.classes[name]
		c.merge(&from.moments)
		c.whole += from.whole
		if from.missing != nil {
			r.ignore(c).merge(from.missing)
		}
	}
	return nil
}

func (m *moments) merge(o *moments) {
	m.count += o.count
	m.weight.add(o.weight)
	m.total.merge(o.total)
	m.products.merge(o.products)
}

func (m *moments) clear() {
	m.weight = double{}
	m.total.clear()
	m.products.clear()
}

func (m *moments) clone() moments {
	return moments{m.count, m.weight, m.total.clone(), m.products.clone()}
}

// Clone returns a copy that shares nothing with r.
func (r *Ridge) Clone() *Ridge {
	c := *r
	c.all = r.all.clone()
	c.classes = make(map[string]*class, len(r.classes))
	for name, s := range r.classes {
		copied := &class{moments: s.moments.clone(), whole: s.whole}
		if s.missing != nil {
			m := s.missing.clone()
			copied.missing = &m
		}
		c.classes[name] = copied
	}
	return &c
}

// Examples returns the number of examples.
func (r *Ridge) Examples() int { return r.all.count }

// Dimension returns the length of the vectors.
func (r *Ridge) Dimension() int { return r.dimension }

// Classes returns the classes that examples have, sorted by name.
func (r *Ridge) Classes() []string {
	var names []string
	for name, c := range r.classes {
		if c.count > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Count returns the number of examples with a degree above zero of the class.
func (r *Ridge) Count(class string) int {
	if c := r.classes[class]; c != nil {
		return c.count
	}
	return 0
}

// widen returns x in float64 after checking it.
func widen(x []float32, dimension int) ([]float64, error) {
	if err := check(x, dimension); err != nil {
		return nil, err
	}
	wide := make([]float64, len(x))
	for i, v := range x {
		wide[i] = float64(v)
	}
	return wide, nil
}

// check returns ErrDimension or ErrNotFinite if x has another dimension or a
// component that is NaN or infinite.
func check(x []float32, dimension int) error {
	if len(x) != dimension {
		return fmt.Errorf("%d components, want %d: %w", len(x), dimension, ErrDimension)
	}
	for i, v := range x {
		if v-v != 0 { // NaN for both, zero for every other
			return fmt.Errorf("component %d is %v: %w", i, v, ErrNotFinite)
		}
	}
	return nil
}
