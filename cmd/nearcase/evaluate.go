package main

import (
	"context"
	"fmt"
	"io"

	"nearcase/api"
	"nearcase/probe/eval"
)

type evaluateCommand struct {
	Collection string `short:"c" default:"default" help:"Collection."`
	Task       string `short:"t" help:"Task (default: the only one)."`
	Folds      int    `help:"Patient-grouped folds." default:"5"`
	K          int    `short:"k" help:"Neighbours that vote, beside the nearest alone (default: 20)."`
	Seed       int64  `help:"Seed of folds and intervals."`
}

func (evaluateCommand) Help() string {
	return `Each fold is predicted from the others, and no patient is in two of them.
Prints balanced accuracy, accuracy and AUC (macro, one class against the rest)
with 95 % intervals by bootstrap over patients.

  nearcase evaluate --collection cxr --task finding`
}

func (q evaluateCommand) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		e, err := o.Evaluate(ctx, q.Collection, api.EvaluateOptions{Task: q.Task, Folds: q.Folds, K: q.K, Seed: q.Seed}, s.progress("evaluate"))
		if err != nil {
			return err
		}
		return s.print(e, func(w io.Writer) { printEvaluation(w, e) })
	})
}

func printEvaluation(w io.Writer, e api.Evaluation) {
	if len(e.Rows) == 0 {
		return
	}
	fmt.Fprintf(w, "%s in %s: %d images of %d patients in %d patient-grouped folds, model %s\n",
		e.Task, e.Collection, e.Rows[0].N, e.Rows[0].Patients, e.Folds, e.Model)
	t := table(w, "  METHOD", "BALANCED ACCURACY", "ACCURACY", "AUC")
	for _, r := range e.Rows {
		auc := "-"
		if r.AUC != nil {
			auc = estimate(*r.AUC)
		}
		t.row("  "+r.Method, estimate(r.BalancedAccuracy), estimate(r.Accuracy), auc)
	}
	t.flush()
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
	for _, r := range e.Rows {
		warn(r.Warnings)
	}
	fmt.Fprintln(w)
}

func estimate(e eval.Estimate) string {
	return fmt.Sprintf("%.3f (%.3f to %.3f)", e.Value, e.Low, e.High)
}
