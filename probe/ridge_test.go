package probe

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawVector draws a unit vector around a common direction, as embeddings are.
// Components are multiples of 2^-10 before normalisation, so that sums of
// their products span fewer bits than the statistics carry.
func drawVector(t *rapid.T, d int, spread float64) []float32 {
	x := make([]float64, d)
	norm := 0.0
	for i := range x {
		x[i] = 1 + spread*float64(rapid.IntRange(-1024, 1024).Draw(t, "component"))/1024
		norm += x[i] * x[i]
	}
	unit := make([]float32, d)
	for i, v := range x {
		unit[i] = float32(v / math.Sqrt(max(norm, 1e-6)))
	}
	return unit
}

func drawClasses(t *rapid.T, multi bool) []string {
	names := rapid.SampledFrom([]string{"normal", "pneumonia", "effusion"})
	if multi {
		return rapid.SliceOfN(names, 0, 3).Draw(t, "classes")
	}
	return []string{names.Draw(t, "class")}
}

func drawExamples(t *rapid.T, d, most int) []example {
	multi := rapid.Bool().Draw(t, "multi-label")
	spread := rapid.SampledFrom([]float64{2, 0.3, 0.01, 1e-4, 1e-6}).Draw(t, "spread")
	examples := make([]example, rapid.IntRange(1, most).Draw(t, "examples"))
	for i := range examples {
		examples[i] = example{drawVector(t, d, spread), drawClasses(t, multi)}
		if i > 0 && rapid.IntRange(0, 9).Draw(t, "repeat") == 0 {
			examples[i].x = examples[i-1].x
		}
	}
	return examples
}

func drawLambda(t *rapid.T) float64 {
	return MinLambda * math.Pow(10, rapid.Float64Range(0, decades).Draw(t, "log lambda"))
}

// live is a Ridge beside the examples it should hold.
type live struct {
	ridge *Ridge
	held  []example
}

func (l *live) add(t *rapid.T, e example) {
	if err := l.ridge.Add(e.x, Target{Classes: e.classes}); err != nil {
		t.Fatalf("Add(%v, %q) = %v, want nil", e.x, e.classes, err)
	}
	l.held = append(l.held, e)
}

func (l *live) remove(t *rapid.T) example {
	i := rapid.IntRange(0, len(l.held)-1).Draw(t, "removed")
	e := l.held[i]
	if err := l.ridge.Remove(e.x, Target{Classes: e.classes}); err != nil {
		t.Fatalf("Remove(%v, %q) = %v, want nil", e.x, e.classes, err)
	}
	l.held = slices.Delete(slices.Clone(l.held), i, i+1)
	return e
}

// drawLife adds, relabels, removes and merges in a drawn order.
func drawLife(t *rapid.T, d int) *live {
	l := &live{ridge: NewRidge(d, Unbalanced)}
	for _, e := range drawExamples(t, d, 14) {
		l.add(t, e)
		switch rapid.IntRange(0, 5).Draw(t, "then") {
		case 0:
			l.remove(t)
		case 1:
			old := l.remove(t)
			l.add(t, example{old.x, drawClasses(t, true)})
		case 2:
			shard := statisticsOf(t, d, []example{e, e})
			if err := l.ridge.Merge(shard); err != nil {
				t.Fatalf("Merge(2 examples) = %v, want nil", err)
			}
			l.held = append(l.held, e, e)
		}
	}
	return l
}

func statisticsOf(t *rapid.T, d int, examples []example) *Ridge {
	l := &live{ridge: NewRidge(d, Unbalanced)}
	for _, e := range examples {
		l.add(t, e)
	}
	return l.ridge
}

// Law: after any sequence of adds, label changes, removals and merges, the
// coefficients are those of a fit to the surviving examples (computed in exact
// arithmetic), at every lambda allowed; and Fit refuses exactly when no class
// tells examples apart.
func TestFitEqualsABatchFitOfTheSurvivors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 4).Draw(t, "d")
		l, lambda := drawLife(t, d), drawLambda(t)
		got, err := l.ridge.Fit(lambda)
		if !separable(l.held) {
			if !errors.Is(err, ErrNotEnough) {
				t.Fatalf("Fit(%g) of %v = %v, want ErrNotEnough", lambda, l.held, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("Fit(%g) of %v = %v, want nil", lambda, l.held, err)
		}
		same(t, fmt.Sprintf("Fit(%g) of %v", lambda, l.held), got, oracle(l.held, lambda), 1e-12)
	})
}

func separable(examples []example) bool {
	for _, class := range classesOf(examples) {
		carries := func(e example) bool { return slices.Contains(e.classes, class) }
		if slices.ContainsFunc(examples, func(e example) bool { return !carries(e) }) {
			return true
		}
	}
	return false
}

// Law: a fit depends on the examples held, not on their history. Chosen lambda
// and coefficients are the same to the last bit.
func TestFitForgetsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 6).Draw(t, "d")
		l := drawLife(t, d)
		shuffled := rapid.Permutation(l.held).Draw(t, "order")
		got, err := l.ridge.Fit(0)
		want, wantErr := statisticsOf(t, d, shuffled).Fit(0)
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Fatalf("Fit(0) after a history = %+v, %v, want as added in order %v: %+v, %v", got, err, shuffled, want, wantErr)
		}
	})
}

// Law: FitWithout some examples is Fit of the others, to the last bit, and
// leaves the statistics as they were.
func TestFitWithoutEqualsARefitOfTheRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 6).Draw(t, "d")
		examples := drawExamples(t, d, 14)
		cut := rapid.IntRange(0, len(examples)).Draw(t, "cut")
		lambda := rapid.SampledFrom([]float64{0, MinLambda, 0.1, MaxLambda}).Draw(t, "lambda")
		r := statisticsOf(t, d, examples)
		before := r.Clone()
		var xs [][]float32
		var targets []Target
		for _, e := range examples[:cut] {
			xs, targets = append(xs, e.x), append(targets, Target{Classes: e.classes})
		}
		got, err := r.FitWithout(lambda, xs, targets)
		want, wantErr := statisticsOf(t, d, examples[cut:]).Fit(lambda)
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Fatalf("FitWithout(%g, %v) = %+v, %v, want %+v, %v", lambda, xs, got, err, want, wantErr)
		}
		if !reflect.DeepEqual(r, before) {
			t.Fatalf("FitWithout(%g, %v) left %+v, want %+v", lambda, xs, r, before)
		}
	})
}

// Law: removing every example, in any order, leaves what NewRidge returns.
func TestRemovingEverythingLeavesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 6).Draw(t, "d")
		l := drawLife(t, d)
		for len(l.held) > 0 {
			l.remove(t)
		}
		if empty := NewRidge(d, Unbalanced); !reflect.DeepEqual(l.ridge, empty) {
			t.Fatalf("after removing every example: %+v, want %+v", l.ridge, empty)
		}
	})
}

// Law: a merge of shards is the statistics of all their examples, to the last
// bit of a fit, also where every sum has been rounded.
func TestMergedShardsEqualTheWhole(t *testing.T) {
	examples := randomExamples(200, 12, []string{"a", "b", "c"})
	whole, err := statistics(t, 12, examples).Fit(0)
	if err != nil {
		t.Fatalf("Fit(0) = %v, want nil", err)
	}
	for _, cut := range []int{0, 1, 77, 200} {
		r := statistics(t, 12, examples[cut:])
		if err := r.Merge(statistics(t, 12, examples[:cut])); err != nil {
			t.Fatalf("Merge of %d examples = %v, want nil", cut, err)
		}
		if got, err := r.Fit(0); err != nil || !reflect.DeepEqual(got, whole) {
			t.Errorf("Fit(0) of shards cut at %d = %+v, %v, want %+v", cut, got, err, whole)
		}
	}
}

func TestCountsFollowTheExamples(t *testing.T) {
	r := statistics(t, 1, []example{
		{[]float32{1}, []string{"b"}},
		{[]float32{1}, []string{"a", "b", "a"}},
		{[]float32{1}, nil},
	})
	if got, want := r.Classes(), []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("Classes() = %q, want %q", got, want)
	}
	for class, want := range map[string]int{"a": 1, "b": 2, "c": 0} {
		if got := r.Count(class); got != want {
			t.Errorf("Count(%q) = %d, want %d", class, got, want)
		}
	}
	if got := r.Examples(); got != 3 {
		t.Errorf("Examples() = %d, want 3", got)
	}
	if err := r.Remove([]float32{1}, Target{Classes: []string{"b", "a"}}); err != nil {
		t.Fatalf("Remove of an example = %v, want nil", err)
	}
	if got, want := r.Classes(), []string{"b"}; !slices.Equal(got, want) {
		t.Errorf("Classes() after the last a left = %q, want %q", got, want)
	}
}

func TestRefusals(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	held := []example{{[]float32{1, 0}, []string{"a"}}, {[]float32{0, 1}, []string{"a", "b"}}}
	fresh := func() *Ridge { return statistics(t, 2, held) }
	for name, c := range map[string]struct {
		call func(r *Ridge) error
		want error
	}{
		"a short vector is not added":           {func(r *Ridge) error { return r.Add([]float32{1}, Target{Classes: []string{"a"}}) }, ErrDimension},
		"a NaN is not added":                    {func(r *Ridge) error { return r.Add([]float32{1, nan}, Target{Classes: []string{"a"}}) }, ErrNotFinite},
		"an infinity is not added":              {func(r *Ridge) error { return r.Add([]float32{-inf, 1}, Target{Classes: []string{"c"}}) }, ErrNotFinite},
		"vectors without labels are not added":  {func(r *Ridge) error { return r.AddAll([][]float32{{1, 0}}, nil) }, ErrDimension},
		"labels without vectors are not added":  {func(r *Ridge) error { return r.AddAll(nil, []Target{{Classes: []string{"a"}}}) }, ErrDimension},
		"a long vector is not removed":          {func(r *Ridge) error { return r.Remove([]float32{1, 0, 0}, Target{Classes: []string{"a"}}) }, ErrDimension},
		"a NaN is not removed":                  {func(r *Ridge) error { return r.Remove([]float32{nan, 0}, Target{Classes: []string{"a"}}) }, ErrNotFinite},
		"an unknown class is not removed":       {func(r *Ridge) error { return r.Remove([]float32{1, 0}, Target{Classes: []string{"c"}}) }, ErrNotPresent},
		"an unlabelled example is not removed":  {func(r *Ridge) error { return r.Remove([]float32{1, 0}, Target{}) }, ErrNotPresent},
		"b without the a that all carry is not": {func(r *Ridge) error { return r.Remove([]float32{0, 1}, Target{Classes: []string{"b"}}) }, ErrNotPresent},
		"another dimension is not merged":       {func(r *Ridge) error { return r.Merge(NewRidge(3, Unbalanced)) }, ErrDimension},
		"without has as many labels as vectors": {func(r *Ridge) error { _, err := r.FitWithout(1, make([][]float32, 1), nil); return err }, ErrDimension},
		"without a stranger is refused": {func(r *Ridge) error {
			_, err := r.FitWithout(1, [][]float32{{1, 0}}, []Target{{Classes: []string{"c"}}})
			return err
		}, ErrNotPresent},
		"a lambda below the least is refused": {func(r *Ridge) error { _, err := r.Fit(MinLambda / 2); return err }, ErrLambda},
		"a lambda above the most is refused":  {func(r *Ridge) error { _, err := r.Fit(math.Inf(1)); return err }, ErrLambda},
		"a NaN lambda is refused":             {func(r *Ridge) error { _, err := r.Fit(math.NaN()); return err }, ErrLambda},
	} {
		t.Run(name, func(t *testing.T) {
			r := fresh()
			if err := c.call(r); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if want := fresh(); !reflect.DeepEqual(r, want) {
				t.Errorf("the refused call left %+v, want %+v", r, want)
			}
		})
	}
}

func TestFitRefusesWhatTellsNothingApart(t *testing.T) {
	for name, examples := range map[string][]example{
		"no examples":              nil,
		"one class":                {{[]float32{1, 0}, []string{"a"}}, {[]float32{0, 1}, []string{"a"}}},
		"no labels":                {{[]float32{1, 0}, nil}, {[]float32{0, 1}, nil}},
		"both classes on all":      {{[]float32{1, 0}, []string{"a", "b"}}, {[]float32{0, 1}, []string{"b", "a"}}},
		"one example of one class": {{[]float32{1, 0}, []string{"a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := statistics(t, 2, examples).Fit(1); !errors.Is(err, ErrNotEnough) {
				t.Errorf("Fit(1) = %v, want ErrNotEnough", err)
			}
		})
	}
}

func TestRemovingAStrangerIsNoticedByFit(t *testing.T) {
	r := statistics(t, 2, []example{{[]float32{1, 0}, []string{"a"}}, {[]float32{0, 1}, []string{"b"}}, {[]float32{0, 1}, []string{"a"}}})
	if err := r.Remove([]float32{30, 40}, Target{Classes: []string{"a"}}); err != nil {
		t.Fatalf("Remove of a stranger that counts allow = %v, want nil", err)
	}
	if _, err := r.Fit(1); !errors.Is(err, ErrInconsistent) {
		t.Errorf("Fit(1) = %v, want ErrInconsistent", err)
	}
}

func TestTheZeroRidgeHasDimensionZero(t *testing.T) {
	var r Ridge
	if err := r.Add(nil, Target{Classes: []string{"a"}}); err != nil {
		t.Fatalf("Add(nil) = %v, want nil", err)
	}
	if err := r.Add([]float32{}, Target{Classes: []string{"b"}}); err != nil {
		t.Fatalf("Add([]) = %v, want nil", err)
	}
	l, err := r.Fit(0)
	if err != nil || !slices.Equal(l.Intercept, []float64{0.5, 0.5}) {
		t.Errorf("Fit(0) = %+v, %v, want intercepts of 1/2", l, err)
	}
}

func BenchmarkAdd768(b *testing.B) {
	x := randomExamples(1, 768, []string{"a"})[0]
	r := NewRidge(768, Unbalanced)
	for b.Loop() {
		_ = r.Add(x.x, Target{Classes: x.classes})
	}
}

// randomExamples returns unit vectors around a common direction, shifted along
// another by class, with classes in turn and a spectrum that decays over four
// decades, as features of networks have.
func randomExamples(n, d int, classes []string) []example {
	r := rand.New(rand.NewPCG(1, uint64(d)))
	examples := make([]example, n)
	for i := range examples {
		x, norm := make([]float64, d), 0.0
		for j := range x {
			x[j] = 1 + r.NormFloat64()*math.Pow(10, -4*float64(j)/float64(d))
			norm += x[j] * x[j]
		}
		x[i%len(classes)%d] += 0.5
		e := example{make([]float32, d), []string{classes[i%len(classes)]}}
		for j := range x {
			e.x[j] = float32(x[j] / math.Sqrt(norm))
		}
		examples[i] = e
	}
	return examples
}
