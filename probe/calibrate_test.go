package probe

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// asFindings turns the task into a multi-label one with the same scores.
func asFindings(s Scored) Scored {
	s.Multi = true
	return s
}

func calibrated(t testing.TB, s Scored) (Calibration, Scored) {
	c, err := Calibrate(s)
	if err != nil {
		t.Fatalf("Calibrate = %v, want nil", err)
	}
	p, err := c.Apply(s)
	if err != nil {
		t.Fatalf("Apply = %v, want nil", err)
	}
	return c, p
}

// expectedError is the expected calibration error with 15 bins of equal width.
func expectedError(p []float64, right []bool) float64 {
	const bins = 15
	var sum, hits [bins]float64
	for i, v := range p {
		b := min(int(v*bins), bins-1)
		sum[b] += v
		if right[i] {
			hits[b]++
		}
	}
	e := 0.0
	for b := range sum {
		e += math.Abs(sum[b]-hits[b]) / float64(len(p))
	}
	return e
}

func TestPlattEqualsScikitLearn(t *testing.T) {
	var recorded struct {
		Platt []struct {
			Name              string
			Scores, Y, Weight []float64
			Slope, Bias       float64
		}
	}
	readRecorded(t, &recorded)
	for _, r := range recorded.Platt {
		s := Scored{Classes: []string{"finding"}, Multi: true, Weight: r.Weight}
		two := Scored{Classes: []string{"no", "yes"}, Weight: r.Weight}
		for i, v := range r.Scores {
			s.Scores, s.Y, s.Patient = append(s.Scores, []float64{v}), append(s.Y, []float64{r.Y[i]}), append(s.Patient, i)
			two.Scores, two.Y = append(two.Scores, []float64{-v / 2, v / 2}), append(two.Y, []float64{1 - r.Y[i], r.Y[i]})
		}
		two.Patient = s.Patient
		c, err := Calibrate(s)
		if err != nil || deviates(c.Slope[0], r.Slope) || deviates(c.Bias[0], r.Bias) {
			t.Errorf("%s: Calibrate = slope %v, bias %v, %v, want %v, %v", r.Name, c.Slope, c.Bias, err, r.Slope, r.Bias)
		}
		c, err = Calibrate(two)
		if err != nil || deviates(c.Slope[0], r.Slope) || deviates(c.Bias[1]-c.Bias[0], r.Bias) {
			t.Errorf("%s as two classes: Calibrate = slope %v, bias %v, %v, want %v, %v", r.Name, c.Slope, c.Bias, err, r.Slope, r.Bias)
		}
	}
}

func deviates(got, want float64) bool { return !(math.Abs(got-want) <= 1e-6*max(1, math.Abs(want))) }

func readRecorded(t *testing.T, v any) {
	data, err := os.ReadFile("testdata/calibrate.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func TestCalibrationRecoversTemperatureAndBias(t *testing.T) {
	for _, temperature := range []float64{0.05, 1, 7} {
		r := rand.New(rand.NewPCG(1, 2))
		s := Scored{Classes: []string{"a", "b", "c"}}
		bias := []float64{-1, 0.25, 0.75}
		for i := range 20000 {
			z, score := make([]float64, 3), make([]float64, 3)
			for c := range z {
				v := 2 * r.NormFloat64()
				z[c], score[c] = v+bias[c], v*temperature+3
			}
			normaliseLogits(z)
			u, y := r.Float64(), 0
			for u > z[y] && y < 2 {
				u -= z[y]
				y++
			}
			s.Scores, s.Y, s.Patient = append(s.Scores, score), append(s.Y, oneHot(y, 3)), append(s.Patient, i)
		}
		c, err := Calibrate(s)
		if err != nil {
			t.Fatalf("Calibrate = %v, want nil", err)
		}
		for _, slope := range c.Slope {
			if got := 1 / slope; math.Abs(got/temperature-1) > 0.06 {
				t.Errorf("temperature = %v, want %v within 6 %%", got, temperature)
			}
		}
		for k, want := range bias {
			if math.Abs(c.Bias[k]-want) > 0.06 {
				t.Errorf("bias = %v, want %v within 0.06", c.Bias, bias)
			}
		}
	}
}

// Over 60 simulated clinics of 100 patients, single-label with three classes and
// the same as findings, the calibration error on 400 held-out patients.
func TestCalibrationHoldsForNewPatients(t *testing.T) {
	t.Parallel()
	for name, transform := range map[string]func(Scored) Scored{"classes": func(s Scored) Scored { return s }, "findings": asFindings} {
		sum, worst := 0.0, 0.0
		const clinics = 60
		for seed := range uint64(clinics) {
			c := newClinic(seed, 3, 0.7)
			h, fresh := c.cohort(100, 5), c.cohort(400, 5)
			calibration, _ := calibrated(t, transform(h.scored(3)))
			var p []float64
			var right []bool
			for i, x := range fresh.x {
				q, err := calibration.Probabilities(h.scores(x, 3, 0))
				if err != nil {
					t.Fatalf("Probabilities = %v, want nil", err)
				}
				for k, v := range q {
					if calibration.Multi || v == slices.Max(q) {
						p, right = append(p, v), append(right, k == fresh.class[i])
					}
				}
			}
			e := expectedError(p, right)
			sum, worst = sum+e, max(worst, e)
		}
		t.Logf("%s: calibration error %.4f on average, at most %.4f", name, sum/clinics, worst)
		if sum/clinics > 0.05 {
			t.Errorf("%s: calibration error = %.4f on average, want at most 0.05", name, sum/clinics)
		}
	}
}

// drawScored draws a task of few images, often separable, tied or lopsided.
func drawScored(t *rapid.T, multi bool) Scored {
	k := rapid.IntRange(2, 4).Draw(t, "classes")
	n := rapid.IntRange(2, 20).Draw(t, "images")
	scale := rapid.SampledFrom([]float64{1e-200, 1e-6, 1, 1e6, 1e200}).Draw(t, "scale")
	s := Scored{Classes: strings.Split("abcd"[:k], ""), Multi: multi}
	for range n {
		row, y := make([]float64, k), make([]float64, k)
		for c := range row {
			row[c] = scale * float64(rapid.IntRange(-3, 3).Draw(t, "score"))
			if multi {
				y[c] = rapid.SampledFrom([]float64{0, 0, 1, 0.5, math.NaN()}).Draw(t, "target")
			}
		}
		if !multi {
			y = oneHot(rapid.IntRange(0, k-1).Draw(t, "class"), k)
		}
		s.Scores, s.Y = append(s.Scores, row), append(s.Y, y)
		s.Weight = append(s.Weight, rapid.Float64Range(0.01, 100).Draw(t, "weight"))
		s.Patient = append(s.Patient, rapid.IntRange(0, 6).Draw(t, "patient"))
	}
	return s
}

// Whatever the images, either they are refused with an error that a caller can
// act on, or slopes are above zero and every probability is from zero to one
// (which rounding reaches) and they sum as they must.
func TestCalibrationIsFiniteOrRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScored(t, rapid.Bool().Draw(t, "multi"))
		c, err := Calibrate(s)
		if err != nil {
			if !errors.Is(err, ErrNotEnough) && !errors.Is(err, ErrUninformative) {
				t.Fatalf("Calibrate = %v, want ErrNotEnough or ErrUninformative", err)
			}
			return
		}
		p, err := c.Apply(s)
		if err != nil {
			t.Fatalf("Apply = %v, want nil", err)
		}
		for _, row := range p.Scores {
			sum := 0.0
			for f, v := range row {
				if c.refused(f) != math.IsNaN(v) || !c.refused(f) && !(c.Slope[f] > 0 && v >= 0 && v <= 1) {
					t.Fatalf("probabilities = %v with slopes %v, reasons %q, want finite or refused", row, c.Slope, c.Reasons)
				}
				sum += v
			}
			if !c.Multi && math.Abs(sum-1) > 1e-12 {
				t.Fatalf("probabilities = %v, sum %v, want 1", row, sum)
			}
		}
	})
}

// The gradient of the objective at the result is zero: the mean probability of
// every class is the mean of its smoothed targets.
func TestCalibrationIsTheOptimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScored(t, false)
		c, err := Calibrate(s)
		if err != nil {
			return
		}
		k, counts, total := len(s.Classes), s.counts(), 0.0
		difference := make([]float64, k)
		for i, row := range s.Scores {
			p, err := c.Probabilities(row)
			if err != nil {
				t.Fatalf("Probabilities = %v, want nil", err)
			}
			for j, v := range smooth(s.Y[i], counts) {
				difference[j] += s.Weight[i] * (p[j] - v)
			}
			total += s.Weight[i]
		}
		for _, d := range difference {
			if math.Abs(d) > 1e-8*total {
				t.Fatalf("mean probabilities differ from targets by %v of %v, want 0", difference, total)
			}
		}
	})
}

// Scores multiplied by any factor, or shifted together, give the same
// probabilities: ridge scores and logits are served alike.
func TestCalibrationIgnoresScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScored(t, false)
		c, err := Calibrate(s)
		if err != nil || math.Abs(math.Log10(math.Abs(c.Slope[0]))) > 10 {
			return
		}
		factor := rapid.Float64Range(1e-3, 1e3).Draw(t, "factor")
		u := s
		u.Scores = nil
		for _, row := range s.Scores {
			scaled := slices.Clone(row)
			for j := range scaled {
				scaled[j] = factor * (row[j] + 2)
			}
			u.Scores = append(u.Scores, scaled)
		}
		d, err := Calibrate(u)
		if err != nil {
			t.Fatalf("Calibrate of scaled scores = %v, want nil", err)
		}
		for i := range s.Scores {
			p, _ := c.Probabilities(s.Scores[i])
			q, _ := d.Probabilities(u.Scores[i])
			for j := range p {
				if math.Abs(p[j]-q[j]) > 1e-6 {
					t.Fatalf("probabilities = %v, of scaled scores %v, want the same", p, q)
				}
			}
		}
	})
}

func TestCalibrationSurvivesJSON(t *testing.T) {
	c := newClinic(3, 3, 1)
	want, _ := calibrated(t, asFindings(c.cohort(20, 3).scored(3)))
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Calibration
	if err := json.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after JSON = %+v, %v, want %+v", got, err, want)
	}
}

func TestCalibrationRefuses(t *testing.T) {
	task := func(scores [][]float64, class ...int) Scored {
		s := Scored{Classes: []string{"a", "b"}, Scores: scores}
		for i, c := range class {
			s.Y, s.Patient = append(s.Y, oneHot(c, 2)), append(s.Patient, i)
		}
		return s
	}
	good := [][]float64{{1, 0}, {0, 1}, {2, 0}, {0, 3}}
	onePatient := task(good, 0, 1, 0, 1)
	onePatient.Patient = make([]int, 4)
	light := task(good, 0, 1, 0, 1)
	light.Weight = []float64{1, 0, 1, 1}
	for _, c := range []struct {
		name string
		s    Scored
		want error
	}{
		{"no images", task(nil), ErrNotEnough},
		{"one class only", task(good, 0, 0, 0, 0), ErrNotEnough},
		{"one patient", onePatient, ErrNotEnough},
		{"all scores alike", task([][]float64{{1, 0}, {1, 0}, {1, 0}}, 0, 1, 1), ErrUninformative},
		{"all scores zero", task([][]float64{{0, 0}, {0, 0}}, 0, 1), ErrUninformative},
		{"scores that differ by rounding", task([][]float64{{1, 0}, {1 + 1e-15, 0}}, 0, 1), ErrUninformative},
		{"scores that point the wrong way", task(good, 1, 0, 1, 0), ErrUninformative},
		{"a NaN score", task([][]float64{{1, math.NaN()}, {0, 1}}, 0, 1), ErrNotFinite},
		{"an infinite score", task([][]float64{{1, math.Inf(1)}, {0, 1}}, 0, 1), ErrNotFinite},
		{"a score too few", task([][]float64{{1}, {0, 1}}, 0, 1), ErrDimension},
		{"a target too few", task(good, 0, 1), ErrDimension},
		{"a weight of zero", light, ErrTarget},
	} {
		if got, err := Calibrate(c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: Calibrate = %+v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestAFindingIsRefusedBesideOthers(t *testing.T) {
	nan := math.NaN()
	s := Scored{Classes: []string{"constant", "fine", "never"}, Multi: true, Patient: []int{0, 1, 2, 3},
		Scores: [][]float64{{5, 0.1, 0}, {5, 0.9, nan}, {5, 0.2, 0}, {5, 0.8, 0}},
		Y:      [][]float64{{0, 0, 0}, {1, 1, nan}, {0, 0, 0}, {1, 1, 0}}}
	c, p := calibrated(t, s)
	if c.Reasons[0] == "" || c.Reasons[1] != "" || c.Reasons[2] == "" {
		t.Errorf("Reasons = %q, want those of the first and last", c.Reasons)
	}
	for i, row := range p.Scores {
		if !math.IsNaN(row[0]) || !math.IsNaN(row[2]) || !math.IsNaN(p.Y[i][0]) || row[1] <= 0 || row[1] >= 1 {
			t.Errorf("probabilities = %v, targets %v, want only the second", row, p.Y[i])
		}
	}
	if _, err := c.Probabilities([]float64{nan, 0.5, nan}); err != nil {
		t.Errorf("Probabilities without scores of refused findings = %v, want nil", err)
	}
	if _, err := c.Probabilities([]float64{0, nan, 0}); !errors.Is(err, ErrNotFinite) {
		t.Errorf("Probabilities of NaN = %v, want ErrNotFinite", err)
	}
	if _, err := c.Probabilities([]float64{0}); !errors.Is(err, ErrDimension) {
		t.Errorf("Probabilities of one score = %v, want ErrDimension", err)
	}
}
