package probe

import (
	"errors"
	"math"
	"math/rand/v2"
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

// naiveScores are what Predict has to give, in order of the classes: by the
// definition, image by image.
func naiveScores(e Examples, centre *Centre, x []float32) []float64 {
	scores, unit := make([]float64, len(e.Classes)), unitOf(x, centre)
	side := func(c int, degree func(y float64) float64) float64 {
		mean, weight := make([]float64, len(x)), 0.0
		for i, v := range e.X {
			if w := degree(e.Y[i][c]) * e.weight(i); w > 0 {
				weight += w
				for j, u := range unitOf(v, centre) {
					mean[j] += w * u
				}
			}
		}
		if weight == 0 {
			return math.NaN()
		}
		return innerProduct(unit, mean) / euclidean(mean)
	}
	for c := range scores {
		scores[c] = side(c, func(y float64) float64 { return y })
		if e.Multi {
			scores[c] -= side(c, func(y float64) float64 { return 1 - y })
		}
	}
	return scores
}

// Law: scores without a patient are those of the other patients' examples, by
// the definition, around the same centre; so are those that FitWithout gives.
func TestLeavingAPatientOutEqualsTheOthersAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawTargets(t, rapid.Bool().Draw(t, "multi"), 30)
		made := rapid.SampledFrom([]func(Examples) (*Prototypes, error){ClassMeans, SimpleShot}).Draw(t, "made")
		p, err := made(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.LeaveOnePatientOut(e)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range e.X {
			others := e.outside(e.Patient[i])
			want := naiveScores(others, p.Centre, x)
			if known := 0; !e.Multi {
				for _, s := range want {
					if !math.IsNaN(s) {
						known++
					}
				}
				if known < 2 {
					want = []float64{math.NaN(), math.NaN(), math.NaN()}
				}
			}
			if !closeTo(got[i], want, 1e-10) {
				t.Fatalf("LeaveOnePatientOut(%+v)[%d] = %v, want %v", e, i, got[i], want)
			}
		}
	})
}

// Law: any order of additions and removals, and sums of two parts, give what the
// remaining examples give.
func TestPrototypesForgetWhatIsRemoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawTargets(t, rapid.Bool().Draw(t, "multi"), 20)
		whole, err := SimpleShot(e)
		if err != nil {
			t.Fatal(err)
		}
		parts := [2]*Prototypes{}
		for i := range parts {
			if parts[i], err = NewPrototypes(abc, e.Multi, 5, whole.Centre); err != nil {
				t.Fatal(err)
			}
		}
		extra := drawTargets(t, e.Multi, 10)
		for _, add := range []Examples{extra, e} {
			for i, x := range add.X {
				if err := parts[i%2].Add(x, add.Y[i], add.weight(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := parts[0].Merge(parts[1]); err != nil {
			t.Fatal(err)
		}
		got, err := parts[0].FitWithout(extra)
		if err != nil {
			t.Fatal(err)
		}
		want, err := whole.Fit()
		if err != nil {
			t.Fatal(err)
		}
		for c := range abc {
			if !closeTo(got.Present[c], want.Present[c], 1e-12) || e.Multi && !closeTo(got.Absent[c], want.Absent[c], 1e-12) {
				t.Fatalf("means of %q after removal = %v, want %v", abc[c], got.Present[c], want.Present[c])
			}
		}
	})
}

func TestAnEmptyClassIsWhollyForgotten(t *testing.T) {
	p, err := NewPrototypes([]string{"a", "b"}, false, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []float64{0.1, 0.2, 0.3} {
		if err := p.Add([]float32{0.6, 0.8}, []float64{1, 0}, w); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range []float64{0.3, 0.2, 0.1} {
		if err := p.Remove([]float32{0.6, 0.8}, []float64{1, 0}, w); err != nil {
			t.Fatal(err)
		}
	}
	if present, absent := p.Count(0); present != 0 || absent != 0 || p.sums[0].weight != 0 || euclidean(p.sums[0].sum) != 0 {
		t.Errorf("after removing all: %d, %d and %+v, want nothing", present, absent, p.sums[0])
	}
	if err := p.Remove([]float32{0.6, 0.8}, []float64{1, 0}, 1); !errors.Is(err, ErrNotPresent) {
		t.Errorf("Remove of none = %v, want ErrNotPresent", err)
	}
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
	got, err := f.Predict([]float32{0, 1})
	want := []Score{{"c", 2}, {"a", -1}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("Predict = %v, %v, want %v", got, err, want)
	}
	if present, absent := p.Count(1); present != 3 || absent != 0 {
		t.Errorf("Count(b) = %d, %d, want 3, 0", present, absent)
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

func TestInvalidExamplesDoNotChangePrototypes(t *testing.T) {
	p, err := NewPrototypes([]string{"a", "b"}, false, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
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
		for _, change := range []func([]float32, []float64, float64) error{p.Add, p.Remove} {
			if err := change(c.x, c.y, c.weight); !errors.Is(err, c.want) {
				t.Errorf("%s: error %v, want %v", name, err, c.want)
			}
		}
	}
	if present, _ := p.Count(0); present != 0 {
		t.Errorf("Count(a) = %d after refusals, want 0", present)
	}
	if _, err := NewPrototypes(abc, false, 3, &Centre{Mean: []float64{1}}); !errors.Is(err, ErrDimension) {
		t.Errorf("NewPrototypes around a centre of 1 component = %v, want ErrDimension", err)
	}
	centred, err := NewPrototypes([]string{"a", "b"}, false, 2, &Centre{Mean: []float64{1, 0}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Merge(centred); !errors.Is(err, ErrDimension) {
		t.Errorf("Merge of another centre = %v, want ErrDimension", err)
	}
}

func TestAPrototypeRefusesOtherVectors(t *testing.T) {
	f := &Prototype{Classes: []string{"a", "b"}, Present: [][]float64{{1, 0}, {0, 1}}, Centre: &Centre{Mean: []float64{0.5, 0.5}}}
	for want, x := range map[error][]float32{ErrDimension: {1}, ErrNotFinite: {1, float32(math.Inf(1))}} {
		for _, predict := range []func([]float32) ([]Score, error){f.Predict, f.Nearest} {
			if _, err := predict(x); !errors.Is(err, want) {
				t.Errorf("prediction of %v = %v, want %v", x, err, want)
			}
		}
	}
	if got, err := f.Predict([]float32{0.5, 0.5}); err != nil || got[0].Score != 0 || got[1].Score != 0 {
		t.Errorf("Predict(the centre) = %v, %v, want cosines of zero", got, err)
	}
}

func BenchmarkLeaveOnePatientOut(b *testing.B) {
	e := classGroups(10000, 768, 1, 0.1)
	p, err := SimpleShot(e)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.LeaveOnePatientOut(e); err != nil {
			b.Fatal(err)
		}
	}
}
