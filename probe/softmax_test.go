package probe

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// softmaxSequence returns n floats in [-1, 1): the top 24 bits of SplitMix64,
// as testdata/softmax.py does.
func softmaxSequence(seed uint64, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		v[i] = float64(int64(z>>40)-1<<23) / (1 << 23)
	}
	return v
}

// softmaxCase is a case of testdata/softmax.json.
type softmaxCase struct {
	Name           string
	Seed           uint64
	N, D, K        int
	Weighted, Soft bool
	Fits           []struct {
		C         float64
		Weights   [][]float64
		Intercept []float64
	}
}

// examples makes those that testdata/softmax.py makes.
func (c softmaxCase) examples() Examples {
	x, noise := softmaxSequence(c.Seed, c.N*c.D), softmaxSequence(c.Seed+1, c.N*c.K)
	e := Examples{Classes: []string{"a", "b", "c"}[:c.K]}
	for i := range c.N {
		best, label := math.Inf(-1), 0
		for k := range c.K {
			if v := x[i*c.D+k] + 0.75*noise[i*c.K+k]; v > best {
				best, label = v, k
			}
		}
		v, y := make([]float32, c.D), make([]float64, c.K)
		for j := range v {
			v[j] = float32(x[i*c.D+j] + 0.5)
		}
		y[label] = 1
		if c.Soft {
			y[label], y[(label+1)%c.K] = 0.75, 0.25
		}
		e.X, e.Y, e.Patient = append(e.X, v), append(e.Y, y), append(e.Patient, i)
		if c.Weighted {
			e.Weight = append(e.Weight, 1+float64(i%4)/2)
		}
	}
	return e
}

// largestDifference returns the largest difference of the weights and
// intercepts of two probes, relative to the largest of want.
func largestDifference(got, want *Linear) float64 {
	most, size := 0.0, 0.0
	for c := range want.Weights {
		for j, w := range append(slices.Clone(want.Weights[c]), want.Intercept[c]) {
			g := append(slices.Clone(got.Weights[c]), got.Intercept[c])[j]
			most, size = max(most, math.Abs(g-w)), max(size, math.Abs(w))
		}
	}
	if most == 0 {
		return 0
	}
	return most / size
}

func TestSoftmaxHasTheOptimumOfScikitLearn(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "softmax.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []softmaxCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			e := c.examples()
			for _, fit := range c.Fits {
				got, err := FitSoftmax(t.Context(), e, 1/(fit.C*SoftmaxScale(e)), SoftmaxOptions{Tolerance: 1e-7})
				if err != nil {
					t.Fatalf("FitSoftmax at C %g = %v, want nil", fit.C, err)
				}
				want := &Linear{Weights: fit.Weights, Intercept: fit.Intercept}
				if c.K == 2 {
					w, b := slices.Clone(fit.Weights[0]), fit.Intercept[0]/2
					negative := make([]float64, len(w))
					for j := range w {
						w[j] /= 2
						negative[j] = -w[j]
					}
					want = &Linear{Weights: [][]float64{negative, w}, Intercept: []float64{-b, b}}
				}
				if d := largestDifference(&got.Linear, want); d > 1e-6 || got.Stop != StopConverged {
					t.Errorf("FitSoftmax at C %g differs by %.1e (%s), want at most 1e-6", fit.C, d, got.Stop)
				}
				if math.Abs(got.C[0]/fit.C-1) > 1e-12 {
					t.Errorf("FitSoftmax at C %g has C %g", fit.C, got.C[0])
				}
			}
		})
	}
}

// drawSoftmax draws examples of overlapping classes, of any weights and soft
// targets, or of a multi-label task with unknowns.
func drawSoftmax(t *rapid.T, multi bool) Examples {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	n, d, k := rapid.IntRange(8, 40).Draw(t, "n"), rapid.IntRange(1, 20).Draw(t, "d"), rapid.IntRange(2, 4).Draw(t, "k")
	e := Examples{Classes: []string{"a", "b", "c", "d"}[:k], Multi: multi}
	for i := range n {
		x, y := make([]float32, d), make([]float64, k)
		for j := range x {
			x[j] = float32(r.NormFloat64())
		}
		label := i % k
		x[label%d]++
		for c := range y {
			switch {
			case multi && i > 4 && r.IntN(4) == 0:
				y[c] = math.NaN()
			case multi:
				y[c] = float64((i + c) % 2)
			case i%3 == 0:
				y[c] = 0.2 / float64(k)
			}
		}
		if !multi && i%3 == 0 {
			y[label] += 0.8
		} else if !multi {
			y[label] = 1
		}
		e.X, e.Y, e.Patient, e.Weight = append(e.X, x), append(e.Y, y), append(e.Patient, i), append(e.Weight, 0.5+float64(r.IntN(4)))
	}
	return e
}

var tight = SoftmaxOptions{Tolerance: 1e-9}

func mustFit(t interface{ Fatalf(string, ...any) }, e Examples, lambda float64, o SoftmaxOptions) *SoftmaxProbe {
	p, err := FitSoftmax(context.Background(), e, lambda, o)
	if err != nil {
		t.Fatalf("FitSoftmax(%d examples, %g) = %v, want nil", len(e.X), lambda, err)
	}
	return p
}

func near(t interface{ Fatalf(string, ...any) }, what string, got, want *SoftmaxProbe) {
	if !slices.Equal(got.Classes, want.Classes) {
		t.Fatalf("%s has classes %q, want %q", what, got.Classes, want.Classes)
	}
	if d := largestDifference(&got.Linear, &want.Linear); !(d <= 1e-6) {
		t.Fatalf("%s differs by %.1e, want at most 1e-6", what, d)
	}
}

// Law: the gradient is the finite difference of the function.
func TestSoftmaxGradientIsTheFiniteDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, err := newSoftmaxFit(drawSoftmax(t, rapid.Bool().Draw(t, "multi")), SoftmaxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p := f.problems[0]
		p.penalty = rapid.Float64Range(0.01, 10).Draw(t, "penalty")
		theta, gradient, scratch := make([]float64, p.k*p.stride), make([]float64, p.k*p.stride), make([]float64, p.k*p.stride)
		for i := range theta {
			if i%p.stride <= p.d {
				theta[i] = rapid.Float64Range(-2, 2).Draw(t, "theta")
			}
		}
		p.evaluate(theta, gradient)
		for i, want := range gradient {
			if i%p.stride > p.d {
				continue
			}
			const h = 1e-5
			was := theta[i]
			theta[i] = was + h
			up := p.evaluate(theta, scratch)
			theta[i] = was - h
			down := p.evaluate(theta, scratch)
			theta[i] = was
			if got := (up - down) / (2 * h); math.Abs(got-want) > 1e-5*(1+math.Abs(up)) {
				t.Fatalf("derivative %d = %g, want %g", i, want, got)
			}
		}
	})
}

// Law: the optimum does not depend on the examples' order, on how the search
// began, or on a row given twice rather than with twice its weight.
func TestSoftmaxOptimumDependsOnTheExamplesAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawSoftmax(t, rapid.Bool().Draw(t, "multi"))
		lambda := math.Pow(10, rapid.Float64Range(-6, 2).Draw(t, "decade"))
		want := mustFit(t, e, lambda, tight)
		at := rand.New(rand.NewPCG(1, 2)).Perm(len(e.X))
		near(t, "another order", mustFit(t, e.Subset(at), lambda, tight), want)

		far := *want
		far.Weights = slices.Clone(want.Weights)
		for c, w := range far.Weights {
			far.Weights[c] = slices.Clone(w)
			for j := range w {
				far.Weights[c][j] += float64(20 * ((c+j)%3 - 1))
			}
		}
		far.curvature = nil
		near(t, "another start", mustFit(t, e, lambda, SoftmaxOptions{Tolerance: 1e-9, Warm: &far}), want)

		twice := e.Subset(append(allOf(e), allOf(e)...))
		for i := range twice.Weight {
			twice.Weight[i] /= 2
		}
		near(t, "each row twice at half the weight", mustFit(t, twice, lambda, tight), want)
	})
}

func allOf(e Examples) []int {
	at := make([]int, len(e.X))
	for i := range at {
		at[i] = i
	}
	return at
}

// Law: the number of workers changes no bit.
func TestSoftmaxWorkersChangeNothing(t *testing.T) {
	for _, k := range []int{2, 3} {
		e := softmaxCase{Seed: 7, N: 1500, D: 20, K: k}.examples()
		want := mustFit(t, e, 1e-4, SoftmaxOptions{})
		for _, workers := range []int{2, 5} {
			got := mustFit(t, e, 1e-4, SoftmaxOptions{Workers: workers})
			if d := largestDifference(&got.Linear, &want.Linear); d != 0 || got.Passes != want.Passes {
				t.Errorf("%d workers differ by %g, want 0", workers, d)
			}
		}
	}
}

// Law: an example whose label says nothing of a finding does not exist for it.
func TestLogisticProbesIgnoreUnknownLabels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawSoftmax(t, true)
		all := mustFit(t, e, 0.01, tight)
		for c, name := range e.Classes {
			known := e.knownOf(c)
			one := Examples{Classes: []string{name}, Multi: true, X: known.X, Weight: known.Weight, Patient: known.Patient}
			for _, y := range known.Y {
				one.Y = append(one.Y, y[c:c+1])
			}
			row := slices.Index(all.Classes, name)
			if row < 0 {
				if _, err := FitSoftmax(context.Background(), one, 0.01, tight); !errors.Is(err, ErrNotEnough) {
					t.Fatalf("%s is unfitted, but alone = %v", name, err)
				}
				continue
			}
			alone := mustFit(t, one, 0.01, tight)
			if d := largestDifference(&Linear{Weights: all.Weights[row : row+1], Intercept: all.Intercept[row : row+1]}, &alone.Linear); d != 0 {
				t.Fatalf("%s among others differs by %g from alone, want 0", name, d)
			}
		}
	})
}

func TestAClassThatCannotBeToldIsNotFitted(t *testing.T) {
	e := softmaxCase{Seed: 3, N: 30, D: 4, K: 2}.examples()
	e.Classes = []string{"a", "b", "never"}
	for i := range e.Y {
		e.Y[i] = append(e.Y[i], 0)
	}
	p := mustFit(t, e, 0.1, SoftmaxOptions{})
	if !slices.Equal(p.Classes, []string{"a", "b"}) || !slices.Equal(p.Unfitted, []string{"never"}) {
		t.Errorf("a class without examples: classes %q, unfitted %q", p.Classes, p.Unfitted)
	}
	e.Multi = true
	for i := range e.Y {
		e.Y[i][1] = 1 // always
	}
	p = mustFit(t, e, 0.1, SoftmaxOptions{})
	if !slices.Equal(p.Classes, []string{"a"}) || !slices.Equal(p.Unfitted, []string{"b", "never"}) {
		t.Errorf("findings always and never there: classes %q, unfitted %q", p.Classes, p.Unfitted)
	}
}

func TestSoftmaxRefusesWhatCannotBeFitted(t *testing.T) {
	good := softmaxCase{Seed: 3, N: 30, D: 4, K: 2}.examples()
	one := softmaxCase{Seed: 3, N: 30, D: 4, K: 2}.examples()
	for i := range one.Y {
		one.Y[i] = []float64{1, 0}
	}
	nan := softmaxCase{Seed: 3, N: 30, D: 4, K: 2}.examples()
	nan.X[3][2] = float32(math.NaN())
	for name, c := range map[string]struct {
		e      Examples
		lambda float64
		want   error
	}{
		"no examples":        {Examples{Classes: []string{"a", "b"}}, 1, ErrNotEnough},
		"one class":          {one, 1, ErrNotEnough},
		"NaN in a column":    {nan, 1, ErrNotFinite},
		"lambda of zero":     {good, 0, ErrLambda},
		"lambda of NaN":      {good, math.NaN(), ErrLambda},
		"infinite lambda":    {good, math.Inf(1), ErrLambda},
		"targets out of sum": {Examples{Classes: good.Classes, X: good.X[:1], Y: [][]float64{{1, 1}}, Patient: []int{0}}, 1, ErrTarget},
	} {
		if _, err := FitSoftmax(t.Context(), c.e, c.lambda, SoftmaxOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: FitSoftmax = %v, want %v", name, err, c.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := FitSoftmax(ended, good, 1, SoftmaxOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("FitSoftmax with an ended context = %v, want %v", err, context.Canceled)
	}
}
