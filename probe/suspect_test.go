package probe

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// flip gives a tenth of a cohort's images, at random, one of the other classes,
// and returns which.
func (c *clinic) flip(h *cohort) map[int]bool {
	flipped := map[int]bool{}
	for _, i := range c.r.Perm(len(h.x))[:len(h.x)/10] {
		h.class[i] = (h.class[i] + 1 + c.r.IntN(c.classes-1)) % c.classes
		flipped[i] = true
	}
	h.sums, h.own = map[int][]float64{}, map[[2]int][]float64{}
	for i, x := range h.x {
		k, p := h.class[i], h.patient[i]
		h.sums[k] = plus(h.sums[k], append([]float64{1}, x...))
		h.own[[2]int{p, k}] = plus(h.own[[2]int{p, k}], append([]float64{1}, x...))
	}
	return flipped
}

// Of 10 % of labels flipped at random in 40 simulated clinics each, the part
// among the first 15 % of suspects. Scores and calibration know the flipped labels
// only.
func TestSuspectsFindFlippedLabels(t *testing.T) {
	for _, c := range []struct {
		name     string
		multi    bool
		rate     []float64
		peculiar float64
	}{
		{"classes", false, nil, 0.4},
		{"unequal classes", false, []float64{0.8, 0.15, 0.05}, 0.9},
		{"findings", true, nil, 0.4},
		{"unequal findings", true, []float64{0.8, 0.15, 0.05}, 0.9},
	} {
		found, all := 0.0, 0.0
		for seed := range uint64(40) {
			clinic := newClinic(50+seed, 3, c.peculiar)
			clinic.noise, clinic.rate = 0.5, c.rate
			h := clinic.cohort(100, 5)
			flipped := clinic.flip(&h)
			s := h.scored(3)
			s.Multi = c.multi
			_, p := calibrated(t, s)
			suspects, err := Suspects(p)
			if err != nil {
				t.Fatalf("Suspects = %v, want nil", err)
			}
			first := map[int]bool{}
			for _, s := range suspects {
				if len(first) < len(h.x)*15/100 {
					first[s.Image] = true
				}
			}
			for i := range first {
				if flipped[i] {
					found++
				}
			}
			all += float64(len(flipped))
		}
		t.Logf("%s: %.3f of the flipped labels in the first 15 %%", c.name, found/all)
		if found/all < 0.8 {
			t.Errorf("%s: %.3f of the flipped labels in the first 15 %%, want 0.8", c.name, found/all)
		}
	}
}

func TestASuspectSaysWhatAndWhy(t *testing.T) {
	s := Scored{Classes: []string{"a", "b"}, Patient: []int{0, 1, 2, 3, 4},
		Scores: [][]float64{{0.9, 0.1}, {0.8, 0.2}, {0.1, 0.9}, {0.2, 0.8}, {0.5, 0.5}},
		Y:      [][]float64{{1, 0}, {1, 0}, {1, 0}, {0, 1}, {0.5, 0.5}}}
	got, err := Suspects(s)
	if err != nil || len(got) != 4 {
		t.Fatalf("Suspects = %+v, %v, want four: not the image whose reader did not know", got, err)
	}
	first := got[0]
	if first.Image != 2 || first.Given != "a" || first.Suggested != "b" || first.Probability != 0.1 || first.Alternative != 0.9 || !first.Likely {
		t.Errorf("first = %+v, want image 2, given a, suggested b", first)
	}
	if math.Abs(first.Usual-0.6) > 1e-12 || math.Abs(first.AlternativeUsual-0.8) > 1e-12 || math.Abs(first.Score-0.9) > 1e-12 {
		t.Errorf("first = %+v, want usual 0.6 and 0.8, score 0.9", first)
	}
	if got[3].Likely {
		t.Errorf("last = %+v, want it unlikely", got[3])
	}
}

func TestASuspectFindingIsNamed(t *testing.T) {
	nan := math.NaN()
	s := Scored{Classes: []string{"edema", "never seen"}, Multi: true, Patient: []int{0, 1, 2},
		Scores: [][]float64{{0.9, 0.5}, {0.2, 0.5}, {nan, 0.1}},
		Y:      [][]float64{{0, 0}, {1, nan}, {nan, 0}}}
	got, err := Suspects(s)
	if err != nil || len(got) != 2 {
		t.Fatalf("Suspects = %+v, %v, want two of edema", got, err)
	}
	for _, g := range got {
		if g.Finding != "edema" || (g.Image == 0) != (g.Given == Absent && g.Suggested == Present) {
			t.Errorf("suspect = %+v, want edema, image 0 given absent", g)
		}
	}
}

// Suspects are in falling order, one per label, and reordering images reorders
// them only.
func TestSuspectsAreRanked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawProbabilities(t)
		got, err := Suspects(s)
		if err != nil {
			if !errors.Is(err, ErrNotEnough) {
				t.Fatalf("Suspects = %v, want ErrNotEnough", err)
			}
			return
		}
		seen := map[string]bool{}
		for i, g := range got {
			if i > 0 && g.Score > got[i-1].Score {
				t.Fatalf("suspects %d and %d score %v and %v, want falling", i-1, i, got[i-1].Score, g.Score)
			}
			key := g.Finding + " " + string(rune('0'+g.Image))
			if seen[key] || g.Given == g.Suggested || math.IsNaN(g.Score) {
				t.Fatalf("suspect = %+v, want one per label, with another class", g)
			}
			seen[key] = true
		}
	})
}

func TestSuspectsRefuse(t *testing.T) {
	for _, c := range []struct {
		name string
		s    Scored
		want error
	}{
		{"no images", Scored{Classes: []string{"a", "b"}}, ErrNotEnough},
		{"one class only", patientsOf(5), ErrNotEnough},
		{"scores that are no probabilities", screening([]float64{2}, []float64{0}), ErrTarget},
		{"NaN", screening([]float64{math.NaN()}, []float64{0}), ErrNotFinite},
	} {
		if got, err := Suspects(c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: Suspects = %+v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestScoredIsChecked(t *testing.T) {
	e := Examples{Classes: []string{"a"}, Multi: true, X: [][]float32{{1}}, Y: [][]float64{{1}}, Patient: []int{3}}
	if s := e.Scored([][]float64{{2}}); s.Check() != nil || !slices.Equal(s.Patient, e.Patient) {
		t.Errorf("Scored = %+v, %v, want the example's", s, s.Check())
	}
	if err := e.Scored(nil).Check(); !errors.Is(err, ErrDimension) {
		t.Errorf("Check without scores = %v, want ErrDimension", err)
	}
}
