package eval

import (
	"math"
)

// bins are how many bins of equal width the calibration error has (Guo et al.,
// ICML 2017).
const bins = 15

// A scorer computes every measure of one method's predictions from how often
// each image counts, in one pass over what is prepared here.
type scorer struct {
	classes  int
	rankings []ranking // per class
	// cells of a single-label task are each image's true class times classes, plus
	// the predicted; judged of a multi-label one is per class and image which
	// outcome it is.
	cells  []int32
	judged [][]uint8
	// Each is a mean over the ratios that are defined: one of a single-label task,
	// of a multi-label one those of the classes. None is of what the method does
	// not give.
	brier, logLoss []ratio
	calibration    []calibration
	precision      []ratio // at 1, 5 and 10
	covered, sizes []ratio
}

// ratio is a sum over images divided by another, of which nil is ones.
type ratio struct{ above, below []float64 }

// of divides by n, the sum of the weights, where below is nil.
func (r ratio) of(weight []int32, n int) float64 {
	if r.below == nil {
		return dot(weight, r.above) / float64(n)
	}
	return dot(weight, r.above) / dot(weight, r.below)
}

// dot adds in four sums, which do not wait for each other.
func dot(weight []int32, x []float64) float64 {
	var a, b, c, d float64
	x = x[:len(weight)]
	i := 0
	for ; i+4 <= len(weight); i += 4 {
		a += float64(float64(weight[i]) * x[i])
		b += float64(float64(weight[i+1]) * x[i+1])
		c += float64(float64(weight[i+2]) * x[i+2])
		d += float64(float64(weight[i+3]) * x[i+3])
	}
	for ; i < len(weight); i++ {
		a += float64(float64(weight[i]) * x[i])
	}
	return a + b + (c + d)
}

// calibration is each image's probability, its bin and whether it came true. A
// bin of bins, the one past the last, is of images of which that is not known.
type calibration struct {
	bin         []uint8
	probability []float64
	right       []float64
}

func (c calibration) of(weight []int32) float64 {
	var off [bins + 1]float64
	n := 0
	for i, w := range weight {
		b := c.bin[i] & 15
		off[b] += float64(float64(w) * (c.right[i] - c.probability[i]))
		if b < bins {
			n += int(w)
		}
	}
	sum := 0.0
	for _, d := range off[:bins] {
		sum += math.Abs(d)
	}
	return sum / float64(n)
}

func newScorer(t Truth, p Predictions) *scorer {
	s := &scorer{classes: len(t.Classes)}
	for c := range t.Classes {
		s.rankings = append(s.rankings, rankKnown(column(p.Scores, c), column(t.Y, c)))
	}
	if t.Multi {
		s.judgeFindings(t, p)
	} else {
		s.judgeClasses(t, p)
	}
	if p.Relevant != nil {
		for _, k := range []int{1, 5, 10} {
			s.precision = append(s.precision, firstRelevant(p.Relevant, k))
		}
	}
	if p.Sets != nil {
		s.measureSets(t, p)
	}
	return s
}

func (s *scorer) judgeClasses(t Truth, p Predictions) {
	class := t.single()
	s.cells = make([]int32, len(class))
	for i, of := range class {
		s.cells[i] = of*int32(s.classes) + int32(p.single(i))
	}
	if p.Probabilities == nil {
		return
	}
	n := len(class)
	brier, loss := make([]float64, n), make([]float64, n)
	c := newCalibration(n)
	for i, row := range p.Probabilities {
		brier[i], loss[i] = squares(row, int(class[i])), surprise(row, int(class[i]))
		top := best(row)
		c.set(i, row[top], t.Y[i][top])
	}
	s.brier, s.logLoss, s.calibration = []ratio{{above: brier}}, []ratio{{above: loss}}, []calibration{c}
}

// squares is the Brier score of an image (Brier, Mon. Weather Rev. 78, 1950):
// the sum over classes of squared errors, of two classes half of it, which is
// what scikit-learn's brier_score_loss gives.
func squares(row []float64, class int) float64 {
	sum := 0.0
	for c, p := range row {
		if c == class {
			p = 1 - p
		}
		sum += float64(p * p)
	}
	if len(row) == 2 {
		return sum / 2
	}
	return sum
}

// surprise is the log loss of an image as scikit-learn 1.2 has it: every
// probability at least 2^-52 and at most 1 - 2^-52, then all divided by their
// sum.
func surprise(row []float64, class int) float64 {
	const epsilon = 0x1p-52
	clip := func(p float64) float64 { return min(max(p, epsilon), 1-epsilon) }
	sum := 0.0
	for _, p := range row {
		sum += clip(p)
	}
	return -math.Log(clip(row[class]) / sum)
}

func newCalibration(n int) calibration {
	return calibration{make([]uint8, n), make([]float64, n), make([]float64, n)}
}

// set says of image i with which probability it was predicted what is so (1), is
// not (0) or is not known (NaN).
func (c calibration) set(i int, probability, right float64) {
	if math.IsNaN(right) {
		c.bin[i] = bins
		return
	}
	c.bin[i], c.probability[i], c.right[i] = uint8(min(int(probability*bins), bins-1)), probability, right
}

// Outcomes of an image for one class.
const (
	trueNegative uint8 = iota
	falsePositive
	falseNegative
	truePositive
	unknown
)

func (s *scorer) judgeFindings(t Truth, p Predictions) {
	for c := range t.Classes {
		judged := make([]uint8, len(t.Y))
		for i, row := range t.Y {
			if math.IsNaN(row[c]) {
				judged[i] = unknown
				continue
			}
			judged[i] = 2 * uint8(row[c])
			if p.predicts(t, i, c) {
				judged[i] ^= falsePositive
			}
		}
		s.judged = append(s.judged, judged)
		if p.Probabilities != nil {
			s.calibrateFinding(column(t.Y, c), column(p.Probabilities, c))
		}
	}
}

// calibrateFinding prepares the measures of one finding's probabilities, each as
// scikit-learn's of a binary task.
func (s *scorer) calibrateFinding(truth, probability []float64) {
	n := len(truth)
	brier, loss, known, c := make([]float64, n), make([]float64, n), make([]float64, n), newCalibration(n)
	for i, y := range truth {
		p := probability[i]
		c.set(i, p, y)
		if !math.IsNaN(y) {
			known[i], brier[i] = 1, (p-y)*(p-y)
			loss[i] = surprise([]float64{1 - p, p}, int(y))
		}
	}
	s.brier, s.logLoss = append(s.brier, ratio{brier, known}), append(s.logLoss, ratio{loss, known})
	s.calibration = append(s.calibration, c)
}

// firstRelevant is the share of the first k cases that are relevant, in whole
// numbers, so that equal shares are equal. Of fewer than k, those that are missing
// count as not relevant.
func firstRelevant(relevant [][]bool, k int) ratio {
	found, asked := make([]float64, len(relevant)), make([]float64, len(relevant))
	for i, row := range relevant {
		found[i], asked[i] = float64(count(row[:min(k, len(row))])), float64(k)
	}
	return ratio{found, asked}
}

// measureSets prepares coverage, the share of what is present that is in the
// sets, and their size.
func (s *scorer) measureSets(t Truth, p Predictions) {
	n := len(t.Y)
	covered, present, size := make([]float64, n), make([]float64, n), make([]float64, n)
	for i, row := range t.Y {
		size[i] = float64(count(p.Sets[i]))
		for c, y := range row {
			if y == 1 {
				present[i]++
				if p.Sets[i][c] {
					covered[i]++
				}
			}
		}
	}
	s.covered, s.sizes = []ratio{{covered, present}}, []ratio{{above: size}}
}
