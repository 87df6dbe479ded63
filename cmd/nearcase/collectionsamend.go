package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"nearcase/store"
)

type collectionsAmend struct {
	Name             string  `arg:"" help:"Collection."`
	Description      *string `help:"What it is, for people."`
	DiscardOriginals *bool   `negatable:"" help:"Remove the originals there are, and keep none from now on."`
	MaxInstances     *int    `help:"How many instances it may have; 0 for any number." placeholder:"N"`
	MaxBytes         *int64  `help:"How many bytes its originals and vectors may take; 0 for any number." placeholder:"N"`
	Confirm          string  `help:"The name once more, to remove originals." placeholder:"NAME"`
}

func (q collectionsAmend) Run(ctx context.Context, s *session) error {
	if q.Description == nil && q.DiscardOriginals == nil && q.MaxInstances == nil && q.MaxBytes == nil {
		return errors.New("say what to change: --description, --max-instances, --max-bytes, --discard-originals or --no-discard-originals")
	}
	if q.DiscardOriginals != nil && *q.DiscardOriginals && q.Confirm != q.Name {
		return errors.New("this removes the originals of the collection: repeat its name with --confirm " + q.Name)
	}
	return s.with(existing, func(o operations, _ config) error {
		c, err := o.Amend(ctx, q.Name, store.Amendment{
			Description: q.Description, DiscardOriginals: q.DiscardOriginals, MaxInstances: q.MaxInstances, MaxBytes: q.MaxBytes,
		})
		if err != nil {
			return err
		}
		return s.print(c, func(w io.Writer) { printCollection(w, c) })
	})
}

type collectionsStatistics struct {
	Name string `arg:"" help:"Collection."`
}

func (q collectionsStatistics) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		c, err := o.Statistics(ctx, q.Name)
		if err != nil {
			return err
		}
		return s.print(c, func(w io.Writer) { printStatistics(w, c) })
	})
}

func printStatistics(w io.Writer, c store.Statistics) {
	t := table(w)
	t.row("instances", fmt.Sprintf("%d of %d patients, %d studies, %d series", c.Instances, c.Patients, c.Studies, c.Series))
	t.row("files with several", c.Files)
	t.row("labels ever given", c.Labels)
	t.row("deleted, not compacted", c.Deleted)
	t.row("log bytes", c.Disk.Log)
	t.row("original bytes", c.Disk.Originals)
	t.row("index bytes", c.Disk.Index)
	t.row("derived bytes", c.Disk.Derived)
	t.flush()
	fmt.Fprintln(w)
	t = table(w, "TASK", "CLASS", "INSTANCES")
	for _, task := range sortedKeys(c.Tasks) {
		t.row(task, "any", c.Tasks[task].Labelled)
		for _, class := range sortedKeys(c.Tasks[task].Classes) {
			t.row(task, class, c.Tasks[task].Classes[class])
		}
	}
	t.flush()
	fmt.Fprintln(w)
	t = table(w, "FIELD", "VALUE", "INSTANCES")
	for _, f := range c.Fields {
		for _, v := range f.Values {
			t.row(f.Field, v.Value, v.Instances)
		}
		if f.Others > 0 {
			t.row(f.Field, "others", f.Others)
		}
	}
	t.flush()
}
