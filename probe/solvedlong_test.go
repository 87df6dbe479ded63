package probe

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// wide is arithmetic in 200 bits.
func wide(v float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(v) }

func wideMul(a, b *big.Float) *big.Float { return wide(0).Mul(a, b) }

// wideFit returns weights and intercept of a class by the definition of Fit with
// the given penalty, from the examples themselves, in 200 bits.
func wideFit(held []labelled, class string, d int, penalty float64) ([]float64, float64) {
	degree := func(e labelled) float64 { return e.t.Degrees[slices.Index(e.t.Classes, class)] }
	known := slices.DeleteFunc(slices.Clone(held), func(e labelled) bool { return math.IsNaN(degree(e)) })
	n, inside := wide(0), wide(0)
	mu, b, g := make([]*big.Float, d), make([]*big.Float, d), make([][]*big.Float, d)
	for i := range d {
		mu[i], b[i], g[i] = wide(0), wide(0), make([]*big.Float, d)
		for j := range d {
			g[i][j] = wide(0)
		}
	}
	for _, e := range known {
		v := wide(e.t.Weight)
		n.Add(n, v)
		inside.Add(inside, wideMul(v, wide(degree(e))))
		for i, x := range e.x {
			mu[i].Add(mu[i], wideMul(v, wide(float64(x))))
		}
	}
	for i := range mu {
		mu[i].Quo(mu[i], n)
	}
	m := wide(0).Quo(inside, n)
	for _, e := range known {
		apart := make([]*big.Float, d)
		for i, x := range e.x {
			apart[i] = wide(0).Sub(wide(float64(x)), mu[i])
		}
		y := wideMul(wide(e.t.Weight), wide(0).Sub(wide(degree(e)), m))
		for i := range d {
			b[i].Add(b[i], wideMul(y, apart[i]))
			v := wideMul(wide(e.t.Weight), apart[i])
			for j := range d {
				g[i][j].Add(g[i][j], wideMul(v, apart[j]))
			}
		}
	}
	for i := range d {
		g[i][i].Add(g[i][i], wide(penalty))
	}
	shift := wide(0).Quo(wide(0.5), inside)
	shift.Sub(shift, wide(0).Quo(wide(0.5), wide(0).Sub(n, inside)))
	middle := make([]*big.Float, d)
	for i := range d {
		middle[i] = wide(0).Add(mu[i], wideMul(shift, b[i]))
	}
	w, score, weights := wideSolve(g, b), wide(0.5), make([]float64, d)
	for i := range d {
		score.Sub(score, wideMul(w[i], middle[i]))
		weights[i], _ = w[i].Float64()
	}
	intercept, _ := score.Float64()
	return weights, intercept
}

// wideSolve solves g*w = b for a positive definite g, by elimination in place.
func wideSolve(g [][]*big.Float, b []*big.Float) []*big.Float {
	d := len(b)
	for p := range d {
		for i := p + 1; i < d; i++ {
			f := wide(0).Quo(g[i][p], g[p][p])
			for j := p; j < d; j++ {
				g[i][j].Sub(g[i][j], wideMul(f, g[p][j]))
			}
			b[i].Sub(b[i], wideMul(f, b[p]))
		}
	}
	for i := d - 1; i >= 0; i-- {
		for j := i + 1; j < d; j++ {
			b[i].Sub(b[i], wideMul(g[i][j], b[j]))
		}
		b[i].Quo(b[i], g[i][i])
	}
	return b
}

// A thousand additions, corrections and removals of examples that have a class in
// part, say nothing of it, and weigh differently, leave a solved probe where a
// fit to those that are left is.
func TestSolvedIsThatOfTheSurvivorsAfterAThousandChanges(t *testing.T) {
	t.Parallel()
	const d = 50
	classes := []string{"a", "b", "c"}
	for at, lambda := range []float64{1e-6, 1e-2, 1} {
		r := rand.New(rand.NewPCG(uint64(at), 3))
		fresh := func() Target {
			y := Target{Classes: classes, Degrees: make([]float64, 3), Weight: []float64{1, 0.3, 2.5, 1e-3}[r.IntN(4)]}
			for c := range y.Degrees {
				y.Degrees[c] = []float64{0, 0, 1, 1, 0.5, 0.25, math.NaN()}[r.IntN(7)]
			}
			return y
		}
		ridge, held := NewRidge(d, Unbalanced), []labelled(nil)
		add := func(to interface {
			Add([]float32, Target) error
		}) {
			e := labelled{x: unit(r, d), t: fresh()}
			if err := to.Add(e.x, e.t); err != nil {
				t.Fatalf("Add = %v, want nil", err)
			}
			held = append(held, e)
		}
		for range 80 {
			add(ridge)
		}
		s, err := ridge.Solve(lambda)
		if err != nil {
			t.Fatalf("Solve(%g) = %v, want nil", lambda, err)
		}
		for range 1000 {
			switch i := r.IntN(len(held)); {
			case len(held) < 60 || len(held) < 120 && r.IntN(3) == 0:
				add(s)
			case r.IntN(2) == 0:
				if err := s.Remove(held[i].x, held[i].t); err != nil {
					t.Fatalf("Remove = %v, want nil", err)
				}
				held = slices.Delete(held, i, i+1)
			default:
				to := fresh()
				if err := s.Change(held[i].x, held[i].t, to); err != nil {
					t.Fatalf("Change = %v, want nil", err)
				}
				held[i].t = to
			}
		}
		got, err := s.Linear()
		if err != nil {
			t.Fatalf("Linear = %v, want nil", err)
		}
		want := newLinear(classes, lambda)
		for c, class := range classes {
			want.Weights[c], want.Intercept[c] = wideFit(held, class, d, s.penalties[class])
		}
		t.Logf("lambda %g: off by %.1e", lambda, deviation(got, want))
		same(t, fmt.Sprintf("Linear of %d after 1000 changes, lambda %g", len(held), lambda), got, want, 1e-9)
	}
}

// unit returns a vector of length one of which much is common to all.
func unit(r *rand.Rand, d int) []float32 {
	x, sum := make([]float64, d), 0.0
	for i := range x {
		x[i] = 1 + 0.3*r.NormFloat64()
		sum += x[i] * x[i]
	}
	u := make([]float32, d)
	for i, v := range x {
		u[i] = float32(v / math.Sqrt(sum))
	}
	return u
}
