package probe

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawTargets draws examples of three classes, with soft and unknown targets,
// weights and patients of several images, all classes being present somewhere.
func drawTargets(t *rapid.T, multi bool, most int) Examples {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	e := Examples{Classes: abc, Multi: multi}
	n := rapid.IntRange(6, most).Draw(t, "examples")
	for i := range n {
		y := make([]float64, 3)
		y[i%3] = 1
		if r.IntN(4) == 0 && i >= 6 {
			y[i%3], y[(i+1)%3] = 0.75, 0.25
		}
		if multi {
			y[(i+1)%3] = []float64{0, 1, 0.5, math.NaN()}[r.IntN(4)]
		}
		e.X, e.Y = append(e.X, randomUnit(r, 5)), append(e.Y, y)
		e.Weight = append(e.Weight, 0.1+r.Float64())
		e.Patient = append(e.Patient, r.IntN(1+n/2))
	}
	if rapid.Bool().Draw(t, "unweighted") {
		e.Weight = nil
	}
	return e
}

// outside returns the examples that are not of the patient.
func (e Examples) outside(patient int) Examples {
	var at []int
	for i, p := range e.Patient {
		if p != patient {
			at = append(at, i)
		}
	}
	return e.Subset(at)
}

// naiveScores are what Nearest has to give, in order of the classes: by the
// definition, image by image.
func naiveScores(e Examples, centre *Centre, x []float32) []float64 {
	scores, unit := make([]float64, len(e.Classes)), unitOf(make([]float64, len(x)), x, centre)
	side := func(c int, degree func(y float64) float64) float64 {
		mean, weight := make([]float64, len(x)), 0.0
		for i, v := range e.X {
			if w := degree(e.Y[i][c]) * e.weight(i); w > 0 {
				weight += w
				for j, u := range unitOf(make([]float64, len(v)), v, centre) {
					mean[j] += w * u
				}
			}
		}
		away := slices.Clone(unit)
		for j, m := range mean {
			away[j] -= m / weight
		}
		return 1 - innerProduct(away, away)/2
	}
	for c := range scores {
		scores[c] = side(c, func(y float64) float64 { return y })
		if e.Multi {
			scores[c] -= side(c, func(y float64) float64 { return 1 - y })
		}
	}
	return scores
}

// Law: scores are those of the definition, around the mean of all examples or
// none.
func TestScoresAreThoseOfTheWeightedMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawTargets(t, rapid.Bool().Draw(t, "multi"), 30)
		made := rapid.SampledFrom([]func(Examples) (*Prototypes, error){ClassMeans, SimpleShot}).Draw(t, "made")
		p, err := made(e)
		if err != nil {
			t.Fatal(err)
		}
		f, err := p.Fit()
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range e.X {
			got, err := f.scores(x)
			if want := naiveScores(e, p.Centre, x); err != nil || !closeTo(got, want, 1e-10) {
				t.Fatalf("scores of %+v beside %d = %v, %v, want %v", e, i, got, err, want)
			}
		}
	})
}

func TestFindingsAreToldFromTheirAbsence(t *testing.T) {
	nan := math.NaN()
	p, err := ClassMeans(Examples{Classes: abc, Multi: true, Patient: []int{0, 1, 2},
		X: [][]float32{{1, 0}, {0, 1}, {0, -1}}, Y: [][]float64{{1, 1, nan}, {0, 1, 1}, {nan, 1, 0}}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.Fit()
	if err != nil {
		t.Fatal(err)
	}
	// b is never absent, so nothing is said of it.
	got, err := f.Nearest([]float32{0, 1})
	want := []Score{{"c", 2}, {"a", -1}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("Nearest = %v, %v, want %v", got, err, want)
	}
}

func TestPrototypesOfTooLittleAreRefused(t *testing.T) {
	alike := [][]float32{{0.6, 0.8}, {0.6, 0.8}, {0.6, 0.8}}
	apart := [][]float32{{1, 0}, {0, 1}, {0.6, 0.8}}
	for name, c := range map[string]struct {
		multi bool
		x     [][]float32
		y     [][]float64
	}{
		"one class only":                     {false, apart, [][]float64{{1, 0}, {1, 0}, {1, 0}}},
		"constant vectors":                   {false, alike, [][]float64{{1, 0}, {0, 1}, {1, 0}}},
		"findings that are never absent":     {true, apart, [][]float64{{1, 1}, {1, 1}, {1, math.NaN()}}},
		"constant vectors with findings":     {true, alike, [][]float64{{1, 0}, {0, 1}, {1, 0}}},
		"findings of which nothing is known": {true, apart, [][]float64{{math.NaN(), math.NaN()}, {math.NaN(), math.NaN()}, {math.NaN(), math.NaN()}}},
	} {
		for _, made := range []func(Examples) (*Prototypes, error){ClassMeans, SimpleShot} {
			p, err := made(Examples{Classes: []string{"a", "b"}, Multi: c.multi, X: c.x, Y: c.y, Patient: []int{0, 1, 2}})
			if err != nil {
				t.Fatal(err)
			}
			if f, err := p.Fit(); !errors.Is(err, ErrNotEnough) {
				t.Errorf("%s: Fit = %+v, %v, want ErrNotEnough", name, f, err)
			}
		}
	}
	if _, err := SimpleShot(Examples{Classes: abc}); !errors.Is(err, ErrNotEnough) {
		t.Errorf("SimpleShot of nothing = %v, want ErrNotEnough", err)
	}
}

func TestInvalidExamplesMakeNoPrototypes(t *testing.T) {
	for name, c := range map[string]struct {
		x      []float32
		y      []float64
		weight float64
		want   error
	}{
		"another dimension":     {[]float32{1}, []float64{1, 0}, 1, ErrDimension},
		"NaN in a component":    {[]float32{1, float32(math.NaN())}, []float64{1, 0}, 1, ErrNotFinite},
		"a target short":        {[]float32{1, 0}, []float64{1}, 1, ErrDimension},
		"an unknown target":     {[]float32{1, 0}, []float64{1, math.NaN()}, 1, ErrTarget},
		"no weight":             {[]float32{1, 0}, []float64{1, 0}, 0, ErrTarget},
		"an infinite weight":    {[]float32{1, 0}, []float64{1, 0}, math.Inf(1), ErrTarget},
		"a weight of no number": {[]float32{1, 0}, []float64{1, 0}, math.NaN(), ErrTarget},
	} {
		e := Examples{Classes: []string{"a", "b"}, X: [][]float32{{0, 1}, c.x}, Y: [][]float64{{0, 1}, c.y}, Weight: []float64{1, c.weight}, Patient: []int{0, 1}}
		for _, made := range []func(Examples) (*Prototypes, error){ClassMeans, SimpleShot} {
			if _, err := made(e); !errors.Is(err, c.want) {
				t.Errorf("%s: error %v, want %v", name, err, c.want)
			}
		}
	}
}

func TestAPrototypeRefusesOtherVectors(t *testing.T) {
	f := &Prototype{Classes: []string{"a", "b"}, Present: [][]float64{{1, 0}, {0, 1}}, Centre: &Centre{Mean: []float64{0.5, 0.5}}}
	for want, x := range map[error][]float32{ErrDimension: {1}, ErrNotFinite: {1, float32(math.Inf(1))}} {
		if _, err := f.Nearest(x); !errors.Is(err, want) {
			t.Errorf("Nearest(%v) = %v, want %v", x, err, want)
		}
	}
	if got, err := f.Nearest([]float32{0.5, 0.5}); err != nil || got[0].Score != 0.5 || got[1].Score != 0.5 {
		t.Errorf("Nearest(the centre) = %v, %v, want half of both: it has no direction", got, err)
	}
}
