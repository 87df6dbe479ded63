package eval

import (
	"encoding/json"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestAReportReadsAsTheGoldenOne(t *testing.T) {
	c := newCohort(rand.New(rand.NewPCG(5, 6)), 12)
	row, err := Evaluate("ridge", c.truth, c.groups, split("ab"), c.scores, Options{Rounds: 100})
	if err != nil {
		t.Fatalf("Evaluate = %v, want nil", err)
	}
	findings := make([][]string, len(c.truth))
	for i, class := range c.truth {
		findings[i] = []string{class}
	}
	multi, err := EvaluateFindings("vote", findings, c.groups, split("abc"), withZeros(c.scores), Options{Rounds: 100})
	if err != nil {
		t.Fatalf("EvaluateFindings = %v, want nil", err)
	}
	got, err := json.MarshalIndent([]Report{
		{Task: "finding", Classes: split("ab"), Rows: []Row{row}},
		{Task: "findings", MultiLabel: true, Classes: split("abc"), Rows: []Row{multi}, Warnings: []string{"a made-up cohort"}},
	}, "", "\t")
	if err != nil {
		t.Fatalf("MarshalIndent = %v, want nil", err)
	}
	file := filepath.Join("testdata", "report.json")
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatalf("WriteFile = %v, want nil", err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("ReadFile = %v, want nil", err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("reports = %s\nwant %s", got, want)
	}
}

// withZeros appends a class that nothing has.
func withZeros(scores [][]float64) [][]float64 {
	wide := make([][]float64, len(scores))
	for i, row := range scores {
		wide[i] = append(slices.Clone(row), 0)
	}
	return wide
}

func TestThePredictionIsTheBestClassAndTiesGoByName(t *testing.T) {
	scores := [][]float64{{1, 2, 2}, {3, 3, 0}, {-1, -2, -1}}
	got := predictions(scores, split("bca"))
	if want := []int{2, 0, 2}; !slices.Equal(got, want) {
		t.Errorf("predictions(%v) = %v, want %v", scores, got, want)
	}
}

func TestEvaluateCountsClasses(t *testing.T) {
	row, err := Evaluate("vote", split("aabb"), split("pqrs"), split("ab"), [][]float64{{.9, .1}, {.4, .6}, {.2, .8}, {.3, .7}}, Options{})
	if err != nil {
		t.Fatalf("Evaluate = %v, want nil", err)
	}
	a := row.Classes[0]
	got := []float64{row.Accuracy.Value, row.BalancedAccuracy.Value, row.AUC.Value, a.Recall, a.Specificity, a.Precision, a.F1, a.AUC.Value}
	want := []float64{0.75, 0.75, 1, 0.5, 1, 1, 2.0 / 3, 1}
	if !slices.EqualFunc(got, want, near) {
		t.Errorf("accuracy, balanced, AUC and of a recall, specificity, precision, F1, AUC = %v, want %v", got, want)
	}
	if want := (Confusion{{1, 1}, {0, 2}}); !reflect.DeepEqual(row.Confusion, want) || a.N != 2 || row.N != 4 || row.Patients != 4 {
		t.Errorf("confusion = %v of %d, %d, %d, want %v of 2, 4, 4", row.Confusion, a.N, row.N, row.Patients, want)
	}
}

func TestFindingsAreJudgedOneByOne(t *testing.T) {
	truth := [][]string{{"a", "b"}, {"a"}, nil, {"b", "b"}}
	scores := [][]float64{{.5, .2}, {.4, .1}, {.6, .3}, {.1, .9}}
	row, err := EvaluateFindings("probe", truth, split("pqrs"), split("ab"), scores, Options{})
	if err != nil {
		t.Fatalf("EvaluateFindings = %v, want nil", err)
	}
	// a: one of two found, one of two denied. b: one of two, two of two.
	got := []float64{row.Accuracy.Value, row.BalancedAccuracy.Value, row.AUC.Value, row.Classes[0].AUC.Value, row.Classes[1].AUC.Value}
	want := []float64{(0.5 + 0.75) / 2, (0.5 + 0.75) / 2, (0.5 + 0.75) / 2, 0.5, 0.75}
	if !slices.EqualFunc(got, want, near) || row.Confusion != nil {
		t.Errorf("accuracy, balanced, AUC, of a, of b = %v with %v, want %v", got, row.Confusion, want)
	}
}

func TestWarningsSayWhatIsMissing(t *testing.T) {
	half := [][]float64{{1, 0}, {1, 0}}
	for name, c := range map[string]struct {
		truth, groups string
		want          []string
	}{
		"one patient":   {"ab", "pp", []string{"fewer than two patients", `"a" has 1 patients with and 1`, `"b" has 1`}},
		"a class alone": {"aa", "pq", []string{`every image has class "a"`, `no image has class "b"`, "without width"}},
		"few patients":  {"ab", "pq", []string{`"a" has 1 patients with and 1 without`, `"b" has 1`}},
	} {
		t.Run(name, func(t *testing.T) {
			row, err := Evaluate("vote", split(c.truth), split(c.groups), split("ab"), half, Options{})
			if err != nil || !slices.EqualFunc(row.Warnings, c.want, strings.Contains) {
				t.Errorf("warnings = %q, %v, want %q", row.Warnings, err, c.want)
			}
		})
	}
}

func TestIntervalsAreWholeWhereNothingCanBeResampled(t *testing.T) {
	row, err := Evaluate("vote", split("ab"), split("pp"), split("ab"), [][]float64{{1, 0}, {0, 1}}, Options{})
	if err != nil {
		t.Fatalf("Evaluate = %v, want nil", err)
	}
	want := Estimate{1, 0, 1}
	if row.Accuracy != want || row.BalancedAccuracy != want || *row.AUC != want {
		t.Errorf("estimates of one patient = %v, %v, %v, want %v", row.Accuracy, row.BalancedAccuracy, *row.AUC, want)
	}
}

func TestEvaluateRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		truth, groups, classes []string
		scores                 [][]float64
		want                   error
	}{
		"no images":           {nil, nil, split("ab"), nil, ErrEmpty},
		"an unknown class":    {split("c"), split("p"), split("ab"), [][]float64{{1, 0}}, ErrClass},
		"a class named twice": {split("a"), split("p"), split("aa"), [][]float64{{1, 0}}, ErrClass},
		"a group missing":     {split("ab"), split("p"), split("ab"), [][]float64{{1, 0}, {1, 0}}, ErrLength},
		"a row missing":       {split("ab"), split("pq"), split("ab"), [][]float64{{1, 0}}, ErrLength},
		"a score missing":     {split("ab"), split("pq"), split("ab"), [][]float64{{1, 0}, {1}}, ErrLength},
		"a NaN":               {split("ab"), split("pq"), split("ab"), [][]float64{{1, 0}, {1, math.NaN()}}, ErrNotFinite},
	} {
		t.Run(name, func(t *testing.T) {
			if row, err := Evaluate("vote", c.truth, c.groups, c.classes, c.scores, Options{}); !errors.Is(err, c.want) {
				t.Errorf("Evaluate = %+v, %v, want %v", row, err, c.want)
			}
			labels := make([][]string, len(c.truth))
			for i, l := range c.truth {
				labels[i] = []string{l}
			}
			if row, err := EvaluateFindings("vote", labels, c.groups, c.classes, c.scores, Options{}); !errors.Is(err, c.want) {
				t.Errorf("EvaluateFindings = %+v, %v, want %v", row, err, c.want)
			}
		})
	}
}

// Law: an interval is that of the statistic of literally resampled images:
// every drawn patient's images copied out, each round scored anew by AUC and
// Confuse.
func TestEvaluateEqualsALiteralBootstrap(t *testing.T) {
	c := newCohort(rand.New(rand.NewPCG(5, 6)), 30)
	o := Options{Rounds: 200, Seed: 9}
	row, err := Evaluate("test", c.truth, c.groups, split("ab"), c.scores, o)
	if err != nil {
		t.Fatalf("Evaluate = %v, want nil", err)
	}
	_, names := index(c.groups)
	samples := map[string][]float64{}
	r := rand.New(rand.NewPCG(uint64(o.Seed), 0))
	for range o.Rounds {
		var sample cohort
		for range names {
			drawn := names[r.IntN(len(names))]
			for i, g := range c.groups {
				if g == drawn {
					sample.truth, sample.scores = append(sample.truth, c.truth[i]), append(sample.scores, c.scores[i])
				}
			}
		}
		for name, v := range sample.measure(t) {
			samples[name] = append(samples[name], v)
		}
	}
	whole := c.measure(t)
	for name, got := range map[string]Estimate{
		"accuracy": row.Accuracy, "balanced accuracy": row.BalancedAccuracy, "macro AUC": *row.AUC, "AUC of a": *row.Classes[0].AUC,
	} {
		slices.Sort(samples[name])
		want := Estimate{whole[name], quantile(samples[name], 0.025), quantile(samples[name], 0.975)}
		if !near(got.Value, want.Value) || !near(got.Low, want.Low) || !near(got.High, want.High) || got.Low >= got.High {
			t.Errorf("%s = %+v, want %+v", name, got, want)
		}
	}
}

// measure returns the metrics of the cohort by the exported functions.
func (c cohort) measure(t *testing.T) map[string]float64 {
	t.Helper()
	predicted, scoreOfA, isA := make([]string, len(c.truth)), make([]float64, len(c.truth)), make([]bool, len(c.truth))
	for i, s := range c.scores {
		predicted[i] = "a"
		if s[1] > s[0] {
			predicted[i] = "b"
		}
		scoreOfA[i], isA[i] = s[0], c.truth[i] == "a"
	}
	m, err := Confuse(c.truth, predicted, split("ab"))
	if err != nil {
		t.Fatalf("Confuse = %v, want nil", err)
	}
	macro, err := MacroAUC(c.scores, c.truth, split("ab"))
	if err != nil {
		t.Fatalf("MacroAUC = %v, want nil", err)
	}
	auc, err := AUC(scoreOfA, isA)
	if err != nil {
		t.Fatalf("AUC = %v, want nil", err)
	}
	return map[string]float64{"accuracy": m.Accuracy(), "balanced accuracy": m.BalancedAccuracy(), "macro AUC": macro, "AUC of a": auc}
}

func BenchmarkEvaluate(b *testing.B) {
	c := newCohort(rand.New(rand.NewPCG(5, 6)), 1300) // about 5,850 images
	b.Logf("%d images", len(c.groups))
	for b.Loop() {
		if _, err := Evaluate("test", c.truth, c.groups, split("ab"), c.scores, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
