package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// ErrFold says that folds cannot be used: a number below zero, fewer than two
// folds, or a patient in several.
var ErrFold = errors.New("probe: unusable folds")

// SoftmaxSweep is what SweepSoftmax found.
type SoftmaxSweep struct {
	Lambdas []float64 // that were tried, from the largest down
	// Loss is the mean cross-entropy by weight of the examples under the probes
	// fitted without their fold, for each of Lambdas. In a multi-label task it is
	// the mean over the classes of each class's. Examples of a class that their
	// probe has not are left out.
	Loss []float64
	Best int // of Lambdas
	// Scores are the logits of each example at the best, one for each class of
	// the task, from the probe fitted without its fold; NaN where that has not
	// the class.
	Scores [][]float64
	// Without[f][i] is the probe fitted without fold f at Lambdas[i].
	Without [][]*SoftmaxProbe
}

// A sweep ends where the loss is above the least by more than sweepRisen of it.
// A loss within sweepTie of the least is as good.
const (
	sweepRisen = 0.02
	sweepTie   = 1e-3
)

// SweepSoftmax fits a softmax probe without each fold at every lambda, from the
// largest down, each from the one before, and judges them by the fold left out.
// It chooses the lambda of the least loss, or of those within a thousandth of
// it the largest, and stops before the smallest when the loss has clearly risen.
//
// Fold i is that of example i, from zero up; all images of a patient are in the
// same, or it is ErrFold. Errors are else those of FitSoftmax; ErrNotEnough says
// as well that without some fold there are too few classes. Progress, if not
// nil, is called after each fit with the number of fits done and of all there
// may be.
func SweepSoftmax(ctx context.Context, e Examples, fold []int, lambdas []float64, o SoftmaxOptions, progress func(done, total int)) (*SoftmaxSweep, error) {
	if err := checkLambdas(lambdas); err != nil {
		return nil, fmt.Errorf("sweeping a softmax probe: %w", err)
	}
	s, err := newSoftmaxFolds(e, fold, o)
	if err != nil {
		return nil, fmt.Errorf("sweeping a softmax probe: %w", err)
	}
	done, total := 0, len(lambdas)*len(s.fits)
	s.progress = func() {
		if done++; progress != nil {
			progress(done, total)
		}
	}
	for _, i := range strongestFirst(lambdas) {
		if err := s.try(ctx, lambdas[i]); err != nil {
			return nil, fmt.Errorf("sweeping a softmax probe: lambda %g: %w", lambdas[i], err)
		}
		if s.risen() {
			break
		}
	}
	return s.chosen()
}

// softmaxFolds is a sweep under way.
type softmaxFolds struct {
	SoftmaxSweep
	examples Examples
	held     [][]int // the examples of each fold
	fits     []*softmaxFit
	scores   [][][]float64 // for each of Lambdas
	progress func()
}

func newSoftmaxFolds(e Examples, fold []int, o SoftmaxOptions) (*softmaxFolds, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	held, err := foldsOf(e, fold)
	if err != nil {
		return nil, err
	}
	s := &softmaxFolds{examples: e, held: held}
	for f := range held {
		var rest []int
		for i, g := range fold {
			if g != f {
				rest = append(rest, i)
			}
		}
		fit, err := newSoftmaxFit(e.Subset(rest), o)
		if err != nil {
			return nil, fmt.Errorf("without fold %d: %w", f, err)
		}
		s.fits = append(s.fits, fit)
	}
	s.Without = make([][]*SoftmaxProbe, len(held))
	return s, nil
}

// foldsOf returns the examples of each fold.
func foldsOf(e Examples, fold []int) ([][]int, error) {
	if len(fold) != len(e.X) {
		return nil, fmt.Errorf("%d folds for %d examples: %w", len(fold), len(e.X), ErrDimension)
	}
	var held [][]int
	of := map[int]int{}
	for i, f := range fold {
		if f < 0 || f >= len(fold) {
			return nil, fmt.Errorf("example %d in fold %d of at most %d: %w", i, f, len(fold), ErrFold)
		}
		if g, ok := of[e.Patient[i]]; ok && g != f {
			return nil, fmt.Errorf("patient %d in folds %d and %d: %w", e.Patient[i], g, f, ErrFold)
		}
		of[e.Patient[i]] = f
		for len(held) <= f {
			held = append(held, nil)
		}
		held[f] = append(held[f], i)
	}
	if len(held) < 2 {
		return nil, fmt.Errorf("%d folds, want at least 2: %w", len(held), ErrFold)
	}
	return held, nil
}

// try fits without each fold at lambda and judges the probes.
func (s *softmaxFolds) try(ctx context.Context, lambda float64) error {
	scores := make([][]float64, len(s.examples.X))
	for f, fit := range s.fits {
		p, err := fit.fit(ctx, lambda)
		if err != nil {
			return err
		}
		s.Without[f] = append(s.Without[f], p)
		of := p.scores(s.examples.Subset(s.held[f]))
		for j, i := range s.held[f] {
			scores[i] = of[j]
		}
		s.progress()
	}
	s.scores = append(s.scores, scores)
	s.Lambdas = append(s.Lambdas, lambda)
	s.Loss = append(s.Loss, s.examples.loss(scores))
	return nil
}

func (s *softmaxFolds) risen() bool {
	return s.Loss[len(s.Loss)-1] > lossLeast(s.Loss)*(1+sweepRisen)
}

func lossLeast(losses []float64) float64 {
	least := math.Inf(1)
	for _, l := range losses {
		least = min(least, l)
	}
	return least
}

func (s *softmaxFolds) chosen() (*SoftmaxSweep, error) {
	least := lossLeast(s.Loss)
	for i, l := range s.Loss {
		if l <= least*(1+sweepTie) {
			s.Best, s.Scores = i, s.scores[i]
			return &s.SoftmaxSweep, nil
		}
	}
	return nil, fmt.Errorf("sweeping a softmax probe: no example is of a class that the others have: %w", ErrNotEnough)
}

// scores returns the logits of every example, one for each of its classes; NaN
// where the probe has not the class. The examples have the probe's dimension.
func (s *SoftmaxProbe) scores(e Examples) [][]float64 {
	of := make(map[string]int, len(s.Classes))
	for row, name := range s.Classes {
		of[name] = row
	}
	scores := make([][]float64, len(e.X))
	logits := s.logits(e.X)
	for i := range scores {
		scores[i] = make([]float64, len(e.Classes))
		for c, name := range e.Classes {
			scores[i][c] = math.NaN()
			if row, ok := of[name]; ok {
				scores[i][c] = logits[i*len(s.Classes)+row]
			}
		}
	}
	return scores
}

// logits returns the score of every row of the probe for each of x.
func (l *Linear) logits(x [][]float32) []float64 {
	if len(x) == 0 || len(l.Weights) == 0 {
		return nil
	}
	d, k := len(l.Weights[0]), len(l.Weights)
	p := &softmaxProblem{d: d, stride: fusedStride(d + 1), mean: make([]float64, fusedStride(d+1))}
	theta := make([]float64, k*p.stride)
	for c, w := range l.Weights {
		copy(theta[c*p.stride:], w)
		theta[c*p.stride+d] = l.Intercept[c]
	}
	logits, some := make([]float64, len(x)*k), make([]float64, fusedRows)
	rows := make([]float64, fusedRows*p.stride)
	for first := 0; first < len(x); first += fusedRows {
		n := min(fusedRows, len(x)-first)
		p.widen(rows, x[first:first+n])
		for c := range k {
			fusedDots(some, rows, p.stride, theta[c*p.stride:][:p.stride])
			for i := range n {
				logits[(first+i)*k+c] = some[i]
			}
		}
	}
	return logits
}

// loss returns the mean cross-entropy by weight of the scores, or in a
// multi-label task the mean of its classes'; infinite where no score counts.
func (e Examples) loss(scores [][]float64) float64 {
	if !e.Multi {
		return e.lossOf(func(i int) (float64, bool) { return softmaxLoss(scores[i], e.Y[i]) })
	}
	sum, classes := 0.0, 0
	for c := range e.Classes {
		loss := e.lossOf(func(i int) (float64, bool) {
			var q float64
			z, y := scores[i][c], e.Y[i][c]
			return logistic(z, y, &q), !math.IsNaN(z) && !math.IsNaN(y)
		})
		if !math.IsInf(loss, 1) {
			sum, classes = sum+loss, classes+1
		}
	}
	if classes == 0 {
		return math.Inf(1)
	}
	return sum / float64(classes)
}

// lossOf returns the mean by weight of the losses that count, infinite if none
// does.
func (e Examples) lossOf(of func(i int) (loss float64, counts bool)) float64 {
	sum, total := 0.0, 0.0
	for i := range e.X {
		loss, counts := of(i)
		if !counts {
			continue
		}
		w := 1.0
		if e.Weight != nil {
			w = e.Weight[i]
		}
		sum, total = sum+w*loss, total+w
	}
	if total == 0 {
		return math.Inf(1)
	}
	return sum / total
}

// softmaxLoss returns the cross-entropy of one example's scores with its
// targets, and false if a class that it has has no score.
func softmaxLoss(scores, y []float64) (float64, bool) {
	top := math.Inf(-1)
	for c, z := range scores {
		if math.IsNaN(z) {
			if y[c] > 0 {
				return 0, false
			}
			continue
		}
		top = max(top, z)
	}
	sum, dot := 0.0, 0.0
	for c, z := range scores {
		if !math.IsNaN(z) {
			sum += math.Exp(z - top)
			dot += y[c] * (z - top)
		}
	}
	return math.Log(sum) - dot, true
}
