package local

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"nearcase/store"
)

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
