package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"nearcase/api"
	"nearcase/store"
)

type labelCommand struct {
	Instance   string   `arg:"" optional:"" help:"ID of the stored instance, or of a file for all its images."`
	Labels     []string `arg:"" optional:"" help:"TASK=CLASS, TASK=CLASS|?CLASS|!CLASS, or TASK= for none present."`
	Collection string   `short:"c" default:"default" help:"Collection of the instance."`
	Remove     bool     `help:"Withdraw the labels for the tasks named instead."`
	NewClasses bool     `help:"Declare tasks and classes that are not there yet."`
	Source     string   `help:"Where the label is from (default: command line, or csv)."`
	Reader     string   `help:"Whose opinion it is, where several read the same image." placeholder:"NAME"`
	Confidence *float64 `help:"How sure the reader is: more than 0, at most 1." placeholder:"SHARE"`
	Partial    bool     `help:"Say nothing of the classes that are not named; otherwise they are absent."`
	History    string   `help:"Show all labels that an instance ever had instead." placeholder:"ID"`
	CSV        string   `name:"csv" help:"Store the labels of a CSV instead." placeholder:"FILE" type:"path"`
	Chexpert   string   `help:"The CSV has a column for each class of this task, with 1, 0, -1 or nothing." placeholder:"TASK"`
}

func (labelCommand) Help() string {
	return `The label is stored durably when the command returns, and the next answer knows
it. A later label of the same reader for the same task corrects the earlier one,
which --history still shows.

In a multi-label task ?CLASS is uncertain and !CLASS absent. Classes that are not
named are absent, unless --partial or a !CLASS says that they are not mentioned.

  nearcase label --collection cxr 1.2.840.113619.2.5 finding=pneumonia
  nearcase label --collection cxr 1.2.840.113619.2.5 'devices=line|pacemaker'
  nearcase label --collection cxr 1.2.840.113619.2.5 'findings=effusion|?edema|!pneumonia'
  nearcase label --collection cxr --reader anna --confidence 0.8 1.2.840.113619.2.5 finding=normal
  nearcase label --collection cxr --remove 1.2.840.113619.2.5 finding
  nearcase label --collection cxr --history 1.2.840.113619.2.5

A CSV has a column instance with IDs, or name with names as stored, and either
the columns task and classes, or a column for each task; reader, confidence,
source and time are optional. All rows are checked before any is stored.

  nearcase label --collection cxr --csv labels.csv
  nearcase label --collection cxr --csv train.csv --chexpert findings --new-classes`
}

func (l labelCommand) Run(ctx context.Context, s *session) error {
	if err := l.check(); err != nil {
		return err
	}
	return s.with(existing, func(o operations, _ config) error {
		switch {
		case l.History != "":
			return l.history(ctx, s, o)
		case l.CSV != "":
			return l.sheet(ctx, s, o)
		}
		return l.label(ctx, s, o)
	})
}

// check refuses what cannot be asked for together.
func (l labelCommand) check() error {
	ways := 0
	for _, asked := range []bool{l.Instance != "", l.History != "", l.CSV != ""} {
		if asked {
			ways++
		}
	}
	switch {
	case ways != 1 || (l.Instance != "") != (len(l.Labels) > 0):
		return errors.New("name an instance with its labels, or --history ID, or --csv FILE")
	case l.Chexpert != "" && l.CSV == "":
		return errors.New("--chexpert says how to read a CSV: name it with --csv")
	case l.Remove && l.CSV != "":
		return errors.New("--remove is for an instance, not for a CSV")
	case l.Remove && (l.Partial || l.Confidence != nil):
		return errors.New("--remove withdraws a label whole, without --partial and --confidence")
	case l.Confidence != nil && !(*l.Confidence > 0 && *l.Confidence <= 1):
		return fmt.Errorf("--confidence %g: use more than 0 and at most 1", *l.Confidence)
	}
	return nil
}

func (l labelCommand) confidence() float64 {
	if l.Confidence == nil {
		return 0
	}
	return *l.Confidence
}

func (l labelCommand) label(ctx context.Context, s *session, o operations) error {
	have, err := o.Collection(ctx, l.Collection)
	if err != nil {
		return err
	}
	requests, err := l.requests(have.Collection)
	if err != nil {
		return err
	}
	if l.NewClasses && !l.Remove {
		if _, err := o.Declare(ctx, l.Collection, api.Declared(have.Collection, requests)); err != nil {
			return err
		}
	}
	done, err := o.Label(ctx, l.Collection, requests)
	if err != nil {
		return declarable(err)
	}
	return s.print(done, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s; answers know labels up to %d\n", l.Instance, strings.Join(l.Labels, " "), done.Watermark)
	})
}

// declarable adds to an error about an unknown task or class what can be done.
func declarable(err error) error {
	if errors.Is(err, store.ErrClass) || errors.Is(err, store.ErrTask) {
		return fmt.Errorf("%w; declare it with --new-classes", err)
	}
	return err
}

func (l labelCommand) requests(c store.Collection) ([]api.LabelRequest, error) {
	var requests []api.LabelRequest
	for _, text := range l.Labels {
		name, classes, ok := strings.Cut(text, "=")
		if ok == l.Remove || name == "" {
			return nil, fmt.Errorf("label %q: use TASK=CLASS, or TASK with --remove", text)
		}
		r, err := api.ReadClasses(c, name, classes)
		if err != nil {
			return nil, fmt.Errorf("label %q: %w", text, err)
		}
		r.Instance, r.Remove, r.Source = l.Instance, l.Remove, cmp.Or(l.Source, "command line")
		r.Reader, r.Confidence, r.Partial = l.Reader, l.confidence(), r.Partial || l.Partial
		requests = append(requests, r)
	}
	return requests, nil
}

// history prints every label of an instance, oldest first.
func (l labelCommand) history(ctx context.Context, s *session, o operations) error {
	entries, err := o.History(ctx, l.Collection, l.History)
	if err != nil {
		return err
	}
	return s.print(entries, func(w io.Writer) {
		var rows [][]string
		for _, e := range entries {
			confidence := ""
			if e.Confidence != 0 {
				confidence = fmt.Sprintf("%g", e.Confidence)
			}
			rows = append(rows, []string{fmt.Sprint(e.Key), e.Time.Format("2006-01-02 15:04:05 MST"), e.Task, saidText(e.Label), e.Reader, confidence, e.Source})
		}
		printColumns(w, []string{"KEY", "TIME", "TASK", "LABEL", "READER", "CONFIDENCE", "SOURCE"}, rows)
		if len(rows) == 0 {
			fmt.Fprintf(w, "nothing was ever said of %s\n", l.History)
		}
	})
}

// saidText is what a label says, as the command line has it.
func saidText(l store.Label) string {
	if l.Removed {
		return "withdrawn"
	}
	words := slices.Clone(l.Classes)
	for _, class := range l.Uncertain {
		words = append(words, "?"+class)
	}
	for _, class := range l.Absent {
		words = append(words, "!"+class)
	}
	text := strings.Join(words, "|")
	switch {
	case l.Partial:
		return strings.TrimSpace(text + " (others not mentioned)")
	case len(l.Classes) == 0:
		return strings.Trim("none|"+text, "|")
	}
	return text
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
