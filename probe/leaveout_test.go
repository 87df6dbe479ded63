package probe

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// book is examples as LeaveOut takes them and as the tests hold them.
func book(held []labelled, patients []int, kind Balance) Examples {
	e := Examples{Classes: []string{"effusion", "normal", "pneumonia"}, Multi: kind != ByClass, Patient: patients}
	for _, h := range held {
		y := make([]float64, 3)
		for c, name := range e.Classes {
			y[c] = h.degree(name)
		}
		e.X, e.Y, e.Weight = append(e.X, h.x), append(e.Y, y), append(e.Weight, max(h.t.Weight, 0))
		if h.t.Weight == 0 {
			e.Weight[len(e.Weight)-1] = 1
		}
	}
	return e
}

// Law: coefficients and scores are those of exact refits without the patient at
// the same penalty and balance, whatever the targets, weights and patients; the
// loss at every lambda is that of such refits; and the statistics stay as they are.
func TestLeaveOutEqualsRefits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 4).Draw(t, "d")
		kind := Balance(rapid.IntRange(0, 2).Draw(t, "balance"))
		spread := rapid.SampledFrom([]float64{2, 0.3, 0.01}).Draw(t, "spread")
		var held []labelled
		var patients []int
		for range rapid.IntRange(2, 9).Draw(t, "examples") {
			held = append(held, drawLabelled(t, d, spread, kind))
			patients = append(patients, rapid.IntRange(0, 4).Draw(t, "patient"))
		}
		r := NewRidge(d, kind)
		for _, e := range held {
			if err := r.Add(e.x, e.t); err != nil {
				t.Fatalf("Add(%+v) = %v, want nil", e, err)
			}
		}
		lambdas := []float64{drawLambda(t)}
		e, before := book(held, patients, kind), bytesOf(t, r)
		got, err := r.LeaveOut(e, LeaveOutOptions{Lambdas: lambdas})
		if !tellable(held) || slices.Max(patients) == slices.Min(patients) {
			if !errors.Is(err, ErrNotEnough) {
				t.Fatalf("LeaveOut of %v = %v, want ErrNotEnough", held, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("LeaveOut of %v = %v, want nil", held, err)
		}
		checkLeaveOut(t, r, e, held, kind, got)
		every, err := r.LeaveOut(e, LeaveOutOptions{})
		if err != nil || len(every.Loss) != perDecade*decades+1 || math.IsNaN(every.Loss[every.Best]) {
			t.Fatalf("LeaveOut of %v = %+v, %v, want a loss for each of the grid", held, every, err)
		}
		if !bytes.Equal(bytesOf(t, r), before) {
			t.Fatalf("LeaveOut of %v changed the statistics", held)
		}
	})
}

func checkLeaveOut(t rapid.TB, r *Ridge, e Examples, held []labelled, kind Balance, got LeaveOut) {
	lambda := got.Lambdas[0]
	s, err := r.Clone().Solve(lambda)
	if err != nil {
		t.Fatalf("Solve(%g) = %v, want nil", lambda, err)
	}
	if !attainable(s) {
		return
	}
	patients, err := r.patients(e)
	if err != nil {
		t.Fatalf("patients = %v, want nil", err)
	}
	for _, of := range patients {
		call := fmt.Sprintf("LeaveOut of %v, patients %v, lambda %g, without %v", held, e.Patient, lambda, of.at)
		want := exactWithout(s, held, kind, of)
		same(t, call, leftOutOf(t, s, of), want, 1e-9)
		for _, i := range of.at {
			checkLeftOutScores(t, fmt.Sprintf("%s: score of %d", call, i), e.Classes, e.X[i], got.Scores[i], want)
		}
	}
	if want := definedLoss(s, e, got.Scores); !math.IsInf(got.Loss[0], 1) && !(math.Abs(got.Loss[0]-want) <= 1e-2*max(1e-6, want)) {
		t.Fatalf("LeaveOut of %v, patients %v, lambda %g: loss %v, want %v", held, e.Patient, lambda, got.Loss[0], want)
	}
}

// exactWithout returns the exact fit of all but a patient of the held, with the
// penalties and the balance that s has.
func exactWithout(s *Solved, held []labelled, kind Balance, of *patient) *Linear {
	b, l := frozen(s, held), newLinear(s.ridge.Classes(), s.lambda)
	var left []labelled
	for i, h := range held {
		if !slices.Contains(of.at, i) {
			left = append(left, h)
		}
	}
	for c, name := range l.Classes {
		l.Weights[c] = make([]float64, s.ridge.dimension)
		if slices.ContainsFunc(left, func(h labelled) bool { return h.degree(name) >= 0 }) {
			xs, weights, parts := exactRows(left, name, kind, b)
			l.Weights[c], l.Intercept[c] = exactFit(xs, weights, parts, s.lambda, penaltyOf(s, name))
		}
	}
	return l
}

// leftOutOf returns the probe that LeaveOut scores the patient by.
func leftOutOf(t rapid.TB, s *Solved, of *patient) *Linear {
	l := newLinear(s.ridge.Classes(), s.lambda)
	for _, p := range s.solutions {
		p.mirror()
		groups, u := p.groups([]*patient{of})
		weights, intercepts, err := s.leaveOne(p, groups[0], u, of)
		if err != nil {
			t.Fatalf("leaveOne of %v = %v, want nil", of.at, err)
		}
		for c, name := range p.names {
			at, _ := slices.BinarySearch(l.Classes, name)
			l.Weights[at], l.Intercept[at] = weights[c], intercepts[c]
		}
	}
	return l
}

// checkLeftOutScores compares the scores of x for the classes with those of the
// probe, zero for a class that it does not know.
func checkLeftOutScores(t rapid.TB, call string, classes []string, x []float32, got []float64, want *Linear) {
	for c, name := range classes {
		score, most := 0.0, 0.0
		if at, ok := slices.BinarySearch(want.Classes, name); ok {
			score, most = want.Intercept[at], largest(want.Weights[at])
			for j, v := range want.Weights[at] {
				score += v * float64(x[j])
			}
		}
		if !(math.Abs(got[c]-score) <= 1e-9*max(1, most)) {
			t.Fatalf("%s for %q = %v, want %v", call, name, got[c], score)
		}
	}
}

// A symmetric pair of classes has no weights; without one example it has, and the
// rounding of what they then become is not relative to zero.
func TestLeaveOutIsAccurateWhereTheWeightsWereZero(t *testing.T) {
	var held []labelled
	r := NewRidge(2, Unbalanced)
	for i, x := range [][]float32{{0.7071061, 0.7071075}, {0.7071068, 0.70710677}, {0.7071071, 0.7071065}, {0.7071067, 0.7071069}, {0.70710707, 0.70710653}} {
		held = append(held, labelled{x: x, t: Target{Classes: []string{[]string{"effusion", "normal"}[i%2]}}})
		if err := r.Add(x, held[i].t); err != nil {
			t.Fatalf("Add = %v, want nil", err)
		}
	}
	e := book(held, []int{0, 1, 2, 3, 4}, Unbalanced)
	got, err := r.LeaveOut(e, LeaveOutOptions{Lambdas: []float64{5e-8}})
	if err != nil {
		t.Fatalf("LeaveOut = %v, want nil", err)
	}
	checkLeaveOut(t, r, e, held, Unbalanced, got)
}

// penaltyOf returns the penalty of a class, one if all its examples are alike.
func penaltyOf(s *Solved, name string) float64 {
	if p, ok := s.penalties[name]; ok {
		return p
	}
	return 1
}

// definedLoss is the loss from its definition.
func definedLoss(s *Solved, e Examples, scores [][]float64) float64 {
	names := s.ridge.Classes()
	total := 0.0
	for c, name := range e.Classes {
		if !slices.Contains(names, name) {
			continue
		}
		var of scatter
		for i := range e.X {
			if math.IsNaN(e.Y[i][c]) {
				continue
			}
			l, _ := s.ridge.label(e.Target(i))
			for _, p := range s.solutions {
				if at, ok := slices.BinarySearch(p.names, name); ok {
					share := p.share(l)
					tallyScore(&of.present, share.parts[at].hi, scores[i][c])
					tallyScore(&of.absent, share.weight.hi-share.parts[at].hi, scores[i][c])
				}
			}
		}
		total += of.loss() / float64(len(names))
	}
	return total
}

// households returns n examples of patients of the given sizes in turn.
func households(n, d int, sizes ...int) Examples {
	e := Examples{Classes: []string{"a", "b", "c"}}
	for i, x := range randomExamples(n, d, e.Classes) {
		y := make([]float64, 3)
		y[i%3] = 1
		e.X, e.Y = append(e.X, x.x), append(e.Y, y)
	}
	for p := 0; len(e.Patient) < n; p++ {
		for range min(sizes[p%len(sizes)], n-len(e.Patient)) {
			e.Patient = append(e.Patient, p)
		}
	}
	return e
}

func ridgeOf(t testing.TB, e Examples, kind Balance) *Ridge {
	t.Helper()
	r := NewRidge(e.Dimension(), kind)
	targets := make([]Target, len(e.X))
	for i := range targets {
		targets[i] = e.Target(i)
	}
	if err := r.AddAll(e.X, targets); err != nil {
		t.Fatalf("AddAll = %v, want nil", err)
	}
	return r
}

func TestHugePatientsAreLeftOutExactly(t *testing.T) {
	for _, kind := range []Balance{Unbalanced, ByClass, ByFinding} {
		for _, d := range []int{5, 30} {
			e := households(400, d, 150, 1, 70, 3)
			e.Multi = kind == ByFinding
			r := ridgeOf(t, e, kind)
			got, err := r.LeaveOut(e, LeaveOutOptions{Lambdas: []float64{0.1}})
			if err != nil {
				t.Fatalf("LeaveOut = %v, want nil", err)
			}
			s, err := r.Clone().Solve(0.1)
			if err != nil {
				t.Fatalf("Solve = %v, want nil", err)
			}
			for _, i := range []int{0, 150, 151, 222, 399} {
				var xs [][]float32
				var targets []Target
				for k := range e.X {
					if e.Patient[k] == e.Patient[i] {
						xs, targets = append(xs, e.X[k]), append(targets, e.Target(k))
					}
				}
				l := solvedAnew(t, s, xs, targets)
				for c, name := range e.Classes {
					scores, _ := l.Predict(e.X[i])
					at := slices.IndexFunc(scores, func(s Score) bool { return s.Class == name })
					if want := scores[at].Score; !(math.Abs(got.Scores[i][c]-want) <= 1e-9) {
						t.Errorf("balance %d, d %d: score of %d for %s = %v, want %v", kind, d, i, name, got.Scores[i][c], want)
					}
				}
			}
			if want := definedLoss(s, e, got.Scores); !(math.Abs(got.Loss[0]-want) <= 1e-6*want) {
				t.Errorf("balance %d, d %d: loss %v, want %v", kind, d, got.Loss[0], want)
			}
		}
	}
}

func TestLeaveOutRefusals(t *testing.T) {
	e := households(12, 3, 2)
	r := ridgeOf(t, e, Unbalanced)
	alone, wide, nan, stranger := e, e, e, e
	alone.Patient = make([]int, 12)
	wide.X = slices.Repeat([][]float32{{1}}, 12)
	nan.Y = slices.Repeat([][]float64{{math.NaN(), 0, 1}}, 12)
	stranger.Classes = []string{"x", "y", "z"}
	for name, c := range map[string]struct {
		e    Examples
		o    LeaveOutOptions
		want error
	}{
		"one patient":               {alone, LeaveOutOptions{}, ErrNotEnough},
		"no examples":               {Examples{}, LeaveOutOptions{}, ErrDimension},
		"another dimension":         {wide, LeaveOutOptions{}, ErrDimension},
		"an ignored single label":   {nan, LeaveOutOptions{}, ErrTarget},
		"examples never added":      {stranger, LeaveOutOptions{}, ErrNotPresent},
		"no lambda":                 {e, LeaveOutOptions{Lambdas: []float64{}}, ErrLambda},
		"lambdas that do not rise":  {e, LeaveOutOptions{Lambdas: []float64{1, 1}}, ErrLambda},
		"a lambda that is too high": {e, LeaveOutOptions{Lambdas: []float64{1, 1e5}}, ErrLambda},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := r.LeaveOut(c.e, c.o); !errors.Is(err, c.want) {
				t.Errorf("LeaveOut = %v, want %v", err, c.want)
			}
		})
	}
}

func BenchmarkLeaveOut(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		e := households(n, 768, 1, 3, 5)
		r := ridgeOf(b, e, Unbalanced)
		b.Run(fmt.Sprintf("%dx768", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := r.LeaveOut(e, LeaveOutOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
