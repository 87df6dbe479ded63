package probe

import (
	"math"
	"math/big"
	"slices"
	"testing"
)

// example is a labelled vector in the tests' own book-keeping.
type example struct {
	x       []float32
	classes []string
}

// oracle fits the probe from the examples themselves by the definition that
// Fit documents, in exact rational arithmetic: centre, form the penalised
// normal equations, eliminate.
func oracle(examples []example, lambda float64) *Linear {
	d := len(examples[0].x)
	all := func(example) bool { return true }
	mu := average(examples, all)
	gram, trace := centredGram(examples, mu), new(big.Rat)
	for i := range d {
		trace.Add(trace, gram[i][i])
	}
	penalty := ratio(lambda)
	penalty.Mul(penalty, trace).Quo(penalty, big.NewRat(int64(d), 1))
	for i := range d {
		gram[i][i].Add(gram[i][i], penalty)
	}
	l := &Linear{Classes: classesOf(examples), Lambda: lambda}
	for _, class := range l.Classes {
		w := make([]*big.Rat, d)
		if trace.Sign() == 0 {
			for i := range w {
				w[i] = new(big.Rat)
			}
		} else {
			w = eliminate(gram, crossSums(examples, mu, class))
		}
		l.Weights = append(l.Weights, floats(w))
		l.Intercept = append(l.Intercept, oracleIntercept(examples, class, w))
	}
	return l
}

func oracleIntercept(examples []example, class string, w []*big.Rat) float64 {
	inside := average(examples, func(e example) bool { return slices.Contains(e.classes, class) })
	outside := average(examples, func(e example) bool { return !slices.Contains(e.classes, class) })
	if outside == nil {
		return 1
	}
	score := big.NewRat(1, 2)
	for i := range w {
		middle := new(big.Rat).Add(inside[i], outside[i])
		middle.Mul(middle, big.NewRat(1, 2)).Mul(middle, w[i])
		score.Sub(score, middle)
	}
	f, _ := score.Float64()
	return f
}

func ratio(f float64) *big.Rat { return new(big.Rat).SetFloat64(f) }

func average(examples []example, belongs func(example) bool) []*big.Rat {
	var mean []*big.Rat
	n := int64(0)
	for _, e := range examples {
		if !belongs(e) {
			continue
		}
		n++
		for i, v := range e.x {
			if i == len(mean) {
				mean = append(mean, new(big.Rat))
			}
			mean[i].Add(mean[i], ratio(float64(v)))
		}
	}
	for _, m := range mean {
		m.Quo(m, big.NewRat(n, 1))
	}
	return mean
}

func centredGram(examples []example, mu []*big.Rat) [][]*big.Rat {
	gram := make([][]*big.Rat, len(mu))
	for i := range gram {
		gram[i] = make([]*big.Rat, len(mu))
		for j := range gram[i] {
			gram[i][j] = new(big.Rat)
			for _, e := range examples {
				a := new(big.Rat).Sub(ratio(float64(e.x[i])), mu[i])
				b := new(big.Rat).Sub(ratio(float64(e.x[j])), mu[j])
				gram[i][j].Add(gram[i][j], a.Mul(a, b))
			}
		}
	}
	return gram
}

// crossSums returns sum_i (y_i - m)(x_i - mu), where m is the mean of y.
func crossSums(examples []example, mu []*big.Rat, class string) []*big.Rat {
	m := new(big.Rat)
	for _, e := range examples {
		if slices.Contains(e.classes, class) {
			m.Add(m, big.NewRat(1, int64(len(examples))))
		}
	}
	b := make([]*big.Rat, len(mu))
	for i := range b {
		b[i] = new(big.Rat)
		for _, e := range examples {
			y := new(big.Rat)
			if slices.Contains(e.classes, class) {
				y.SetInt64(1)
			}
			x := new(big.Rat).Sub(ratio(float64(e.x[i])), mu[i])
			b[i].Add(b[i], x.Mul(x, y.Sub(y, m)))
		}
	}
	return b
}

// eliminate solves a*w = b by Gaussian elimination, leaving a and b alone.
func eliminate(a [][]*big.Rat, b []*big.Rat) []*big.Rat {
	d := len(b)
	m := make([][]*big.Rat, d)
	for i := range m {
		for _, v := range append(slices.Clone(a[i]), b[i]) {
			m[i] = append(m[i], new(big.Rat).Set(v))
		}
	}
	for p := range d {
		for i := range d {
			if i == p {
				continue
			}
			f := new(big.Rat).Quo(m[i][p], m[p][p])
			for j := p; j <= d; j++ {
				m[i][j].Sub(m[i][j], new(big.Rat).Mul(f, m[p][j]))
			}
		}
	}
	w := make([]*big.Rat, d)
	for i := range w {
		w[i] = m[i][d].Quo(m[i][d], m[i][i])
	}
	return w
}

func floats(rats []*big.Rat) []float64 {
	f := make([]float64, len(rats))
	for i, r := range rats {
		f[i], _ = r.Float64()
	}
	return f
}

func classesOf(examples []example) []string {
	var names []string
	for _, e := range examples {
		names = append(names, e.classes...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// deviation returns the largest difference of coefficients relative to the
// largest weight of the class, to one if that is zero, or, for intercepts, to one
// if that is more.
func deviation(got, want *Linear) float64 {
	worst := 0.0
	for c, w := range want.Weights {
		largest := 0.0
		for _, v := range w {
			largest = max(largest, math.Abs(v))
		}
		for i, v := range w {
			if d := math.Abs(got.Weights[c][i] - v); largest == 0 {
				worst = max(worst, d)
			} else {
				worst = max(worst, d/largest)
			}
		}
		worst = max(worst, math.Abs(got.Intercept[c]-want.Intercept[c])/max(1, largest))
	}
	return worst
}

func same(t interface {
	Helper()
	Fatalf(string, ...any)
}, call string, got, want *Linear, tolerance float64) {
	t.Helper()
	if !slices.Equal(got.Classes, want.Classes) || got.Lambda != want.Lambda {
		t.Fatalf("%s = classes %q, lambda %g, want %q, %g", call, got.Classes, got.Lambda, want.Classes, want.Lambda)
	}
	if d := deviation(got, want); !(d <= tolerance) {
		t.Fatalf("%s: coefficients off by %.3g relative, want at most %.3g\n got %v %v\nwant %v %v",
			call, d, tolerance, got.Weights, got.Intercept, want.Weights, want.Intercept)
	}
}

// add returns the statistics of the examples.
func statistics(t testing.TB, d int, examples []example) *Ridge {
	t.Helper()
	r := NewRidge(d, Unbalanced)
	for _, e := range examples {
		if err := r.Add(e.x, Target{Classes: e.classes}); err != nil {
			t.Fatalf("Add(%v, %q) = %v", e.x, e.classes, err)
		}
	}
	return r
}
