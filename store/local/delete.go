package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nearcase/store"
)

// Delete implements store.Catalog.
func (l *Catalog) Delete(ctx context.Context, name, id string) error {
	return l.DeleteIf(ctx, name, id, 0)
}

// DeleteIf implements store.Catalog.
func (l *Catalog) DeleteIf(ctx context.Context, name, id string, key store.Key) error {
	return l.changing(ctx, name, func(c *collection) error { return c.deleteIf(ctx, id, key) })
}

// deleteIf is DeleteIf of a collection.
func (c *collection) deleteIf(ctx context.Context, id string, key store.Key) error {
	_, err := c.commit(ctx, []string{id}, func(next store.Key) ([]store.Entry, error) {
		c.mu.RLock()
		defer c.mu.RUnlock()
		if err := errors.Join(c.writable(), c.expect(id, key)); err != nil {
			return nil, fmt.Errorf("delete: %w", err)
		}
		entries := c.deletions([]string{id}, nil, next)
		if len(entries) == 0 {
			return nil, fmt.Errorf("delete instance %q: %w", id, store.ErrInstance)
		}
		return entries, nil
	})
	return err
}

// DeleteAll implements store.Catalog.
func (l *Catalog) DeleteAll(ctx context.Context, name string, ids []string, only *store.Condition) (deleted int, err error) {
	if len(ids) > store.MaxDeletes {
		return 0, fmt.Errorf("delete %d instances: %w: at most %d in one call", len(ids), store.ErrInvalid, store.MaxDeletes)
	}
	err = l.changing(ctx, name, func(c *collection) (err error) {
		deleted, err = c.deleteAll(ctx, ids, only)
		return err
	})
	return deleted, err
}

// deleteAll is DeleteAll of a collection.
func (c *collection) deleteAll(ctx context.Context, ids []string, only *store.Condition) (deleted int, err error) {
	_, err = c.commit(ctx, ids, func(next store.Key) (entries []store.Entry, err error) {
		c.mu.RLock()
		defer c.mu.RUnlock()
		entries = c.deletions(ids, only, next)
		deleted = len(entries)
		return entries, c.writable()
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}

// deletions returns the entries that delete what has these IDs and a condition holds
// for, each once. The caller holds the lock.
func (c *collection) deletions(ids []string, only *store.Condition, next store.Key) (entries []store.Entry) {
	planned := map[store.Key]bool{}
	for _, id := range ids {
		for _, key := range c.ofFile(id) {
			if i := c.rows[key]; !planned[key] && (only == nil || only.Holds(i, c.resolved(i.ID))) {
				planned[key] = true
				entries = append(entries, c.deletion(key, next+store.Key(len(entries))))
			}
		}
	}
	return entries
}

// deletion is an entry that retires an instance; Added is when that was.
func (c *collection) deletion(key, next store.Key) store.Entry {
	return store.Entry{Key: next, Kind: store.KindDelete, Instance: &store.Instance{ID: c.rows[key].ID, Added: time.Now().UTC()}, Retires: key}
}

// expect returns ErrChanged unless what has this ID has the key that is expected
// of it: see store.Record.IfKey. The caller holds the lock.
func (c *collection) expect(id string, key store.Key) error {
	if key == 0 {
		return nil
	}
	is := store.Missing
	if keys := c.ofFile(id); len(keys) > 0 {
		is = keys[0]
	}
	switch {
	case is == key:
		return nil
	case is == store.Missing:
		return fmt.Errorf("instance %q: %w: it is not there, and its key was to be %d", id, store.ErrChanged, key)
	case key == store.Missing:
		return fmt.Errorf("instance %q: %w: it is there, with key %d", id, store.ErrChanged, is)
	}
	return fmt.Errorf("instance %q: %w: its key is %d, and was to be %d", id, store.ErrChanged, is, key)
}
