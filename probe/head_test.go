package probe

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// scoredAtRandom returns scores of patients with one image each, and labels that
// follow the scores where signal is above zero.
func scoredAtRandom(r *rand.Rand, patients, classes int, multi bool, signal float64) Scored {
	s := Scored{Multi: multi}
	for c := range classes {
		s.Classes = append(s.Classes, fmt.Sprint("c", c))
	}
	for i := range patients {
		score, y := make([]float64, classes), make([]float64, classes)
		truth := r.IntN(classes)
		for c := range y {
			if multi {
				y[c] = float64(r.IntN(2))
			} else if c == truth {
				y[c] = 1
			}
			score[c] = r.NormFloat64() + signal*y[c]
		}
		s.Scores, s.Y, s.Patient = append(s.Scores, score), append(s.Y, y), append(s.Patient, i)
	}
	return s
}

// Law: where probabilities are stated, they were better for patients left out
// than the classes' frequencies; labels that mean nothing mostly get none, and
// labels that mean something do.
func TestNoProbabilityIsStatedThatIsNoBetterThanFrequencies(t *testing.T) {
	for _, multi := range []bool{false, true} {
		stated := 0
		for seed := range uint64(50) {
			var h Head
			if err := h.judge(scoredAtRandom(rand.New(rand.NewPCG(seed, 1)), 40, 2, multi, 0), HeadOptions{}); err != nil {
				t.Fatal(err)
			}
			if h.Calibration == nil {
				if len(h.Reasons) == 0 || h.LogLoss != nil || h.Sets != nil {
					t.Fatalf("multi %v, seed %d: no calibration, reasons %q, loss %v, sets %v", multi, seed, h.Reasons, h.LogLoss, h.Sets)
				}
				continue
			}
			stated++
			if *h.LogLoss >= math.Ln2*1.01 {
				t.Errorf("multi %v, seed %d: stated with log loss %v", multi, seed, *h.LogLoss)
			}
		}
		if stated > 15 {
			t.Errorf("multi %v: probabilities of labels that mean nothing were stated %d times of 50", multi, stated)
		}
		var h Head
		if err := h.judge(scoredAtRandom(rand.New(rand.NewPCG(1, 2)), 60, 2, multi, 3), HeadOptions{}); err != nil || h.Calibration == nil {
			t.Errorf("multi %v: labels that mean something: %v, reasons %q", multi, err, h.Reasons)
		}
	}
}
