package local

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"nearcase/index"
	"nearcase/store"
)

// Reindex implements store.Catalog.
func (l *Catalog) Reindex(ctx context.Context, name string, to store.Reindexing, progress func(done, total int)) (store.Reindexed, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return store.Reindexed{}, err
	}
	if err := l.space.take(0); err != nil {
		return store.Reindexed{}, fmt.Errorf("reindex %s: %w", name, err)
	}
	if !(to.MinRecall >= 0 && to.MinRecall <= 1) {
		return store.Reindexed{}, fmt.Errorf("reindex %s: %w: minimal recall %g is not within 0 and 1", name, store.ErrInvalid, to.MinRecall)
	}
	ctx, done := l.untilClosed(ctx)
	defer done()
	r, err := c.reindex(ctx, to, progress)
	if err != nil {
		return r, fmt.Errorf("reindex %s: %w", name, err)
	}
	l.poke()
	return r, nil
}

// untilClosed returns a context that also ends when the catalog is closed, with
// store.ErrClosed as its cause. done must be called.
func (l *Catalog) untilClosed(ctx context.Context) (until context.Context, done func()) {
	until, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(store.ErrClosed) })
	return until, func() {
		stop()
		cancel(nil)
	}
}

// reindex is Reindex, for one caller at a time.
func (c *collection) reindex(ctx context.Context, to store.Reindexing, progress func(done, total int)) (r store.Reindexed, err error) {
	done, err := c.begin(ctx)
	if err != nil {
		return r, err
	}
	defer done()
	started := time.Now()
	meta, old := c.description(), c.engine()
	r.From, r.To, r.EngineBefore = meta.Index, to.Index, old.Stats().Engine
	spec := specOf(to.Index, c.catalog.choose(old.Len(), meta.Dimension))
	b := builder{c: c}
	if b.fresh, err = newIndex(spec, meta.Dimension); err != nil {
		return r, err
	}
	if err := b.build(ctx, progress); err != nil {
		return r, err
	}
	if r.Comparison, err = c.compare(ctx, b.fresh, b.at); err != nil {
		return r, err
	}
	if err := finds(to.MinRecall, r.Comparison); err != nil {
		return r, err
	}
	if err := c.catalog.alone(ctx, func() error { return b.swap(to.Index, spec.Engine) }); err != nil {
		return r, err
	}
	r.Engine, r.Instances, r.Took = spec.Engine, b.fresh.Len(), time.Since(started)
	c.saveBuilt(ctx)
	return r, nil
}

// finds returns ErrRecall for an index that finds less than it must.
func finds(least float64, c store.Comparison) error {
	if least = cmp.Or(least, store.DefaultMinRecall); c.Recall10 >= least {
		return nil
	}
	return fmt.Errorf("%w: its recall@10 on %d stored images is %.4f, and it must be %g at least (min_recall); the old index stays",
		store.ErrRecall, c.Sampled, c.Recall10, least)
}

// saveBuilt saves a new index at once if it is large enough: building it took
// longer. A failure is no more than a slower start.
func (c *collection) saveBuilt(ctx context.Context) {
	if c.needsSaving(closing) {
		c.report("index saved", c.saveAtHead(ctx, c.freeze))
	}
}

// builder makes an index beside the one that serves.
type builder struct {
	c     *collection
	fresh index.Index
	at    store.Key // the log position that fresh stands at
}

// build fills the index and tunes it.
func (b *builder) build(ctx context.Context, progress func(done, total int)) error {
	if err := b.fill(ctx, progress); err != nil {
		return err
	}
	if err := b.approach(ctx); err != nil {
		return err
	}
	return index.Tune(ctx, b.fresh)
}

// fillBatch is how many vectors a new index is given at a time.
const fillBatch = 1024

// fill adds every vector that the serving index has.
func (b *builder) fill(ctx context.Context, progress func(done, total int)) error {
	b.c.mu.RLock()
	head, keys, old := b.c.last, b.c.live(), b.c.idx
	b.c.mu.RUnlock()
	f := feed{idx: b.fresh}
	for i, key := range keys {
		if v, ok := old.Vector(uint64(key)); ok {
			f.keys, f.vectors = append(f.keys, uint64(key)), append(f.vectors, v)
		}
		if len(f.keys) < fillBatch && i+1 < len(keys) {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := f.flush(); err != nil {
			return err
		}
		if progress != nil {
			progress(i+1, len(keys))
		}
	}
	b.at = head
	return nil
}

// near is how many log entries may be left for the writer to wait for.
const near = 64

// approach follows the log until it is almost at its head.
func (b *builder) approach(ctx context.Context) error {
	for b.c.head()-b.at > near {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := b.follow(); err != nil {
			return err
		}
	}
	return nil
}

// follow brings the index up to the log.
func (b *builder) follow() error {
	f := feed{idx: b.fresh}
	var retired []store.Key
	err := b.c.replay(b.at, b.at, func(e store.Entry) error {
		b.at = e.Key
		if e.Retires != 0 {
			retired = append(retired, e.Retires)
		}
		return f.put(e)
	})
	if err != nil {
		return err
	}
	if err := f.flush(); err != nil {
		return err
	}
	for _, key := range retired {
		b.fresh.Remove(uint64(key))
	}
	return nil
}

// swap brings the index up to the log's head and puts it in the old one's place.
// It runs in the writer, so the log stands still. A snapshot of the old one is
// removed first: a crash must not leave it to be taken for one of the new.
func (b *builder) swap(to store.Index, engine string) error {
	c := b.c
	if err := c.gone(); err != nil {
		return err
	}
	if err := b.follow(); err != nil {
		return err
	}
	if err := c.removeSnapshot(); err != nil {
		return err
	}
	meta := c.meta // no other goroutine changes it
	meta.Index, meta.Serves = to, ""
	if to.IsAuto() {
		meta.Serves = engine
	}
	if err := c.describe(meta); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idx, c.snapshot, c.moved, c.unclean = b.fresh, 0, b.fresh.Len(), false
	return nil
}
