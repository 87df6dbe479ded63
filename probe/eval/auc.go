package eval

import (
	"fmt"
	"math"
)

// AUC returns the area under the ROC curve: the probability that a positive
// image scores higher than a negative one, ties counting half (Mann and
// Whitney, Ann. Math. Stat. 18, 1947). It returns ErrOneClass unless there are
// both, and ErrNotFinite if a score is NaN or infinite.
func AUC(scores []float64, positive []bool) (float64, error) {
	if len(scores) != len(positive) {
		return 0, fmt.Errorf("AUC of %d scores with %d labels: %w", len(scores), len(positive), ErrLength)
	}
	for i, s := range scores {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			return 0, fmt.Errorf("AUC with score %v of image %d: %w", s, i, ErrNotFinite)
		}
	}
	auc := rank(scores, positive).measure(ones(len(scores))).auc
	if math.IsNaN(auc) {
		return 0, fmt.Errorf("AUC of %d images: %w", len(scores), ErrOneClass)
	}
	return auc, nil
}

func column(rows [][]float64, c int) []float64 {
	values := make([]float64, len(rows))
	for i, row := range rows {
		values[i] = row[c]
	}
	return values
}

// rectangular checks that there are n rows of as many finite scores as classes.
func rectangular(scores [][]float64, n, classes int) error {
	if len(scores) != n {
		return fmt.Errorf("%d rows of scores for %d images: %w", len(scores), n, ErrLength)
	}
	for i, row := range scores {
		if len(row) != classes {
			return fmt.Errorf("%d scores of image %d for %d classes: %w", len(row), i, classes, ErrLength)
		}
		for _, s := range row {
			if math.IsNaN(s) || math.IsInf(s, 0) {
				return fmt.Errorf("score %v of image %d: %w", s, i, ErrNotFinite)
			}
		}
	}
	return nil
}

// meanDefined returns the mean of the values that are numbers, NaN if none is.
func meanDefined(values []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	return sum / float64(n)
}

func ones(n int) []int32 {
	w := make([]int32, n)
	for i := range w {
		w[i] = 1
	}
	return w
}
