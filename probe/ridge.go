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

// Ridge holds the sufficient statistics of a ridge regression from embeddings
// to class membership: the number of examples, the sum of their vectors, the
// sum of the vectors' outer products and, per class, count and sum. They are
// updated with every label in O(d^2), and a fit from them equals a fit from the
// examples themselves (McDonnell et al., RanPAC, arXiv 2307.02251; Zhuang et
// al., ACIL, arXiv 2205.14922), so labels may come, change and go, and classes
// appear and disappear, at any time and in any order.
//
// The sums are compensated: in effect they are exact, whatever the order of
// additions and removals was (for unit vectors within 1e-20 relative after a
// million operations). It takes 8*d*(d+1) bytes, and 16*d more per class.
//
// A Ridge serves single-label tasks (one class per example) and multi-label
// tasks (any number). It is not safe for concurrent use while it is changed;
// Fit and FitWithout only read.
type Ridge struct {
	dimension int
	count     int             // examples
	bare      int             // examples without a class
	total     sums            // of x
	products  sums            // of x*xT, upper triangle packed by rows
	classes   map[string]*sum // only classes with examples
}

// sum is what Ridge knows of one class: its examples and their sum.
type sum struct {
	count int
	sums
}

// NewRidge returns the statistics of no examples of the given dimension. The
// zero Ridge is NewRidge(0).
func NewRidge(dimension int) *Ridge {
	d := max(dimension, 0)
	return &Ridge{
		dimension: d,
		total:     newSums(d),
		products:  newSums(d * (d + 1) / 2),
		classes:   map[string]*sum{},
	}
}

// Add counts an example with the classes it carries: one in a single-label
// task, any number in a multi-label task; repetitions count once. It returns
// ErrDimension or ErrNotFinite and then changes nothing.
func (r *Ridge) Add(x []float32, classes []string) error {
	wide, err := widen(x, r.dimension)
	if err != nil {
		return fmt.Errorf("adding an example: %w", err)
	}
	names := distinct(classes)
	r.apply(1, wide, names)
	return nil
}

// Remove undoes an earlier Add of the same vector and classes. Which vectors
// were added is not kept, so removing what was never added is noticed only
// where a count would go wrong (ErrNotPresent, changing nothing) or later by
// Fit (ErrInconsistent).
func (r *Ridge) Remove(x []float32, classes []string) error {
	wide, err := widen(x, r.dimension)
	if err != nil {
		return fmt.Errorf("removing an example: %w", err)
	}
	names := distinct(classes)
	if !r.mayHold(names) {
		return fmt.Errorf("removing an example of %q: %w", names, ErrNotPresent)
	}
	r.apply(-1, wide, names)
	for _, name := range names {
		if r.classes[name].count == 0 {
			delete(r.classes, name)
		}
	}
	if r.count == 0 { // leave nothing behind
		r.total.clear()
		r.products.clear()
	}
	return nil
}

// mayHold reports whether the counts allow an example of exactly these
// classes: each class has one, and the others fit the examples that remain.
func (r *Ridge) mayHold(names []string) bool {
	if len(names) == 0 {
		return r.bare > 0
	}
	for _, name := range names {
		if r.classes[name] == nil {
			return false
		}
	}
	for name, c := range r.classes {
		if c.count == r.count-r.bare && !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

func (r *Ridge) apply(sign int, x []float64, names []string) {
	r.tally(sign, x, names)
	r.products.addProducts(float64(sign), x)
}

// tally applies an example to all but the products.
func (r *Ridge) tally(sign int, x []float64, names []string) {
	r.count += sign
	if len(names) == 0 {
		r.bare += sign
	}
	r.total.add(float64(sign), x)
	for _, name := range names {
		c := r.class(name)
		c.count += sign
		c.add(float64(sign), x)
	}
}

// class returns the sum of the class, a new one if it has none yet.
func (r *Ridge) class(name string) *sum {
	if r.classes == nil {
		r.classes = map[string]*sum{}
	}
	if r.classes[name] == nil {
		r.classes[name] = &sum{sums: newSums(r.dimension)}
	}
	return r.classes[name]
}

// Merge adds the examples of o, as if each had been added to r. It returns
// ErrDimension, changing nothing, unless the dimensions are equal.
func (r *Ridge) Merge(o *Ridge) error {
	if r.dimension != o.dimension {
		return fmt.Errorf("merging dimension %d into %d: %w", o.dimension, r.dimension, ErrDimension)
	}
	r.count += o.count
	r.bare += o.bare
	r.total.merge(o.total)
	r.products.merge(o.products)
	for _, name := range o.Classes() {
		c := r.class(name)
		c.count += o.classes[name].count
		c.merge(o.classes[name].sums)
	}
	return nil
}

// Clone returns a copy that shares nothing with r.
func (r *Ridge) Clone() *Ridge {
	c := *r
	c.total, c.products = r.total.clone(), r.products.clone()
	c.classes = make(map[string]*sum, len(r.classes))
	for name, s := range r.classes {
		c.classes[name] = &sum{s.count, s.clone()}
	}
	return &c
}

// Examples returns the number of examples.
func (r *Ridge) Examples() int { return r.count }

// Classes returns the classes that have examples, sorted by name.
func (r *Ridge) Classes() []string { return slices.Sorted(maps.Keys(r.classes)) }

// Count returns the number of examples that carry the class.
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
