package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nearcase/index"
	"nearcase/store"
)

// Search implements store.Catalog.
func (l *Catalog) Search(ctx context.Context, name string, q store.Query) ([]store.Case, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if q.Labelled != "" {
		if _, err := c.meta.Task(q.Labelled); err != nil {
			return nil, err
		}
	}
	neighbours, err := search(c.idx, q, c.accept(q))
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", name, translate(err))
	}
	cases := make([]store.Case, len(neighbours))
	for i, n := range neighbours {
		cases[i] = c.found(store.Key(n.Key))
		cases[i].Score = n.Score
	}
	return cases, nil
}

func search(idx index.Index, q store.Query, accept func(uint64) bool) ([]index.Neighbour, error) {
	if q.Exact {
		return index.SearchExact(idx, q.Vector, q.K, accept)
	}
	return idx.Search(q.Vector, q.K, accept)
}

// accept says which keys may answer a query. The caller holds the lock.
func (c *collection) accept(q store.Query) func(uint64) bool {
	excluded := c.excluded(q.Exclude)
	return func(key uint64) bool {
		i, ok := c.rows[store.Key(key)]
		if !ok || excluded[store.Key(key)] {
			return false
		}
		if q.Labelled == "" {
			return true
		}
		_, ok = c.labels[i.ID][q.Labelled]
		return ok
	}
}

// translate gives the index's errors the store's names.
func translate(err error) error {
	switch {
	case errors.Is(err, index.ErrDimension):
		return fmt.Errorf("%w: %w", store.ErrDimension, err)
	case errors.Is(err, index.ErrNotUnit):
		return fmt.Errorf("%w: %w", store.ErrVector, err)
	}
	return err
}

// recallSamples is how many stored vectors a reindex asks both indexes for.
const recallSamples = 100

// Reindex implements store.Catalog.
func (l *Catalog) Reindex(ctx context.Context, name string, to store.Index, progress func(done, total int)) (store.Reindexed, error) {
	started := time.Now()
	c, err := l.collection(ctx, name)
	if err != nil {
		return store.Reindexed{}, err
	}
	meta := c.description()
	fresh, err := newIndex(to, meta.Dimension)
	if err != nil {
		return store.Reindexed{}, err
	}
	r := store.Reindexed{From: meta.Index, To: to}
	head, err := c.fill(ctx, fresh, progress)
	if err != nil {
		return r, fmt.Errorf("reindex %s: %w", name, err)
	}
	if err := c.compare(ctx, fresh, &r); err != nil {
		return r, fmt.Errorf("reindex %s: %w", name, err)
	}
	err = l.alone(ctx, func() error { return c.swap(fresh, head, to) })
	r.Instances, r.Took = fresh.Len(), time.Since(started)
	return r, err
}

// fill adds every instance there is to a new index and returns the log
// position that it then stands at.
func (c *collection) fill(ctx context.Context, fresh index.Index, progress func(done, total int)) (store.Key, error) {
	c.mu.RLock()
	head, order, old := c.last, c.live(), c.idx
	c.mu.RUnlock()
	for i, key := range order {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if v, ok := old.Vector(uint64(key)); ok {
			if err := fresh.Add(uint64(key), v); err != nil {
				return 0, err
			}
		}
		if progress != nil {
			progress(i+1, len(order))
		}
	}
	return head, nil
}

// compare measures both indexes against the exact answer, on stored vectors
// evenly spread over the log.
func (c *collection) compare(ctx context.Context, fresh index.Index, r *store.Reindexed) error {
	c.mu.RLock()
	order, old := c.live(), c.idx
	c.mu.RUnlock()
	var hits, hitsBefore, wanted int
	for s := range min(recallSamples, len(order)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, ok := old.Vector(uint64(order[s*len(order)/min(recallSamples, len(order))]))
		if !ok {
			continue
		}
		exact, err := index.SearchExact(fresh, v, 10, nil)
		if err != nil {
			return err
		}
		now, err := fresh.Search(v, 10, nil)
		before, err2 := old.Search(v, 10, nil)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		hits, hitsBefore = hits+overlap(exact, now), hitsBefore+overlap(exact, before)
		wanted, r.Sampled = wanted+len(exact), r.Sampled+1
	}
	if wanted > 0 {
		r.Recall10 = float64(hits) / float64(wanted)
		r.Recall10Before = float64(hitsBefore) / float64(wanted)
	}
	return nil
}

// overlap counts the neighbours at least as good as the worst exact one, so
// that ties count as found.
func overlap(exact, found []index.Neighbour) int {
	n := 0
	for _, f := range found {
		if f.Score >= exact[len(exact)-1].Score {
			n++
		}
	}
	return n
}

// swap brings the new index up to the log and puts it in the old one's place.
// It runs in the writer, so the log stands still.
func (c *collection) swap(fresh index.Index, head store.Key, to store.Index) error {
	if err := c.gone(); err != nil {
		return err
	}
	err := c.replay(head, func(e store.Entry) error {
		if e.Retires != 0 {
			fresh.Remove(uint64(e.Retires))
		}
		if e.Kind == store.KindPut {
			return fresh.Add(uint64(e.Key), e.Vector)
		}
		return nil
	})
	if err != nil {
		return err
	}
	meta := c.description()
	meta.Index = to
	if err := c.saveMeta(meta); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idx = fresh
	return nil
}
