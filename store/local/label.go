package local

import (
	"context"
	"fmt"
	"time"

	"nearcase/store"
)

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
