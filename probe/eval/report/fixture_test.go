package report

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"
	"time"

	"nearcase/probe/eval"
)

// hostile would be markup, a formula or another direction of text if it were
// let.
const hostile = `=<script>alert("x")</script>&'` + "\u202e\x01"

func about(value, half float64) eval.Estimate {
	return eval.Estimate{Value: rounded(value), Low: rounded(max(0, value-half)), High: rounded(min(1, value+0.8*half))}
}

func gap(value, half float64) eval.Estimate {
	return eval.Estimate{Value: rounded(value), Low: rounded(value - half), High: rounded(value + half)}
}

// rounded makes an example the same on every machine.
func rounded(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// bow is a smooth curve with about such an area.
func bow(area float64, roc bool) (points []eval.Point) {
	for i := range 41 {
		x := float64(i) / 40
		power := area / (1 - area)
		if roc {
			points = append(points, eval.Point{X: x, Y: math.Pow(x, 1/power)})
		} else {
			points = append(points, eval.Point{X: x, Y: 1 - 0.7*math.Pow(x, 1.5*power)})
		}
	}
	return points
}

func result(model, method string, classes []string, auc float64) eval.Result {
	r := eval.Result{Model: model, Method: method, N: 312, Patients: 128}
	add := func(name string, value, half float64) {
		r.Measures = append(r.Measures, eval.Measure{Name: name, Estimate: about(value, half), Defined: 1000})
	}
	add(eval.AUCMacro, auc, 0.021)
	add(eval.AUCWeighted, auc+0.004, 0.02)
	add(eval.AveragePrecision, auc-0.05, 0.034)
	add(eval.SensitivityAt, auc-0.09, 0.05)
	add(eval.SpecificityAt, auc-0.07, 0.05)
	add(eval.Accuracy, auc-0.06, 0.03)
	add(eval.BalancedAccuracy, auc-0.08, 0.035)
	add(eval.F1, auc-0.085, 0.034)
	add(eval.Brier, 1.15-auc, 0.03)
	add(eval.LogLoss, 1.4-auc, 0.06)
	add(eval.ECE, 0.02+(1-auc)/4, 0.012)
	add(eval.Coverage, 0.905, 0.02)
	r.Measures = append(r.Measures, eval.Measure{Name: eval.SetSize, Estimate: gap(1.1, 0.05), Defined: 1000})
	if method == "20-NN" {
		add(eval.Precision1, auc-0.08, 0.03)
		add(eval.Precision5, auc-0.1, 0.03)
		add(eval.Precision10, auc-0.12, 0.03)
	}
	for i, class := range classes {
		a := auc - 0.02*float64(i) + 0.02
		c := eval.ClassResult{Class: class, N: max(5, 122-13*i-3*i*i), Known: 312, ROC: bow(a, true), PR: bow(a, false)}
		for _, m := range []struct {
			name  string
			value float64
		}{{eval.AUCOfClass, a}, {eval.AveragePrecision, a - 0.04}, {eval.Sensitivity, a - 0.1}, {eval.Specificity, a - 0.02}, {eval.Precision, a - 0.08}, {eval.F1, a - 0.09}} {
			c.Measures = append(c.Measures, eval.Measure{Name: m.name, Estimate: about(m.value, 0.03), Defined: 1000})
		}
		r.Classes = append(r.Classes, c)
	}
	for i := range classes {
		counts := make([]int, len(classes))
		for j := range counts {
			counts[j] = max(0, int(float64(14-3*i)*(1-auc)*8)+j-i)
		}
		counts[i] = max(0, r.Classes[i].N-(len(classes)-1)*counts[i])
		r.Confusion = append(r.Confusion, counts)
	}
	for i := range 10 {
		low := float64(i) / 10
		b := eval.Bin{Low: low, High: low + 0.1, N: i * i * i / 6}
		if b.N > 0 {
			b.Confidence, b.Right = low+0.05, min(1, low+0.03*float64(i%3))
		}
		r.Reliability = append(r.Reliability, b)
	}
	return r
}

// thumbnail is a small picture as a data URI.
func thumbnail(seed int) string {
	m := image.NewGray(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			dx, dy := float64(x-20-seed%9*3), float64(y-32)
			m.SetGray(x, y, color.Gray{uint8(30 + 190*math.Exp(-(dx*dx+dy*dy)/float64(200+40*(seed%5))))})
		}
	}
	var b bytes.Buffer
	png.Encode(&b, m) // a buffer does not fail
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())
}

func mistake(seed int, truth, predicted string) Mistake {
	m := Mistake{Model: "resnet18", Method: "20-NN", ID: "1.2.826.0.1.3680043.8.498." + string(rune('1'+seed)) + "0471625", Truth: []string{truth}, Predicted: []string{predicted},
		Probability: new(0.91 - 0.07*float64(seed)), Image: thumbnail(seed)}
	for i := range 5 {
		e := Evidence{ID: "case", Score: 0.94 - 0.013*float64(i), Label: []string{predicted}, Image: thumbnail(seed + i + 1)}
		if i == 3 {
			e.Label = []string{truth}
		}
		m.Neighbours = append(m.Neighbours, e)
	}
	return m
}

// rich has everything that a report may have.
func rich() Report {
	classes := []string{"effusion", "normal", "pneumonia"}
	r := Report{Task: "finding", Classes: classes, Data: Data{
		Networks: []Network{
			{Collection: "resnet18", Model: "resnet18-layer3", Fingerprint: "9f2c51d07be84a3391c6e0f5b1d2a7c45e80f3126bd97a4c08e1f6b35d2a9c74", Dimension: 256, Preprocessing: "shorter side to 256, centre 224 × 224, ImageNet mean and deviation", TrainingData: "ImageNet-1k", Licence: "BSD-3-Clause", Index: "graph"},
			{Collection: "builtin", Model: "scatter-2", Fingerprint: "03ab9d7720f6e1c4d85b3f19a6e07c2d914f8ba35c60d27e1f9b84a3c5d06e12", Dimension: 417, Preprocessing: "128 × 128, grey", TrainingData: "none: its filters are wavelets", Licence: "MIT", Index: "exact"},
		},
		Images: 312, Patients: 128, Unknown: 4, Uncertain: 9, Policy: "left out",
		Classes: []ClassCount{{"effusion", 122, 51}, {"normal", 106, 49}, {"pneumonia", 84, 40}},
		Sources: map[string]int{"radiologist A": 201, "radiologist B": 96, "": 24},
		Split:   "stratified by class", Folds: 5, Seed: 7, Rounds: 1000, K: 20, Metric: "cosine similarity", Watermark: 4211,
		Program: "nearcase 1.4.0", Time: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC), Took: 12.4,
	}}
	r.Classifiers = []Classifier{
		{Method: "20-NN", Kind: Neighbours, Settings: "softmax weights at temperature 0.07, one vote for each patient", Chosen: "k was chosen by patient-grouped validation"},
		{Method: "ridge", Kind: Ridge, Chosen: "the penalty was chosen by leave-one-patient-out error over twelve decades"},
		{Method: "softmax", Kind: Softmax, Chosen: "the penalty was chosen by patient-grouped folds"},
	}
	for i, model := range []string{"resnet18", "builtin"} {
		for j, method := range []string{"20-NN", "ridge", "softmax"} {
			r.Results = append(r.Results, result(model, method, classes, 0.9-0.04*float64(i)+0.022*float64(j)))
		}
	}
	r.Results[0].Warnings = []string{`class "pneumonia" has 9 patients without it: its interval is unreliable`}
	r.compare()
	r.divide()
	r.Mistakes = []Mistake{mistake(0, "pneumonia", "effusion"), mistake(1, "normal", "pneumonia"), mistake(2, "effusion", "normal"), mistake(3, "pneumonia", "normal")}
	r.Mistakes[3].Image = ""
	r.Warnings = []string{"2 images of the same content belong to different patients"}
	return r
}

// compare fills in differences, leaks and learning curves.
func (r *Report) compare() {
	top := r.Results[2]
	for i, other := range r.Results {
		if i == 2 {
			continue
		}
		for _, name := range []string{eval.AUCMacro, eval.Brier} {
			a, _ := top.Measure(name)
			b, _ := other.Measure(name)
			half := 0.018
			if name == eval.Brier {
				half = 0.03
			}
			r.Differences = append(r.Differences, Difference{name, top.Model, top.Method, other.Model, other.Method, gap(a.Value-b.Value, half)})
		}
	}
	for i, result := range r.Results {
		m, _ := result.Measure(eval.AUCMacro)
		gain := 0.041 - 0.012*float64(i)
		r.Leaks = append(r.Leaks, Leak{result.Model, result.Method, eval.AUCMacro, m.Estimate, about(m.Value+gain, 0.015), gap(gain, 0.017)})
		c := Curve{Model: result.Model, Method: result.Method, Measure: eval.AUCMacro}
		for step, n := range []int{1, 2, 5, 10, 20, 50, 100} {
			rest := (1 - m.Value) + 0.3*math.Pow(0.55, float64(step))
			c.Points = append(c.Points, CurvePoint{n, 3 * float64(n), about(1-rest, 0.06*math.Pow(0.6, float64(step)))})
		}
		r.Learning = append(r.Learning, c)
	}
}

// divide fills in subgroups.
func (r *Report) divide() {
	for i, g := range []Subgroup{{Column: "sex", Value: "F", N: 149, Patients: 62}, {Column: "sex", Value: "M", N: 158, Patients: 64}, {Column: "sex", N: 5, Patients: 2},
		{Column: "age band", Value: "18–39", N: 77, Patients: 33}, {Column: "age band", Value: "40–64", N: 130, Patients: 52}, {Column: "age band", Value: "65+", N: 105, Patients: 43}} {
		for _, result := range r.Results[:3] {
			small := eval.Result{Model: result.Model, Method: result.Method, N: g.N, Patients: g.Patients}
			for _, m := range result.Measures[:8] {
				m.Estimate = about(m.Value-0.015*float64(i%3), 2.4/float64(g.Patients+8))
				small.Measures = append(small.Measures, m)
			}
			g.Results = append(g.Results, small)
		}
		r.Subgroups = append(r.Subgroups, g)
	}
}

func rendered(t *testing.T, r Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
