package main

import (
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
	Instance   string   `arg:"" help:"ID of the stored instance."`
	Labels     []string `arg:"" help:"TASK=CLASS, TASK=CLASS|CLASS, or TASK= for none present."`
	Collection string   `short:"c" default:"default" help:"Collection of the instance."`
	Remove     bool     `help:"Remove the labels for the tasks named instead."`
	NewClasses bool     `help:"Declare tasks and classes that are not there yet."`
	Source     string   `help:"Who says so." default:"command line"`
}

func (labelCommand) Help() string {
	return `The label is stored durably when the command returns, and the next answer knows
it. A later label for the same task corrects the earlier one.

  nearcase label --collection cxr 1.2.840.113619.2.5 finding=pneumonia
  nearcase label --collection cxr 1.2.840.113619.2.5 'devices=line|pacemaker'
  nearcase label --collection cxr --remove 1.2.840.113619.2.5 finding`
}

func (l labelCommand) Run(ctx context.Context, s *session) error {
	requests, err := l.requests()
	if err != nil {
		return err
	}
	return s.with(existing, func(o operations, _ config) error {
		if err := l.declare(ctx, o, requests); err != nil {
			return err
		}
		done, err := o.Label(ctx, l.Collection, requests)
		if errors.Is(err, store.ErrClass) || errors.Is(err, store.ErrTask) {
			return fmt.Errorf("%w; declare it with --new-classes", err)
		}
		if err != nil {
			return err
		}
		return s.print(done, func(w io.Writer) {
			fmt.Fprintf(w, "%s: %s; answers know labels up to %d\n", l.Instance, strings.Join(l.Labels, " "), done.Watermark)
		})
	})
}

func (l labelCommand) requests() ([]api.LabelRequest, error) {
	var requests []api.LabelRequest
	for _, text := range l.Labels {
		task, classes, ok := strings.Cut(text, "=")
		if ok == l.Remove || task == "" {
			return nil, fmt.Errorf("label %q: use TASK=CLASS, or TASK with --remove", text)
		}
		r := api.LabelRequest{Instance: l.Instance, Task: task, Remove: l.Remove, Source: l.Source}
		if classes != "" {
			r.Classes = strings.Split(classes, "|")
		}
		requests = append(requests, r)
	}
	return requests, nil
}

// declare adds the tasks and classes that the labels need, if allowed.
func (l labelCommand) declare(ctx context.Context, o operations, requests []api.LabelRequest) error {
	if !l.NewClasses || l.Remove {
		return nil
	}
	have, err := o.Collection(ctx, l.Collection)
	if err != nil {
		return err
	}
	var tasks []store.Task
	for _, r := range requests {
		multi := len(r.Classes) != 1
		if t, err := have.Task(r.Task); err == nil {
			multi = t.Multi
		}
		tasks = append(tasks, store.Task{Name: r.Task, Multi: multi, Classes: r.Classes})
	}
	_, err = o.Declare(ctx, l.Collection, tasks)
	return err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
