package eval

import (
	"math"
	"slices"
)

// ofTask are the measures of a whole task, and ofClass those of a class, in the
// order in which a scorer gives them: first the task's, then each class's.
var (
	ofTask = []string{
		AUCMacro, AUCWeighted, AveragePrecision, Accuracy, BalancedAccuracy, F1, Brier, LogLoss, ECE,
		SensitivityAt, SpecificityAt, Precision1, Precision5, Precision10, Coverage, SetSize,
	}
	ofClass = []string{
		AUCOfClass, AveragePrecision, Sensitivity, Specificity, Precision, F1, SensitivityAt, SpecificityAt,
	}
)

// Figures is how many numbers Compare keeps of each method and resample, where there
// are so many classes.
func Figures(classes int) int { return len(ofTask) + classes*len(ofClass) }

// place returns where a scorer gives a measure of class c, of the whole task if c
// is negative; negative if there is none of that name.
func place(name string, c int) int {
	if c < 0 {
		return slices.Index(ofTask, name)
	}
	if at := slices.Index(ofClass, name); at >= 0 {
		return Figures(c) + at
	}
	return -1
}

// scratch is what one goroutine needs to score.
type scratch struct {
	outcomes  []outcomes
	confusion []int
	// By class.
	aucs, precisions, sensitivities, specificities, f1s, values []float64
}

func newScratch(classes int) *scratch {
	column := func() []float64 { return make([]float64, classes) }
	return &scratch{
		outcomes: make([]outcomes, classes), confusion: make([]int, classes*classes),
		aucs: column(), precisions: column(), sensitivities: column(), specificities: column(), f1s: column(), values: column(),
	}
}

// score fills out with every measure of images that count weight times each, NaN
// for what is undefined.
func (s *scorer) score(weight []int32, on *scratch, out []float64) {
	s.count(weight, on)
	for c, r := range s.rankings {
		o := on.outcomes[c]
		m := r.measureOf(weight, o.truePos+o.falseNeg, o.trueNeg+o.falsePos)
		on.aucs[c], on.precisions[c], on.sensitivities[c], on.specificities[c] = m.auc, m.precision, m.sensitivity, m.specificity
		on.f1s[c] = ratioOf(2*o.truePos, 2*o.truePos+o.falsePos+o.falseNeg)
		copy(out[Figures(c):], []float64{
			m.auc, m.precision, ratioOf(o.truePos, o.truePos+o.falseNeg), ratioOf(o.trueNeg, o.trueNeg+o.falsePos),
			ratioOf(o.truePos, o.truePos+o.falsePos), on.f1s[c], m.sensitivity, m.specificity,
		})
	}
	n := total(weight)
	copy(out, []float64{
		meanDefined(on.aucs), weighted(on.aucs, on.outcomes), meanDefined(on.precisions), s.accuracy(on), s.balanced(on), meanDefined(on.f1s),
		on.mean(s.brier, weight, n), on.mean(s.logLoss, weight, n), s.calibrationError(weight, on),
		meanDefined(on.sensitivities), meanDefined(on.specificities), math.NaN(), math.NaN(), math.NaN(),
		on.mean(s.covered, weight, n), on.mean(s.sizes, weight, n),
	})
	for k, r := range s.precision {
		out[slices.Index(ofTask, Precision1)+k] = r.of(weight, n)
	}
}

func total(weight []int32) int {
	n := 0
	for _, w := range weight {
		n += int(w)
	}
	return n
}

// ratioOf is NaN where there is nothing to divide by.
func ratioOf(a, b int) float64 { return float64(a) / float64(b) }

func (on *scratch) mean(ratios []ratio, weight []int32, n int) float64 {
	for c, r := range ratios {
		on.values[c] = r.of(weight, n)
	}
	return meanDefined(on.values[:len(ratios)])
}

func (s *scorer) calibrationError(weight []int32, on *scratch) float64 {
	for c, of := range s.calibration {
		on.values[c] = of.of(weight)
	}
	return meanDefined(on.values[:len(s.calibration)])
}

// count counts outcomes by class and, of a single-label task, the confusion.
func (s *scorer) count(weight []int32, on *scratch) {
	clear(on.outcomes)
	for c, judged := range s.judged {
		var n [unknown + 1]int
		for i, w := range weight {
			n[judged[i]%(unknown+1)] += int(w)
		}
		on.outcomes[c] = outcomes{truePos: n[truePositive], falsePos: n[falsePositive], falseNeg: n[falseNegative], trueNeg: n[trueNegative]}
	}
	if s.judged != nil {
		return
	}
	clear(on.confusion)
	all := 0
	for i, w := range weight {
		on.confusion[s.cells[i]] += int(w)
		all += int(w)
	}
	for cell, n := range on.confusion {
		truth, predicted := cell/s.classes, cell%s.classes
		if truth == predicted {
			on.outcomes[truth].truePos += n
		} else {
			on.outcomes[truth].falseNeg += n
			on.outcomes[predicted].falsePos += n
		}
	}
	for c := range on.outcomes {
		o := &on.outcomes[c]
		o.trueNeg = all - o.truePos - o.falsePos - o.falseNeg
	}
}

// accuracy is the share of images predicted rightly; of a multi-label task the
// mean over classes of the share judged rightly.
func (s *scorer) accuracy(on *scratch) float64 {
	if s.judged == nil {
		right := 0
		for _, o := range on.outcomes {
			right += o.truePos
		}
		return ratioOf(right, on.outcomes[0].known())
	}
	for c, o := range on.outcomes {
		on.values[c] = ratioOf(o.truePos+o.trueNeg, o.known())
	}
	return meanDefined(on.values)
}

// balanced is the mean sensitivity of the classes that have images; of a
// multi-label task the mean over classes of the mean of sensitivity and
// specificity, or of the one that is defined.
func (s *scorer) balanced(on *scratch) float64 {
	for c, o := range on.outcomes {
		on.values[c] = ratioOf(o.truePos, o.truePos+o.falseNeg)
		if s.judged != nil {
			on.values[c] = meanDefined([]float64{on.values[c], ratioOf(o.trueNeg, o.trueNeg+o.falsePos)})
		}
	}
	return meanDefined(on.values)
}

// weighted is the mean of the values that are numbers, by the images that have
// the class.
func weighted(values []float64, by []outcomes) float64 {
	sum, all := 0.0, 0
	for c, v := range values {
		if n := by[c].truePos + by[c].falseNeg; !math.IsNaN(v) {
			sum += float64(v * float64(n))
			all += n
		}
	}
	return sum / float64(all)
}
