package probe_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"nearcase/probe"
)

func tuned(t *testing.T, multi bool) (probe.Tuning, []float32) {
	t.Helper()
	e, folds := tunable(rand.New(rand.NewPCG(1, 6)), 80, 3, multi)
	u, err := probe.Tune(t.Context(), e, probe.TuneOptions{Fold: folds, Lists: nearLists(e)})
	if err != nil || u.Ridge.Points == nil || u.Softmax == nil {
		t.Fatalf("Tune = %+v, %v, want two calibrated heads", u, err)
	}
	return u, e.X[0]
}

// spoil takes something away from a random place of a decoded value, or adds to
// it.
func spoil(r *rand.Rand, v any) any {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		if len(keys) == 0 {
			return nil
		}
		slices.Sort(keys)
		if k := keys[r.IntN(len(keys))]; r.IntN(8) == 0 {
			delete(v, k)
		} else {
			v[k] = spoil(r, v[k])
		}
		return v
	case []any:
		i := 0
		if len(v) > 0 {
			i = r.IntN(len(v))
		}
		switch {
		case len(v) == 0:
			return append(v, 1)
		case r.IntN(3) == 0:
			return slices.Delete(v, i, i+1)
		case r.IntN(3) == 0:
			return append(v, v[i])
		}
		v[i] = spoil(r, v[i])
		return v
	case float64:
		return []float64{-1, 0, 2, 1e300}[r.IntN(4)]
	case string:
		return v + "x"
	}
	return nil
}

// Law: whatever happens to a tuning that was stored, Check refuses it, or it
// answers or returns an error, with a state for every class or none.
func TestASpoiltTuningIsRefusedOrAnswers(t *testing.T) {
	t.Parallel()
	for _, multi := range []bool{false, true} {
		u, x := tuned(t, multi)
		if err := u.Check(); err != nil {
			t.Fatalf("Check of what Tune returns = %v, want nil", err)
		}
		stored, refused := encoded(t, u), 0
		for seed := range uint64(1500) {
			var tree any
			if err := json.Unmarshal([]byte(stored), &tree); err != nil {
				t.Fatal(err)
			}
			var got probe.Tuning
			if json.Unmarshal([]byte(encoded(t, spoil(rand.New(rand.NewPCG(seed, 1)), tree))), &got) != nil {
				continue
			}
			if got.Check() != nil {
				refused++
				continue
			}
			mustAnswer(t, &got, x)
		}
		if refused < 300 {
			t.Errorf("Check refused %d of 1500, want many", refused)
		}
	}
}

func mustAnswer(t *testing.T, u *probe.Tuning, x []float32) {
	t.Helper()
	for _, name := range []string{probe.RidgeHead, probe.SoftmaxHead} {
		h, ok := u.Head(name)
		if !ok || len(u.Classes) == 0 {
			continue
		}
		scores := make([]float64, len(u.Classes))
		ranked, err := h.Linear.Predict(x)
		for _, s := range ranked {
			scores[slices.Index(u.Classes, s.Class)] = s.Score
		}
		if err != nil {
			continue
		}
		if a, err := h.Answer(scores); err == nil && a.States != nil && len(a.States) != len(u.Classes) {
			t.Errorf("Answer = %+v of %q, want a state of each", a, u.Classes)
		}
	}
}

func TestATuningThatLacksSomethingIsRefused(t *testing.T) {
	for fact, c := range map[string]struct {
		spoil func(u *probe.Tuning)
		want  error
	}{
		"classes out of order":      {func(u *probe.Tuning) { u.Classes = []string{"b", "a", "c"} }, probe.ErrDimension},
		"a prior too few":           {func(u *probe.Tuning) { u.Priors = u.Priors[1:] }, probe.ErrDimension},
		"no probe":                  {func(u *probe.Tuning) { u.Ridge.Linear = nil }, probe.ErrLambda},
		"weights too few":           {func(u *probe.Tuning) { u.Ridge.Linear.Weights[1] = u.Ridge.Linear.Weights[1][1:] }, probe.ErrDimension},
		"a class without weights":   {func(u *probe.Tuning) { u.Softmax.Linear.Weights = u.Softmax.Linear.Weights[1:] }, probe.ErrDimension},
		"a slope below zero":        {func(u *probe.Tuning) { u.Ridge.Calibration.Slope[0] = -1 }, probe.ErrTarget},
		"a bias too few":            {func(u *probe.Tuning) { u.Ridge.Calibration.Bias = nil }, probe.ErrDimension},
		"a threshold too many":      {func(u *probe.Tuning) { u.Ridge.Sets.Present = append(u.Ridge.Sets.Present, 0) }, probe.ErrDimension},
		"a threshold above one":     {func(u *probe.Tuning) { u.Ridge.Sets.Present[0] = 2 }, probe.ErrTarget},
		"a point too many":          {func(u *probe.Tuning) { u.Ridge.Points = append(u.Ridge.Points, u.Ridge.Points[0]) }, probe.ErrDimension},
		"points of another class":   {func(u *probe.Tuning) { u.Ridge.Points[0].Class = "z" }, probe.ErrTarget},
		"points of no calibration":  {func(u *probe.Tuning) { u.Ridge.Calibration = nil }, probe.ErrDimension},
		"a better head it has not":  {func(u *probe.Tuning) { u.Better, u.Softmax = probe.SoftmaxHead, nil }, probe.ErrDimension},
		"voters below zero":         {func(u *probe.Tuning) { u.Voting.K = -1 }, probe.ErrWeighting},
		"a kind of weights unknown": {func(u *probe.Tuning) { u.Voting.Weighting.Kind = "best" }, probe.ErrWeighting},
	} {
		u, _ := tuned(t, false)
		c.spoil(&u)
		if err := u.Check(); !errors.Is(err, c.want) {
			t.Errorf("%s: Check = %v, want %v", fact, err, c.want)
		}
	}
}
