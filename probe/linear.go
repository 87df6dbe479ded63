package probe

import (
	"cmp"
	"fmt"
	"slices"
)

// Linear is a linear classifier on embeddings: the score of class c is
// Weights[c]·x + Intercept[c]. It does not change and is safe for concurrent
// use.
type Linear struct {
	Classes   []string    `json:"classes"`   // sorted by name
	Weights   [][]float64 `json:"weights"`   // per class, one per component
	Intercept []float64   `json:"intercept"` // per class
	// Lambda is the relative regularisation that was used. Where it was chosen,
	// it is the point of a grid of four per decade from MinLambda to MaxLambda
	// with the least corrected Akaike criterion (Hurvich, Simonoff and Tsai,
	// J. R. Stat. Soc. B 60, 1998), the largest such point where several are
	// within 1e-6.
	Lambda float64 `json:"lambda"`
}

func newLinear(classes []string, lambda float64) *Linear {
	n := len(classes)
	return &Linear{Classes: classes, Weights: make([][]float64, n), Intercept: make([]float64, n), Lambda: lambda}
}

// A Score is how strongly a probe takes an image to belong to a class: the
// regression's estimate of class membership, about one for members and about
// zero for others, with 1/2 halfway between their means. It may lie outside
// [0, 1] and is not a calibrated probability.
type Score struct {
	Class string  `json:"class"`
	Score float64 `json:"score"`
}

// Predict returns the score of every class, best first and ties by class name.
// It returns ErrDimension unless x, and every class's weights, have one
// dimension, and ErrNotFinite if x has a component that is NaN or infinite.
func (l *Linear) Predict(x []float32) ([]Score, error) {
	wide, err := widen(x, len(x))
	if err != nil {
		return nil, fmt.Errorf("predicting: %w", err)
	}
	if len(l.Weights) != len(l.Classes) || len(l.Intercept) != len(l.Classes) {
		return nil, fmt.Errorf("predicting with %d weights and %d intercepts for %d classes: %w",
			len(l.Weights), len(l.Intercept), len(l.Classes), ErrDimension)
	}
	scores := make([]Score, len(l.Classes))
	for c, class := range l.Classes {
		if len(l.Weights[c]) != len(x) {
			return nil, fmt.Errorf("predicting from %d components, want %d: %w", len(x), len(l.Weights[c]), ErrDimension)
		}
		scores[c] = Score{class, l.Intercept[c]}
		for i, w := range l.Weights[c] {
			scores[c].Score += w * wide[i]
		}
	}
	slices.SortFunc(scores, func(a, b Score) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Class, b.Class))
	})
	return scores, nil
}

// finite reports whether all weights and intercepts are. Those of examples that
// can be are; statistics that were made otherwise may give others.
func (l *Linear) finite() bool {
	for c, w := range l.Weights {
		if l.Intercept[c]-l.Intercept[c] != 0 || slices.ContainsFunc(w, func(v float64) bool { return v-v != 0 }) {
			return false
		}
	}
	return true
}
