package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"nearcase/api"
)

// sheetStored is the summary of a CSV of labels.
type sheetStored struct {
	File string `json:"file"`
	Rows int    `json:"rows"`
	api.Labelled
}

// sheet stores the labels of a CSV, all of which are checked first, in commits of
// api.MaxLabels.
func (l labelCommand) sheet(ctx context.Context, s *session, o operations) error {
	options := api.SheetOptions{CheXpert: l.Chexpert, Partial: l.Partial, Reader: l.Reader, Confidence: l.confidence(), Source: cmp.Or(l.Source, "csv")}
	sheet, err := api.OpenLabelSheet(l.CSV, options)
	if err != nil {
		return plain(err)
	}
	have, err := o.Collection(ctx, l.Collection)
	if err != nil {
		return err
	}
	stored, err := l.stored(ctx, s, o, have)
	if err != nil {
		return err
	}
	labels, declare, err := sheet.Labels(have.Collection, stored, l.NewClasses)
	if err != nil {
		return declarable(err)
	}
	if len(declare) > 0 {
		if _, err := o.Declare(ctx, l.Collection, declare); err != nil {
			return err
		}
	}
	sum := sheetStored{File: l.CSV, Rows: sheet.Rows()}
	sum.Watermark = have.Status.LabelHead
	if err := l.commit(ctx, s, o, labels, &sum); err != nil {
		return err
	}
	return s.print(sum, func(w io.Writer) {
		fmt.Fprintf(w, "%s from %s of %s: %d new, %d changed, %d unchanged; answers know labels up to %d\n",
			count(sum.Labels, "label"), count(sum.Rows, "row"), l.CSV, sum.New, sum.Changed, sum.Unchanged, sum.Watermark)
	})
}

// stored reads which instances there are.
func (l labelCommand) stored(ctx context.Context, s *session, o operations, c api.Collection) (*api.Stored, error) {
	stored, progress, done := api.NewStored(), s.progress("read instances"), 0
	for next := (api.ListOptions{Limit: 1000}); ; {
		page, err := o.List(ctx, l.Collection, next)
		if err != nil {
			return nil, err
		}
		for _, i := range page.Instances {
			stored.Add(i)
		}
		done += len(page.Instances)
		progress(done, c.Status.Instances)
		if next.Cursor = page.Next; next.Cursor == "" {
			return stored, nil
		}
	}
}

// commit stores labels and adds up what became of them.
func (l labelCommand) commit(ctx context.Context, s *session, o operations, labels []api.LabelRequest, sum *sheetStored) error {
	progress := s.progress("label")
	for some := range slices.Chunk(labels, api.MaxLabels) {
		done, err := o.Label(ctx, l.Collection, some)
		if err != nil {
			return fmt.Errorf("after %d of %d labels: %w; repeat the command to go on", sum.Labels, len(labels), err)
		}
		sum.Labels, sum.New, sum.Changed, sum.Unchanged = sum.Labels+done.Labels, sum.New+done.New, sum.Changed+done.Changed, sum.Unchanged+done.Unchanged
		sum.Watermark = done.Watermark
		progress(sum.Labels, len(labels))
	}
	return nil
}
