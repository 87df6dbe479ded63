package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// A Report compares methods on one task.
type Report struct {
	Task       string   `json:"task"`
	MultiLabel bool     `json:"multi_label"`
	Classes    []string `json:"classes"`
	Rows       []Row    `json:"rows"`
	Warnings   []string `json:"warnings,omitempty"`
}

// A Row is what one method achieved.
type Row struct {
	Method           string     `json:"method"`
	N                int        `json:"n"` // images
	Patients         int        `json:"patients"`
	BalancedAccuracy Estimate   `json:"balanced_accuracy"`
	Accuracy         Estimate   `json:"accuracy"`
	AUC              *Estimate  `json:"auc,omitempty"` // macro, one class against the rest; nil if no class has one
	Classes          []ClassRow `json:"classes"`
	Confusion        Confusion  `json:"confusion,omitempty"` // single-label: in the order of Classes
	Warnings         []string   `json:"warnings,omitempty"`
}

// A ClassRow is what a method achieved for one class against the rest.
type ClassRow struct {
	Class       string    `json:"class"`
	N           int       `json:"n"` // images that have it
	Recall      float64   `json:"recall"`
	Specificity float64   `json:"specificity"`
	Precision   float64   `json:"precision"`
	F1          float64   `json:"f1"`
	AUC         *Estimate `json:"auc,omitempty"` // nil where no image, or every image, has it
}

// Evaluate measures single-label predictions: for each image its true class,
// its patient (groups) and one score per class, in the order of classes. The
// prediction is the class with the highest score, ties by class name. Every
// interval is Interval's over the same resamples; where there are too few
// patients to resample it is 0 to 1, and a warning says so.
//
// AUC is the mean over the classes that some but not all images have.
func Evaluate(method string, truth, groups, classes []string, scores [][]float64, o Options) (Row, error) {
	t, err := positions(truth, classes)
	if err == nil {
		err = check(groups, classes, scores, len(truth))
	}
	if err != nil {
		return Row{}, fmt.Errorf("evaluating %s: %w", method, err)
	}
	predicted := predictions(scores, classes)
	confuse := func(weight []int32) Confusion {
		m := newConfusion(len(classes))
		for i, w := range weight {
			m[t[i]][predicted[i]] += int(w)
		}
		return m
	}
	e := evaluation{groups: groups, classes: classes, in: memberships(t, len(classes))}
	e.accuracies = func(weight []int32) (balanced, plain float64) {
		m := confuse(weight)
		return m.BalancedAccuracy(), m.Accuracy()
	}
	whole := confuse(ones(len(truth)))
	e.of = whole.of
	row := e.row(method, scores, o)
	row.Confusion = whole
	return row, nil
}

// EvaluateFindings measures multi-label predictions: each image has any number
// of the classes, and each class is judged for itself, as predicted from a
// score of Threshold. Accuracy is the mean over classes of the share of images
// judged rightly; BalancedAccuracy the mean over classes of the mean of recall
// and specificity, of which one alone counts where a class has no, or only,
// images. All else is as in Evaluate.
func EvaluateFindings(method string, truth [][]string, groups, classes []string, scores [][]float64, o Options) (Row, error) {
	in, err := findings(truth, classes)
	if err == nil {
		err = check(groups, classes, scores, len(truth))
	}
	if err != nil {
		return Row{}, fmt.Errorf("evaluating %s: %w", method, err)
	}
	judge := func(c int, weight []int32) outcomes { return judged(in[c], scores, c, weight) }
	e := evaluation{groups: groups, classes: classes, in: in}
	e.accuracies = func(weight []int32) (balanced, plain float64) {
		for c := range classes {
			o := judge(c, weight)
			balanced += o.balanced() / float64(len(classes))
			plain += over(o.truePos+o.trueNeg, o.truePos+o.trueNeg+o.falsePos+o.falseNeg) / float64(len(classes))
		}
		return balanced, plain
	}
	e.of = func(c int) outcomes { return judge(c, ones(len(truth))) }
	return e.row(method, scores, o), nil
}

// findings returns per class whether each image has it.
func findings(truth [][]string, classes []string) ([][]bool, error) {
	in := make([][]bool, len(classes))
	for c := range in {
		in[c] = make([]bool, len(truth))
	}
	for i, labels := range truth {
		has, err := positions(labels, classes)
		if err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
		for _, c := range has {
			in[c][i] = true
		}
	}
	return in, nil
}

func judged(in []bool, scores [][]float64, c int, weight []int32) outcomes {
	var o outcomes
	for i, v := range weight {
		w := int(v)
		switch predicted := scores[i][c] >= Threshold; {
		case in[i] && predicted:
			o.truePos += w
		case in[i]:
			o.falseNeg += w
		case predicted:
			o.falsePos += w
		default:
			o.trueNeg += w
		}
	}
	return o
}

func (o outcomes) specificity() float64 { return over(o.trueNeg, o.trueNeg+o.falsePos) }

func (o outcomes) balanced() float64 {
	if o.truePos+o.falseNeg == 0 {
		return o.specificity()
	}
	if o.trueNeg+o.falsePos == 0 {
		return o.recall()
	}
	return (o.recall() + o.specificity()) / 2
}

func check(groups, classes []string, scores [][]float64, n int) error {
	if n == 0 || len(classes) == 0 {
		return fmt.Errorf("%d images of %d classes: %w", n, len(classes), ErrEmpty)
	}
	if len(groups) != n {
		return fmt.Errorf("%d groups for %d images: %w", len(groups), n, ErrLength)
	}
	if _, err := positions(nil, classes); err != nil {
		return err
	}
	return rectangular(scores, n, len(classes))
}

// predictions returns the position of each image's best class.
func predictions(scores [][]float64, classes []string) []int {
	p := make([]int, len(scores))
	for i, row := range scores {
		for c, s := range row {
			if b := p[i]; s > row[b] || s == row[b] && classes[c] < classes[b] {
				p[i] = c
			}
		}
	}
	return p
}

// evaluation is what single-label and multi-label tasks have in common.
type evaluation struct {
	groups, classes []string
	in              [][]bool             // per class and image
	of              func(c int) outcomes // of all images
	accuracies      func(weight []int32) (balanced, plain float64)
}

// row measures balanced accuracy, accuracy, macro AUC and each class's AUC on
// the same resamples.
func (e *evaluation) row(method string, scores [][]float64, o Options) Row {
	rankings := make([]ranking, len(e.in))
	for c, in := range e.in {
		rankings[c] = rank(column(scores, c), in)
	}
	estimates, defined, patients := intervals(e.groups, o, 3+len(rankings), func(weight []int32, out []float64) {
		for c, r := range rankings {
			out[3+c] = r.measure(weight).auc
		}
		out[0], out[1] = e.accuracies(weight)
		out[2] = meanDefined(out[3:])
	})
	for i := range estimates {
		if patients < 2 || defined[i] == 0 {
			estimates[i].Low, estimates[i].High = 0, 1
		}
	}
	row := Row{
		Method: method, N: len(e.groups), Patients: patients,
		BalancedAccuracy: estimates[0], Accuracy: estimates[1], AUC: whereDefined(estimates[2]),
		Warnings: e.warnings(patients),
	}
	if a := row.Accuracy; a.Low == a.High {
		row.Warnings = append(row.Warnings, "every resample has the same accuracy: an interval without width is no certainty")
	}
	for c, class := range e.classes {
		row.Classes = append(row.Classes, e.classRow(c, class, estimates[3+c]))
	}
	return row
}

func whereDefined(e Estimate) *Estimate {
	if math.IsNaN(e.Value) {
		return nil
	}
	return &e
}

func (e *evaluation) classRow(c int, class string, auc Estimate) ClassRow {
	o := e.of(c)
	return ClassRow{
		Class: class, N: o.truePos + o.falseNeg, AUC: whereDefined(auc),
		Recall: o.recall(), Specificity: o.specificity(), Precision: o.precision(), F1: o.f1(),
	}
}

// warnings says what a reader must know before relying on the numbers.
func (e *evaluation) warnings(patients int) []string {
	var w []string
	if patients < 2 {
		w = append(w, "fewer than two patients: intervals are unknown")
	}
	for c, class := range e.classes {
		with, without := e.patients(c)
		switch {
		case with == 0:
			w = append(w, fmt.Sprintf("no image has class %q: it has no AUC", class))
		case without == 0:
			w = append(w, fmt.Sprintf("every image has class %q: it has no AUC", class))
		case min(with, without) < FewPatients:
			w = append(w, fmt.Sprintf("class %q has %d patients with and %d without it: its interval is unreliable", class, with, without))
		}
	}
	return w
}

// patients counts those with an image of class c, and those with one that is not.
func (e *evaluation) patients(c int) (with, without int) {
	var has, lacks []string
	for i, in := range e.in[c] {
		if in {
			has = append(has, e.groups[i])
		} else {
			lacks = append(lacks, e.groups[i])
		}
	}
	return distinct(has), distinct(lacks)
}

func distinct(names []string) int {
	slices.Sort(names)
	return len(slices.Compact(names))
}

// memberships returns per class whether each image belongs to it.
func memberships(class []int, classes int) [][]bool {
	in := make([][]bool, classes)
	for c := range in {
		in[c] = make([]bool, len(class))
		for i, t := range class {
			in[c][i] = t == c
		}
	}
	return in
}

// intervals is the percentile interval of size statistics of the same resamples. It also
// returns the number of rounds in which each was defined; where none was, the
// interval is NaN.
func intervals(groups []string, o Options, size int, statistics func(weight []int32, out []float64)) (estimates []Estimate, defined []int, patients int) {
	patient, names := index(groups)
	patients = len(names)
	values, samples := make([]float64, size), make([][]float64, size)
	statistics(ones(len(groups)), values)
	drawn, weight, out := make([]int32, patients), make([]int32, len(groups)), make([]float64, size)
	r := rand.New(rand.NewPCG(uint64(o.Seed), 0))
	for range o.rounds() {
		draw(r, drawn)
		for i, p := range patient {
			weight[i] = drawn[p]
		}
		statistics(weight, out)
		for s, v := range out {
			if !math.IsNaN(v) {
				samples[s] = append(samples[s], v)
			}
		}
	}
	for s, v := range values {
		slices.Sort(samples[s])
		estimates = append(estimates, Estimate{v, quantile(samples[s], 0.025), quantile(samples[s], 0.975)})
		defined = append(defined, len(samples[s]))
	}
	return estimates, defined, patients
}
