package local

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"nearcase/store"
)

// Put implements store.Catalog.
func (l *Catalog) Put(ctx context.Context, name string, records []store.Record) ([]store.Outcome, error) {
	c, err := l.named(ctx, name)
	if err != nil {
		return nil, err
	}
	meta := c.description()
	if meta.DiscardOriginals {
		records = withoutOriginals(records)
	}
	records = slices.Clone(records)
	outcomes := make([]store.Outcome, len(records))
	var accepted []batch
	for _, b := range batches(records, outcomes) {
		if err := b.check(meta); err != nil {
			b.fail(err)
			continue
		}
		accepted = append(accepted, b)
	}
	if err := l.putAll(ctx, c, accepted); err != nil {
		return nil, fmt.Errorf("put into %s: %w", name, err)
	}
	for i := range outcomes {
		if outcomes[i].Err != nil {
			outcomes[i].Status = store.Failed
		}
	}
	return outcomes, nil
}

// batch is what is stored together or not at all: one record, or those of a
// file, each with its outcome.
type batch struct {
	records  []store.Record
	outcomes []store.Outcome
}

// batches divides records. One that is in the batch already begins another: of a
// file that comes twice in a row the second is a repetition.
func batches(records []store.Record, outcomes []store.Outcome) (all []batch) {
	for from, to := 0, 0; from < len(records); from = to {
		to = from + ofOneFile(records[from:])
		for i := from; i < to; i++ {
			outcomes[i].ID = records[i].Instance.ID
		}
		all = append(all, batch{records[from:to:to], outcomes[from:to:to]})
	}
	return all
}

// ofOneFile counts the records at the beginning that are of one file, at least 1.
func ofOneFile(records []store.Record) int {
	file := records[0].Instance.File
	if file == "" {
		return 1
	}
	ids, n := map[string]bool{}, 0
	for n < len(records) && records[n].Instance.File == file && !ids[records[n].Instance.ID] {
		ids[records[n].Instance.ID] = true
		n++
	}
	return n
}

func (b batch) fail(err error) {
	for i := range b.outcomes {
		b.outcomes[i].Err = err
	}
}

// putAll writes the originals and then commits the batches, telling the
// outcome of each record.
func (l *Catalog) putAll(ctx context.Context, c *collection, all []batch) error {
	var records []store.Record
	for _, b := range all {
		records = append(records, b.records...)
	}
	if err := l.takes(records); err != nil {
		return err
	}
	l.keepAll(records)
	defer l.releaseAll(records)
	if err := l.originals.write(records); err != nil {
		return fault(err)
	}
	var pending sync.WaitGroup
	for _, b := range all {
		pending.Add(1)
		if err := l.submit(ctx, c.put(b, pending.Done)); err != nil {
			b.fail(err)
			pending.Done()
		}
	}
	pending.Wait()
	return nil
}

func withoutOriginals(records []store.Record) []store.Record {
	bare := make([]store.Record, len(records))
	for i, r := range records {
		r.Original = nil
		bare[i] = r
	}
	return bare
}

func (l *Catalog) keepAll(records []store.Record) {
	for _, r := range records {
		if r.Original != nil {
			l.originals.keep(r.Instance.Original())
		}
	}
}

// releaseAll gives back what keepAll took; a file that stays behind for want of
// permission is swept later. After a failed commit that waits until the log is open
// again, since only the log can tell whether they are needed.
func (l *Catalog) releaseAll(records []store.Record) {
	var digests []string
	for _, r := range records {
		if r.Original != nil {
			digests = append(digests, r.Instance.Original())
		}
	}
	if l.owes(digests) {
		return
	}
	for _, digest := range digests {
		_ = l.originals.release(digest)
	}
}

// commit runs one change to its end and returns the key of its last entry, or
// the head when there was nothing to do.
func (c *collection) commit(ctx context.Context, touches []string, plan func(store.Key) ([]store.Entry, error)) (store.Key, error) {
	type result struct {
		entries []store.Entry
		err     error
	}
	results := make(chan result, 1)
	err := c.catalog.submit(ctx, &change{c: c, touches: touches, plan: plan,
		done: func(entries []store.Entry, err error) { results <- result{entries, err} }})
	if err != nil {
		return 0, err
	}
	r := <-results
	if r.err != nil {
		return 0, r.err
	}
	if len(r.entries) == 0 {
		return c.head(), nil
	}
	return r.entries[len(r.entries)-1].Key, nil
}
