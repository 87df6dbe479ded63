package main

import (
	"context"
	"fmt"
	"io"

	"nearcase/api"
	"nearcase/probe/eval/report"
)

type evaluateCommand struct {
	Collection string   `short:"c" default:"default" help:"Collection."`
	With       []string `help:"Other collections with the same images, by other networks, to compare." placeholder:"COLLECTION"`
	Task       string   `short:"t" help:"Task (default: the only one)."`
	filterFlags
	Folds         int      `help:"Patient-grouped folds (default: 5)."`
	Split         string   `help:"Divide by a metadata field or another task instead of folds." placeholder:"FIELD"`
	Train         string   `help:"Value of --split of the images to learn from (default: every other)." placeholder:"VALUE"`
	Test          string   `help:"Value of --split of the images to test (default: test)." placeholder:"VALUE"`
	K             int      `short:"k" help:"Neighbours that vote, beside other numbers (default: 20)."`
	Seed          int64    `help:"Seed of folds and intervals."`
	Rounds        int      `help:"Rounds of the bootstrap (default: 1000)."`
	Method        []string `help:"Methods (default: all), as docs/evaluation.md names them." placeholder:"METHOD"`
	Subgroup      []string `help:"Results too by a metadata field or another task." placeholder:"FIELD"`
	LearningCurve bool     `help:"Results too by the number of labels."`
	WithoutLeak   bool     `help:"Do not show what images divided without regard to patients would have."`
	Report        string   `help:"Write the report as a page of HTML." placeholder:"FILE"`
	CSV           string   `name:"csv" help:"Write every figure as CSV." placeholder:"FILE"`
	Mistakes      int      `help:"Mistakes that the report shows." default:"12"`
	Cases         int      `help:"Images that --json lists of each cell of the confusion matrices."`
	WithoutImages bool     `help:"Show no pictures of mistakes."`
	Force         bool     `short:"f" help:"Replace files that are there."`
}

func (evaluateCommand) Help() string {
	return `Each fold is predicted from the others, and no patient is in two of them. All that
a method needs is chosen, fitted and calibrated without the patients that it is
tested on. Intervals (95 %) are by bootstrap over patients. docs/evaluation.md
says what is measured and how.

  nearcase evaluate --collection cxr --task finding
  nearcase evaluate --collection cxr --with cxr-clip --report report.html --csv report.csv
  nearcase evaluate --collection cxr --split split --subgroup PatientSex --learning-curve`
}

func (q evaluateCommand) Run(ctx context.Context, s *session) error {
	o, err := q.options(s)
	if err != nil {
		return err
	}
	return s.with(existing, func(p operations, _ config) error {
		progress := s.progress("evaluate")
		o.Doing = func(what string) { progress = s.progress(what) }
		e, err := p.Evaluate(ctx, q.Collection, o, func(done, total int) { progress(done, total) })
		if err != nil {
			return err
		}
		if err := q.save(e); err != nil {
			return err
		}
		return s.print(e, func(w io.Writer) {
			printEvaluation(w, e)
			q.saved(w)
		})
	})
}

func (q evaluateCommand) options(s *session) (api.EvaluateOptions, error) {
	o := api.EvaluateOptions{
		Task: q.Task, Collections: q.With, Folds: q.Folds, K: q.K, Seed: q.Seed, Rounds: q.Rounds, Methods: q.Method,
		Subgroups: q.Subgroup, LearningCurve: q.LearningCurve, WithoutLeak: q.WithoutLeak,
		Mistakes: q.Mistakes, Cases: q.Cases, WithoutImages: q.WithoutImages || q.Report == "",
	}
	var err error
	if o.Filter, err = q.filter(); err != nil {
		return o, err
	}
	if q.Mistakes == 0 || q.Report == "" && !s.JSON {
		o.Mistakes = -1
	}
	if !s.JSON {
		o.Cases = 0
	}
	if q.Split != "" {
		o.Split = &api.Split{By: q.Split, Train: q.Train, Test: q.Test}
		if q.Folds != 0 {
			return o, fmt.Errorf("--folds and --split exclude each other")
		}
	} else if q.Train != "" || q.Test != "" {
		return o, fmt.Errorf("--train and --test are values of --split, which names the field")
	}
	for _, path := range q.files() {
		if err := path.vacant(); err != nil {
			return o, err
		}
	}
	return o, nil
}

// files are where the report goes.
func (q evaluateCommand) files() (all []exportCommand) {
	for _, path := range []string{q.Report, q.CSV} {
		if path != "" {
			all = append(all, exportCommand{Output: path, Force: q.Force})
		}
	}
	return all
}

// save writes the files asked for.
func (q evaluateCommand) save(e api.Evaluation) error {
	for _, f := range q.files() {
		render := report.CSV
		if f.Output == q.Report {
			render = report.HTML
		}
		if err := f.write(func(w io.Writer) error { return render(w, e.Report) }); err != nil {
			return err
		}
	}
	return nil
}

// saved tells where they are.
func (q evaluateCommand) saved(w io.Writer) {
	for _, f := range q.files() {
		fmt.Fprintln(w, "written to", f.Output)
	}
}
