package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"nearcase/api"
	"nearcase/store"
)

type eraseCommand struct {
	Patient  eraseThem     `cmd:"" default:"withargs" help:"Erase a patient (erase PATIENT is the same)."`
	Receipts eraseReceipts `cmd:"" help:"List the receipts of erasures, and check that none has been changed."`
	Receipt  eraseReceipt  `cmd:"" help:"Show the receipt of one erasure."`
}

type eraseThem struct {
	Collection string `short:"c" default:"default" help:"Collection."`
	Patient    string `arg:"" help:"The patient's own ID, or what the collection calls them."`
	Confirm    string `help:"The same once more." placeholder:"PATIENT"`
}

func (eraseThem) Help() string {
	return `Erases the patient's instances, vectors, labels with their history, originals and
thumbnails, and all that has learnt from them: versions of probes are gone, and
probes are derived anew from the labels that stay. Then the store is rewritten
without what was deleted, and every byte of it is searched for what may be left.
The receipt says what was erased and found, and which backups may still hold it.

  nearcase erase --collection cxr MRN-12345 --confirm MRN-12345`
}

func (q eraseThem) Run(ctx context.Context, s *session) error {
	if q.Confirm != q.Patient {
		return errors.New("this erases all that is stored of the patient, for good: repeat the patient with --confirm")
	}
	return s.with(existing, func(o operations, _ config) error {
		r, err := o.Erase(ctx, q.Collection, q.Patient, s.progress("compact"))
		if r.ID == "" {
			return err
		}
		return errors.Join(err, s.print(r, func(w io.Writer) { printReceipt(w, r) }))
	})
}

func printReceipt(w io.Writer, r api.Receipt) {
	t := table(w)
	t.row("receipt", fmt.Sprintf("%d, %s", r.Number, r.ID))
	t.row("erased", fmt.Sprintf("%s, from collection %s", r.Begun.Format(time.DateTime+" MST"), r.Collection))
	t.row("patient", orDash(r.Patient))
	t.row("instances", fmt.Sprintf("%d with %d labels", r.Instances, r.Labels))
	t.row("originals", fmt.Sprintf("%d of %d bytes", r.Originals, r.Bytes))
	t.row("learnt", fmt.Sprintf("%d vectors in the index; %d derived files are gone", r.Indexed, r.Derived))
	if r.SharedOriginals+r.SharedVectors+r.SharedNames > 0 {
		t.row("stay for others", fmt.Sprintf("%d originals, %d vectors, %d names", r.SharedOriginals, r.SharedVectors, r.SharedNames))
	}
	if len(r.Elsewhere) > 0 {
		t.row("also stored in", strings.Join(r.Elsewhere, ", "))
	}
	t.row("verified", fmt.Sprintf("%s: %d names, %d digests and %d vectors looked for in %d files, %d bytes; %d found",
		map[bool]string{true: "yes", false: "no"}[r.IsVerified()], r.Verification.Texts, r.Verification.Digests, r.Verification.Vectors,
		r.Verification.Files, r.Verification.Bytes, r.Verification.Matches))
	t.row("backups", orDash(strings.Join(r.Backups, ", ")))
	if r.Problem != "" {
		t.row("to do", r.Problem)
	}
	t.row("hash", r.Hash)
	t.flush()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

type eraseReceipts struct{}

func (eraseReceipts) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		all, err := o.Receipts(ctx)
		if err != nil && !errors.Is(err, api.ErrForged) {
			return err
		}
		return errors.Join(err, s.print(all, func(w io.Writer) {
			t := table(w, "NUMBER", "RECEIPT", "ERASED", "COLLECTION", "INSTANCES", "LABELS", "VERIFIED", "PROBLEM")
			for _, r := range all {
				t.row(r.Number, r.ID, r.Begun.Format(time.DateTime), r.Collection, r.Instances, r.Labels, r.IsVerified(), orDash(r.Problem))
			}
			t.flush()
		}))
	})
}

type eraseReceipt struct {
	ID string `arg:"" help:"The receipt's ID."`
}

func (q eraseReceipt) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		r, err := o.Receipt(ctx, q.ID)
		if err != nil {
			return err
		}
		return s.print(r, func(w io.Writer) { printReceipt(w, r) })
	})
}

type compactCommand struct{}

func (compactCommand) Help() string {
	return `Rewrites the log of all collections without anything that was deleted or
overwritten, so that its bytes are gone from the disk. It needs as much free space
as the log takes; searches go on meanwhile, and changes wait.`
}

func (compactCommand) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		done, err := o.Compact(ctx, s.progress("compact"))
		if err != nil {
			return err
		}
		return s.print(done, func(w io.Writer) { printCompacted(w, done) })
	})
}

func printCompacted(w io.Writer, c store.Compacted) {
	fmt.Fprintf(w, "%d entries kept, %d of what was deleted erased; the log took %d bytes of the disk and takes %d. %.1f s\n",
		c.Kept, c.Erased, c.Before, c.After, c.Took.Seconds())
}
