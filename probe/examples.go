package probe

import (
	"fmt"
	"math"
)

// Examples are labelled images of one task. Every slice but Classes has one
// entry for each image. They are not changed by what they are given to.
type Examples struct {
	// Classes of the task, sorted by name.
	Classes []string
	// Multi tells that an image may have any number of the classes, each judged
	// for itself.
	Multi bool
	// X are the embeddings, all of one dimension.
	X [][]float32
	// Y[i][c] is how far image i has class c: 1 if it has, 0 if it has not,
	// between the two where that is not certain, and NaN where its label says
	// nothing of c or is not to count. In a single-label task each row sums to
	// one and none is NaN.
	Y [][]float64
	// Weight of each image, from MinWeight to MaxWeight; nil means that all weigh 1.
	Weight []float64
	// Patient numbers kin: images with the same number are never on both sides of
	// a split.
	Patient []int
}

// MinWeight and MaxWeight bound what an example may weigh: sums of weights, and
// one over them, are finite.
const (
	MinWeight = 0x1p-126
	MaxWeight = math.MaxFloat32
)

// mayWeigh reports whether an example may weigh w.
func mayWeigh(w float64) bool { return w >= MinWeight && w <= MaxWeight }

// Check returns ErrDimension, ErrNotFinite or ErrTarget unless the examples are
// as described.
func (e Examples) Check() error {
	n := len(e.X)
	if len(e.Y) != n || len(e.Patient) != n || e.Weight != nil && len(e.Weight) != n {
		return fmt.Errorf("%d vectors, %d targets, %d weights, %d patients: %w", n, len(e.Y), len(e.Weight), len(e.Patient), ErrDimension)
	}
	for i, x := range e.X {
		if err := check(x, e.Dimension()); err != nil {
			return fmt.Errorf("example %d: %w", i, err)
		}
		if err := e.checkTarget(e.Y[i]); err != nil {
			return fmt.Errorf("example %d: %w", i, err)
		}
		if e.Weight != nil && !mayWeigh(e.Weight[i]) {
			return fmt.Errorf("example %d: weight %v: %w", i, e.Weight[i], ErrTarget)
		}
	}
	return nil
}

func (e Examples) checkTarget(y []float64) error {
	if len(y) != len(e.Classes) {
		return fmt.Errorf("%d targets for %d classes: %w", len(y), len(e.Classes), ErrDimension)
	}
	sum := 0.0
	for c, v := range y {
		if v < 0 || v > 1 || !e.Multi && math.IsNaN(v) {
			return fmt.Errorf("target %v of class %q: %w", v, e.Classes[c], ErrTarget)
		}
		sum += v
	}
	if !e.Multi && math.Abs(sum-1) > 1e-9 {
		return fmt.Errorf("targets of a single-label task sum to %v: %w", sum, ErrTarget)
	}
	return nil
}

// Dimension returns the embeddings' length, 0 if there are none.
func (e Examples) Dimension() int {
	if len(e.X) == 0 {
		return 0
	}
	return len(e.X[0])
}

// Subset returns the examples at the given positions, in that order.
func (e Examples) Subset(at []int) Examples {
	s := Examples{Classes: e.Classes, Multi: e.Multi}
	for _, i := range at {
		s.X, s.Y, s.Patient = append(s.X, e.X[i]), append(s.Y, e.Y[i]), append(s.Patient, e.Patient[i])
		if e.Weight != nil {
			s.Weight = append(s.Weight, e.Weight[i])
		}
	}
	return s
}
