package probe

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// frozen returns the balances of a solved probe for the exact fit.
func frozen(s *Solved, held []labelled) map[string][2]*big.Rat {
	b := exactBalances(held, Unbalanced)
	for name, f := range s.balances {
		b[name] = [2]*big.Rat{ratio(f.present), ratio(f.absent)}
	}
	return b
}

// Law: after any changes, a solved probe has the coefficients of a fit to the
// survivors with the same penalties and balance.
func TestSolvedEqualsABatchFit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 4).Draw(t, "d")
		kind := Balance(rapid.IntRange(0, 2).Draw(t, "balance"))
		spread := rapid.SampledFrom([]float64{2, 0.3, 0.01}).Draw(t, "spread")
		lambda := drawLambda(t)
		r := NewRidge(d, kind)
		var held []labelled
		for range rapid.IntRange(3, 8).Draw(t, "examples") {
			held = drawChange(t, r, held, d, spread, kind)
		}
		s, err := r.Solve(lambda)
		if err != nil {
			if tellable(held) {
				t.Fatalf("Solve(%g) of %v = %v, want nil", lambda, held, err)
			}
			return
		}
		for range rapid.IntRange(0, 8).Draw(t, "changes") {
			if held = drawChange(t, s, held, d, spread, kind); len(held) > 0 && rapid.Bool().Draw(t, "relabel") {
				e := drawLabelled(t, d, spread, kind)
				at := rapid.IntRange(0, len(held)-1).Draw(t, "at")
				if e.x = held[at].x; rapid.Bool().Draw(t, "same weight") {
					e.t.Weight = held[at].t.Weight
				}
				if err := s.Change(e.x, held[at].t, e.t); err != nil {
					t.Fatalf("Change(%+v, %+v) = %v, want nil", held[at], e.t, err)
				}
				held[at] = e
			}
			checkSolved(t, s, held, kind, lambda)
		}
	})
}

func checkSolved(t *rapid.T, s *Solved, held []labelled, kind Balance, lambda float64) {
	got, err := s.Linear()
	if !tellable(held) {
		if !errors.Is(err, ErrNotEnough) {
			t.Fatalf("Linear of %v = %v, want ErrNotEnough", held, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("Linear of %v = %v, want nil", held, err)
	}
	if !attainable(s) || outgrown(s, held, kind) {
		return
	}
	same(t, fmt.Sprintf("Linear of %v", held), got, exact(held, kind, frozen(s, held), lambda, s.penalties), 1e-9)
}

// attainable reports whether doubled precision suffices for 1e-9.
func attainable(s *Solved) bool {
	for _, p := range s.solutions {
		if p.inverse.Data != nil && p.penalty < 1e-21*p.squares() {
			return false
		}
	}
	return true
}

// outgrown reports whether a penalty is so small beside the Gram matrix of these
// examples that it may have been given up.
func outgrown(s *Solved, held []labelled, kind Balance) bool {
	r := NewRidge(s.ridge.dimension, kind)
	for _, e := range held {
		if r.Add(e.x, e.t) != nil {
			return true
		}
	}
	for _, now := range r.centred() {
		for _, name := range now.names {
			if p, ok := s.penalties[name]; ok && p < 1e-13*now.scale {
				return true
			}
		}
	}
	return false
}

// randomTargets returns labelled examples with classes in turn.
func randomTargets(n, d int, classes []string) (xs [][]float32, targets []Target) {
	for _, e := range randomExamples(n, d, classes) {
		xs, targets = append(xs, e.x), append(targets, Target{Classes: e.classes})
	}
	return xs, targets
}

// solvedAnew returns the probe without the given examples, with the penalties and
// the balance that s has, from the sums alone.
func solvedAnew(t *testing.T, s *Solved, xs [][]float32, targets []Target) *Linear {
	t.Helper()
	rest := &Solved{ridge: s.ridge.Clone(), lambda: s.lambda, balances: s.balances, penalties: maps.Clone(s.penalties)}
	for i, x := range xs {
		if err := rest.ridge.Remove(x, targets[i]); err != nil {
			t.Fatalf("Remove = %v, want nil", err)
		}
	}
	rest.solve()
	l, err := rest.Linear()
	if err != nil {
		t.Fatalf("Linear = %v, want nil", err)
	}
	return l
}

func TestSolvedDoesNotDrift(t *testing.T) {
	t.Parallel()
	const n, d = 300, 40
	xs, targets := randomTargets(n, d, []string{"a", "b", "c"})
	for _, lambda := range []float64{MinLambda, 1e-4, 0.1, MaxLambda} {
		r := NewRidge(d, Unbalanced)
		if err := r.AddAll(xs[:100], targets[:100]); err != nil {
			t.Fatalf("AddAll = %v, want nil", err)
		}
		s, err := r.Solve(lambda)
		if err != nil {
			t.Fatalf("Solve(%g) = %v, want nil", lambda, err)
		}
		draw := rand.New(rand.NewPCG(1, 2))
		for range 1000 {
			i := 100 + draw.IntN(n-100)
			if err := s.Add(xs[i], targets[i]); err != nil {
				t.Fatalf("Add = %v, want nil", err)
			}
			if err := s.Remove(xs[i], targets[i]); err != nil {
				t.Fatalf("Remove = %v, want nil", err)
			}
		}
		got, err := s.Linear()
		if err != nil {
			t.Fatalf("Linear = %v, want nil", err)
		}
		want := solvedAnew(t, s, nil, nil)
		t.Logf("lambda %g: off by %.1e", lambda, deviation(got, want))
		same(t, "Linear after 2000 changes", got, want, 1e-9)
	}
}

func BenchmarkLabel768(b *testing.B) {
	xs, targets := randomTargets(10000, 768, []string{"a", "b", "c"})
	for _, lambda := range []float64{0.1, 1e-4, 1e-6} {
		r := NewRidge(768, Unbalanced)
		if err := r.AddAll(xs, targets); err != nil {
			b.Fatal(err)
		}
		s, err := r.Solve(lambda)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("lambda=%g/change", lambda), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				at, pass := i%len(xs), i/len(xs)
				if err := s.Change(xs[at], targets[(at+pass)%3], targets[(at+pass+1)%3]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("lambda=%g/add+predict", lambda), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if err := s.Add(xs[i%len(xs)], targets[i%len(xs)]); err != nil {
					b.Fatal(err)
				}
				l, _ := s.Linear()
				if _, err := l.Predict(xs[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchmarkFullSolve(b *testing.B, d int) {
	xs, targets := randomTargets(d+100, d, []string{"a", "b", "c"})
	r := NewRidge(d, Unbalanced)
	if err := r.AddAll(xs, targets); err != nil {
		b.Fatal(err)
	}
	b.Run("Fit", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Fit(0.1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Solve", func(b *testing.B) { // with the inverse
		for b.Loop() {
			if _, err := r.Solve(0.1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFullSolve768(b *testing.B)  { benchmarkFullSolve(b, 768) }
func BenchmarkFullSolve2048(b *testing.B) { benchmarkFullSolve(b, 2048) }
