package eval

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const tolerance = 1e-12

func near(a, b float64) bool { return math.Abs(a-b) <= tolerance }

// split returns one label per letter.
func split(letters string) []string { return strings.Split(letters, "") }

// Expected values are scikit-learn 1.2.1's roc_auc_score(positive, scores).
func TestAUCEqualsScikitLearn(t *testing.T) {
	const no, yes = false, true
	for name, c := range map[string]struct {
		scores   []float64
		positive []bool
		want     float64
	}{
		"ties of one decimal": {
			[]float64{0.9, 1.0, 0.2, 0.5, 0.9, 0.1, 0.5, 1.1, 1.0, 0.5, 0.2, 0.5, 0.7, 0.8, 0.7, 0.8, 1.1, 0.3, 0.6, 0.6},
			[]bool{yes, no, no, no, no, no, no, yes, yes, no, no, no, yes, yes, yes, no, yes, no, no, yes}, 0.8541666666666667,
		},
		"few positives": {
			[]float64{0.59, 0.24, 0.96, 0.95, 0.85, 0.47, 0.84, 0.13, 0.31, 0.46, 0.74, 0.49, 0.14, 0.34, 0.32, 0.6, 0.47, 0.41, 0.45, 0.77, 0.8, 0.52, 0.76, 0.78},
			[]bool{no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, yes, yes, no, no, no, no, no, yes, no}, 0.5793650793650793,
		},
		"heavy ties": {
			[]float64{1, 1, 2, 2, 0, 1, 1, 0, 1, 1, 2, 2, 1, 1, 1, 1},
			[]bool{no, no, no, no, yes, no, yes, yes, no, no, yes, no, yes, yes, no, yes}, 0.30952380952380953,
		},
		"no ties": {
			[]float64{1.019232, 0.845345, 0.468275, 0.664969, 0.807835, 0.849714, 0.164717, 0.035529, 0.281534, 1.107871, 0.344766, 0.008217, 0.361617, 0.363622, 0.449486},
			[]bool{yes, no, yes, no, no, yes, no, no, no, yes, yes, no, no, yes, yes}, 0.7678571428571428,
		},
		"one score for all": {[]float64{.5, .5, .5, .5, .5, .5}, []bool{yes, no, yes, no, no, no}, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := AUC(c.scores, c.positive); err != nil || !near(got, c.want) {
				t.Errorf("AUC(%v, %v) = %v, %v, want %v", c.scores, c.positive, got, err, c.want)
			}
		})
	}
}

// Law: the AUC is the share of pairs of a positive and a negative in which the
// positive scores higher, ties counting half.
func TestAUCCountsPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(t, "n")
		scores, positive := make([]float64, n), make([]bool, n)
		for i := range n {
			scores[i] = float64(rapid.IntRange(-3, 3).Draw(t, "score"))
			positive[i] = rapid.Bool().Draw(t, "positive")
		}
		won, pairs := 0.0, 0.0
		for i := range n {
			for j := range n {
				if !positive[i] || positive[j] {
					continue
				}
				pairs++
				if scores[i] > scores[j] {
					won++
				} else if scores[i] == scores[j] {
					won += 0.5
				}
			}
		}
		got, err := AUC(scores, positive)
		if pairs == 0 {
			if !errors.Is(err, ErrOneClass) {
				t.Fatalf("AUC(%v, %v) = %v, %v, want ErrOneClass", scores, positive, got, err)
			}
		} else if err != nil || !near(got, won/pairs) {
			t.Fatalf("AUC(%v, %v) = %v, %v, want %v", scores, positive, got, err, won/pairs)
		}
	})
}

func TestAUCRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		scores   []float64
		positive []bool
		want     error
	}{
		"no images":          {nil, nil, ErrOneClass},
		"positives only":     {[]float64{1, 2}, []bool{true, true}, ErrOneClass},
		"negatives only":     {[]float64{1, 2}, []bool{false, false}, ErrOneClass},
		"a NaN":              {[]float64{1, math.NaN()}, []bool{true, false}, ErrNotFinite},
		"an infinity":        {[]float64{math.Inf(-1), 1}, []bool{true, false}, ErrNotFinite},
		"fewer labels":       {[]float64{1, 2}, []bool{true}, ErrLength},
		"fewer scores still": {nil, []bool{true}, ErrLength},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := AUC(c.scores, c.positive); !errors.Is(err, c.want) {
				t.Errorf("AUC(%v, %v) = %v, %v, want %v", c.scores, c.positive, got, err, c.want)
			}
		})
	}
}
