package eval

import (
	"cmp"
	"math"
	"slices"
)

// ranking is the images in falling order of score, sorted once for the measures
// of many resamples: four times the image plus what is marked of it.
type ranking []int32

// What is marked of an image.
const (
	positive = 1 << iota
	lastTied // the next image scores lower
	markBits = iota
)

// rank ranks all images.
func rank(scores []float64, in []bool) ranking {
	truth := make([]float64, len(in))
	for i, yes := range in {
		if yes {
			truth[i] = 1
		}
	}
	return rankKnown(scores, truth)
}

// rankKnown ranks the images whose truth, 0 or 1, is not NaN.
func rankKnown(scores, truth []float64) ranking {
	var r ranking
	for i, t := range truth {
		if !math.IsNaN(t) {
			r = append(r, int32(i))
		}
	}
	slices.SortFunc(r, func(a, b int32) int { return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b)) })
	for at, image := range r {
		mark := int32(0)
		if truth[image] == 1 {
			mark |= positive
		}
		if at == len(r)-1 || scores[r[at+1]] < scores[image] {
			mark |= lastTied
		}
		r[at] = image<<markBits | mark
	}
	return r
}

// ranked are the measures of a ranking: NaN, all of them, unless there are both
// positives and negatives.
type ranked struct {
	auc float64
	// precision is the sum over thresholds of the gain in recall times the
	// precision: scikit-learn's average_precision_score.
	precision float64
	// sensitivity is the highest at a specificity of at least 0.9, among the
	// thresholds that the scores allow; nothing is interpolated. specificity is
	// the reverse.
	sensitivity, specificity float64
}

// measure counts each image weight times. It counts pairs in halves, so in
// integers: exact to 2^53 pairs.
func (r ranking) measure(weight []int32) ranked {
	pos, neg := r.totals(weight)
	return r.measureOf(weight, pos, neg)
}

// measureOf is measure with the totals, where they are known.
func (r ranking) measureOf(weight []int32, pos, neg int) ranked {
	if pos == 0 || neg == 0 {
		return ranked{math.NaN(), math.NaN(), math.NaN(), math.NaN()}
	}
	var truePos, falsePos, tied, tiedPos, halves, sensitive, specific int
	var precision float64
	reached := false
	for _, at := range r {
		w := int(weight[at>>markBits])
		tied += w
		tiedPos += w * int(at&positive)
		if at&lastTied == 0 {
			continue
		}
		halves += (tied - tiedPos) * (2*truePos + tiedPos)
		truePos += tiedPos
		falsePos += tied - tiedPos
		if tiedPos > 0 {
			precision += float64(float64(tiedPos) * (float64(truePos) / float64(truePos+falsePos)))
		}
		if 10*falsePos <= neg {
			sensitive = truePos
		}
		if !reached && 10*truePos >= 9*pos {
			reached, specific = true, neg-falsePos
		}
		tied, tiedPos = 0, 0
	}
	return ranked{
		auc:       float64(halves) / (2 * float64(pos) * float64(neg)),
		precision: precision / float64(pos), sensitivity: float64(sensitive) / float64(pos), specificity: float64(specific) / float64(neg),
	}
}

// totals returns how many positives and negatives there are.
func (r ranking) totals(weight []int32) (pos, neg int) {
	all := 0
	for _, at := range r {
		w := int(weight[at>>markBits])
		all += w
		pos += w * int(at&positive)
	}
	return pos, all - pos
}
