package eval

import (
	"context"
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

func (c cohort) accuracy(weight []int32) float64 {
	right, all := 0, 0
	for i, w := range weight {
		right, all = right+int(w)*c.right[i], all+int(w)
	}
	return ratioOf(right, all)
}

// interval is what Compare gives of one statistic.
func interval(groups []string, o Options, statistic func(weight []int32) float64) (e Estimate, defined int, err error) {
	c := clustered(groups)
	r, err := c.resample(context.Background(), o, 1, func() statistics {
		return func(weight []int32, out []float64) { out[0] = statistic(weight) }
	})
	e, defined = r.estimate(func(row []float64) float64 { return row[0] }, c.n)
	return e, defined, err
}

// Images of one patient are alike: resampling images instead of patients gives
// intervals that hold the truth clearly less often than they claim.
func TestResamplingImagesCoversTooLittle(t *testing.T) {
	const cohorts, truth = 200, 0.5
	r := rand.New(rand.NewPCG(7, 8))
	byPatient, byImage := 0, 0
	for i := range cohorts {
		c := newCohort(r, 60)
		images := make([]string, len(c.groups))
		for j := range images {
			images[j] = fmt.Sprint(j)
		}
		for hits, groups := range map[*int][]string{&byPatient: c.groups, &byImage: images} {
			e, _, err := interval(groups, Options{Rounds: 200, Seed: int64(i)}, c.accuracy)
			if err != nil {
				t.Fatalf("interval = %v, want nil", err)
			}
			if e.Low <= truth && truth <= e.High {
				*hits++
			}
		}
	}
	if byPatient < cohorts*92/100 || byImage > cohorts*85/100 {
		t.Errorf("%d of %d intervals over patients hold the truth and %d over images, want 92 %% or more and 85 %% or fewer", byPatient, cohorts, byImage)
	}
}

// Expected values are scipy 1.10's t.ppf(0.975, n).
func TestStudentEqualsSciPy(t *testing.T) {
	for n, want := range map[float64]float64{4: 2.7764451051977987, 5: 2.5705818366147395, 9: 2.2621571627409915, 20: 2.0859634472658364, 199: 1.971956544249395} {
		if got := student(n); math.Abs(got-want) > 0.01 {
			t.Errorf("student(%v) = %v, want %v", n, got, want)
		}
	}
}

// Expected values are the formulas of the sources that estimate names with
// scipy's norm.cdf, norm.ppf and t.ppf.
func TestBCaEqualsItsFormula(t *testing.T) {
	samples := []float64{1, 2, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 11, 12, 15, 16, 18, 20, 25, 40}
	for name, c := range map[string]struct {
		left      []float64
		low, high float64
	}{
		"eight patients":                {[]float64{5.5, 6.1, 6.0, 6.3, 5.9, 6.2, 5.1, 6.6}, 0.003901771948708462, 0.9910700341323547},
		"one of eight patients decides": {[]float64{5.5, 6.1, 6.0, 6.3, 5.9, 6.2, 4.0, 6.1}, 0.004510570887161368, 0.9999781834009606},
	} {
		t.Run(name, func(t *testing.T) {
			low, high := bca(6, samples, c.left, len(c.left))
			if math.Abs(low-c.low) > 5e-4 || math.Abs(high-c.high) > 5e-4 {
				t.Errorf("bca(6, %v, %v) = %v, %v, want %v, %v", samples, c.left, low, high, c.low, c.high)
			}
		})
	}
}

// One patient decides and every resample is below the value: the formula has
// its pole before the quantile asked for.
func TestAnExtremeSkewGivesTheLastSample(t *testing.T) {
	left := append(slices.Repeat([]float64{6}, 99), 0)
	if low, high := bca(6, slices.Repeat([]float64{5}, 2000), left, len(left)); high != 1 || low < 0 || low > high {
		t.Errorf("bca = %v, %v, want a high of 1", low, high)
	}
}

func TestTheIntervalFollowsTheSeedAndNothingElse(t *testing.T) {
	c := newCohort(rand.New(rand.NewPCG(1, 1)), 40)
	at := func(seed int64) Estimate {
		e, defined, err := interval(c.groups, Options{Seed: seed}, c.accuracy)
		if err != nil || defined != DefaultRounds {
			t.Fatalf("interval = %v in %d rounds, %v, want %d rounds", e, defined, err, DefaultRounds)
		}
		return e
	}
	if one, again := at(1), at(1); one != again {
		t.Errorf("interval with seed 1 = %v, then %v", one, again)
	}
	if one, two := at(1), at(2); one == two {
		t.Errorf("interval with seeds 1 and 2 = %v both, want them to differ", one)
	}
}

func TestUndefinedRoundsAreLeftOut(t *testing.T) {
	groups, r := split("pqrs"), rank([]float64{1, 2, 3, 4}, []bool{true, false, false, false})
	e, defined, err := interval(groups, Options{Rounds: 500}, func(weight []int32) float64 { return r.measure(weight).auc })
	// Without p, (3/4)^4 of the rounds, there is no positive; with p alone,
	// (1/4)^4, no negative.
	want := 500 * (1 - math.Pow(0.75, 4) - math.Pow(0.25, 4))
	if err != nil || math.Abs(float64(defined)-want) > 50 || e != (Estimate{0, 0, 0}) {
		t.Errorf("interval = %+v in %d rounds, %v, want zero in about %.0f rounds", e, defined, err, want)
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
