package eval

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

var sets = flag.Int("sets", 120, "simulated data sets by which the coverage of intervals is measured")

// hospital is how patients with 1 to 5 images are simulated. Half of the
// variance of an image's scores is its patient's.
type hospital struct {
	patients int
	shares   []float64 // of classes
	signal   float64
}

func (h hospital) simulate(r *rand.Rand, patients int) (Truth, Predictions) {
	t, p := Truth{Classes: split("abcd")[:len(h.shares)]}, Predictions{}
	for patient := range patients {
		common, class := make([]float64, len(h.shares)), h.class(r)
		for c := range common {
			common[c] = r.NormFloat64()
		}
		for range 1 + r.IntN(5) {
			of := class
			if r.Float64() < 0.1 {
				of = h.class(r)
			}
			y, scores := make([]float64, len(h.shares)), make([]float64, len(h.shares))
			y[of] = 1
			for c := range scores {
				scores[c] = h.signal*y[c] + (common[c]+r.NormFloat64())/math.Sqrt2
			}
			t.Y, t.Groups = append(t.Y, y), append(t.Groups, fmt.Sprint(patient))
			p.Scores, p.Probabilities = append(p.Scores, scores), append(p.Probabilities, softmax(scores))
		}
	}
	return t, p
}

func (h hospital) class(r *rand.Rand) int {
	u := r.Float64()
	for c, share := range h.shares {
		if u -= share; u < 0 {
			return c
		}
	}
	return 0
}

func softmax(scores []float64) []float64 {
	p, sum := make([]float64, len(scores)), 0.0
	for c, s := range scores {
		p[c] = math.Exp(s)
		sum += p[c]
	}
	for c := range p {
		p[c] /= sum
	}
	return p
}

// Over many simulated studies the interval holds the value of an endless one 95
// times in 100. What is checked is within two of it, and twice the error of counting;
// of the rest the share is logged.
func TestIntervalsCoverWhatTheyClaim(t *testing.T) {
	checked := []string{AUCMacro, Accuracy, BalancedAccuracy, F1, AveragePrecision}
	for name, h := range map[string]hospital{
		"50 patients, even":    {50, []float64{0.5, 0.5}, 1},
		"50 patients, uneven":  {50, []float64{0.75, 0.25}, 2},
		"100 patients, three":  {100, []float64{0.5, 0.3, 0.2}, 1.5},
		"300 patients, a rare": {300, []float64{0.93, 0.07}, 1.5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(11, 12))
			limit := h.limit(t, r)
			held := map[string]int{}
			for i := range *sets {
				truth, p := h.simulate(r, h.patients)
				result, err := Assess(t.Context(), truth, p, Options{Rounds: 200, Seed: int64(i), Workers: 1})
				if err != nil {
					t.Fatalf("Assess = %v, want nil", err)
				}
				for _, m := range result.Measures {
					if m.Low <= limit[m.Name] && limit[m.Name] <= m.High {
						held[m.Name]++
					}
				}
			}
			for _, m := range ofTask[:place(Precision1, -1)] {
				t.Logf("%s %.3f: %.1f %%", m, limit[m], 100*float64(held[m])/float64(*sets))
			}
			slack := 0.02 + 2*math.Sqrt(0.95*0.05/float64(*sets))
			for _, m := range checked {
				if got := float64(held[m]) / float64(*sets); math.Abs(got-0.95) > slack {
					t.Errorf("%.3f of the intervals of %s hold %.4f, want 0.95 to within %.3f", got, m, limit[m], slack)
				}
			}
		})
	}
}

// limit measures a hospital of many patients.
func (h hospital) limit(t *testing.T, r *rand.Rand) map[string]float64 {
	t.Helper()
	truth, p := h.simulate(r, 30_000)
	s, out := newScorer(truth, p), make([]float64, Figures(len(h.shares)))
	s.score(ones(len(truth.Y)), newScratch(len(h.shares)), out)
	limit := map[string]float64{}
	for i, name := range ofTask {
		limit[name] = out[i]
	}
	return limit
}
