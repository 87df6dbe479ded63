package index

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTuneFindsTheNarrowestBeam(t *testing.T) {
	vectors := clustered(1000, 32)
	g, queries := graphOf(t, Spec{EfConstruction: 60}, vectors[:900]), vectors[900:]
	efs := map[float64]int{}
	for _, want := range []float64{0.8, 0.9, 0.99} {
		g.spec.Recall = want
		mustTune(t, g)
		efs[want] = g.Ef()
		if got := g.Stats().Recall; got < want {
			t.Errorf("Stats().Recall after Tune for %g = %.4f", want, got)
		}
		if got := g.walkRecall(t, queries, g.Ef()); g.Ef() > tuneK && got < want-0.05 {
			t.Errorf("recall@10 with ef %d from Tune for %g = %.4f", g.Ef(), want, got)
		}
	}
	if efs[0.8] > efs[0.9] || efs[0.9] > efs[0.99] || efs[0.8] < tuneK {
		t.Errorf("Tune chose %v, want a wider beam for more recall", efs)
	}
}

func TestTuneLeavesAChosenBeam(t *testing.T) {
	vectors := clustered(300, 16)
	g := graphOf(t, Spec{EfSearch: 13}, vectors)
	mustTune(t, g)
	if s := g.Stats(); s.Ef != 13 || s.Recall != 0 {
		t.Errorf("Stats() after Tune = %+v, want ef 13 and no recall", s)
	}
	g.SetEf(21)
	if g.Ef() != 21 {
		t.Errorf("Ef() = %d after SetEf(21)", g.Ef())
	}
}

func TestTuneOfLittleDoesNothing(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		x := e.open(t, 4)
		mustTune(t, unwrapped(x))
		for key := range uint64(3) {
			mustAdd(t, x, key, axis(0)) // all alike
			mustTune(t, unwrapped(x))
			if got := x.Stats().Ef; got > defaultEf {
				t.Errorf("Ef after Tune of %d vectors = %d, want at most the default", key+1, got)
			}
		}
		x.Remove(1)
		mustTune(t, unwrapped(x))
		if got := search(t, x, axis(0), 3, Filter{}); !slices.Equal(got, []Neighbour{{0, 1}, {2, 1}}) {
			t.Errorf("Search after Tune = %v, want keys 0 and 2", got)
		}
	})
}

func TestTuneEndsWithItsContext(t *testing.T) {
	g := graphOf(t, Spec{}, clustered(300, 16))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Tune(ctx, g); !errors.Is(err, context.Canceled) {
		t.Errorf("Tune of a cancelled context = %v, want %v", err, context.Canceled)
	}
	if s := g.Stats(); s.Ef != defaultEf || s.Recall != 0 {
		t.Errorf("Stats() after a cancelled Tune = %+v, want the default ef", s)
	}
}

func TestAnIndexNeedsTuningWhenItHasDoubled(t *testing.T) {
	vectors := clustered(2100, 16)
	for _, spec := range []Spec{{}, {Engine: EngineGraph, M: 4, EfConstruction: 8}} {
		x := mustNew(t, spec, 16)
		least := minTrain
		if spec.Engine == EngineGraph {
			least = 1000
		}
		added := 0
		add := func(to int, want bool) {
			t.Helper()
			mustAddAll(t, x, keysFrom(uint64(added), to-added), vectors[added:to])
			if added = to; NeedsTuning(x) != want {
				t.Errorf("%s: NeedsTuning with %d vectors = %t, want %t", spec.engine(), to, !want, want)
			}
		}
		add(0, false)
		add(least-1, false)
		add(least, true)
		mustTune(t, x)
		add(least, false)
	}
}

// Law: what top keeps is what sorting everything pushed would keep.
func TestTopIsASort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, groups := rapid.IntRange(1, 12).Draw(t, "k"), rapid.Uint64Range(1, 9).Draw(t, "groups")
		f := Filter{}
		if rapid.Bool().Draw(t, "grouped") {
			f.Group = func(key uint64) uint64 { return key % groups }
		}
		best, all := newTop(k, &f), []Neighbour(nil)
		for key := range uint64(rapid.IntRange(0, 60).Draw(t, "n")) {
			n := Neighbour{key, float32(rapid.IntRange(-3, 3).Draw(t, "score"))}
			if all = append(all, n); best.admits(n) {
				best.push(n)
			}
			slices.SortFunc(all, compare)
			want := bestOfGroups(slices.Clone(all), f.Group)
			want = want[:min(k, len(want))]
			if got := slices.SortedFunc(slices.Values(best.heap), compare); !slices.Equal(got, want) {
				t.Fatalf("%d best of %v = %v, want %v", k, all, got, want)
			}
			if len(want) == k && best.least() != want[k-1].Score || len(want) < k && best.least() > -1.01 {
				t.Fatalf("least() = %g of %v, want that of the last of %d", best.least(), want, k)
			}
		}
	})
}
