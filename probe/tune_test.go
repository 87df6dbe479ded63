package probe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nearcase/probe"
)

// tunable makes examples of patients with one to three images, whose patients are
// in folds by their number, and the lists of their nearest others.
func tunable(rng *rand.Rand, patients, classes int, multi bool) (probe.Examples, []int) {
	names := []string{"a", "b", "c", "d"}[:classes]
	e, folds := probe.Examples{Classes: names, Multi: multi}, []int{}
	for p := range patients {
		class := rng.IntN(classes)
		for range 1 + rng.IntN(3) {
			x, y := make([]float32, 6), make([]float64, classes)
			for i := range x {
				x[i] = float32(rng.NormFloat64() * .5)
			}
			y[class] = 1
			for c := range y {
				if multi && c != class {
					y[c] = []float64{0, 1, math.NaN(), .5}[rng.IntN(4)]
				}
				if y[c] > 0 {
					x[c] += 1
				}
			}
			e.X, e.Y, e.Patient = append(e.X, unit32(x)), append(e.Y, y), append(e.Patient, p)
			e.Weight = append(e.Weight, []float64{1, 1, .5}[rng.IntN(3)])
			folds = append(folds, p%5)
		}
	}
	return e, folds
}

func unit32(x []float32) []float32 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	for i := range x {
		x[i] = float32(float64(x[i]) / math.Sqrt(sum))
	}
	return x
}

// nearLists are each example's nearest among those of other patients.
func nearLists(e probe.Examples) [][]probe.Near {
	lists := make([][]probe.Near, len(e.X))
	for i := range e.X {
		for j := range e.X {
			if e.Patient[i] != e.Patient[j] {
				score := float32(0)
				for k, v := range e.X[i] {
					score += v * e.X[j][k]
				}
				lists[i] = append(lists[i], probe.Near{At: int32(j), Score: score})
			}
		}
		slices.SortStableFunc(lists[i], func(a, b probe.Near) int {
			switch {
			case a.Score > b.Score:
				return -1
			case a.Score < b.Score:
				return 1
			}
			return 0
		})
	}
	return lists
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Law: a tuning without a fold is the same whatever the labels of that fold say,
// and for every number of workers.
func TestATuningWithoutAFoldKnowsNothingOfIt(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1))
		multi := seed%2 == 1
		e, folds := tunable(rng, 10+4*int(seed), 2+rng.IntN(2), multi)
		o := probe.TuneOptions{Fold: folds, Lists: nearLists(e), OnePerPatient: rng.IntN(2) == 1}
		if seed%4 >= 2 {
			o.Balance = map[bool]probe.Balance{false: probe.ByClass, true: probe.ByFinding}[multi]
		}
		left := rng.IntN(5)
		tuned := func(workers int) string {
			o.Workers = workers
			all, err := probe.TuneFolds(t.Context(), e, []int{left}, o)
			if err != nil {
				t.Fatalf("TuneFolds of seed %d: %v", seed, err)
			}
			if len(all[1].Classes) == 0 {
				t.Fatalf("TuneFolds of seed %d has nothing without fold %d", seed, left)
			}
			return encoded(t, all[1])
		}
		before := tuned(1)
		e.Y = slices.Clone(e.Y)
		for i, f := range folds {
			if f == left {
				y := make([]float64, len(e.Classes))
				y[rng.IntN(len(y))] = 1
				e.Y[i] = y
			}
		}
		if after := tuned(4); after != before {
			t.Errorf("TuneFolds of seed %d without fold %d changed with its labels:\nbefore %.2000s\nafter  %.2000s", seed, left, before, after)
		}
	}
}

// Law: statistics that have learnt the examples already change nothing.
func TestATuningTakesWhatWasLearntBefore(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	e, folds := tunable(rng, 40, 3, false)
	r := probe.NewRidge(e.Dimension(), probe.ByClass)
	for i, x := range e.X {
		if err := r.Add(x, e.Target(i)); err != nil {
			t.Fatal(err)
		}
	}
	o := probe.TuneOptions{Fold: folds, Balance: probe.ByClass}
	without, err := probe.Tune(t.Context(), e, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Statistics = r
	with, err := probe.Tune(t.Context(), e, o)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := encoded(t, with), encoded(t, without); got != want {
		t.Errorf("Tune with statistics = %.2000s, want %.2000s", got, want)
	}
	if _, err := probe.TuneFolds(t.Context(), e, []int{0}, o); !errors.Is(err, probe.ErrDimension) {
		t.Errorf("TuneFolds with statistics and a fold to leave out = %v, want %v", err, probe.ErrDimension)
	}
}

// Law: a head's probabilities sum to one, its log loss is that of what it says of
// the examples, and a tuning that was stored and read answers as before.
func TestATuningAnswersAsItWasValidated(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 2))
		multi := seed%2 == 1
		e, folds := tunable(rng, 80, 3, multi)
		u, err := probe.Tune(t.Context(), e, probe.TuneOptions{Fold: folds, Lists: nearLists(e)})
		if err != nil {
			t.Fatal(err)
		}
		var stored probe.Tuning
		if err := json.Unmarshal([]byte(encoded(t, u)), &stored); err != nil {
			t.Fatal(err)
		}
		if err := stored.Check(); err != nil {
			t.Errorf("Check of a tuning that was stored: got %v, want nil", err)
		}
		for _, name := range []string{"", probe.RidgeHead, probe.SoftmaxHead} {
			h, ok := u.Head(name)
			if !ok || h.LogLoss == nil || h.Calibration == nil {
				t.Fatalf("Head(%q) = %+v, %v, want one that is calibrated; reasons %v", name, h, ok, u.Ridge.Reasons)
			}
			again, _ := stored.Head(name)
			scores := h.Scored.Scores[0]
			a, err := h.Answer(scores)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := again.Answer(scores); err != nil || fmt.Sprint(a) != fmt.Sprint(b) { // equal NaN too
				t.Errorf("Answer of a head that was stored: got %+v, %v, want %+v", b, err, a)
			}
			sum := 0.0
			for _, p := range a.Probabilities {
				sum += p
			}
			if !multi && math.Abs(sum-1) > 1e-12 || len(a.States) != 3 || len(a.Present) != 3 {
				t.Errorf("Answer: got %+v, want probabilities that sum to one, states and a set", a)
			}
		}
		if u.Voting == nil || u.Voting.K < 1 {
			t.Errorf("Tune: got voting %+v, want one", u.Voting)
		}
	}
}

func TestWhatIsTooFewIsLeftOutWithAReason(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	single, folds := tunable(rng, 60, 3, false)
	rare := func(patients int) probe.Examples { // only so many have class c
		e := single
		e.Y = slices.Clone(e.Y)
		have := map[int]bool{}
		for i, y := range e.Y {
			if y[2] == 1 {
				if have[e.Patient[i]] = len(have) < patients || have[e.Patient[i]]; !have[e.Patient[i]] {
					delete(have, e.Patient[i])
					e.Y[i] = []float64{1, 0, 0}
				}
			}
		}
		return e
	}
	u, err := probe.Tune(t.Context(), rare(3), probe.TuneOptions{Fold: folds})
	if err != nil || u.Ridge.Calibration != nil || !strings.Contains(strings.Join(u.Ridge.Reasons, "\n"), "c: 3 patients") {
		t.Errorf("Tune with three patients of a class: got %+v, %v, want no probabilities and why", u.Ridge.Reasons, err)
	}
	if len(u.Classes) != 3 || u.Ridge.Linear == nil || u.Softmax == nil {
		t.Errorf("Tune with three patients of a class: got %v, want probes all the same", u.Classes)
	}
	if u, err = probe.Tune(t.Context(), rare(0), probe.TuneOptions{Fold: folds}); err != nil || !slices.Equal(u.Classes, []string{"a", "b"}) || u.Ridge.Calibration == nil {
		t.Errorf("Tune with nobody of a class: got %v, %v, want the other two", u.Classes, err)
	}
	one := single.Subset([]int{0})
	for range 30 {
		one.X, one.Y, one.Patient, one.Weight = append(one.X, one.X[0]), append(one.Y, one.Y[0]), append(one.Patient, len(one.X)), append(one.Weight, 1)
	}
	if _, err := probe.Tune(t.Context(), one, probe.TuneOptions{}); !errors.Is(err, probe.ErrNotEnough) {
		t.Errorf("Tune of one class: got %v, want ErrNotEnough", err)
	}
	if _, err := probe.Tune(t.Context(), probe.Examples{Classes: []string{"a", "b"}}, probe.TuneOptions{}); !errors.Is(err, probe.ErrNotEnough) {
		t.Errorf("Tune of nothing: got %v, want ErrNotEnough", err)
	}
}

// One class may be in one fold alone: without that fold there is none of it.
func TestAClassMayBeMissingWithoutAFold(t *testing.T) {
	e, folds := tunable(rand.New(rand.NewPCG(2, 4)), 80, 3, false)
	for i, y := range e.Y {
		if y[2] == 1 && folds[i] != 0 {
			e.Y[i] = []float64{0, 1, 0}
		}
	}
	all, err := probe.TuneFolds(t.Context(), e, []int{0, 1}, probe.TuneOptions{Fold: folds, Lists: nearLists(e)})
	if err != nil {
		t.Fatal(err)
	}
	if len(all[0].Classes) != 3 || !slices.Equal(all[1].Classes, []string{"a", "b"}) || len(all[2].Classes) != 3 {
		t.Errorf("TuneFolds: got classes %v, %v and %v", all[0].Classes, all[1].Classes, all[2].Classes)
	}
	if all[1].Softmax == nil || len(all[1].Softmax.Linear.Classes) != 2 {
		t.Errorf("TuneFolds without the fold: got softmax %+v, %q", all[1].Softmax, all[1].WithoutSoftmax)
	}
}

func TestBadTuningsAreRefused(t *testing.T) {
	e, folds := tunable(rand.New(rand.NewPCG(3, 5)), 20, 2, false)
	nan := e
	nan.X = slices.Clone(e.X)
	nan.X[3] = slices.Clone(e.X[3])
	nan.X[3][2] = float32(math.NaN())
	torn := slices.Clone(folds)
	for i := range torn {
		torn[i] = i % 5
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for fact, c := range map[string]struct {
		ctx  context.Context
		e    probe.Examples
		o    probe.TuneOptions
		want error
	}{
		"NaN in a vector":      {t.Context(), nan, probe.TuneOptions{}, probe.ErrNotFinite},
		"too few folds":        {t.Context(), e, probe.TuneOptions{Fold: folds[1:]}, probe.ErrDimension},
		"a patient in several": {t.Context(), e, probe.TuneOptions{Fold: torn}, probe.ErrFold},
		"too few lists":        {t.Context(), e, probe.TuneOptions{Lists: [][]probe.Near{nil}}, probe.ErrNeighbours},
		"a context that ended": {ended, e, probe.TuneOptions{Fold: folds}, context.Canceled},
		"coverage of all":      {t.Context(), e, probe.TuneOptions{HeadOptions: probe.HeadOptions{Sets: probe.SetOptions{Coverage: 2}}}, nil},
	} {
		_, err := probe.Tune(c.ctx, c.e, c.o)
		if c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", fact, err, c.want)
		}
	}
	if _, err := probe.TuneFolds(t.Context(), e, []int{0}, probe.TuneOptions{}); !errors.Is(err, probe.ErrDimension) {
		t.Errorf("TuneFolds without folds: got %v, want ErrDimension", err)
	}
}
