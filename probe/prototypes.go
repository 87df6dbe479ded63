package probe

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Prototypes are the sums from which the mean of each class is known, kept up
// to date label by label in O(dimension) each. With a Centre they are
// SimpleShot's (Wang et al., arXiv 1911.04623: subtract the mean, normalise,
// take the nearest class mean); without one, those of the plain nearest class
// mean.
//
// The centre is given and stays: it is the mean of images, and knows no labels.
// Leaving a patient out takes the patient's images from the class means but not
// from the centre; where that must not be, as in a fold of an evaluation, make
// the centre of the other images.
//
// Prototypes must not be changed by one call while another uses them.
type Prototypes struct {
	Classes []string // as in Examples
	Multi   bool     // as in Examples
	// Centre is subtracted before vectors are normalised; nil leaves them as they
	// are.
	Centre *Centre
	// sums for each class; those of a multi-label task's findings are followed by
	// those of their absence, in the same order.
	sums []classSum
}

// classSum is the sum of the vectors of one class, each times its weight.
type classSum struct {
	count  int // of examples with a weight above zero
	weight float64
	sum    []float64
}

// NewPrototypes returns those of no examples.
func NewPrototypes(classes []string, multi bool, dimension int, centre *Centre) (*Prototypes, error) {
	if centre != nil && len(centre.Mean) != dimension {
		return nil, fmt.Errorf("centre of %d components, want %d: %w", len(centre.Mean), dimension, ErrDimension)
	}
	p := &Prototypes{Classes: slices.Clone(classes), Multi: multi, Centre: centre}
	n := len(classes)
	if multi {
		n *= 2
	}
	for range n {
		p.sums = append(p.sums, classSum{sum: make([]float64, dimension)})
	}
	return p, nil
}

// SimpleShot returns the prototypes of the examples around their own mean.
// The errors are those of Examples.Check and NewCentre.
func SimpleShot(e Examples) (*Prototypes, error) {
	centre, err := NewCentre(e.X)
	if err != nil {
		return nil, err
	}
	return prototypes(e, centre)
}

// ClassMeans returns the prototypes of the examples, not centred. The errors
// are those of Examples.Check.
func ClassMeans(e Examples) (*Prototypes, error) { return prototypes(e, nil) }

func prototypes(e Examples, centre *Centre) (*Prototypes, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	p, err := NewPrototypes(e.Classes, e.Multi, e.Dimension(), centre)
	if err != nil {
		return nil, err
	}
	for i, x := range e.X {
		p.apply(1, unitOf(x, p.Centre), e.Y[i], e.weight(i))
	}
	return p, nil
}

// Add counts an image with its target and weight, which are as in Examples. It
// returns ErrDimension, ErrNotFinite or ErrTarget and then changes nothing.
func (p *Prototypes) Add(x []float32, y []float64, weight float64) error {
	if err := p.check(x, y, weight); err != nil {
		return fmt.Errorf("adding an example: %w", err)
	}
	p.apply(1, unitOf(x, p.Centre), y, weight)
	return nil
}

// Remove undoes Add of the same image, target and weight up to rounding, and
// wholly for a class that then has no image. Where no such image can have been
// added it returns ErrNotPresent and changes nothing.
func (p *Prototypes) Remove(x []float32, y []float64, weight float64) error {
	if err := p.check(x, y, weight); err != nil {
		return fmt.Errorf("removing an example: %w", err)
	}
	for i := range p.sums {
		if p.degree(y, i) > 0 && p.sums[i].count == 0 {
			return fmt.Errorf("removing an example of %s: %w", p.name(i), ErrNotPresent)
		}
	}
	p.apply(-1, unitOf(x, p.Centre), y, weight)
	return nil
}

// Merge adds the sums of o, which must be of the same classes, dimension and
// centre; otherwise it returns ErrDimension and changes nothing.
func (p *Prototypes) Merge(o *Prototypes) error {
	if p.Multi != o.Multi || !slices.Equal(p.Classes, o.Classes) || p.dimension() != o.dimension() || !p.sameCentre(o) {
		return fmt.Errorf("merging prototypes of other classes or another centre: %w", ErrDimension)
	}
	for i, s := range o.sums {
		p.sums[i].add(s.count, s.weight, 1, s.sum)
	}
	return nil
}

func (p *Prototypes) sameCentre(o *Prototypes) bool {
	if p.Centre == nil || o.Centre == nil {
		return p.Centre == o.Centre
	}
	return slices.Equal(p.Centre.Mean, o.Centre.Mean)
}

// Clone returns a copy that shares nothing but the centre.
func (p *Prototypes) Clone() *Prototypes {
	c := *p
	c.sums = slices.Clone(p.sums)
	for i := range c.sums {
		c.sums[i].sum = slices.Clone(c.sums[i].sum)
	}
	return &c
}

// Count returns how many images have class c at all, and for a multi-label task
// how many do not have it at all or not for certain.
func (p *Prototypes) Count(c int) (present, absent int) {
	if p.Multi {
		absent = p.sums[len(p.Classes)+c].count
	}
	return p.sums[c].count, absent
}

func (p *Prototypes) dimension() int {
	if len(p.sums) == 0 {
		return 0
	}
	return len(p.sums[0].sum)
}

func (p *Prototypes) check(x []float32, y []float64, weight float64) error {
	if err := check(x, p.dimension()); err != nil {
		return err
	}
	if !mayWeigh(weight) {
		return fmt.Errorf("weight %v: %w", weight, ErrTarget)
	}
	return Examples{Classes: p.Classes, Multi: p.Multi}.checkTarget(y)
}

// degree returns how far target y belongs to sum i.
func (p *Prototypes) degree(y []float64, i int) float64 {
	if i < len(p.Classes) {
		return y[i]
	}
	return 1 - y[i-len(p.Classes)]
}

func (p *Prototypes) name(i int) string {
	if i < len(p.Classes) {
		return fmt.Sprintf("%q", p.Classes[i])
	}
	return fmt.Sprintf("no %q", p.Classes[i-len(p.Classes)])
}

// apply adds sign times an example of checked target and weight.
func (p *Prototypes) apply(sign int, unit, y []float64, weight float64) {
	for i := range p.sums {
		if degree := p.degree(y, i); degree > 0 {
			weight := float64(sign) * weight * degree
			p.sums[i].add(sign, weight, weight, unit)
		}
	}
}

// add adds scale*x. The sum of no examples is zero, without what rounding left.
func (s *classSum) add(count int, weight, scale float64, x []float64) {
	s.count += count
	s.weight += weight
	for j, v := range x {
		s.sum[j] += scale * v
	}
	if s.count == 0 {
		s.weight = 0
		clear(s.sum)
	}
}

// Fit returns the classifier. It returns ErrNotEnough unless the images tell
// two classes apart, or some finding from its absence: also where all means are
// the same.
func (p *Prototypes) Fit() (*Prototype, error) {
	f := &Prototype{Classes: p.Classes, Multi: p.Multi, Centre: p.Centre}
	for c := range p.Classes {
		present, absent := p.sums[c].mean(), []float64(nil)
		if p.Multi {
			absent = p.sums[len(p.Classes)+c].mean()
			if present == nil || absent == nil || sameMean(present, absent) {
				present, absent = nil, nil
			}
			f.Absent = append(f.Absent, absent)
		}
		f.Present = append(f.Present, present)
	}
	if !f.tells() {
		return nil, fmt.Errorf("class means of %d classes: %w", len(p.Classes), ErrNotEnough)
	}
	return f, nil
}

// FitWithout returns Fit of all images but those of e, which must have been
// added: the query's own patient's, say. The errors are those of Remove and
// Fit.
func (p *Prototypes) FitWithout(e Examples) (*Prototype, error) {
	others := p.Clone()
	for i, x := range e.X {
		if err := others.Remove(x, e.Y[i], e.weight(i)); err != nil {
			return nil, fmt.Errorf("example %d: %w", i, err)
		}
	}
	return others.Fit()
}

// LeaveOnePatientOut returns for each image of e, all of which must have been
// added, what Predict says of each class, in order, when no image of the same
// patient counts: NaN for a class that others have no mean of, and for all
// classes where the others tell none apart. The errors are those of Remove.
func (p *Prototypes) LeaveOnePatientOut(e Examples) ([][]float64, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	of := map[int][]int{}
	for i, patient := range e.Patient {
		of[patient] = append(of[patient], i)
	}
	scores := make([][]float64, len(e.X))
	for _, own := range of {
		f, err := p.FitWithout(e.Subset(own))
		if errors.Is(err, ErrNotEnough) {
			f, err = &Prototype{Classes: p.Classes, Multi: p.Multi, Present: make([][]float64, len(p.Classes))}, nil
		}
		if err != nil {
			return nil, err
		}
		for _, i := range own {
			if scores[i], err = f.scores(e.X[i], cosineOf); err != nil {
				return nil, err
			}
		}
	}
	return scores, nil
}

// mean of the vectors summed, nil if there are none.
func (s classSum) mean() []float64 {
	if s.count == 0 {
		return nil
	}
	mean := make([]float64, len(s.sum))
	for j, v := range s.sum {
		mean[j] = v / s.weight
	}
	return mean
}

// sameMean tells whether two means of unit vectors differ by no more than rounding.
func sameMean(a, b []float64) bool {
	for j := range a {
		if math.Abs(a[j]-b[j]) > 1e-9 {
			return false
		}
	}
	return true
}

// tells whether any class is told from another.
func (f *Prototype) tells() bool {
	first := slices.IndexFunc(f.Present, func(m []float64) bool { return m != nil })
	if first < 0 || f.Multi {
		return first >= 0
	}
	return slices.ContainsFunc(f.Present, func(m []float64) bool { return m != nil && !sameMean(m, f.Present[first]) })
}
