package local

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"nearcase/store"
)

// Put implements store.Catalog.
func (l *Catalog) Put(ctx context.Context, name string, records []store.Record) ([]store.Outcome, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return nil, err
	}
	meta := c.description()
	if meta.DiscardOriginals {
		records = withoutOriginals(records)
	}
	outcomes := make([]store.Outcome, len(records))
	accepted := make([]store.Record, 0, len(records))
	places := make([]*store.Outcome, 0, len(records))
	for i, r := range records {
		o := &outcomes[i]
		if o.ID, o.Err = r.Instance.ID, check(meta, &r); o.Err == nil {
			accepted, places = append(accepted, r), append(places, o)
		}
	}
	if err := l.putAll(ctx, c, accepted, places); err != nil {
		return nil, fmt.Errorf("put into %s: %w", name, err)
	}
	for i := range outcomes {
		if outcomes[i].Err != nil {
			outcomes[i].Status = store.Failed
		}
	}
	return outcomes, nil
}

// putAll writes the originals and then commits the records, telling the
// outcome of each.
func (l *Catalog) putAll(ctx context.Context, c *collection, records []store.Record, outcomes []*store.Outcome) error {
	l.keepAll(records)
	defer l.releaseAll(records)
	if err := l.originals.write(records); err != nil {
		return err
	}
	var pending sync.WaitGroup
	for i, r := range records {
		pending.Add(1)
		if err := l.submit(ctx, c.put(r, outcomes[i], pending.Done)); err != nil {
			outcomes[i].Err = err
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
// permission is swept at the next start. After a failed commit the files are
// left to that too, since only the log can tell whether they are needed.
func (l *Catalog) releaseAll(records []store.Record) {
	if l.failed.Load() != nil {
		return
	}
	for _, r := range records {
		if r.Original != nil {
			_ = l.originals.release(r.Instance.Original())
		}
	}
}

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

// put is the change that stores one record.
func (c *collection) put(r store.Record, o *store.Outcome, done func()) *change {
	return &change{
		c: c, touches: []string{r.Instance.ID},
		plan: func(next store.Key) ([]store.Entry, error) {
			entries, key, status, err := c.planPut(r, next)
			o.Key, o.Status = key, status
			return entries, err
		},
		done: func(_ []store.Entry, err error) {
			if err != nil {
				o.Err, o.Key = err, 0
			}
			done()
		},
	}
}

// planPut decides what a record adds to what is there. Identifiers that the
// record does not give stay as they are, and unknown ones are filled in.
func (c *collection) planPut(r store.Record, next store.Key) (entries []store.Entry, key store.Key, status store.PutStatus, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := c.gone(); err != nil {
		return nil, 0, "", err
	}
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
	type place struct{ instance, task string }
	planned := map[place]store.Label{}
	var entries []store.Entry
	for _, l := range labels {
		at := place{l.Instance, l.Task}
		current, ok := c.labels[l.Instance][l.Task]
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
func (l *Catalog) Label(ctx context.Context, name string, labels []store.Label) (store.Key, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return 0, err
	}
	if len(labels) > maxLabels {
		return 0, fmt.Errorf("%d labels: %w: at most %d in one call", len(labels), store.ErrInvalid, maxLabels)
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
	for _, l := range labels {
		if _, ok := c.ids[l.Instance]; !ok {
			return nil, fmt.Errorf("label instance %q: %w", l.Instance, store.ErrInstance)
		}
	}
	return c.news(labels, next), c.gone()
}

// Delete implements store.Catalog.
func (l *Catalog) Delete(ctx context.Context, name, id string) error {
	c, err := l.collection(ctx, name)
	if err != nil {
		return err
	}
	_, err = c.commit(ctx, []string{id}, func(next store.Key) ([]store.Entry, error) {
		c.mu.RLock()
		defer c.mu.RUnlock()
		key, ok := c.ids[id]
		if !ok {
			return nil, errors.Join(c.gone(), fmt.Errorf("delete instance %q: %w", id, store.ErrInstance))
		}
		return []store.Entry{{Key: next, Kind: store.KindDelete, Instance: &store.Instance{ID: id}, Retires: key}}, c.gone()
	})
	return err
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
