package local

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"nearcase/store"
)

// found makes the case of a key. The caller holds the lock.
func (c *collection) found(key store.Key) store.Case {
	i := c.rows[key]
	return store.Case{Key: key, Instance: *i, Labels: c.resolved(i.ID)}
}

// Instance implements store.Catalog.
func (l *Catalog) Instance(ctx context.Context, name, id string) (store.Case, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return store.Case{}, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	keys := c.ofFile(id)
	if len(keys) == 0 {
		return store.Case{}, fmt.Errorf("instance %q in collection %s: %w", id, name, store.ErrInstance)
	}
	return c.found(keys[0]), nil
}

// Vector implements store.Catalog.
func (l *Catalog) Vector(ctx context.Context, name, id string) ([]float32, error) {
	found, err := l.Instance(ctx, name, id)
	if err != nil {
		return nil, err
	}
	c, err := l.collection(ctx, name)
	if err != nil {
		return nil, err
	}
	v, ok := c.engine().Vector(uint64(found.Key))
	if !ok {
		return nil, fmt.Errorf("instance %q in collection %s: %w", id, name, store.ErrInstance)
	}
	return v, nil
}

// WithDigest implements store.Catalog.
func (l *Catalog) WithDigest(ctx context.Context, name, digest string) ([]store.Case, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var cases []store.Case
	for _, key := range c.digests[digest] {
		cases = append(cases, c.found(key))
	}
	return cases, nil
}

// List implements store.Catalog.
func (l *Catalog) List(ctx context.Context, name string, after store.Key, limit int) ([]store.Case, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	from, found := slices.BinarySearch(c.order, after)
	if found {
		from++
	}
	var cases []store.Case
	for _, key := range c.order[from:] {
		if len(cases) >= limit {
			break
		}
		if c.rows[key] != nil {
			cases = append(cases, c.found(key))
		}
	}
	return cases, nil
}

// logPage is how many entries Log reads at a time.
const logPage = 256

// Log implements store.Catalog.
func (l *Catalog) Log(ctx context.Context, name string, since store.Key) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		c, err := l.collection(ctx, name)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for head := c.head(); since < head; {
			page, last, err := c.page(ctx, since, head)
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(store.Entry{}, fmt.Errorf("read log of %s: %w", name, err))
				return
			}
			since = last
		}
	}
}

// page reads some entries after a key and up to head, and returns the key up
// to which it has read.
func (c *collection) page(ctx context.Context, since, head store.Key) (page []store.Entry, last store.Key, err error) {
	if err := ctx.Err(); err != nil {
		return nil, since, err
	}
	engine, last := c.engine(), head
	err = c.catalog.each(logKeys(c.number), logKey(c.number, since+1, 0), func(key, value []byte) error {
		_, k, suffix, err := parseLogKey(key)
		if err != nil || suffix == vectorSuffix {
			return err
		}
		if k > head || len(page) == logPage {
			last = min(k-1, head)
			return errStop
		}
		e := store.Entry{Key: k}
		if err := unsealJSON(value, &e); err != nil {
			return fmt.Errorf("log entry %d: %w", k, err)
		}
		if v, ok := engine.Vector(uint64(k)); ok {
			e.Vector = v
		} else if e.Kind == store.KindPut {
			return nil // retired since
		}
		page = append(page, e)
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	if err == nil {
		err = c.lacks(page, since, last)
	}
	return page, last, err
}

// lacks returns ErrDamaged if an instance is there whose entry is not among those
// read from the log between two keys: what reads it ends at what it cannot read.
func (c *collection) lacks(page []store.Entry, since, last store.Key) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	from, _ := slices.BinarySearch(c.order, since+1)
	at := 0
	for _, key := range c.order[from:] {
		if key > last {
			break
		}
		for at < len(page) && page[at].Key < key {
			at++
		}
		if c.rows[key] != nil && !c.leaving[key] && (at == len(page) || page[at].Key != key) {
			return fmt.Errorf("log entry %d: %w: it cannot be read", key, store.ErrDamaged)
		}
	}
	return nil
}

var errStop = errors.New("stop")

// Status implements store.Catalog.
func (l *Catalog) Status(ctx context.Context, name string) (store.Status, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return store.Status{}, err
	}
	stats := c.engine().Stats()
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := store.Status{
		Instances: len(c.rows), Patients: len(c.patients), Bytes: c.sizes.bytes,
		Head: c.last, LabelHead: c.lastLabel, Damaged: len(c.lost),
		Labelled: map[string]map[string]int{},
		Engine:   stats.Engine,
		Index: store.IndexStats{
			Rows: stats.Rows, M: stats.M, EfConstruction: stats.EfConstruction, Ef: stats.Ef, Recall: stats.Recall,
			Bytes: stats.Bytes, Mapped: stats.Mapped, Snapshot: c.snapshot,
		},
	}
	for _, t := range c.meta.Tasks {
		s.Labelled[t.Name] = c.counts(t.Name)
	}
	return s, nil
}
