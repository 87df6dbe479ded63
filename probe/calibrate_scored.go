package probe

import (
	"fmt"
	"math"
)

// Scored are labelled images with what a probe that has seen no image of their
// patient makes of them: a ridge's leave-one-patient-out scores, the logits of
// held-out folds, or probabilities made of either. Everything that says how far
// a probe can be trusted is computed from these alone. Every slice but Classes
// has one entry for each image.
type Scored struct {
	// Classes of the task, sorted by name.
	Classes []string
	// Multi tells that an image may have any number of the classes, each judged
	// for itself.
	Multi bool
	// Scores[i][c] is the score, or probability, of class c for image i.
	Scores [][]float64
	// Y, Weight and Patient are those of Examples. The score of a class whose
	// target is NaN is not looked at.
	Y       [][]float64
	Weight  []float64
	Patient []int
}

// Scored returns the examples with the given out-of-patient scores.
func (e Examples) Scored(scores [][]float64) Scored {
	return Scored{e.Classes, e.Multi, scores, e.Y, e.Weight, e.Patient}
}

// Check returns ErrDimension, ErrNotFinite or ErrTarget unless s is as
// described.
func (s Scored) Check() error {
	targets := Examples{Classes: s.Classes, Multi: s.Multi, X: make([][]float32, len(s.Scores)), Y: s.Y, Weight: s.Weight, Patient: s.Patient}
	if err := targets.Check(); err != nil {
		return err
	}
	for i, row := range s.Scores {
		if len(row) != len(s.Classes) {
			return fmt.Errorf("image %d: %d scores for %d classes: %w", i, len(row), len(s.Classes), ErrDimension)
		}
		for c, v := range row {
			if v-v != 0 && !math.IsNaN(s.Y[i][c]) {
				return fmt.Errorf("image %d: score %v of class %q: %w", i, v, s.Classes[c], ErrNotFinite)
			}
		}
	}
	return nil
}

// checkProbabilities returns Check's errors, or ErrTarget for a score that is
// no probability.
func (s Scored) checkProbabilities() error {
	if err := s.Check(); err != nil {
		return err
	}
	for i, row := range s.Scores {
		for c, p := range row {
			if (p < 0 || p > 1) && !math.IsNaN(s.Y[i][c]) {
				return fmt.Errorf("image %d: probability %v of class %q: %w", i, p, s.Classes[c], ErrTarget)
			}
		}
	}
	return nil
}

// finding returns a single-label task of two classes, the finding and its
// absence, whose score is zero, with the images that have a target for it.
func (s Scored) finding(f int) Scored {
	t := Scored{Classes: []string{s.Classes[f], ""}}
	for i, y := range s.Y {
		if math.IsNaN(y[f]) {
			continue
		}
		t.Scores = append(t.Scores, []float64{s.Scores[i][f], 0})
		t.Y = append(t.Y, []float64{y[f], 1 - y[f]})
		t.Patient = append(t.Patient, s.Patient[i])
		t.Weight = append(t.Weight, s.weight(i))
	}
	return t
}

func (s Scored) weight(i int) float64 {
	if s.Weight == nil {
		return 1
	}
	return s.Weight[i]
}

// one is the share of an image that counts whatever its class.
func one(int) float64 { return 1 }

// share returns the function of an image that tells how far it has class c.
func (s Scored) share(c int) func(int) float64 {
	return func(i int) float64 { return s.Y[i][c] }
}

// patients returns the number of patients with an image of which share is above
// zero; a nil share counts all.
func (s Scored) patients(share func(int) float64) int {
	seen := map[int]bool{}
	for i, p := range s.Patient {
		if share == nil || share(i) > 0 {
			seen[p] = true
		}
	}
	return len(seen)
}

// masses returns how much each image counts where every patient counts once:
// its weight times its share, over the same for all of its patient's images,
// times the largest share among these; and the sum of all.
func (s Scored) masses(share func(int) float64) (masses []float64, total float64) {
	sum, most := map[int]float64{}, map[int]float64{}
	for i, p := range s.Patient {
		sum[p] += s.weight(i) * share(i)
		most[p] = max(most[p], share(i))
	}
	masses = make([]float64, len(s.Patient))
	for i, p := range s.Patient {
		if sum[p] > 0 {
			masses[i] = s.weight(i) * share(i) / sum[p] * most[p]
		}
		total += masses[i]
	}
	return masses, total
}

// counts returns the weight of the images of each class.
func (s Scored) counts() []float64 {
	counts := make([]float64, len(s.Classes))
	for i, y := range s.Y {
		for c, v := range y {
			counts[c] += s.weight(i) * v
		}
	}
	return counts
}
