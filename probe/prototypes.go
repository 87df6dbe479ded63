package probe

import (
	"fmt"
	"math"
	"slices"
)

// Prototypes are the sums from which the mean of each class is known. With a
// Centre they are SimpleShot's (Wang et al., arXiv 1911.04623: subtract the mean,
// normalise, take the nearest class mean); without one, those of the plain
// nearest class mean.
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
	weight float64 // zero if there are none
	sum    []float64
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
	n := len(e.Classes)
	if e.Multi {
		n *= 2
	}
	p := &Prototypes{Classes: slices.Clone(e.Classes), Multi: e.Multi, Centre: centre, sums: make([]classSum, n)}
	for i := range p.sums {
		p.sums[i].sum = make([]float64, e.Dimension())
	}
	unit := make([]float64, e.Dimension())
	for i, x := range e.X {
		p.add(unitOf(unit, x, centre), e.Y[i], e.weight(i))
	}
	return p, nil
}

// add adds an example of checked target and weight.
func (p *Prototypes) add(unit, y []float64, weight float64) {
	for i := range p.sums {
		if degree := p.degree(y, i); degree > 0 {
			p.sums[i].add(weight*degree, unit)
		}
	}
}

// degree returns how far target y belongs to sum i.
func (p *Prototypes) degree(y []float64, i int) float64 {
	if i < len(p.Classes) {
		return y[i]
	}
	return 1 - y[i-len(p.Classes)]
}

func (s *classSum) add(weight float64, x []float64) {
	s.weight += weight
	for j, v := range x {
		s.sum[j] += weight * v
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

// mean of the vectors summed, nil if there are none.
func (s classSum) mean() []float64 {
	if s.weight == 0 {
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
