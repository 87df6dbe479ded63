package probe

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// extreme are examples of thirty patients with two images each, every tenth a
// copy and every seventh component constant.
func extreme(d int, size float64, multi bool, weights []float64) (e Examples, fold []int) {
	r := rand.New(rand.NewPCG(1, 2))
	e = Examples{Classes: []string{"a", "b", "c"}, Multi: multi}
	for i := range 60 {
		x, y, c := make([]float32, d), make([]float64, 3), r.IntN(3)
		for j := range x {
			if j%7 != 3 {
				x[j] = float32(size * 0.3 * r.NormFloat64())
			}
		}
		if i%10 == 9 {
			copy(x, e.X[i-1])
		}
		if y[c] = 1; d > 0 {
			x[c%d] += float32(size) / 2
		}
		if multi {
			y[(c+1)%3] = []float64{0, 1, math.NaN(), 0.5}[r.IntN(4)]
		}
		e.X, e.Y, e.Patient = append(e.X, x), append(e.Y, y), append(e.Patient, i/2)
		e.Weight, fold = append(e.Weight, weights[c%len(weights)]), append(fold, i/2%3)
	}
	return e, fold
}

func mustBeNumbers(t *testing.T, call string, values ...float64) {
	t.Helper()
	for _, v := range values {
		if v-v != 0 {
			t.Fatalf("%s = %v, want numbers", call, values)
		}
	}
}

// Vectors and weights of any size, no component, one, or as many as examples,
// duplicates and constants: answers are numbers, or there is an error.
func TestExtremeExamplesGiveNumbersOrErrors(t *testing.T) {
	for _, d := range []int{0, 1, 60} {
		for _, size := range []float64{1, 1e-44, 1e38} {
			for _, weights := range [][]float64{{1}, {MinWeight}, {MaxWeight}, {1, 1e-16}, {1e30, 1e-30}} {
				for _, multi := range []bool{false, true} {
					t.Run(fmt.Sprint(d, size, weights, multi), func(t *testing.T) {
						t.Parallel()
						e, fold := extreme(d, size, multi, weights)
						balance := ByClass
						if multi {
							balance = ByFinding
						}
						checkExtremeTuning(t, e, TuneOptions{Fold: fold, Balance: balance})
						checkExtremeRidge(t, e, Unbalanced)
						checkExtremeRidge(t, e, balance)
					})
				}
			}
		}
	}
}

func checkExtremeTuning(t *testing.T, e Examples, o TuneOptions) {
	u, err := Tune(t.Context(), e, o)
	if err != nil {
		t.Logf("Tune = %v", err)
		return
	}
	if err := u.Check(); err != nil {
		t.Errorf("Check = %v, want nil", err)
	}
	for _, h := range []*Head{&u.Ridge, u.Softmax} {
		if h == nil {
			continue
		}
		for c, w := range h.Linear.Weights {
			mustBeNumbers(t, "weights", append(w, h.Linear.Intercept[c])...)
		}
		if h.LogLoss != nil {
			mustBeNumbers(t, "log loss", *h.LogLoss)
		}
	}
}

func checkExtremeRidge(t *testing.T, e Examples, balance Balance) {
	r := NewRidge(e.Dimension(), balance)
	for i, x := range e.X {
		if err := r.Add(x, e.Target(i)); err != nil {
			t.Fatalf("Add = %v, want nil", err)
		}
	}
	if l, err := r.LeaveOut(e, LeaveOutOptions{Lambdas: []float64{MinLambda, 1, MaxLambda}}); err == nil {
		for i, row := range l.Scores {
			mustBeNumbers(t, fmt.Sprintf("LeaveOut's scores of %d", i), row...)
		}
		for _, loss := range l.Loss {
			if math.IsNaN(loss) {
				t.Errorf("LeaveOut's losses = %v, want none that is NaN", l.Loss)
			}
		}
	} else if !errors.Is(err, ErrInconsistent) {
		t.Errorf("LeaveOut = %v, want scores", err)
	}
	s, err := r.Solve(1e-3)
	if err != nil {
		t.Logf("Solve = %v", err)
		return
	}
	for k := range 6 {
		if err := s.Change(e.X[k], e.Target(k), e.Target(59-k)); err != nil {
			t.Fatalf("Change = %v, want nil", err)
		}
		l, err := s.Linear()
		without, gone := s.Ridge().FitWithout(1e-3, e.X[10:12], []Target{e.Target(10), e.Target(11)})
		for _, l := range []*Linear{l, without} {
			for c := 0; l != nil && c < len(l.Weights); c++ {
				mustBeNumbers(t, fmt.Sprintf("weights with errors %v, %v", err, gone), append(l.Weights[c], l.Intercept[c])...)
			}
		}
	}
}
