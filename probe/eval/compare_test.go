package eval

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Law: a round is the measures of literally resampled images, every drawn
// patient's copied out, and the jackknife's those of all patients but one.
func TestCompareEqualsALiteralBootstrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		multi := rapid.Bool().Draw(t, "multi")
		n, classes := rapid.IntRange(1, 12).Draw(t, "n"), rapid.IntRange(1, 3).Draw(t, "classes")
		truth, p := drawn(t, n, classes, multi)
		o := Options{Rounds: 4, Seed: rapid.Int64().Draw(t, "seed"), Workers: rapid.IntRange(1, 3).Draw(t, "workers")}
		c, err := Compare(context.Background(), truth, []Predictions{p}, o)
		if err != nil {
			t.Fatalf("Compare = %v, want nil", err)
		}
		_, names := index(truth.Groups)
		if len(names) < 2 {
			if len(c.rows.rounds)+len(c.rows.left) > 0 {
				t.Fatalf("one patient was resampled in %d rounds", len(c.rows.rounds))
			}
			return
		}
		for k, got := range c.rows.rounds {
			r := rand.New(rand.NewPCG(uint64(o.Seed), uint64(k+1)))
			var images []int
			for range names {
				images = append(images, of(truth.Groups, names[r.IntN(len(names))])...)
			}
			same(t, got, truth.Only(images), p.Only(images))
		}
		order := rand.New(rand.NewPCG(uint64(o.Seed), 0)).Perm(len(names))
		for k, got := range c.rows.left {
			images := slices.DeleteFunc(upTo(n), func(i int) bool { return truth.Groups[i] == names[order[k]] })
			same(t, got, truth.Only(images), p.Only(images))
		}
	})
}

func of(groups []string, name string) []int {
	var images []int
	for i, g := range groups {
		if g == name {
			images = append(images, i)
		}
	}
	return images
}

func upTo(n int) []int {
	images := make([]int, n)
	for i := range images {
		images[i] = i
	}
	return images
}

func same(t *rapid.T, got []float64, truth Truth, p Predictions) {
	want := make([]float64, Figures(len(truth.Classes)))
	newScorer(truth, p).score(ones(len(truth.Y)), newScratch(len(truth.Classes)), want)
	for i := range want {
		if !near(got[i], want[i]) && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
			t.Fatalf("slot %d = %v, of literally resampled images %v", i, got[i], want[i])
		}
	}
}

func TestTheNumberOfWorkersChangesNothing(t *testing.T) {
	truth, methods := made(rand.New(rand.NewPCG(1, 2)), 300, 3, 2, false)
	var want []Result
	for workers := range 5 {
		seen := 0
		o := Options{Rounds: 50, Seed: 3, Workers: workers, Progress: func(done, total int) {
			if seen++; done != seen || done > total {
				t.Errorf("progress %d of %d, want %d", done, total, seen)
			}
		}}
		c, err := Compare(t.Context(), truth, methods, o)
		if err != nil {
			t.Fatalf("Compare = %v, want nil", err)
		}
		if want == nil {
			want = c.Results
		}
		if !reflect.DeepEqual(c.Results, want) || seen < 50 {
			t.Errorf("results of %d workers differ, or only %d steps of progress", workers, seen)
		}
	}
}

func TestDifferencesAreOfTheSameResamples(t *testing.T) {
	truth, methods := made(rand.New(rand.NewPCG(1, 2)), 300, 3, 2, false)
	methods = append(methods, methods[0])
	c, err := Compare(t.Context(), truth, methods, Options{Rounds: 200})
	if err != nil {
		t.Fatalf("Compare = %v, want nil", err)
	}
	for _, name := range []string{AUCMacro, Accuracy, LogLoss, ECE, Precision5, SetSize} {
		a, _ := c.Results[0].Measure(name)
		b, _ := c.Results[1].Measure(name)
		d, err := c.Difference(name, "", 0, 1)
		if err != nil || !near(d.Value, a.Value-b.Value) || d.Low > d.Value || d.High < d.Value || d.Defined != 200 {
			t.Errorf("difference of %s between %v and %v = %+v, %v", name, a.Value, b.Value, d, err)
		}
		if d.High-d.Low > 1.5*(a.High-a.Low+b.High-b.Low) {
			t.Errorf("difference of %s = %+v, want it no wider than both together", name, d)
		}
		if d, err := c.Difference(name, "", 0, 2); err != nil || d.Estimate != (Estimate{}) {
			t.Errorf("difference of %s between equals = %+v, %v, want zero", name, d, err)
		}
	}
	a, _ := c.Results[0].Classes[1].Measure(AUCOfClass)
	b, _ := c.Results[1].Classes[1].Measure(AUCOfClass)
	if d, err := c.Difference(AUCOfClass, "class 01", 0, 1); err != nil || !near(d.Value, a.Value-b.Value) {
		t.Errorf("difference of a class = %+v, %v, want %v", d, err, a.Value-b.Value)
	}
	for name, d := range map[string]func() (Measure, error){
		"a measure of none":   func() (Measure, error) { return c.Difference("charm", "", 0, 1) },
		"a method of none":    func() (Measure, error) { return c.Difference(AUCMacro, "", 0, 3) },
		"a negative method":   func() (Measure, error) { return c.Difference(AUCMacro, "", -1, 0) },
		"a class's of a task": func() (Measure, error) { return c.Difference(Sensitivity, "", 0, 1) },
	} {
		if m, err := d(); !errors.Is(err, ErrMeasure) {
			t.Errorf("difference of %s = %+v, %v, want ErrMeasure", name, m, err)
		}
	}
	if m, err := c.Difference(AUCOfClass, "charm", 0, 1); !errors.Is(err, ErrClass) {
		t.Errorf("difference of an unknown class = %+v, %v, want ErrClass", m, err)
	}
}

func TestCompareEndsWithItsContext(t *testing.T) {
	truth, methods := made(rand.New(rand.NewPCG(1, 2)), 300, 3, 2, false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last := 0
	o := Options{Rounds: 100_000, Progress: func(done, _ int) {
		if last = done; done == 5 {
			cancel()
		}
	}}
	if c, err := Compare(ctx, truth, methods, o); !errors.Is(err, context.Canceled) || last > 10_000 {
		t.Errorf("Compare = %v, %v after %d resamples, want context.Canceled soon after 5", c, err, last)
	}
}

func TestWhatCannotBeResampledHasTheWholeRange(t *testing.T) {
	truth := Truth{Classes: split("abc"), Y: [][]float64{{1, 0, 0}, {0, 1, 0}}, Groups: split("pp")}
	p := Predictions{Scores: [][]float64{{1, 0, 0}, {0, 1, 0}}, Probabilities: [][]float64{{1, 0, 0}, {0, 1, 0}}}
	r, err := Assess(t.Context(), truth, p, Options{})
	if err != nil {
		t.Fatalf("Assess = %v, want nil", err)
	}
	for name, want := range map[string]Estimate{AUCMacro: {1, 0, 1}, Accuracy: {1, 0, 1}, Brier: {0, 0, 2}, ECE: {0, 0, 1}} {
		if m, _ := r.Measure(name); m.Estimate != want || m.Defined != 0 {
			t.Errorf("%s of one patient = %+v, want %+v", name, m, want)
		}
	}
	want := []string{"fewer than two patients", `"a" has 1 patients with and 1`, `"b" has 1`, `no image has class "c"`}
	if !slices.EqualFunc(r.Warnings, want, strings.Contains) {
		t.Errorf("warnings = %q, want %q", r.Warnings, want)
	}
}

func TestAnIntervalWithoutWidthIsWarnedOf(t *testing.T) {
	truth := Truth{Classes: split("ab"), Y: [][]float64{{1, 0}, {1, 0}}, Groups: split("pq")}
	r, err := Assess(t.Context(), truth, Predictions{Scores: [][]float64{{1, 0}, {1, 0}}}, Options{})
	want := []string{`every image has class "a"`, `no image has class "b"`, "without width"}
	if err != nil || !slices.EqualFunc(r.Warnings, want, strings.Contains) {
		t.Errorf("warnings = %q, %v, want %q", r.Warnings, err, want)
	}
	if _, ok := r.Measure(AUCMacro); ok {
		t.Errorf("measures = %v, want no AUC", r.Measures)
	}
	truth = Truth{Classes: split("ab"), Y: slices.Repeat([][]float64{{1, 0}, {0, 1}}, 12), Groups: split("abcdefghijklmnopqrstuvwx")}
	perfect := Predictions{Scores: slices.Clone(truth.Y)}
	perfect.Scores[0] = []float64{0.6, 0.7} // wrong, and yet ranked rightly
	if r, err = Assess(t.Context(), truth, perfect, Options{}); err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "same auc_macro:") {
		t.Errorf("warnings = %q, %v, want one of the AUC alone", r.Warnings, err)
	}
}

func TestCompareRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *Truth, p *Predictions)
		want  error
	}{
		"no images":                  {func(t *Truth, p *Predictions) { t.Y, t.Groups, p.Scores = nil, nil, nil }, ErrEmpty},
		"no classes":                 {func(t *Truth, _ *Predictions) { t.Classes = nil }, ErrEmpty},
		"a class twice":              {func(t *Truth, _ *Predictions) { t.Classes = split("aa") }, ErrClass},
		"classes out of order":       {func(t *Truth, _ *Predictions) { t.Classes = split("ba") }, ErrClass},
		"a group missing":            {func(t *Truth, _ *Predictions) { t.Groups = split("p") }, ErrLength},
		"a truth missing":            {func(t *Truth, _ *Predictions) { t.Y[1] = t.Y[1][:1] }, ErrLength},
		"a truth of a half":          {func(t *Truth, _ *Predictions) { t.Y[1] = []float64{0.5, 0.5} }, ErrClass},
		"two classes":                {func(t *Truth, _ *Predictions) { t.Y[1] = []float64{1, 1} }, ErrClass},
		"no class":                   {func(t *Truth, _ *Predictions) { t.Y[1] = []float64{0, 0} }, ErrClass},
		"an unknown class":           {func(t *Truth, _ *Predictions) { t.Y[1] = []float64{1, math.NaN()} }, ErrClass},
		"a row missing":              {func(_ *Truth, p *Predictions) { p.Scores = p.Scores[:1] }, ErrLength},
		"a score missing":            {func(_ *Truth, p *Predictions) { p.Scores[1] = p.Scores[1][:1] }, ErrLength},
		"a score of NaN":             {func(_ *Truth, p *Predictions) { p.Scores[1][0] = math.NaN() }, ErrNotFinite},
		"an infinite score":          {func(_ *Truth, p *Predictions) { p.Scores[1][0] = math.Inf(-1) }, ErrNotFinite},
		"a probability of NaN":       {func(_ *Truth, p *Predictions) { p.Probabilities[1][0] = math.NaN() }, ErrNotFinite},
		"a probability of 1.5":       {func(_ *Truth, p *Predictions) { p.Probabilities[1] = []float64{1.5, -0.5} }, ErrProbability},
		"probabilities of no sum":    {func(_ *Truth, p *Predictions) { p.Probabilities[1] = []float64{0.5, 0.4} }, ErrProbability},
		"a probability missing":      {func(_ *Truth, p *Predictions) { p.Probabilities = p.Probabilities[:1] }, ErrLength},
		"a prediction missing":       {func(_ *Truth, p *Predictions) { p.Predicted = p.Predicted[:1] }, ErrLength},
		"two predictions":            {func(_ *Truth, p *Predictions) { p.Predicted[0] = []bool{true, true} }, ErrClass},
		"no prediction":              {func(_ *Truth, p *Predictions) { p.Predicted[0] = []bool{false, false} }, ErrClass},
		"a set missing":              {func(_ *Truth, p *Predictions) { p.Sets = p.Sets[:1] }, ErrLength},
		"a class missing from a set": {func(_ *Truth, p *Predictions) { p.Sets[0] = p.Sets[0][:1] }, ErrLength},
		"retrieved cases missing":    {func(_ *Truth, p *Predictions) { p.Relevant = p.Relevant[:1] }, ErrLength},
	} {
		t.Run(name, func(t *testing.T) {
			truth := Truth{Classes: split("ab"), Y: [][]float64{{1, 0}, {0, 1}}, Groups: split("pq")}
			p := Predictions{
				Scores: [][]float64{{1, 0}, {0, 1}}, Probabilities: [][]float64{{1, 0}, {0, 1}},
				Predicted: [][]bool{{true, false}, {true, false}}, Sets: [][]bool{{true, false}, {true, false}}, Relevant: [][]bool{{true}, nil},
			}
			if r, err := Assess(t.Context(), truth, p, Options{Rounds: 5}); err != nil {
				t.Fatalf("Assess unspoilt = %+v, %v, want nil", r, err)
			}
			c.spoil(&truth, &p)
			if r, err := Assess(t.Context(), truth, p, Options{Rounds: 5}); !errors.Is(err, c.want) {
				t.Errorf("Assess = %+v, %v, want %v", r, err, c.want)
			}
		})
	}
}

// made returns a task of so many images, about three of a patient, and methods
// that rank and calibrate differently well.
func made(r *rand.Rand, images, classes, methods int, multi bool) (Truth, []Predictions) {
	t := Truth{Multi: multi}
	for c := range classes {
		t.Classes = append(t.Classes, fmt.Sprintf("class %02d", c))
	}
	for range images {
		row := make([]float64, classes)
		row[r.IntN(classes)] = 1
		if multi {
			row[r.IntN(classes)] = float64(r.IntN(2))
		}
		t.Y, t.Groups = append(t.Y, row), append(t.Groups, fmt.Sprint("patient ", r.IntN(1+images/3)))
	}
	var all []Predictions
	for m := range methods {
		all = append(all, madeUp(r, t, 0.3+0.2*float64(m)))
	}
	return t, all
}

func madeUp(r *rand.Rand, t Truth, signal float64) Predictions {
	p := Predictions{Model: "made up", Method: fmt.Sprintf("signal %.1f", signal)}
	for _, y := range t.Y {
		row, sum := make([]float64, len(y)), 0.0
		for c := range row {
			row[c] = r.Float64() + signal*y[c]
			sum += row[c]
		}
		for c := range row {
			row[c] /= sum
		}
		relevant := make([]bool, 10)
		sets := make([]bool, len(y))
		for k := range relevant {
			relevant[k] = r.Float64() < signal
		}
		for c := range sets {
			sets[c] = row[c] > 0.3
		}
		p.Scores, p.Probabilities = append(p.Scores, row), append(p.Probabilities, row)
		p.Relevant, p.Sets = append(p.Relevant, relevant), append(p.Sets, sets)
	}
	return p
}

// Whatever the numbers, they are refused, or every measure is a number within
// its range.
func FuzzCompare(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"), uint8(3), false)
	f.Add([]byte("2000000000000001"), uint8(3), true) // squares of it vanish
	f.Add(binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.NaN())), uint8(1), true)
	f.Fuzz(func(t *testing.T, raw []byte, patients uint8, multi bool) {
		truth, p := Truth{Multi: multi, Classes: split("ab")}, Predictions{}
		for i := range min(len(raw)/8, 40) {
			v := math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
			y := float64(raw[8*i] % 2)
			truth.Y, truth.Groups = append(truth.Y, []float64{y, 1 - y}), append(truth.Groups, fmt.Sprint(i%(1+int(patients))))
			p.Scores, p.Probabilities = append(p.Scores, []float64{v, -v}), append(p.Probabilities, []float64{v, 1 - v})
		}
		if len(raw) > 0 && raw[0]%4 == 0 {
			p.Probabilities = nil
		}
		r, err := Assess(t.Context(), truth, p, Options{Rounds: 10})
		if err != nil {
			return
		}
		for _, m := range r.Measures {
			if !(m.Value >= 0 && m.Value <= 52 && m.Low >= 0 && m.Low <= m.High) {
				t.Errorf("%s of %v = %+v, want it within its range", m.Name, p.Scores, m)
			}
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("Marshal of %v = %v, want nil", p.Scores, err)
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	t, methods := made(rand.New(rand.NewPCG(1, 2)), 100_000, 3, 5, false)
	for b.Loop() {
		if _, err := Compare(b.Context(), t, methods, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
