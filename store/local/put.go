package local

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

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

// check reports why the batch cannot be stored in the collection, and completes
// its labels.
func (b batch) check(meta store.Collection) error {
	for i := range b.records {
		if err := check(meta, &b.records[i]); err != nil {
			return err
		}
		if first := b.records[0].Instance; b.records[i].Instance.Original() != first.Original() {
			return fmt.Errorf("file %s: %w: its instances are of different originals", first.File, store.ErrInvalid)
		}
	}
	return nil
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

// takes refuses records for which there is no room on the disk, or which could not
// be written for want of descriptors, before anything of them is.
func (l *Catalog) takes(records []store.Record) error {
	var bytes int64
	for _, r := range records {
		bytes += int64(len(r.Original)) + 4*int64(len(r.Vector)) + recordBytes
	}
	if err := l.space.take(bytes); err != nil {
		return err
	}
	return fault(canOpen())
}

// recordBytes is about what the log takes of a record or label beside its vector.
const recordBytes = 1 << 10

// unitTolerance is how far from 1 the length of a vector may be.
const unitTolerance = 1e-3

// check reports why a record cannot be stored in the collection, and completes
// its labels.
func check(meta store.Collection, r *store.Record) error {
	if r.Fingerprint != meta.Fingerprint {
		return fmt.Errorf("%w: collection %s holds vectors of %s (%.12s), this one is of %.12s",
			store.ErrFingerprint, meta.Name, meta.Model, meta.Fingerprint, r.Fingerprint)
	}
	if len(r.Vector) != meta.Dimension {
		return fmt.Errorf("%w: %d, collection %s has %d", store.ErrDimension, len(r.Vector), meta.Name, meta.Dimension)
	}
	var square float64
	for _, x := range r.Vector {
		square += float64(x) * float64(x)
	}
	if !(math.Abs(math.Sqrt(square)-1) <= unitTolerance) { // NaN fails too
		return fmt.Errorf("%w: length %g", store.ErrVector, math.Sqrt(square))
	}
	if err := checkOriginal(r); err != nil {
		return err
	}
	return checkLabels(meta, r)
}

// checkOriginal makes sure that a file will be named by its content.
func checkOriginal(r *store.Record) error {
	if r.Original == nil {
		return nil
	}
	if sum := sha256.Sum256(r.Original); hex.EncodeToString(sum[:]) != r.Instance.Original() {
		return fmt.Errorf("digest %.80q: %w: not the SHA-256 of the original", r.Instance.Original(), store.ErrInvalid)
	}
	return nil
}

func checkLabels(meta store.Collection, r *store.Record) error {
	if err := r.Instance.Validate(); err != nil {
		return err
	}
	labels := make([]store.Label, len(r.Labels))
	for i, label := range r.Labels {
		label.Instance = r.Instance.ID
		var err error
		if labels[i], err = meta.CheckLabel(label); err != nil {
			return err
		}
	}
	r.Labels = labels
	return nil
}

// put is the change that stores a batch.
func (c *collection) put(b batch, done func()) *change {
	touches := make([]string, len(b.records))
	for i, r := range b.records {
		touches[i] = r.Instance.ID
	}
	return &change{
		c: c, touches: touches, grows: recordBytes,
		plan: func(next store.Key) ([]store.Entry, error) { return c.planPut(b, next) },
		done: func(_ []store.Entry, err error) {
			if err != nil {
				b.fail(err)
			}
			done()
		},
	}
}

// planPut decides what a batch adds to what is there, and what of the file that
// it replaces goes.
func (c *collection) planPut(b batch, next store.Key) (entries []store.Entry, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := errors.Join(c.writable(), c.expects(b)); err != nil {
		return nil, err
	}
	if entries, err = c.planRest(b, next); err != nil {
		return nil, err
	}
	replaces := len(entries) > 0
	for i, r := range b.records {
		more, key, status, err := c.planRecord(r, next+store.Key(len(entries)))
		if err != nil {
			return nil, err
		}
		if replaces && status == store.Created {
			status = store.Replaced
		}
		b.outcomes[i].Key, b.outcomes[i].Status = key, status
		entries = append(entries, more...)
	}
	return entries, c.fits(entries)
}

// expects returns ErrChanged if something of the batch is not as a record expects
// it. The caller holds the lock.
func (c *collection) expects(b batch) error {
	for _, r := range b.records {
		if err := c.expect(cmp.Or(r.Instance.File, r.Instance.ID), r.IfKey); err != nil {
			return err
		}
	}
	return nil
}

// planRest deletes the images of the file that are not in the batch, if the batch
// replaces what is there. Otherwise those of the same content stay, and others are
// ErrConflict.
func (c *collection) planRest(b batch, next store.Key) (entries []store.Entry, err error) {
	first := b.records[0]
	for _, key := range c.ofFile(cmp.Or(first.Instance.File, first.Instance.ID)) {
		old := c.rows[key]
		same := func(r store.Record) bool { return r.Instance.ID == old.ID }
		if slices.ContainsFunc(b.records, same) || old.Digest == first.Instance.Digest && !first.Replace {
			continue
		}
		if !first.Replace {
			return nil, fmt.Errorf("instance %s: %w: the image differs; replacing it must be asked for", old.ID, store.ErrConflict)
		}
		entries = append(entries, c.deletion(key, next+store.Key(len(entries))))
	}
	return entries, nil
}

// ofFile returns the keys of what has this ID: an instance, or the images of a
// file. The caller holds the lock.
func (c *collection) ofFile(id string) []store.Key {
	if key, ok := c.ids[id]; ok {
		return append([]store.Key{key}, c.files[id]...)
	}
	return c.files[id]
}

// planRecord decides what a record adds to what is there. Identifiers that the
// record does not give stay as they are, and unknown ones are filled in.
func (c *collection) planRecord(r store.Record, next store.Key) (entries []store.Entry, key store.Key, status store.PutStatus, err error) {
	key, status = next, store.Created
	retires, exists := c.ids[r.Instance.ID]
	if exists {
		old := *c.rows[retires]
		r.Instance.Patient = cmp.Or(r.Instance.Patient, old.Patient)
		r.Instance.Study = cmp.Or(r.Instance.Study, old.Study)
		r.Instance.Series = cmp.Or(r.Instance.Series, old.Series)
		r.Instance.Name = cmp.Or(r.Instance.Name, old.Name)
		switch {
		case old.SameAs(r.Instance):
			key, status = retires, store.Unchanged
		case r.Replace || completes(old, r.Instance):
			status = store.Replaced
		default:
			return nil, 0, "", fmt.Errorf("instance %s: %w: %s; replacing it must be asked for", r.Instance.ID, store.ErrConflict, differs(old, r.Instance))
		}
	}
	if status != store.Unchanged {
		entries = append(entries, c.entry(r, next, retires))
	}
	labels := c.news(r.Labels, next+store.Key(len(entries)))
	if status == store.Unchanged && len(labels) > 0 {
		status = store.Updated
	}
	return append(entries, labels...), key, status, nil
}

// completes reports whether an instance only adds identifiers to the same
// image.
func completes(old, new store.Instance) bool {
	fits := func(old, new string) bool { return old == "" || old == new }
	return old.Digest == new.Digest && fits(old.Patient, new.Patient) && fits(old.Study, new.Study) && fits(old.Series, new.Series)
}

// entry makes the log entry of a record, which owns its vector from then on.
func (c *collection) entry(r store.Record, key, retires store.Key) store.Entry {
	i := r.Instance
	if i.Added.IsZero() {
		i.Added = time.Now().UTC()
	}
	return store.Entry{Key: key, Kind: store.KindPut, Instance: &i, Retires: retires, Vector: r.Vector}
}

// news makes entries of the labels that say something not said already.
func (c *collection) news(labels []store.Label, next store.Key) []store.Entry {
	type place struct{ instance, task, reader string }
	planned := map[place]store.Label{}
	var entries []store.Entry
	for _, l := range labels {
		at := place{l.Instance, l.Task, l.Reader}
		current, ok := c.opinion(l.Instance, l.Task, l.Reader)
		if p, again := planned[at]; again {
			current, ok = p, !p.Removed
		}
		planned[at] = l
		if (ok && l.Says(current)) || (l.Removed && !ok) {
			continue
		}
		if l.Time.IsZero() {
			l.Time = time.Now().UTC()
		}
		entries = append(entries, store.Entry{Key: next, Kind: store.KindLabel, Label: &l})
		next++
	}
	return entries
}

// differs says in which field, without saying what a patient is called.
func differs(old, new store.Instance) string {
	switch {
	case old.Digest != new.Digest:
		return "the image differs"
	case old.Patient != new.Patient:
		return "the same image is stored for another patient"
	case old.Study != new.Study:
		return "the same image is stored in another study"
	}
	return "the same image is stored in another series"
}

// maxLabels bounds one call of Label, which is one commit.
const maxLabels = 10_000

// Label implements store.Catalog.
func (l *Catalog) Label(ctx context.Context, name string, labels []store.Label) (key store.Key, err error) {
	err = l.changing(ctx, name, func(c *collection) (err error) {
		key, err = c.say(ctx, labels)
		return err
	})
	return key, err
}

// say is Label of a collection.
func (c *collection) say(ctx context.Context, labels []store.Label) (_ store.Key, err error) {
	if len(labels) > maxLabels {
		return 0, fmt.Errorf("%d labels: %w: at most %d in one call", len(labels), store.ErrInvalid, maxLabels)
	}
	if err := c.catalog.space.take(recordBytes * int64(len(labels))); err != nil {
		return 0, err
	}
	meta := c.description()
	checked := make([]store.Label, len(labels))
	touches := make([]string, len(labels))
	for i, label := range labels {
		if checked[i], err = meta.CheckLabel(label); err != nil {
			return 0, fmt.Errorf("label %d, instance %s: %w", i+1, label.Instance, err)
		}
		touches[i] = label.Instance
	}
	return c.commit(ctx, touches, func(next store.Key) ([]store.Entry, error) {
		return c.planLabels(checked, next)
	})
}

func (c *collection) planLabels(labels []store.Label, next store.Key) ([]store.Entry, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := c.writable(); err != nil {
		return nil, err
	}
	var all []store.Label
	for _, l := range labels {
		keys := c.ofFile(l.Instance)
		if len(keys) == 0 {
			return nil, fmt.Errorf("label instance %q: %w", l.Instance, store.ErrInstance)
		}
		for _, key := range keys {
			l.Instance = c.rows[key].ID
			all = append(all, l)
		}
	}
	return c.news(all, next), nil
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
