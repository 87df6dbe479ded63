package eval

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// recorded is a case of testdata/metrics.json: scores and probabilities are in
// 64ths, a truth of -1 is not known, and a measure of nil is undefined.
type recorded struct {
	Multi         bool
	Classes       int
	Y             json.RawMessage
	Scores        [][]float64
	Probabilities [][]float64
	Weights       []int32
	Task          map[string]*float64
	Class         []map[string]*float64
	Curves        []struct{ FPR, TPR, Precision, Recall []float64 }
}

func readRecorded(t *testing.T) []recorded {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "metrics.json"))
	var all []recorded
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil {
		t.Fatalf("reading metrics.json = %v, want nil", err)
	}
	return all
}

func (r recorded) task(t *testing.T) (Truth, Predictions) {
	t.Helper()
	truth := Truth{Multi: r.Multi, Classes: split("abcd")[:r.Classes]}
	var class []int
	err := json.Unmarshal(r.Y, &truth.Y)
	if !r.Multi {
		err = json.Unmarshal(r.Y, &class)
		truth.Y = nil
	}
	if err != nil {
		t.Fatalf("reading the truth of metrics.json = %v, want nil", err)
	}
	for _, c := range class {
		row := make([]float64, r.Classes)
		row[c] = 1
		truth.Y = append(truth.Y, row)
	}
	for i, row := range truth.Y {
		truth.Groups = append(truth.Groups, fmt.Sprint(i))
		for c, y := range row {
			if y < 0 {
				row[c] = math.NaN()
			}
		}
	}
	return truth, Predictions{Scores: in64ths(r.Scores), Probabilities: in64ths(r.Probabilities)}
}

func in64ths(rows [][]float64) [][]float64 {
	of := make([][]float64, len(rows))
	for i, row := range rows {
		for _, v := range row {
			of[i] = append(of[i], v/64)
		}
	}
	return of
}

// agrees tells whether a measure is what was recorded, NaN standing for nil.
func agrees(got float64, want *float64) bool {
	if want == nil {
		return math.IsNaN(got)
	}
	return near(got, *want)
}

func shown(v *float64) string {
	if v == nil {
		return "undefined"
	}
	return fmt.Sprint(*v)
}

func TestEveryMeasureEqualsScikitLearn(t *testing.T) {
	checked, undefined := 0, 0
	for i, r := range readRecorded(t) {
		truth, p := r.task(t)
		out := make([]float64, Figures(r.Classes))
		newScorer(truth, p).score(r.Weights, newScratch(r.Classes), out)
		check := func(where, name string, got float64, want *float64) {
			checked++
			if want == nil {
				undefined++
			}
			if !agrees(got, want) {
				t.Errorf("case %d: %s %s = %v, want %s", i, name, where, got, shown(want))
			}
		}
		for name, want := range r.Task {
			check("of the task", name, out[place(name, -1)], want)
		}
		for c, class := range r.Class {
			for name, want := range class {
				check(fmt.Sprint("of class ", c), name, out[place(name, c)], want)
			}
		}
	}
	t.Logf("%d values, %d of them undefined", checked, undefined)
	if undefined == 0 {
		t.Error("no recorded value is undefined")
	}
}

func TestAnUndefinedMeasureIsLeftOut(t *testing.T) {
	for i, r := range readRecorded(t) {
		if slices.ContainsFunc(r.Weights, func(w int32) bool { return w != 1 }) {
			continue
		}
		truth, p := r.task(t)
		result, err := Assess(t.Context(), truth, p, Options{Rounds: 3})
		if err != nil {
			t.Fatalf("case %d: Assess = %v, want nil", i, err)
		}
		for name, want := range r.Task {
			m, has := result.Measure(name)
			if has != (want != nil) || has && !near(m.Value, *want) || has && (math.IsNaN(m.Low) || math.IsNaN(m.High)) {
				t.Errorf("case %d: %s = %+v, %v, want %s", i, name, m, has, shown(want))
			}
		}
		if _, err := json.Marshal(result); err != nil {
			t.Errorf("case %d: Marshal = %v, want nil", i, err)
		}
	}
}

func TestCurvesGoThroughScikitLearnsPoints(t *testing.T) {
	for i, r := range readRecorded(t) {
		if r.Curves == nil {
			continue
		}
		truth, p := r.task(t)
		result, err := Assess(t.Context(), truth, p, Options{Rounds: 1})
		if err != nil {
			t.Fatalf("case %d: Assess = %v, want nil", i, err)
		}
		for c, want := range r.Curves {
			got := result.Classes[c]
			if (got.ROC == nil) != (want.FPR == nil) {
				t.Fatalf("case %d, class %d: ROC of %d points, want %d", i, c, len(got.ROC), len(want.FPR))
			}
			for k := range want.FPR {
				if !onLine(got.ROC, Point{want.FPR[k], want.TPR[k]}) {
					t.Errorf("case %d, class %d: ROC = %v, want it to hold (%v, %v)", i, c, got.ROC, want.FPR[k], want.TPR[k])
				}
			}
			// scikit-learn's first is the highest threshold's, after (0, 1).
			for k := range want.Recall {
				if !near(got.PR[k].X, want.Recall[k]) || !near(got.PR[k].Y, want.Precision[k]) {
					t.Errorf("case %d, class %d: point %d of PR = %v, want (%v, %v)", i, c, k, got.PR[k], want.Recall[k], want.Precision[k])
				}
			}
		}
	}
}

// onLine tells whether a point is on a segment of the curve.
func onLine(curve []Point, p Point) bool {
	for i := range curve[1:] {
		a, b := curve[i], curve[i+1]
		cross := (b.X-a.X)*(p.Y-a.Y) - (b.Y-a.Y)*(p.X-a.X)
		if near(cross, 0) && p.X >= a.X-tolerance && p.X <= b.X+tolerance && p.Y >= a.Y-tolerance && p.Y <= b.Y+tolerance {
			return true
		}
	}
	return false
}

// Law: to count an image n times is to have it n times.
func TestAWeightIsARepetition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		multi := rapid.Bool().Draw(t, "multi")
		n, classes := rapid.IntRange(1, 12).Draw(t, "n"), rapid.IntRange(1, 4).Draw(t, "classes")
		truth, p := drawn(t, n, classes, multi)
		weight, images := make([]int32, n), []int{}
		for i := range weight {
			weight[i] = int32(rapid.IntRange(0, 3).Draw(t, "weight"))
			images = append(images, slices.Repeat([]int{i}, int(weight[i]))...)
		}
		got, want := make([]float64, Figures(classes)), make([]float64, Figures(classes))
		newScorer(truth, p).score(weight, newScratch(classes), got)
		newScorer(truth.Only(images), p.Only(images)).score(ones(len(images)), newScratch(classes), want)
		for i := range got {
			if !near(got[i], want[i]) && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
				t.Fatalf("slot %d with weights %v = %v, with repeated images %v", i, weight, got[i], want[i])
			}
		}
	})
}

// drawn is a small task with everything that a method can say.
func drawn(t *rapid.T, n, classes int, multi bool) (Truth, Predictions) {
	truth, p := Truth{Multi: multi, Classes: split("abcd")[:classes]}, Predictions{Relevant: make([][]bool, n)}
	flags := rapid.SliceOfN(rapid.Bool(), classes, classes)
	for i := range n {
		row := make([]float64, classes)
		if multi {
			row = rapid.SliceOfN(rapid.SampledFrom([]float64{0, 1, math.NaN()}), classes, classes).Draw(t, "truth")
		} else {
			row[rapid.IntRange(0, classes-1).Draw(t, "class")] = 1
		}
		scores, probabilities, sum := make([]float64, classes), make([]float64, classes), 0.0
		for c := range classes {
			scores[c] = float64(rapid.IntRange(-2, 6).Draw(t, "score")) / 4
			probabilities[c] = rapid.Float64Range(0.01, 1).Draw(t, "probability")
			sum += probabilities[c]
		}
		for c := range classes {
			if !multi {
				probabilities[c] /= sum
			}
		}
		truth.Y, truth.Groups = append(truth.Y, row), append(truth.Groups, fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "patient")))
		p.Scores, p.Probabilities = append(p.Scores, scores), append(p.Probabilities, probabilities)
		p.Sets = append(p.Sets, flags.Draw(t, "set"))
		p.Relevant[i] = rapid.SliceOfN(rapid.Bool(), 0, 12).Draw(t, "relevant")
	}
	return truth, p
}

func TestRetrievalAndSetsAreCounted(t *testing.T) {
	truth := Truth{Classes: split("ab"), Y: [][]float64{{1, 0}, {0, 1}}, Groups: split("pq")}
	p := Predictions{
		Scores:   [][]float64{{1, 0}, {1, 0}},
		Relevant: [][]bool{{true, false, true}, {false, true, true, true, true, true, true}},
		Sets:     [][]bool{{true, true}, {true, false}},
	}
	r, err := Assess(t.Context(), truth, p, Options{})
	if err != nil {
		t.Fatalf("Assess = %v, want nil", err)
	}
	for name, want := range map[string]float64{
		Precision1: 0.5, Precision5: (2.0/5 + 4.0/5) / 2, Precision10: (2.0/10 + 6.0/10) / 2, Coverage: 0.5, SetSize: 1.5,
	} {
		if m, ok := r.Measure(name); !ok || !near(m.Value, want) {
			t.Errorf("%s = %+v, %v, want %v", name, m, ok, want)
		}
	}
	if _, ok := r.Measure(Brier); ok || r.Reliability != nil {
		t.Errorf("Brier score without probabilities, and bins %v, want neither", r.Reliability)
	}
}
