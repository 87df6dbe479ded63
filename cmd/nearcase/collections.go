package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"nearcase/api"
	"nearcase/store"
)

type collectionsCommand struct {
	List   collectionsList   `cmd:"" default:"1" help:"List collections."`
	Show   collectionsShow   `cmd:"" help:"Show one collection: tasks, labels, index."`
	Create collectionsCreate `cmd:"" help:"Make an empty collection."`
	Drop   collectionsDrop   `cmd:"" help:"Delete a collection and everything in it."`

	Amend      collectionsAmend      `cmd:"" help:"Change a collection's description, or whether it keeps originals."`
	Statistics collectionsStatistics `cmd:"" help:"Count what a collection has, and what it takes of the disk."`
}

type collectionsList struct{}

func (collectionsList) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		all, err := o.Collections(ctx)
		if err != nil {
			return err
		}
		return s.print(all, func(w io.Writer) {
			t := table(w, "COLLECTION", "MODEL", "FINGERPRINT", "INSTANCES", "PATIENTS", "TASKS", "INDEX")
			for _, c := range all {
				t.row(c.Name, c.Model, c.Fingerprint[:min(12, len(c.Fingerprint))], c.Status.Instances, c.Status.Patients, taskNames(c), servedBy(c.Status))
			}
			t.flush()
		})
	})
}

func taskNames(c api.Collection) string {
	names := make([]string, len(c.Tasks))
	for i, t := range c.Tasks {
		names[i] = t.Name
	}
	return strings.Join(names, ", ")
}

type collectionsShow struct {
	Name string `arg:"" help:"Collection."`
}

func (q collectionsShow) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		c, err := o.Collection(ctx, q.Name)
		if err != nil {
			return err
		}
		return s.print(c, func(w io.Writer) { printCollection(w, c) })
	})
}

func printCollection(w io.Writer, c api.Collection) {
	t := table(w)
	t.row("collection", c.Name)
	if c.Description != "" {
		t.row("description", c.Description)
	}
	t.row("model", c.Model)
	t.row("fingerprint", c.Fingerprint)
	t.row("dimension", c.Dimension)
	t.row("instances", c.Status.Instances)
	t.row("patients", c.Status.Patients)
	for _, line := range describeIndex(c) {
		t.row(line...)
	}
	t.row("bytes", c.Status.Bytes)
	if c.Quota != (store.Quota{}) {
		t.row("quota", fmt.Sprintf("%d instances, %d bytes (0 is any number)", c.Quota.Instances, c.Quota.Bytes))
	}
	t.row("originals", map[bool]string{false: "kept", true: "discarded"}[c.DiscardOriginals])
	t.row("log entries", c.Status.Head)
	t.row("created", c.Created.Format("2006-01-02 15:04:05 MST"))
	for _, task := range c.Tasks {
		var counts []string
		for _, class := range task.Classes {
			counts = append(counts, fmt.Sprintf("%s %d", class, c.Status.Labelled[task.Name][class]))
		}
		t.row("task "+task.Name, strings.Join(counts, ", "))
	}
	t.flush()
}

type collectionsCreate struct {
	Name             string            `arg:"" help:"Name: a-z, 0-9, - and _."`
	Model            string            `help:"Model (default: scatter, the built-in one)."`
	Task             map[string]string `help:"Single-label task with its classes: finding='normal|pneumonia'." placeholder:"TASK=CLASS|CLASS"`
	MultiTask        map[string]string `help:"Multi-label task with its classes." placeholder:"TASK=CLASS|CLASS"`
	Engine           string            `help:"Index engine: auto, exact, graph or coder (default: the configuration's)."`
	DiscardOriginals bool              `help:"Keep no copies of the images."`
}

func (q collectionsCreate) Run(ctx context.Context, s *session) error {
	return s.with(orNew, func(o operations, c config) error {
		n := api.NewCollection{Name: q.Name, Model: q.Model, Index: c.Index.spec(), DiscardOriginals: q.DiscardOriginals}
		if n.Model == "" {
			n.Model = c.Model
		}
		if q.Engine != "" {
			n.Index = store.Index{Engine: q.Engine}
		}
		for _, name := range sortedKeys(q.Task) {
			n.Tasks = append(n.Tasks, store.Task{Name: name, Classes: strings.Split(q.Task[name], "|")})
		}
		for _, name := range sortedKeys(q.MultiTask) {
			n.Tasks = append(n.Tasks, store.Task{Name: name, Multi: true, Classes: strings.Split(q.MultiTask[name], "|")})
		}
		made, err := o.Create(ctx, n)
		if err != nil {
			return err
		}
		return s.print(made, func(w io.Writer) { printCollection(w, made) })
	})
}

type collectionsDrop struct {
	Name    string `arg:"" help:"Collection."`
	Confirm string `help:"The name once more." placeholder:"NAME"`
}

func (q collectionsDrop) Run(ctx context.Context, s *session) error {
	if q.Confirm != q.Name {
		return errors.New("this deletes every image, vector and label of the collection: repeat its name with --confirm " + q.Name)
	}
	return s.with(existing, func(o operations, _ config) error {
		if err := o.Drop(ctx, q.Name); err != nil {
			return err
		}
		return s.print(struct {
			Dropped string `json:"dropped"`
		}{q.Name}, func(w io.Writer) { fmt.Fprintln(w, "dropped collection", q.Name) })
	})
}

// servedBy is the engine that serves, and what is lost.
func servedBy(s store.Status) string {
	if s.Damaged == 0 {
		return s.Engine
	}
	return fmt.Sprintf("%s, %d log entries lost", s.Engine, s.Damaged)
}
