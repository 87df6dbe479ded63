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

// Nearest returns the score of every class that has a mean, best first and ties
// by class name. In a single-label task it is one less half the square of the
// Euclidean distance of x from the class's mean, by which Wang et al. and UNI
// measure, and never exceeds one. In a multi-label task it is that for the mean
// of the images that have the finding less that for the mean of those that have
// not: above zero where x is closer to the former. Scores are not probabilities.
// It returns ErrDimension or ErrNotFinite unless x is finite and of the means'
// dimension.
func (f *Prototype) Nearest(x []float32) ([]Score, error) {
	scores, err := f.scores(x)
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
func (f *Prototype) scores(x []float32) ([]float64, error) {
	for _, mean := range slices.Concat(f.Present, f.Absent) {
		if mean == nil {
			continue
		}
		if err := check(x, len(mean)); err != nil {
			return nil, err
		}
	}
	unit := unitOf(make([]float64, len(x)), x, f.Centre)
	scores := make([]float64, len(f.Classes))
	for c := range scores {
		switch {
		case f.Present[c] == nil:
			scores[c] = math.NaN()
		case f.Multi:
			scores[c] = closeness(unit, f.Present[c]) - closeness(unit, f.Absent[c])
		default:
			scores[c] = closeness(unit, f.Present[c])
		}
	}
	return scores, nil
}

// closeness of a unit vector to a mean: one less half their squared distance.
func closeness(unit, mean []float64) float64 {
	square := 0.0
	for j, v := range unit {
		square += (v - mean[j]) * (v - mean[j])
	}
	return 1 - square/2
}
