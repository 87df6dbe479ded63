package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"nearcase/api"
)

type listCommand struct {
	Collection string `short:"c" default:"default" help:"Collection."`
	filterFlags
	Sort       string `help:"Order: added, id, patient, study, name, size or label_time (default: added)."`
	Descending bool   `help:"The other way round."`
	Limit      int    `short:"n" default:"100" help:"Images of a page."`
	Cursor     string `help:"Go on where the page before ended, by the same filter and order." placeholder:"CURSOR"`
	Count      bool   `help:"Count all."`
}

func (listCommand) Help() string {
	return `Lists what is stored, a page at a time.

  nearcase list --collection cxr
  nearcase list --collection cxr --where Modality=CR|DX --sort label_time --descending
  nearcase list --collection cxr --filter '{"task": "finding", "labelled": false}' --count -n 10`
}

func (q listCommand) Run(ctx context.Context, s *session) error {
	filter, err := q.filter()
	if err != nil {
		return err
	}
	if q.Limit < 1 {
		return fmt.Errorf("--limit %d: use 1 or more", q.Limit)
	}
	o := api.ListOptions{Filter: filter, Sort: q.Sort, Descending: q.Descending, Limit: q.Limit, Cursor: q.Cursor, Count: q.Count}
	return s.with(existing, func(p operations, _ config) error {
		page, err := p.List(ctx, q.Collection, o)
		if err != nil {
			return err
		}
		return s.print(page, func(w io.Writer) { printPage(w, page) })
	})
}

func printPage(w io.Writer, p api.Page) {
	heads := []string{"FRAME", "NAME", "PATIENT", "STUDY", "LABELS", "METADATA", "ID"}
	var rows [][]string
	for _, i := range p.Instances {
		labels := map[string][]string{}
		for task, l := range i.Labels {
			labels[task] = l.Classes
		}
		rows = append(rows, []string{frameText(i.Frame), i.Name, i.Patient, i.Study, labelText(labels), metadataText(i.Metadata, "instance"), i.ID})
	}
	printColumns(w, heads, rows)
	if p.Count != nil {
		fmt.Fprintf(w, "%s in all\n", count(*p.Count, "image"))
	}
	if p.Next != "" {
		fmt.Fprintf(w, "more with --cursor %s\n", p.Next)
	}
}

type deleteCommand struct {
	Collection string `short:"c" default:"default" help:"Collection."`
	filterFlags
	DryRun   bool   `help:"Count them and delete nothing."`
	Expected *int   `help:"Delete only if that are as many." placeholder:"NUMBER"`
	Confirm  string `help:"Delete however many there are; repeat the collection's name." placeholder:"COLLECTION"`
}

func (deleteCommand) Help() string {
	return `Deletes the images that a filter lets pass, with their vectors, labels and
originals. To erase a patient for good see nearcase erase.

  nearcase delete --collection cxr --where study=1.2.840.1 --dry-run
  nearcase delete --collection cxr --where study=1.2.840.1 --expected 12`
}

func (q deleteCommand) Run(ctx context.Context, s *session) error {
	filter, err := q.filter()
	if err != nil {
		return err
	}
	o := api.SweepOptions{Filter: filter, DryRun: q.DryRun, Expected: q.Expected, Confirm: q.Confirm}
	if filter == nil {
		return errors.New("name what to delete by --filter or --where")
	}
	return s.with(existing, func(p operations, _ config) error {
		swept, err := p.Sweep(ctx, q.Collection, o, s.progress("delete"))
		if err != nil {
			return err
		}
		return s.print(swept, func(w io.Writer) {
			if swept.DryRun {
				fmt.Fprintf(w, "%s would go: delete with --expected %d\n", count(swept.Matched, "image"), swept.Matched)
				return
			}
			fmt.Fprintf(w, "%s deleted\n", count(swept.Deleted, "image"))
		})
	})
}
