package report

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nearcase/probe/eval"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it and run with -update", path)
	}
}

func TestReportsAreTheGoldens(t *testing.T) {
	r := rich()
	var table bytes.Buffer
	if err := CSV(&table, r); err != nil {
		t.Fatal(err)
	}
	// How pictures are compressed is not what is tested.
	pictures := regexp.MustCompile(`data:image/png;base64,[^"]+`)
	golden(t, "rich.html", pictures.ReplaceAllString(rendered(t, r), "data:image/png;base64,"))
	golden(t, "rich.csv", table.String())
	golden(t, "rich.txt", Methods(r)+"\n")
	golden(t, "empty.html", rendered(t, Report{}))
	golden(t, "empty.txt", Methods(Report{})+"\n")
}

// reports are those that must hold what every page holds.
func reports() map[string]Report {
	findings := rich()
	findings.MultiLabel, findings.Results = true, findings.Results[:1]
	findings.Results[0].Confusion, findings.Results[0].Reliability = nil, nil
	return map[string]Report{"rich": rich(), "empty": {}, "hostile": attacked(), "undefined": undefined(), "one result": findings, "large": large()}
}

// attacked has hostile text everywhere.
func attacked() Report {
	r := rich()
	r.Task, r.Classes[1] = hostile, hostile
	r.Data.Networks[0] = Network{hostile, hostile, hostile, 1, hostile, hostile, hostile, hostile}
	r.Data.Classes[0].Class, r.Data.Split, r.Data.Program, r.Data.Policy, r.Data.Metric = hostile, hostile, hostile, hostile, hostile
	r.Data.Sources[hostile] = 1
	for i := range r.Results {
		r.Results[i].Method, r.Results[i].Warnings = hostile, []string{hostile}
		r.Results[i].Classes[1].Class = hostile
		r.Results[i].Measures[0].Name = hostile
	}
	for i := range r.Differences {
		r.Differences[i].Method, r.Differences[i].AgainstModel, r.Differences[i].Measure = hostile, hostile, hostile
	}
	r.Subgroups[0].Column, r.Subgroups[0].Value = hostile, hostile
	r.Learning[0].Method, r.Learning[1].Measure, r.Leaks[0].Model = hostile, hostile, hostile
	r.Classifiers[0] = Classifier{hostile, Ridge, hostile, hostile}
	m := &r.Mistakes[0]
	m.ID, m.Truth, m.Predicted = hostile, []string{hostile}, []string{hostile}
	m.Image = `javascript:alert(1)`
	m.Neighbours[0] = Evidence{hostile, 1, []string{hostile}, "data:image/svg+xml;base64,PHN2Zy8+"}
	r.Warnings = []string{hostile, "not UTF-8: \xff\xfe"}
	return r
}

// undefined has numbers that are none wherever there is a number.
func undefined() Report {
	r, none := rich(), math.NaN()
	nothing := eval.Estimate{Value: none, Low: math.Inf(-1), High: none}
	for i := range r.Results {
		result := &r.Results[i]
		for j := range result.Measures {
			result.Measures[j].Estimate = nothing
		}
		for j := range result.Classes {
			c := &result.Classes[j]
			c.Known, c.N = 0, 0
			c.ROC[3], c.PR[3].Y, c.Measures[0].Estimate = eval.Point{X: none, Y: none}, math.Inf(1), nothing
		}
		result.Reliability[5] = eval.Bin{Low: none, High: none, N: 3, Confidence: none, Right: none}
	}
	r.Differences[0].Estimate, r.Leaks[0].Gain, r.Leaks[0].Grouped = nothing, nothing, nothing
	r.Subgroups[0].Results[0].Measures[0].Estimate = nothing
	r.Learning[0].Points[0].Estimate, r.Learning[1].Points[1].Low, r.Learning[2].Points[0].PerClass = nothing, none, 0
	r.Mistakes[0].Probability, r.Mistakes[0].Neighbours[0].Score = &none, none
	r.Data.Took = none
	return r
}

// large has more classes than can be drawn.
func large() Report {
	r := Report{Task: "organ", Data: Data{Images: 10_000, Patients: 1}}
	for i := range 2 * most {
		r.Classes = append(r.Classes, "organ "+strings.Repeat("x", i))
	}
	r.Results = []eval.Result{result("", "ridge", r.Classes, 0.9)}
	return r
}

func TestPagesAreWellFormed(t *testing.T) {
	for name, r := range reports() {
		d := xml.NewDecoder(strings.NewReader(rendered(t, r)))
		ids := map[string]bool{}
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			e, ok := token.(xml.StartElement)
			for _, a := range e.Attr {
				if ok && a.Name.Local == "id" {
					if ids[a.Value] {
						t.Errorf("%s: two elements have the id %q", name, a.Value)
					}
					ids[a.Value] = true
				}
			}
		}
	}
}

func TestPagesLoadAndRunNothing(t *testing.T) {
	reference := regexp.MustCompile(`(?i)\s(src|href|srcset|action|data|poster|xlink:href|on\w+|style)\s*=\s*"([^"]*)"`)
	for name, r := range reports() {
		got := rendered(t, r)
		for _, m := range reference.FindAllStringSubmatch(got, -1) {
			inside := m[1] == "href" && strings.HasPrefix(m[2], "#") || m[1] == "src" && strings.HasPrefix(m[2], "data:image/png;base64,")
			if !inside {
				t.Errorf("%s: refers to %.80s", name, m[0])
			}
		}
		for _, never := range []string{"<script", "<iframe", "<object", "<link", "http:", "https:", "url(", "@import", "javascript:", "svg+xml", "ZgotmplZ"} {
			if strings.Contains(strings.ToLower(got), strings.ToLower(never)) {
				t.Errorf("%s: the page contains %q", name, never)
			}
		}
	}
}

func TestPolicyAllowsThePagesOwnStyleAlone(t *testing.T) {
	got := rendered(t, rich())
	_, after, _ := strings.Cut(got, "<style>")
	style, _, _ := strings.Cut(after, "</style>")
	if style != styleCSS {
		t.Error("the page's style is not the one of which the policy has the hash")
	}
	if policy := newPage(rich()).Policy; strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("policy is %q", policy)
	}
}

func TestNoNumberIsNaN(t *testing.T) {
	for name, r := range reports() {
		var table bytes.Buffer
		if err := CSV(&table, r); err != nil {
			t.Fatal(err)
		}
		for _, got := range []string{rendered(t, r), table.String(), Methods(r)} {
			if at := regexp.MustCompile(`NaN|[+-]?Inf\b`).FindStringIndex(got); at != nil {
				t.Errorf("%s: %q", name, got[max(0, at[0]-60):at[1]])
			}
		}
	}
}

func TestHostileTextIsText(t *testing.T) {
	got := rendered(t, attacked())
	for _, never := range []string{"\u202e", "\x01", "\xff", "<script>"} {
		if strings.Contains(got, never) {
			t.Errorf("the page contains %q", never)
		}
	}
	if !strings.Contains(got, "&lt;script&gt;") {
		t.Error("the page lacks the text itself")
	}
}

func TestPicturesAreFilesOfTheirKind(t *testing.T) {
	jpeg := "data:image/jpeg;base64,/9j/4AAQ"
	for uri, want := range map[string]bool{
		thumbnail(1): true, jpeg: true, "": false,
		"data:image/png;base64,/9j/4AAQ":                         false,
		"data:image/jpeg;base64,/9j/4AAQ\n":                      false,
		"data:image/jpeg;base64,/9j/4AAQ\"":                      false,
		"data:image/gif;base64,R0lGODdh":                         false,
		"data:text/html;base64,PGI+":                             false,
		"example.png":                                            false,
		jpeg + strings.Repeat("AAAA", largestPicture/3+1):        false,
		"DATA:image/jpeg;base64,/9j/4AAQ":                        false,
		"data:image/jpeg;charset=utf-8;base64,/9j/4AAQ":          false,
		"data:image/png;base64," + strings.Repeat("A", 16) + "=": false,
	} {
		if got := picture(uri) != ""; got != want {
			t.Errorf("picture(%.40q) is shown: %v, want %v", uri, got, want)
		}
	}
}

func TestFormulasAreText(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "normal": "normal", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\r=1": "'\r=1",
		"  =1": "'  =1", "＝1": "'＝1", "a=1": "a=1", "a\x00": "a\ufffd",
	} {
		if got := inert(text); got != want {
			t.Errorf("inert(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestCSVHasARowForEachMeasure(t *testing.T) {
	r := rich()
	var b bytes.Buffer
	if err := CSV(&b, r); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := 1
	for _, result := range r.Results {
		want += len(result.Measures) + len(result.Classes)*len(result.Classes[0].Measures)
	}
	for _, g := range r.Subgroups {
		want += len(g.Results) * len(g.Results[0].Measures)
	}
	if len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
}

func TestOnlyABetterResultIsMarked(t *testing.T) {
	auc := known(eval.AUCMacro)
	r := Report{}
	for i, value := range []float64{0.8, 0.9, 0.85} {
		r.Results = append(r.Results, eval.Result{Method: string(rune('a' + i)), Measures: []eval.Measure{{Name: eval.AUCMacro, Estimate: about(value, 0.01)}}})
	}
	against := func(first, second string, value float64) Difference {
		return Difference{Measure: eval.AUCMacro, Method: first, AgainstMethod: second, Estimate: gap(value, 0.02)}
	}
	for _, c := range []struct {
		name string
		with []Difference
		want int
	}{
		{"without a difference none is", nil, -1},
		{"with every difference it is", []Difference{against("b", "a", 0.1), against("c", "b", -0.05)}, 1},
		{"with one missing none is", []Difference{against("b", "a", 0.1)}, -1},
		{"with one that includes zero none is", []Difference{against("b", "a", 0.1), against("b", "c", 0.01)}, -1},
		{"with one the other way none is", []Difference{against("b", "a", 0.1), against("c", "b", 0.05)}, -1},
	} {
		if r.Differences = c.with; r.winner(auc) != c.want {
			t.Errorf("%s: result %d is marked, want %d", c.name, r.winner(auc), c.want)
		}
	}
	r.Results = r.Results[:1]
	if got := r.winner(auc); got != -1 {
		t.Errorf("alone, result %d is marked", got)
	}
}

func TestMethodsSayNothingOfWhatWasNotDone(t *testing.T) {
	r := rich()
	r.Results, r.Differences, r.Subgroups, r.Learning, r.Leaks = r.Results[:1], nil, nil, nil, nil
	r.Results[0].Measures = r.Results[0].Measures[:1]
	r.Data.Sources, r.Data.Uncertain, r.Data.Unknown, r.Data.Rounds = nil, 0, 0, 0
	got := strings.ToLower(Methods(r))
	for _, never := range []string{"logistic", "least squares", "brier", "calibration", "bootstrap", "interval", "paired", "subgroup", "learning curve", "regardless", "by source", "uncertain", "not known"} {
		if strings.Contains(got, never) {
			t.Errorf("the paragraph has %q:\n%s", never, got)
		}
	}
}

func TestOnlyAGainThatExcludesZeroIsALeak(t *testing.T) {
	leak := func(measure string, gain, half float64) Leak {
		return Leak{Method: measure, Measure: measure, Grouped: about(0.8, 0.05), ByImage: about(0.8+gain, 0.05), Gain: gap(gain, half)}
	}
	r := Report{Leaks: []Leak{leak(eval.AUCMacro, 0.05, 0.02), leak(eval.AUCWeighted, 0.05, 0.06), leak(eval.Accuracy, -0.05, 0.02), leak(eval.Brier, -0.05, 0.02), leak(eval.Coverage, 0.05, 0.02)}}
	got := strings.Join(r.overstated(), "; ")
	if !strings.HasPrefix(got, "auc_macro would") || !strings.Contains(got, "; brier would") || strings.Count(got, "would") != 2 {
		t.Errorf("overstated: %s", got)
	}
}

func TestWarningsOfSomeResultsNameThem(t *testing.T) {
	r := Report{Warnings: []string{"a"}, Results: []eval.Result{{Method: "x", Warnings: []string{"b", "c"}}, {Method: "y", Warnings: []string{"b"}}}}
	if got, want := strings.Join(r.warnings(), "|"), "a|b|x: c"; got != want {
		t.Errorf("warnings are %q, want %q", got, want)
	}
}

func TestNumbersReadWell(t *testing.T) {
	for got, want := range map[string]string{
		number(0.12345): "0.123", number(-0.5): "−0.500", number(-0.0001): "0.000", number(math.NaN()): "–",
		signed(0.5): "+0.500", signed(0): "0.000", bounds(eval.Estimate{Low: -0.1, High: 0.2}): "−0.100 to 0.200", between(eval.Estimate{Low: 0.1, High: 0.2}): "0.100 to 0.200",
		count(1234567): "1,234,567", count(999): "999", listed([]string{"a", "b", "c"}): "a, b and c", clip("pneumonia", 5): "pneu…", clip("effusion", 8): "effusion",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAxesEndOnTicks(t *testing.T) {
	for _, c := range [][2]float64{{0, 1}, {-0.031, 0.087}, {0.5, 0.5}, {0.91, 0.984}, {0, 123}} {
		a := around("", c[0], c[1], 6)
		if n := len(a.ticks); n < 3 || n > 9 || a.low > c[0] || a.high < c[1] {
			t.Errorf("around(%v) runs from %g to %g with %d ticks", c, a.low, a.high, n)
		}
	}
}
