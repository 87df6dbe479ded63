package probe

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// labelled is an example in the tests' own book-keeping.
type labelled struct {
	x []float32
	t Target
}

func (e labelled) degree(class string) float64 {
	if i := slices.Index(e.t.Classes, class); i >= 0 && e.t.Degrees != nil {
		return e.t.Degrees[i]
	} else if i >= 0 {
		return 1
	}
	return 0
}

func (e labelled) weight() *big.Rat {
	if e.t.Weight == 0 {
		return ratio(1)
	}
	return ratio(e.t.Weight)
}

// namesOf returns the classes that some of the examples have.
func namesOf(held []labelled) []string {
	var names []string
	for _, e := range held {
		for _, name := range e.t.Classes {
			if e.degree(name) > 0 {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// exactBalances returns what examples that have a class, or not, weigh, from
// the definition of each Balance.
func exactBalances(held []labelled, kind Balance) map[string][2]*big.Rat {
	balances := map[string][2]*big.Rat{}
	names := namesOf(held)
	for _, name := range names {
		all, inside := new(big.Rat), new(big.Rat)
		constant := true
		for _, e := range held {
			if y := e.degree(name); !math.IsNaN(y) {
				constant = constant && y == 1
				all.Add(all, e.weight())
				inside.Add(inside, new(big.Rat).Mul(e.weight(), ratio(y)))
			}
		}
		one := big.NewRat(1, 1)
		switch {
		case kind == ByClass:
			k := new(big.Rat).Mul(inside, big.NewRat(int64(len(names)), 1))
			balances[name] = [2]*big.Rat{k.Quo(all, k), one}
		case kind == ByFinding && !constant:
			outside := new(big.Rat).Sub(all, inside)
			half := all.Mul(all, big.NewRat(1, 2))
			balances[name] = [2]*big.Rat{new(big.Rat).Quo(half, inside), new(big.Rat).Quo(half, outside)}
		default:
			balances[name] = [2]*big.Rat{one, one}
		}
	}
	return balances
}

// rows returns per example that counts for the class its weight and the part of
// that which has the class.
func exactRows(held []labelled, class string, kind Balance, b map[string][2]*big.Rat) (xs [][]float32, weights, parts []*big.Rat) {
	b = maps.Clone(b)
	for _, e := range held {
		for _, name := range e.t.Classes {
			if _, ok := b[name]; !ok { // no example has it
				b[name] = [2]*big.Rat{new(big.Rat), ratio(1)}
			}
		}
		y := e.degree(class)
		if math.IsNaN(y) {
			continue
		}
		weight, part := new(big.Rat), new(big.Rat).Mul(ratio(y), b[class][0])
		switch kind {
		case ByClass:
			for _, name := range slices.Compact(slices.Sorted(slices.Values(e.t.Classes))) {
				weight.Add(weight, new(big.Rat).Mul(ratio(e.degree(name)), b[name][0]))
			}
		default:
			weight.Sub(ratio(1), ratio(y)).Mul(weight, b[class][1]).Add(weight, part)
		}
		xs = append(xs, e.x)
		weights, parts = append(weights, weight.Mul(weight, e.weight())), append(parts, part.Mul(part, e.weight()))
	}
	return xs, weights, parts
}

// exactFit fits one class to its rows by definition, in rational arithmetic:
// with the penalty or, where that is zero, lambda times the mean diagonal entry.
func exactFit(xs [][]float32, weights, parts []*big.Rat, lambda, penalty float64) ([]float64, float64) {
	d := len(xs[0])
	mean, inside, outside := exactMean(xs, weights, nil), exactMean(xs, parts, nil), exactMean(xs, weights, parts)
	zero := make([]float64, d)
	if inside == nil {
		return zero, 0
	}
	if outside == nil {
		return zero, 1
	}
	gram, right, trace := make([][]*big.Rat, d), make([]*big.Rat, d), new(big.Rat)
	for i := range d {
		right[i] = new(big.Rat)
		for k, x := range xs {
			c := new(big.Rat).Sub(ratio(float64(x[i])), mean[i])
			right[i].Add(right[i], c.Mul(c, parts[k]))
		}
		for j := range d {
			sum := new(big.Rat)
			for k, x := range xs {
				a, b := new(big.Rat).Sub(ratio(float64(x[i])), mean[i]), new(big.Rat).Sub(ratio(float64(x[j])), mean[j])
				sum.Add(sum, a.Mul(a, b).Mul(a, weights[k]))
			}
			gram[i] = append(gram[i], sum)
		}
		trace.Add(trace, gram[i][i])
	}
	if trace.Sign() == 0 {
		return zero, 0.5
	}
	p := ratio(penalty)
	if penalty == 0 {
		p.Mul(ratio(lambda), trace).Quo(p, big.NewRat(int64(d), 1))
	}
	for i := range d {
		gram[i][i].Add(gram[i][i], p)
	}
	w := eliminate(gram, right)
	score := big.NewRat(1, 2)
	for i := range w {
		middle := new(big.Rat).Add(inside[i], outside[i])
		score.Sub(score, middle.Mul(middle, big.NewRat(1, 2)).Mul(middle, w[i]))
	}
	intercept, _ := score.Float64()
	return floats(w), intercept
}

// exactMean returns the mean weighted by weights less others, nil where that is
// zero.
func exactMean(xs [][]float32, weights, others []*big.Rat) []*big.Rat {
	sum, mean := new(big.Rat), make([]*big.Rat, len(xs[0]))
	for i := range mean {
		mean[i] = new(big.Rat)
	}
	for k, x := range xs {
		w := new(big.Rat).Set(weights[k])
		if others != nil {
			w.Sub(w, others[k])
		}
		sum.Add(sum, w)
		for i, v := range x {
			mean[i].Add(mean[i], new(big.Rat).Mul(w, ratio(float64(v))))
		}
	}
	if sum.Sign() == 0 {
		return nil
	}
	for _, m := range mean {
		m.Quo(m, sum)
	}
	return mean
}

// exact returns the probe of the examples, with the penalty of each class if
// penalties is not nil.
func exact(held []labelled, kind Balance, b map[string][2]*big.Rat, lambda float64, penalties map[string]float64) *Linear {
	l := newLinear(namesOf(held), lambda)
	for c, name := range l.Classes {
		xs, weights, parts := exactRows(held, name, kind, b)
		l.Weights[c], l.Intercept[c] = exactFit(xs, weights, parts, lambda, penalties[name])
	}
	return l
}

// drawLabelled draws targets of every kind that the balance allows.
func drawLabelled(t *rapid.T, d int, spread float64, kind Balance) labelled {
	e := labelled{x: drawVector(t, d, spread)}
	names := []string{"effusion", "normal", "pneumonia"}
	e.t.Weight = rapid.SampledFrom([]float64{0, 0, 1, 0.3, 2.5}).Draw(t, "weight")
	if kind == ByClass {
		if e.t.Classes = names; rapid.Bool().Draw(t, "hard") {
			e.t.Classes = []string{rapid.SampledFrom(names).Draw(t, "class")}
			return e
		}
		e.t.Degrees = rapid.SampledFrom([][]float64{{0.5, 0.5, 0}, {0.25, 0, 0.75}, {0, 1, 0}}).Draw(t, "degrees")
		return e
	}
	for _, name := range names {
		y := rapid.SampledFrom([]float64{0, 0, 1, 1, 0.5, 0.3, math.NaN()}).Draw(t, name)
		e.t.Classes, e.t.Degrees = append(e.t.Classes, name), append(e.t.Degrees, y)
	}
	return e
}

// tellable reports whether some class tells examples apart.
func tellable(held []labelled) bool {
	for _, name := range namesOf(held) {
		for _, e := range held {
			if e.degree(name) < 1 {
				return true
			}
		}
	}
	return false
}

// changer is what Ridge and Solved have in common.
type changer interface {
	Add([]float32, Target) error
	Remove([]float32, Target) error
}

// drawChange adds, removes or relabels an example.
func drawChange(t *rapid.T, r changer, held []labelled, d int, spread float64, kind Balance) []labelled {
	e := drawLabelled(t, d, spread, kind)
	do := rapid.IntRange(0, 4).Draw(t, "do")
	if do == 4 && len(held) > 0 {
		i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
		old := held[i]
		if err := r.Remove(old.x, old.t); err != nil {
			t.Fatalf("Remove(%+v) = %v, want nil", old, err)
		}
		held = slices.Delete(slices.Clone(held), i, i+1)
		if rapid.Bool().Draw(t, "only") {
			return held
		}
		e.x = old.x
	}
	if err := r.Add(e.x, e.t); err != nil {
		t.Fatalf("Add(%+v) = %v, want nil", e, err)
	}
	return append(held, e)
}

// Law: after any changes to examples with degrees, weights and ignored classes,
// whatever the balance, the coefficients are those of a fit to the survivors.
func TestFitEqualsABatchFitOfSoftTargets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 3).Draw(t, "d")
		kind := Balance(rapid.IntRange(0, 2).Draw(t, "balance"))
		spread := rapid.SampledFrom([]float64{2, 0.3, 1e-3}).Draw(t, "spread")
		lambda := drawLambda(t)
		r, shard := NewRidge(d, kind), NewRidge(d, kind)
		var held, others []labelled
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			held = drawChange(t, r, held, d, spread, kind)
		}
		for range rapid.IntRange(0, 3).Draw(t, "shard") {
			others = drawChange(t, shard, others, d, spread, kind)
		}
		if err := r.Merge(shard); err != nil {
			t.Fatalf("Merge = %v, want nil", err)
		}
		held = append(held, others...)
		got, err := r.Fit(lambda)
		if !tellable(held) {
			if !errors.Is(err, ErrNotEnough) {
				t.Fatalf("Fit(%g) of %v = %v, want ErrNotEnough", lambda, held, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("Fit(%g) of %v = %v, want nil", lambda, held, err)
		}
		same(t, fmt.Sprintf("Fit(%g) of %v", lambda, held), got, exact(held, kind, exactBalances(held, kind), lambda, nil), 1e-9)
		if chosen, err := r.Fit(0); err != nil || chosen.Lambda < MinLambda {
			t.Fatalf("Fit(0) of %v = %+v, %v, want a choice", held, chosen, err)
		}
	})
}

func TestTargetsThatAreRefused(t *testing.T) {
	nan, two := math.NaN(), []string{"a", "b"}
	for name, c := range map[string]struct {
		kind Balance
		t    Target
	}{
		"a degree above one":               {Unbalanced, Target{Classes: two, Degrees: []float64{0, 1.1}}},
		"a degree below zero":              {Unbalanced, Target{Classes: two, Degrees: []float64{-0.1, 1}}},
		"too few degrees":                  {Unbalanced, Target{Classes: two, Degrees: []float64{1}}},
		"a negative weight":                {Unbalanced, Target{Classes: two, Weight: -1}},
		"a NaN weight":                     {Unbalanced, Target{Classes: two, Weight: nan}},
		"an infinite weight":               {Unbalanced, Target{Classes: two, Weight: math.Inf(1)}},
		"a contradiction":                  {Unbalanced, Target{Classes: []string{"a", "a"}, Degrees: []float64{1, 0}}},
		"two classes of a single-label":    {ByClass, Target{Classes: two}},
		"no class of a single-label":       {ByClass, Target{}},
		"an ignored class of single-label": {ByClass, Target{Classes: two, Degrees: []float64{nan, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRidge(1, c.kind)
			if err := r.Add([]float32{1}, c.t); !errors.Is(err, ErrTarget) || r.Examples() != 0 {
				t.Errorf("Add(%+v) = %v leaving %d examples, want ErrTarget and none", c.t, err, r.Examples())
			}
		})
	}
}
