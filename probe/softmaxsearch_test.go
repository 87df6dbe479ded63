package probe

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSoftmaxConvergesWhereFitsAreHard(t *testing.T) {
	constant := softmaxCase{Seed: 5, N: 30, D: 4, K: 3}.examples()
	for _, x := range constant.X {
		for j := range x {
			x[j] = 0.3
		}
	}
	column := softmaxCase{Seed: 5, N: 60, D: 4, K: 3}.examples()
	for _, x := range column.X {
		x[1] = 1e3
	}
	separable := softmaxCase{Seed: 5, N: 60, D: 8, K: 2}.examples()
	for i, x := range separable.X {
		x[0] = float32(separable.Y[i][1]*2 - 1)
	}
	for name, e := range map[string]Examples{
		"constant vectors":  constant,
		"a constant column": column,
		"separable classes": separable,
		"more dimensions":   softmaxCase{Seed: 5, N: 12, D: 60, K: 3}.examples(),
	} {
		for _, lambda := range []float64{1e4, 1, 1e-8, 1e-12} {
			p := mustFit(t, e, lambda, SoftmaxOptions{})
			sum := 0.0
			for c, w := range p.Weights {
				sum += p.Intercept[c]
				for _, v := range w {
					sum += v
				}
			}
			if p.Stop != StopConverged || math.IsNaN(sum) || math.IsInf(sum, 0) {
				t.Errorf("%s at lambda %g: stopped by %s after %d passes with sum %g", name, lambda, p.Stop, p.Passes, sum)
			}
		}
	}
	p := mustFit(t, constant, 1, SoftmaxOptions{})
	scores := p.logits(constant.X[:1])
	for c, q := range probabilitiesOf(scores, p.Multi) {
		share := 0.0
		for _, y := range constant.Y {
			share += y[c] / float64(len(constant.Y))
		}
		if math.Abs(q-share) > 1e-9 {
			t.Errorf("constant vectors: probability of class %d = %g, want its share %g", c, q, share)
		}
	}
}

func TestAWarmStartEndsAtTheSameOptimum(t *testing.T) {
	for _, k := range []int{2, 3} {
		e := softmaxCase{Seed: 9, N: 600, D: 30, K: k}.examples()
		before := mustFit(t, e.Subset(allOf(e)[:590]), 1e-5, tight)
		cold := mustFit(t, e, 1e-5, tight)
		warm := mustFit(t, e, 1e-5, SoftmaxOptions{Tolerance: 1e-9, Warm: before})
		near(t, "warm", warm, cold)
		if warm.Passes >= cold.Passes {
			t.Errorf("%d classes: a warm start took %d passes, want fewer than %d", k, warm.Passes, cold.Passes)
		}
	}
}

func TestAWarmStartTakesNewClasses(t *testing.T) {
	e := softmaxCase{Seed: 9, N: 90, D: 6, K: 3}.examples()
	var some []int
	for i, y := range e.Y {
		if y[1] == 0 {
			some = append(some, i)
		}
	}
	before := mustFit(t, e.Subset(some), 0.01, tight)
	near(t, "warm", mustFit(t, e, 0.01, SoftmaxOptions{Tolerance: 1e-9, Warm: before}), mustFit(t, e, 0.01, tight))
}

// Law: the probes of a path are those of fits apart.
func TestAPathIsItsFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawSoftmax(t, rapid.Bool().Draw(t, "multi"))
		lambdas := []float64{1e-3, 10, 1e-5, 0.1}
		path, err := FitSoftmaxPath(context.Background(), e, lambdas, tight)
		if err != nil {
			t.Fatalf("FitSoftmaxPath = %v, want nil", err)
		}
		for i, lambda := range lambdas {
			near(t, fmt.Sprintf("lambda %g", lambda), path[i], mustFit(t, e, lambda, tight))
		}
	})
}

// Law: at a point where all examples enter, the curvature is that of the
// function: its inverse undoes a small change of the gradient.
func TestCurvatureIsThatOfTheFunction(t *testing.T) {
	for _, k := range []int{2, 3, 4} {
		e := softmaxCase{Seed: 13, N: 40, D: 5, K: min(k, 3)}.examples()
		if k == 4 {
			e.Classes = append(e.Classes, "d")
			for i := range e.Y {
				e.Y[i] = []float64{e.Y[i][0], e.Y[i][1], 0.5 * e.Y[i][2], 0.5 * e.Y[i][2]}
			}
		}
		f, err := newSoftmaxFit(e, SoftmaxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p := f.problems[0]
		p.penalty = 0.3
		theta := make([]float64, p.k*p.stride)
		step := make([]float64, len(theta))
		for i := range theta {
			if i%p.stride <= p.d {
				theta[i], step[i] = math.Sin(float64(i)), 1e-5*math.Cos(float64(3*i))
			}
		}
		for j := range p.stride { // nothing that is common to all classes
			mean := 0.0
			for c := range p.k {
				mean += step[c*p.stride+j] / float64(p.k)
			}
			for c := range p.k {
				if p.k > 1 {
					step[c*p.stride+j] -= mean
				}
			}
		}
		before, after := make([]float64, len(theta)), make([]float64, len(theta))
		p.evaluate(theta, before)
		curvature := p.curvature(curvatureSample).factorised(p.penalty)
		for i := range theta {
			theta[i] += step[i]
		}
		p.evaluate(theta, after)
		for i := range after {
			after[i] -= before[i]
		}
		curvature.solve(after)
		for i, want := range step {
			if math.Abs(after[i]-want) > 1e-8 {
				t.Fatalf("%d classes: coefficient %d of the step = %g, want %g", k, i, after[i], want)
			}
		}
	}
}

func TestCholeskyRefusesWhatIsNotPositive(t *testing.T) {
	a := make([]float64, 64)
	for i := range 8 {
		a[i*9] = 1
	}
	if !curvatureCholesky(slices.Clone(a), 8) {
		t.Error("curvatureCholesky(identity) = false, want true")
	}
	a[3*9] = -1
	if curvatureCholesky(a, 8) {
		t.Error("curvatureCholesky of a negative diagonal = true, want false")
	}
}
