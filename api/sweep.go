package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nearcase/store"
)

// ErrExpected is a deletion of more or fewer instances than were expected.
var ErrExpected = errors.New("not as many as expected")

// SweepOptions say which instances to delete.
type SweepOptions struct {
	// Filter lets pass what is to go.
	Filter *store.Filter `json:"filter"`
	// DryRun counts and deletes nothing.
	DryRun bool `json:"dry_run,omitempty"`
	// Expected is how many the filter must let pass; otherwise nothing is deleted.
	Expected *int `json:"expected,omitempty"`
	// Confirm, in its place, is the collection's name.
	Confirm string `json:"confirm,omitempty"`
}

// Swept says what a deletion by filter did.
type Swept struct {
	// Matched is how many instances passed the filter when it began, Deleted how many
	// of them were deleted: those that still passed it then.
	Matched int  `json:"matched"`
	Deleted int  `json:"deleted"`
	DryRun  bool `json:"dry_run,omitempty"`
}

// Check returns ErrQuery for options that no collection of the name can be swept by.
func (o SweepOptions) Check(collection string) error {
	switch {
	case o.Filter == nil:
		return fmt.Errorf("%w: name what to delete by a filter", ErrQuery)
	case o.DryRun && (o.Expected != nil || o.Confirm != ""):
		return fmt.Errorf("%w: a dry_run deletes nothing: leave expected and confirm out", ErrQuery)
	case !o.DryRun && (o.Expected == nil) == (o.Confirm == ""):
		return fmt.Errorf("%w: give either expected, how many a dry_run has counted, or confirm, the collection's name", ErrQuery)
	case o.Confirm != "" && o.Confirm != collection:
		return fmt.Errorf("%w: confirm does not name the collection", ErrQuery)
	}
	return nil
}

// Sweep deletes all instances that pass a filter, with their vectors, labels and
// originals. It returns ErrExpected, and has deleted nothing, where that are not as
// many as expected. Up to store.MaxDeletes go at once; an error, or the context's
// end, leaves those deleted that have gone by then, which are counted with it.
func (s *Service) Sweep(ctx context.Context, collection string, o SweepOptions, progress func(done, total int)) (Swept, error) {
	w := sweeping{s: s, SweepOptions: o, collection: collection, progress: progress, begin: func() error { return nil }}
	return w.run(ctx)
}

// sweeping is one deletion by filter.
type sweeping struct {
	SweepOptions
	s          *Service
	collection string
	progress   func(done, total int)
	// begin is called once the count is as expected, before anything is deleted.
	begin func() error
	// again tells that it has begun before, so that some may have gone already.
	again bool
}

func (w *sweeping) run(ctx context.Context) (swept Swept, err error) {
	if err := w.Check(w.collection); err != nil {
		return swept, err
	}
	c, err := w.s.Catalog.Collection(ctx, w.collection)
	if err != nil {
		return swept, err
	}
	condition, err := w.s.condition(c, w.Filter)
	if err != nil {
		return swept, err
	}
	ids, err := w.s.passing(ctx, w.collection, condition)
	if err != nil {
		return swept, err
	}
	swept = Swept{Matched: len(ids), DryRun: w.DryRun}
	if err := w.expects(len(ids)); err != nil || w.DryRun {
		return swept, err
	}
	if err := w.begin(); err != nil {
		return swept, err
	}
	err = w.delete(ctx, ids, condition, &swept)
	return swept, err
}

// expects returns ErrExpected unless a count is as expected: of a deletion that
// was interrupted as many or fewer may be left.
func (w *sweeping) expects(count int) error {
	if w.Expected == nil || count == *w.Expected || w.again && count < *w.Expected {
		return nil
	}
	return fmt.Errorf("delete in %s: %w: the filter lets %d instances pass, not %d", w.collection, ErrExpected, count, *w.Expected)
}

func (w *sweeping) delete(ctx context.Context, ids []string, condition *store.Condition, swept *Swept) error {
	done := 0
	for part := range slices.Chunk(ids, store.MaxDeletes) {
		n, err := w.s.Catalog.DeleteAll(ctx, w.collection, part, condition)
		if err != nil {
			return fmt.Errorf("delete in %s, after %d instances: %w", w.collection, swept.Deleted, err)
		}
		swept.Deleted += n
		if done += len(part); w.progress != nil {
			w.progress(done, len(ids))
		}
	}
	return nil
}

// passing returns the IDs of all instances for which a condition holds.
func (s *Service) passing(ctx context.Context, collection string, condition *store.Condition) ([]string, error) {
	var ids []string
	for l := (store.Listing{Filter: condition, Limit: maxPage}); ; {
		found, err := s.Catalog.Find(ctx, collection, l)
		if err != nil {
			return nil, err
		}
		for _, c := range found.Cases {
			ids = append(ids, c.Instance.ID)
		}
		if l.After = found.Next; l.After == nil {
			return ids, nil
		}
	}
}

// sweepJob is Sweep in the background. Begun again it goes on with what is left, if
// that is not more than was expected; one that had deleted nothing yet counts anew.
func (s *Service) sweepJob(ctx context.Context, t *turn) (any, error) {
	var o SweepOptions
	if err := t.parameters(&o); err != nil {
		return nil, err
	}
	w := sweeping{s: s, SweepOptions: o, collection: t.job.Collection, progress: t.progress}
	t.before(&w.again)
	w.begin = func() error { return t.keep(true) }
	return w.run(ctx)
}
