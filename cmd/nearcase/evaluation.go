package main

import (
	"fmt"
	"io"
	"math"

	"nearcase/api"
	"nearcase/probe/eval"
)

// shownMeasures are the columns of the table that is printed.
var shownMeasures = []string{eval.BalancedAccuracy, eval.Accuracy, eval.AUCMacro, eval.ECE, eval.Coverage}

func printEvaluation(w io.Writer, e api.Evaluation) {
	d := e.Data
	divided := fmt.Sprintf("in %d patient-grouped folds", d.Folds)
	if d.Folds == 0 {
		divided = fmt.Sprintf("%s, %d to learn from and %d to test", d.Split, d.Train, d.Test)
	}
	fmt.Fprintf(w, "%s in %s: %d images of %d patients %s\n", e.Task, e.Collection, d.Images, d.Patients, divided)
	for _, n := range d.Networks {
		if n.Collection != e.Collection || len(d.Networks) == 1 {
			fmt.Fprintf(w, "%s: model %s, %d numbers an image\n", n.Collection, n.Model, n.Dimension)
		}
	}
	t := table(w, "  METHOD", "BALANCED ACCURACY", "ACCURACY", "AUC", "ECE", "SETS HOLD THE TRUTH")
	model := ""
	for _, r := range e.Results {
		if len(d.Networks) > 1 && r.Model != model {
			model = r.Model
			t.row("  " + model)
		}
		t.row(append([]any{"  " + indent(d.Networks) + r.Method}, measures(r)...)...)
	}
	t.flush()
	printBest(w, e)
	printLeaks(w, e)
	printNotes(w, e)
	fmt.Fprintln(w)
}

func indent[T any](networks []T) string {
	if len(networks) > 1 {
		return "  "
	}
	return ""
}

func measures(r eval.Result) (cells []any) {
	for _, name := range shownMeasures {
		m, ok := r.Measure(name)
		if !ok {
			cells = append(cells, "-")
			continue
		}
		cells = append(cells, estimate(m.Estimate))
	}
	return cells
}

func estimate(e eval.Estimate) string {
	return fmt.Sprintf("%.3f (%.3f to %.3f)", thousandths(e.Value), thousandths(e.Low), thousandths(e.High))
}

// thousandths is x rounded as it is printed, so that nothing reads -0.000.
func thousandths(x float64) float64 { return math.Round(1000*x)/1000 + 0 }

func named(e api.Evaluation, model, method string) string {
	if len(e.Data.Networks) > 1 {
		return method + " of " + model
	}
	return method
}

// printBest says which result has the highest AUC, and by how much: of the
// differences that of the first two is the first.
func printBest(w io.Writer, e api.Evaluation) {
	if len(e.Differences) == 0 || e.Differences[0].Measure != eval.AUCMacro {
		return
	}
	d := e.Differences[0]
	fmt.Fprintf(w, "  best AUC: %s, ahead of %s by %s, paired\n", named(e, d.Model, d.Method), named(e, d.AgainstModel, d.AgainstMethod), estimate(d.Estimate))
}

// printLeaks says what a division without regard to patients would have shown.
func printLeaks(w io.Writer, e api.Evaluation) {
	for _, l := range e.Leaks {
		if l.Measure == eval.BalancedAccuracy {
			fmt.Fprintf(w, "  divided without regard to patients, %s would read balanced accuracy %.3f: %+.3f (%+.3f to %+.3f)\n",
				named(e, l.Model, l.Method), l.ByImage.Value, thousandths(l.Gain.Value), thousandths(l.Gain.Low), thousandths(l.Gain.High))
		}
	}
}

// printNotes prints every warning once.
func printNotes(w io.Writer, e api.Evaluation) {
	said := map[string]bool{}
	warn := func(texts []string) {
		for _, text := range texts {
			if !said[text] {
				said[text] = true
				fmt.Fprintln(w, "  note:", text)
			}
		}
	}
	warn(e.Warnings)
	for _, r := range e.Results {
		warn(r.Warnings)
	}
}
