package probe

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

// sweepExamples are of three images for each patient, in n folds.
func sweepExamples(k, n int) (Examples, []int) {
	e := softmaxCase{Seed: 17, N: 120, D: 5, K: k}.examples()
	fold := make([]int, len(e.X))
	for i := range fold {
		e.Patient[i] = i / 3
		fold[i] = i / 3 % n
	}
	return e, fold
}

var sweepLambdas = []float64{1e-6, 1e-4, 1e-2, 1, 100, 1e4}

func TestASweepIsExplicitFitsWithoutEachFold(t *testing.T) {
	for _, multi := range []bool{false, true} {
		e, fold := sweepExamples(3, 4)
		e.Multi = multi
		calls := 0
		s, err := SweepSoftmax(t.Context(), e, fold, sweepLambdas, tight, func(done, total int) {
			if calls++; done != calls || total != 24 {
				t.Errorf("progress(%d, %d), want (%d, 24)", done, total, calls)
			}
		})
		if err != nil {
			t.Fatalf("SweepSoftmax = %v, want nil", err)
		}
		if calls != 4*len(s.Lambdas) {
			t.Errorf("progress was called %d times for %d lambdas", calls, len(s.Lambdas))
		}
		for f := range 4 {
			var rest []int
			for i, g := range fold {
				if g != f {
					rest = append(rest, i)
				}
			}
			for i, lambda := range s.Lambdas {
				near(t, "a probe of the sweep", s.Without[f][i], mustFit(t, e.Subset(rest), lambda, tight))
			}
		}
		for i, x := range e.X {
			scores, err := s.Without[fold[i]][s.Best].Predict(x)
			if err != nil {
				t.Fatal(err)
			}
			for _, score := range scores {
				c := int(score.Class[0] - 'a')
				if d := math.Abs(s.Scores[i][c] - score.Score); d > 1e-9*(1+math.Abs(score.Score)) {
					t.Fatalf("score of example %d and class %s = %g, want %g", i, score.Class, s.Scores[i][c], score.Score)
				}
			}
		}
		checkLoss(t, e, s)
	}
}

// probabilitiesOf returns the softmax of the scores or, in a multi-label task,
// the logistic function of each.
func probabilitiesOf(scores []float64, multi bool) []float64 {
	q, sum := make([]float64, len(scores)), 0.0
	for c, z := range scores {
		if multi {
			q[c] = 1 / (1 + math.Exp(-z))
		} else {
			q[c] = math.Exp(z - slices.Max(scores))
			sum += q[c]
		}
	}
	for c := range q {
		if !multi {
			q[c] /= sum
		}
	}
	return q
}

// checkLoss compares the loss at the best with its definition.
func checkLoss(t *testing.T, e Examples, s *SoftmaxSweep) {
	t.Helper()
	want := 0.0
	for i, y := range e.Y {
		q := probabilitiesOf(s.Scores[i], e.Multi)
		for c := range y {
			switch {
			case !e.Multi && y[c] > 0:
				want -= y[c] * math.Log(q[c]) / float64(len(e.X))
			case e.Multi:
				want -= (y[c]*math.Log(q[c]) + (1-y[c])*math.Log(1-q[c])) / float64(len(e.X)*len(y))
			}
		}
	}
	if got := s.Loss[s.Best]; math.Abs(got-want) > 1e-9 {
		t.Errorf("loss at the best = %g, want %g", got, want)
	}
	for i, l := range s.Loss {
		if l < s.Loss[s.Best]/(1+2*sweepTie) || i < s.Best && l <= s.Loss[s.Best] {
			t.Errorf("the best is %d with loss %g, but %d has %g", s.Best, s.Loss[s.Best], i, l)
		}
	}
}

func TestASweepEndsWhenTheLossHasRisen(t *testing.T) {
	e, fold := sweepExamples(2, 4)
	lambdas := []float64{100, 1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12}
	for i := range e.Y { // labels of nothing
		e.Y[i] = []float64{float64(i % 2), float64(1 - i%2)}
	}
	s, err := SweepSoftmax(t.Context(), e, fold, lambdas, SoftmaxOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Lambdas[s.Best] < 1 {
		t.Errorf("labels of nothing: best lambda %g, want a large one (losses %v)", s.Lambdas[s.Best], s.Loss)
	}
	f := softmaxFolds{}
	for _, c := range []struct {
		loss []float64
		want bool
	}{
		{[]float64{1, 0.5, 0.6}, true},
		{[]float64{1, 2}, true},
		{[]float64{1, 0.5, 0.505}, false},
		{[]float64{1}, false},
	} {
		f.Loss = c.loss
		if got := f.risen(); got != c.want {
			t.Errorf("risen of %v = %v, want %v", c.loss, got, c.want)
		}
	}
}

func TestASweepLeavesOutWhatItsProbeDoesNotKnow(t *testing.T) {
	e, fold := sweepExamples(3, 4)
	for i := range e.Y { // the third class is in fold 0 alone
		if e.Y[i][2] == 1 && fold[i] != 0 {
			e.Y[i] = []float64{1, 0, 0}
		}
	}
	s, err := SweepSoftmax(t.Context(), e, fold, []float64{0.1}, SoftmaxOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range fold {
		if math.IsNaN(s.Scores[i][2]) != (f == 0) {
			t.Fatalf("example %d of fold %d has score %g of a class of fold 0", i, f, s.Scores[i][2])
		}
	}
	if math.IsInf(s.Loss[0], 0) || math.IsNaN(s.Loss[0]) {
		t.Errorf("loss = %g, want finite", s.Loss[0])
	}
}

func TestASweepRefusesUnusableFolds(t *testing.T) {
	e, fold := sweepExamples(2, 3)
	split := append([]int(nil), fold...)
	split[0]++
	one := make([]int, len(fold))
	negative := append([]int(nil), fold...)
	negative[0], negative[1], negative[2] = -1, -1, -1
	apart := make([]int, len(fold)) // each class in its own fold
	alone := e
	alone.Patient = allOf(e)
	for i, y := range e.Y {
		apart[i] = int(y[0])
	}
	for name, c := range map[string]struct {
		e    Examples
		fold []int
		want error
	}{
		"too few":           {e, fold[1:], ErrDimension},
		"a patient in two":  {e, split, ErrFold},
		"one fold":          {e, one, ErrFold},
		"below zero":        {e, negative, ErrFold},
		"a class in a fold": {alone, apart, ErrNotEnough},
	} {
		if _, err := SweepSoftmax(context.Background(), c.e, c.fold, []float64{1}, SoftmaxOptions{}, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: SweepSoftmax = %v, want %v", name, err, c.want)
		}
	}
}
