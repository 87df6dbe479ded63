package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Prototype is a classifier by the nearest class mean. It does not change and
// is safe for concurrent use.
type Prototype struct {
	Classes []string `json:"classes"`
	Multi   bool     `json:"multi,omitempty"`
	Centre  *Centre  `json:"centre,omitempty"`
	// Present is the mean of each class, Absent in a multi-label task that of the
	// images without it; nil where there is no image, or for a finding none on
	// one side.
	Present [][]float64 `json:"present"`
	Absent  [][]float64 `json:"absent,omitempty"`
}

// Predict returns the score of every class that has a mean, best first and ties
// by class name. In a single-label task it is the cosine of x with the class's
// mean; Wang et al. take the Euclidean distance, which differs by the means'
// lengths: see Nearest. In a multi-label task it is the cosine with the mean of
// the images that have the finding less that with the mean of those that have
// not: above zero where x is closer to the former. A vector or mean without
// direction has cosine zero. Scores are not probabilities. It returns
// ErrDimension or ErrNotFinite unless x is finite and of the means' dimension.
func (f *Prototype) Predict(x []float32) ([]Score, error) {
	return f.predict(x, cosineOf)
}

// Nearest is Predict by Euclidean distance, as Wang et al. and UNI measure: one
// less half the square of the distance takes the cosine's place, which it
// equals where both are of unit length. It never exceeds one.
func (f *Prototype) Nearest(x []float32) ([]Score, error) {
	return f.predict(x, closeness)
}

func (f *Prototype) predict(x []float32, measure func(unit, mean []float64) float64) ([]Score, error) {
	scores, err := f.scores(x, measure)
	if err != nil {
		return nil, fmt.Errorf("predicting: %w", err)
	}
	ranked := []Score{}
	for c, s := range scores {
		if !math.IsNaN(s) {
			ranked = append(ranked, Score{f.Classes[c], s})
		}
	}
	slices.SortFunc(ranked, func(a, b Score) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Class, b.Class))
	})
	return ranked, nil
}

// scores returns the score of each class in order, NaN where it has no mean.
func (f *Prototype) scores(x []float32, measure func(unit, mean []float64) float64) ([]float64, error) {
	for _, mean := range slices.Concat(f.Present, f.Absent) {
		if mean == nil {
			continue
		}
		if err := check(x, len(mean)); err != nil {
			return nil, err
		}
	}
	unit := unitOf(x, f.Centre)
	scores := make([]float64, len(f.Classes))
	for c := range scores {
		switch {
		case f.Present[c] == nil:
			scores[c] = math.NaN()
		case f.Multi:
			scores[c] = measure(unit, f.Present[c]) - measure(unit, f.Absent[c])
		default:
			scores[c] = measure(unit, f.Present[c])
		}
	}
	return scores, nil
}

// cosineOf a unit vector with a mean, zero where one of them is zero.
func cosineOf(unit, mean []float64) float64 {
	length := euclidean(mean)
	if length == 0 {
		return 0
	}
	return innerProduct(unit, mean) / length
}

// closeness of a unit vector to a mean: one less half their squared distance.
func closeness(unit, mean []float64) float64 {
	square := 0.0
	for j, v := range unit {
		square += (v - mean[j]) * (v - mean[j])
	}
	return 1 - square/2
}
