package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"
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
	auc := rank(scores, positive).auc(ones(len(scores)))
	if math.IsNaN(auc) {
		return 0, fmt.Errorf("AUC of %d images: %w", len(scores), ErrOneClass)
	}
	return auc, nil
}

// MacroAUC returns the mean over classes of the AUC of each against the rest,
// scored by its own column of scores (images by classes). Classes that no or
// every image has are left out; if that leaves none it returns ErrOneClass.
func MacroAUC(scores [][]float64, truth, classes []string) (float64, error) {
	t, err := positions(truth, classes)
	if err != nil {
		return 0, err
	}
	if err := rectangular(scores, len(truth), len(classes)); err != nil {
		return 0, err
	}
	aucs := make([]float64, len(classes))
	for c, r := range rankings(scores, memberships(t, len(classes))) {
		aucs[c] = r.auc(ones(len(truth)))
	}
	macro := meanDefined(aucs)
	if math.IsNaN(macro) {
		return 0, fmt.Errorf("macro AUC of %d images: %w", len(truth), ErrOneClass)
	}
	return macro, nil
}

// memberships returns per class whether each image belongs to it.
func memberships(class []int, classes int) [][]bool {
	in := make([][]bool, classes)
	for c := range in {
		in[c] = make([]bool, len(class))
		for i, t := range class {
			in[c][i] = t == c
		}
	}
	return in
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

// ranking is the images in rising order of score, sorted once for many AUCs of
// resampled images.
type ranking struct {
	order    []int  // images
	ends     []bool // whether the next image scores higher
	positive []bool // by position in order
}

// rankings ranks each column of scores (images by classes).
func rankings(scores [][]float64, in [][]bool) []ranking {
	r := make([]ranking, len(in))
	column := make([]float64, len(scores))
	for c := range r {
		for i, row := range scores {
			column[i] = row[c]
		}
		r[c] = rank(column, in[c])
	}
	return r
}

func rank(scores []float64, positive []bool) ranking {
	n := len(scores)
	r := ranking{order: make([]int, n), ends: make([]bool, n), positive: make([]bool, n)}
	for i := range r.order {
		r.order[i] = i
	}
	slices.SortFunc(r.order, func(a, b int) int { return cmp.Or(cmp.Compare(scores[a], scores[b]), cmp.Compare(a, b)) })
	for i, image := range r.order {
		r.ends[i] = i == n-1 || scores[r.order[i+1]] > scores[image]
		r.positive[i] = positive[image]
	}
	return r
}

// auc returns the AUC with each image counted weight times, NaN if a class is
// missing. It counts pairs in halves, so in integers.
func (r ranking) auc(weight []int) float64 {
	var below, tiedPos, tiedNeg, positives, halves int
	for i, image := range r.order {
		if r.positive[i] {
			tiedPos += weight[image]
		} else {
			tiedNeg += weight[image]
		}
		if r.ends[i] {
			halves += tiedPos * (2*below + tiedNeg)
			below += tiedNeg
			positives += tiedPos
			tiedPos, tiedNeg = 0, 0
		}
	}
	if positives == 0 || below == 0 {
		return math.NaN()
	}
	return float64(halves) / (2 * float64(positives) * float64(below))
}

func ones(n int) []int {
	w := make([]int, n)
	for i := range w {
		w[i] = 1
	}
	return w
}
