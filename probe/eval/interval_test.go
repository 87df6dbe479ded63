package eval

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// cohort is patients with a few images each, right or wrong mostly together.
type cohort struct {
	groups []string
	right  []int
	truth  []string
	scores [][]float64
}

func newCohort(r *rand.Rand, patients int) cohort {
	var c cohort
	for p := range patients {
		habit, class := r.Float64(), split("aab")[r.IntN(3)]
		for range 1 + r.IntN(8) {
			right := 0
			if r.Float64() < habit {
				right = 1
			}
			// One decimal, so that scores tie.
			score := math.Round(10*(r.Float64()+0.5*float64(right))) / 10
			if class == "b" {
				score = 1 - score
			}
			c.groups, c.right, c.truth = append(c.groups, fmt.Sprint(p)), append(c.right, right), append(c.truth, class)
			c.scores = append(c.scores, []float64{score, 1 - score})
		}
	}
	return c
}

func (c cohort) accuracy(weight []int) float64 {
	right, all := 0, 0
	for i, w := range weight {
		right, all = right+w*c.right[i], all+w
	}
	return over(right, all)
}

// Law: an interval is that of the statistic of literally resampled images:
// every drawn patient's images copied out, each round scored anew by AUC and
// Confuse.
func TestEvaluateEqualsALiteralBootstrap(t *testing.T) {
	c := newCohort(rand.New(rand.NewPCG(5, 6)), 30)
	o := Options{Rounds: 200, Seed: 9}
	row, err := Evaluate("test", c.truth, c.groups, split("ab"), c.scores, o)
	if err != nil {
		t.Fatalf("Evaluate = %v, want nil", err)
	}
	_, names := index(c.groups)
	samples := map[string][]float64{}
	r := rand.New(rand.NewPCG(uint64(o.Seed), 0))
	for range o.Rounds {
		var sample cohort
		for range names {
			drawn := names[r.IntN(len(names))]
			for i, g := range c.groups {
				if g == drawn {
					sample.truth, sample.scores = append(sample.truth, c.truth[i]), append(sample.scores, c.scores[i])
				}
			}
		}
		for name, v := range sample.measure(t) {
			samples[name] = append(samples[name], v)
		}
	}
	whole := c.measure(t)
	for name, got := range map[string]Estimate{
		"accuracy": row.Accuracy, "balanced accuracy": row.BalancedAccuracy, "macro AUC": *row.AUC, "AUC of a": *row.Classes[0].AUC,
	} {
		slices.Sort(samples[name])
		want := Estimate{whole[name], quantile(samples[name], 0.025), quantile(samples[name], 0.975)}
		if !near(got.Value, want.Value) || !near(got.Low, want.Low) || !near(got.High, want.High) || got.Low >= got.High {
			t.Errorf("%s = %+v, want %+v", name, got, want)
		}
	}
}

// measure returns the metrics of the cohort by the exported functions.
func (c cohort) measure(t *testing.T) map[string]float64 {
	t.Helper()
	predicted, scoreOfA, isA := make([]string, len(c.truth)), make([]float64, len(c.truth)), make([]bool, len(c.truth))
	for i, s := range c.scores {
		predicted[i] = "a"
		if s[1] > s[0] {
			predicted[i] = "b"
		}
		scoreOfA[i], isA[i] = s[0], c.truth[i] == "a"
	}
	m, err := Confuse(c.truth, predicted, split("ab"))
	if err != nil {
		t.Fatalf("Confuse = %v, want nil", err)
	}
	macro, err := MacroAUC(c.scores, c.truth, split("ab"))
	if err != nil {
		t.Fatalf("MacroAUC = %v, want nil", err)
	}
	auc, err := AUC(scoreOfA, isA)
	if err != nil {
		t.Fatalf("AUC = %v, want nil", err)
	}
	return map[string]float64{"accuracy": m.Accuracy(), "balanced accuracy": m.BalancedAccuracy(), "macro AUC": macro, "AUC of a": auc}
}

// Over many cohorts the interval holds the truth about 95 times in 100. Images
// of one patient are alike, and resampling images instead of patients does not.
func TestTheIntervalCoversWhatItClaims(t *testing.T) {
	const cohorts, truth = 300, 0.5
	r := rand.New(rand.NewPCG(7, 8))
	byPatient, byImage := 0, 0
	for i := range cohorts {
		c := newCohort(r, 60)
		images := make([]string, len(c.groups))
		for j := range images {
			images[j] = fmt.Sprint(j)
		}
		for hits, groups := range map[*int][]string{&byPatient: c.groups, &byImage: images} {
			e, _, err := Interval(groups, Options{Rounds: 200, Seed: int64(i)}, c.accuracy)
			if err != nil {
				t.Fatalf("Interval = %v, want nil", err)
			}
			if e.Low <= truth && truth <= e.High {
				*hits++
			}
		}
	}
	t.Logf("coverage %d of %d by patient, %d by image", byPatient, cohorts, byImage)
	if byPatient < cohorts*90/100 || byPatient > cohorts*99/100 {
		t.Errorf("%d of %d intervals over patients hold the truth, want 90 to 99 %%", byPatient, cohorts)
	}
	if byImage > cohorts*85/100 {
		t.Errorf("%d of %d intervals over images hold the truth, want clearly fewer than over patients", byImage, cohorts)
	}
}

func TestTheIntervalFollowsTheSeedAndNothingElse(t *testing.T) {
	c := newCohort(rand.New(rand.NewPCG(1, 1)), 40)
	at := func(seed int64) Estimate {
		e, defined, err := Interval(c.groups, Options{Seed: seed}, c.accuracy)
		if err != nil || defined != DefaultRounds {
			t.Fatalf("Interval = %v in %d rounds, %v, want %d rounds", e, defined, err, DefaultRounds)
		}
		return e
	}
	if one, again := at(1), at(1); one != again {
		t.Errorf("Interval with seed 1 = %v, then %v", one, again)
	}
	if one, two := at(1), at(2); one == two {
		t.Errorf("Interval with seeds 1 and 2 = %v both, want them to differ", one)
	}
}

func TestUndefinedRoundsAreLeftOut(t *testing.T) {
	groups, r := split("pqrs"), rank([]float64{1, 2, 3, 4}, []bool{true, false, false, false})
	e, defined, err := Interval(groups, Options{Rounds: 500}, r.auc)
	// Without p, (3/4)^4 of the rounds, there is no positive; with p alone,
	// (1/4)^4, no negative.
	want := 500 * (1 - math.Pow(0.75, 4) - math.Pow(0.25, 4))
	if err != nil || math.Abs(float64(defined)-want) > 50 || e != (Estimate{0, 0, 0}) {
		t.Errorf("Interval = %+v in %d rounds, %v, want zero in about %.0f rounds", e, defined, err, want)
	}
}

func TestIntervalRefusals(t *testing.T) {
	one := func([]int) float64 { return 1 }
	nan := func([]int) float64 { return math.NaN() }
	for name, c := range map[string]struct {
		groups    []string
		statistic func([]int) float64
		want      error
	}{
		"one patient":               {split("ppp"), one, ErrPatients},
		"no patient":                {nil, one, ErrPatients},
		"an undefined statistic":    {split("pq"), nan, ErrOneClass},
		"one of one patient, twice": {split("p"), nan, ErrPatients},
	} {
		t.Run(name, func(t *testing.T) {
			if e, _, err := Interval(c.groups, Options{}, c.statistic); !errors.Is(err, c.want) {
				t.Errorf("Interval(%q) = %+v, %v, want %v", c.groups, e, err, c.want)
			}
		})
	}
}

// Expected values are NumPy's: np.percentile([1, 2, 4, 7, 11, 16, 22], 100*q).
func TestQuantilesEqualNumPy(t *testing.T) {
	values := []float64{1, 2, 4, 7, 11, 16, 22}
	for q, want := range map[float64]float64{0: 1, 0.025: 1.15, 0.5: 7, 0.975: 21.1, 1: 22} {
		if got := quantile(values, q); !near(got, want) {
			t.Errorf("quantile(%v, %v) = %v, want %v", values, q, got, want)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	c := newCohort(rand.New(rand.NewPCG(5, 6)), 1300) // about 5,850 images
	b.Logf("%d images", len(c.groups))
	for b.Loop() {
		if _, err := Evaluate("test", c.truth, c.groups, split("ab"), c.scores, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
