package probe

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

func TestCoefficientsAreAccurateDownToTheLeastLambda(t *testing.T) {
	for name, examples := range map[string][]example{
		"more examples than dimensions": randomExamples(40, 10, []string{"a", "b", "c"}),
		"fewer examples":                randomExamples(7, 10, []string{"a", "b"}),
		"radiographs":                   radiographs(t, 14),
	} {
		t.Run(name, func(t *testing.T) {
			if examples == nil {
				t.Skip("NEARCASE_TESTDATA is not set")
			}
			r := statistics(t, len(examples[0].x), examples)
			for _, lambda := range []float64{MinLambda, 1e-4, 1, MaxLambda} {
				got, err := r.Fit(lambda)
				if err != nil {
					t.Fatalf("Fit(%g) = %v, want nil", lambda, err)
				}
				want := oracle(examples, lambda)
				t.Logf("lambda %g: off by %.1e", lambda, deviation(got, want))
				same(t, "Fit", got, want, 1e-12)
			}
		})
	}
}

// radiographs returns the first d features of eight real radiographs under a
// pretrained network, or nil without test data. Half are called a.
func radiographs(t *testing.T, d int) []example {
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		return nil
	}
	file := filepath.Join(root, "golden", "resnet18_layer3_gap256.features.8x256.f32le")
	raw, err := os.ReadFile(file)
	if err != nil || len(raw) != 8*256*4 {
		t.Fatalf("ReadFile(%s) = %d bytes, %v, want %d", file, len(raw), err, 8*256*4)
	}
	examples := make([]example, 8)
	for i := range examples {
		examples[i] = example{make([]float32, d), []string{"ab"[i%2 : i%2+1]}}
		for j := range d {
			examples[i].x[j] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*(256*i+j):]))
		}
	}
	return examples
}

// The same least squares problem by another road: a QR factorisation of the
// centred examples with the penalty as d more rows.
func TestFitEqualsAQRSolution(t *testing.T) {
	const n, d, lambda = 400, 64, 1e-3
	classes := []string{"a", "b", "c"}
	examples := randomExamples(n, d, classes)
	got, err := statistics(t, d, examples).Fit(lambda)
	if err != nil {
		t.Fatalf("Fit(%g) = %v, want nil", lambda, err)
	}
	x, y := centredDense(examples, classes)
	scale := mat.Norm(x, 2) * mat.Norm(x, 2) / d
	rows, targets := mat.NewDense(n+d, d, nil), mat.NewDense(n+d, len(classes), nil)
	rows.Slice(0, n, 0, d).(*mat.Dense).Copy(x)
	targets.Slice(0, n, 0, len(classes)).(*mat.Dense).Copy(y)
	for i := range d {
		rows.Set(n+i, i, math.Sqrt(lambda*scale))
	}
	var qr mat.QR
	qr.Factorize(rows)
	var w mat.Dense
	if err := qr.SolveTo(&w, false, targets); err != nil {
		t.Fatalf("SolveTo = %v, want nil", err)
	}
	want := &Linear{Intercept: got.Intercept}
	for c := range classes {
		want.Weights = append(want.Weights, mat.Col(nil, c, &w))
	}
	if d := deviation(got, want); !(d <= 1e-9) {
		t.Errorf("Fit(%g) is off by %.3g relative from QR, want at most 1e-9", lambda, d)
	}
}

// centredDense returns the centred vectors and the centred targets.
func centredDense(examples []example, classes []string) (x, y *mat.Dense) {
	n, d := len(examples), len(examples[0].x)
	x, y = mat.NewDense(n, d, nil), mat.NewDense(n, len(classes), nil)
	for i, e := range examples {
		for j, v := range e.x {
			x.Set(i, j, float64(v))
		}
		for c, class := range classes {
			if slices.Contains(e.classes, class) {
				y.Set(i, c, 1)
			}
		}
	}
	for _, m := range []*mat.Dense{x, y} {
		_, columns := m.Dims()
		for j := range columns {
			mean := mat.Sum(m.ColView(j)) / float64(n)
			for i := range n {
				m.Set(i, j, m.At(i, j)-mean)
			}
		}
	}
	return x, y
}

// Law: whatever the class frequencies and lambda, the mean score of a class's
// members and that of the other examples lie equally far from 1/2, and the
// members' is not the lower.
func TestScoresOfClassAndRestAverageToOneHalf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 6).Draw(t, "d")
		examples, lambda := drawExamples(t, d, 20), drawLambda(t)
		if !separable(examples) {
			t.Skip("one class")
		}
		l, err := statisticsOf(t, d, examples).Fit(lambda)
		if err != nil {
			t.Fatalf("Fit(%g) of %v = %v, want nil", lambda, examples, err)
		}
		for c, class := range l.Classes {
			inside, outside := meanScores(t, l, class, examples)
			tolerance := 1e-14 * float64(d) * max(1, slices.Max(l.Weights[c]), -slices.Min(l.Weights[c]))
			if math.Abs(inside+outside-1) > tolerance || inside < outside-tolerance {
				t.Fatalf("lambda %g: %q scores %v in the mean, the rest %v; want them around 1/2", lambda, class, inside, outside)
			}
		}
	})
}

// meanScores returns the mean score of class over its members and the others,
// or one and zero where there are no others.
func meanScores(t *rapid.T, l *Linear, class string, examples []example) (inside, outside float64) {
	var n, m float64
	for _, e := range examples {
		score := scoreOf(t, l, class, e.x)
		if slices.Contains(e.classes, class) {
			inside, n = inside+score, n+1
		} else {
			outside, m = outside+score, m+1
		}
	}
	if m == 0 {
		return inside / n, 0
	}
	return inside / n, outside / m
}

func scoreOf(t *rapid.T, l *Linear, class string, x []float32) float64 {
	scores, err := l.Predict(x)
	if err != nil {
		t.Fatalf("Predict(%v) = %v, want nil", x, err)
	}
	for _, s := range scores {
		if s.Class == class {
			return s.Score
		}
	}
	t.Fatalf("Predict(%v) = %v, want a score of %q", x, scores, class)
	return 0
}

func TestARareClassIsNotDrowned(t *testing.T) {
	examples := []example{{[]float32{0.6, 0.8}, []string{"rare"}}}
	for range 99 {
		examples = append(examples, example{[]float32{0.8, 0.6}, []string{"common"}})
	}
	l, err := statistics(t, 2, examples).Fit(1)
	if err != nil {
		t.Fatalf("Fit(1) = %v, want nil", err)
	}
	for class, x := range map[string][]float32{"rare": {0.6, 0.8}, "common": {0.8, 0.6}} {
		if scores, err := l.Predict(x); err != nil || scores[0].Class != class {
			t.Errorf("Predict(%v) = %v, %v, want %q first", x, scores, err, class)
		}
	}
}

func TestAlikeVectorsScoreOneHalf(t *testing.T) {
	for name, x := range map[string][]float32{
		"ordinary components":         {0.6, 0.1, 0.79},
		"components of any magnitude": {1, 1.2345e-13, 7.65e-25},
	} {
		t.Run(name, func(t *testing.T) {
			r := statistics(t, 3, []example{{x, []string{"a"}}, {x, []string{"b"}}, {x, []string{"a"}}})
			// Others come and go, and what rounding they leave must not be
			// taken for a difference between the three.
			others := uniformExamples(100, 3, 1)
			if err := r.Merge(statistics(t, 3, others)); err != nil {
				t.Fatalf("Merge = %v, want nil", err)
			}
			for _, e := range others {
				if err := r.Remove(e.x, Target{Classes: e.classes}); err != nil {
					t.Fatalf("Remove = %v, want nil", err)
				}
			}
			l, err := r.Fit(0)
			if err != nil {
				t.Fatalf("Fit(0) = %v, want nil", err)
			}
			scores, err := l.Predict([]float32{0, 1, 0})
			if want := []Score{{"a", 0.5}, {"b", 0.5}}; err != nil || !slices.Equal(scores, want) {
				t.Errorf("Predict = %v, %v, want %v", scores, err, want)
			}
		})
	}
}

func TestAClassOfEveryExampleHasNoWeights(t *testing.T) {
	held := uniformExamples(9, 3, 1)
	others := uniformExamples(200, 3, 2)
	for i := range held {
		held[i].classes = [][]string{{"all"}, {"all", "some"}}[i%2]
	}
	r := statistics(t, 3, append(others, held...))
	for _, e := range others {
		if err := r.Remove(e.x, Target{Classes: e.classes}); err != nil {
			t.Fatalf("Remove = %v, want nil", err)
		}
	}
	l, err := r.Fit(MinLambda)
	if err != nil || !slices.Equal(l.Weights[0], []float64{0, 0, 0}) || l.Intercept[0] != 1 {
		t.Errorf("Fit = %+v, %v, want no weights and intercept 1 for %q", l, err, "all")
	}
}

// uniformExamples returns vectors of independent components in [0, 1) of many
// magnitudes, whose sums do need rounding.
func uniformExamples(n, d int, seed uint64) []example {
	r := rand.New(rand.NewPCG(seed, 1))
	examples := make([]example, n)
	for i := range examples {
		examples[i] = example{make([]float32, d), []string{"a"}}
		for j := range d {
			examples[i].x[j] = r.Float32() * float32(math.Pow(10, -float64(r.IntN(30))))
		}
	}
	return examples
}

func benchmarkFit(b *testing.B, d int, lambda float64) {
	r := statistics(b, d, randomExamples(2*d, d, []string{"a", "b"}))
	for b.Loop() {
		if _, err := r.Fit(lambda); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFit256(b *testing.B)    { benchmarkFit(b, 256, 0.1) }
func BenchmarkFit768(b *testing.B)    { benchmarkFit(b, 768, 0.1) }
func BenchmarkChoose256(b *testing.B) { benchmarkFit(b, 256, 0) }
func BenchmarkChoose768(b *testing.B) { benchmarkFit(b, 768, 0) }
