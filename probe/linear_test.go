package probe

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func TestPredictIsBestFirstAndTiesByClass(t *testing.T) {
	l := &Linear{
		Classes:   []string{"a", "b", "c", "d"},
		Weights:   [][]float64{{0}, {1}, {0}, {2}},
		Intercept: []float64{0.25, 0, 0.25, -1},
	}
	scores, err := l.Predict([]float32{0.5})
	if want := []Score{{"b", 0.5}, {"a", 0.25}, {"c", 0.25}, {"d", 0}}; err != nil || !slices.Equal(scores, want) {
		t.Errorf("Predict = %v, %v, want %v", scores, err, want)
	}
}

func TestPredictRefusals(t *testing.T) {
	whole := Linear{Classes: []string{"a"}, Weights: [][]float64{{1, 2}}, Intercept: []float64{0}}
	for name, c := range map[string]struct {
		l    Linear
		x    []float32
		want error
	}{
		"a short vector":     {whole, []float32{1}, ErrDimension},
		"a NaN":              {whole, []float32{1, float32(math.NaN())}, ErrNotFinite},
		"no intercepts":      {Linear{Classes: whole.Classes, Weights: whole.Weights}, []float32{1, 1}, ErrDimension},
		"classes weightless": {Linear{Classes: whole.Classes, Intercept: whole.Intercept}, nil, ErrDimension},
	} {
		t.Run(name, func(t *testing.T) {
			if scores, err := c.l.Predict(c.x); !errors.Is(err, c.want) {
				t.Errorf("Predict(%v) = %v, %v, want %v", c.x, scores, err, c.want)
			}
		})
	}
}
