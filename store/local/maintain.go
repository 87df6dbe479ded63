package local

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"nearcase/index"
	"nearcase/store"
)

// occasion is when an index may be saved: the fewer vectors need to have changed
// the better the occasion is. A save writes all of them, so that few are not
// worth it: they are read from the log at the next start.
type occasion int

const (
	busy    occasion = iota // while records are being put
	quiet                   // when none has been for a while
	closing                 // when the catalog is closed
)

// quietAfter is how long after a commit it is quiet.
const quietAfter = time.Minute

// due reports whether an index of that many vectors is worth saving after that
// many have changed.
func (o occasion) due(vectors, changed int) bool {
	switch o {
	case busy:
		return changed >= max(1000, vectors/10)
	case quiet:
		return changed*100 >= vectors
	}
	return changed*1000 >= vectors
}

// poke tells the maintenance that something has changed.
func (l *Catalog) poke() {
	select {
	case l.wake <- struct{}{}:
	default: // it knows
	}
}

// maintain is the goroutine that looks after the indexes.
func (l *Catalog) maintain() {
	defer close(l.maintained)
	calm := time.NewTimer(quietAfter)
	defer calm.Stop()
	l.upkeep(busy)
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.wake:
			l.upkeep(busy)
			calm.Reset(quietAfter)
		case <-calm.C:
			l.upkeep(quiet)
		}
	}
}

// upkeep does what the indexes need, one after the other.
func (l *Catalog) upkeep(o occasion) {
	l.upkeeping.Lock()
	defer l.upkeeping.Unlock()
	all := l.all()
	for _, c := range all { // first: until then searches score what is not linked
		_ = c.link(l.ctx) // it ends where the catalog does
	}
	for _, c := range all {
		if l.ctx.Err() == nil {
			c.upkeep(l.ctx, o)
		}
	}
}

// all returns the collections there are.
func (l *Catalog) all() []*collection {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Collect(maps.Values(l.collections))
}

// link links what the start has left for later, if anything.
func (c *collection) link(ctx context.Context) error {
	idx := c.engine()
	if !index.IsLoose(idx) {
		return nil
	}
	err := index.Link(ctx, idx)
	c.report("index linked", err)
	return err
}

// upkeep rebuilds, tunes and saves the index where that is due. What fails is
// logged, and tried again when there are many more vectors.
func (c *collection) upkeep(ctx context.Context, o occasion) {
	if c.needsRebuild() {
		c.report("index rebuilt", c.rebuild(ctx))
	}
	if index.NeedsTuning(c.engine()) && (o == quiet || c.isWorthTuning()) {
		c.report("index tuned", c.tune(ctx))
	}
	switch {
	case c.needsSaving(o):
		c.report("index saved", c.saveNow(ctx, c.freeze))
	case c.needsRows(o):
		c.report("rows saved", c.saveNow(ctx, c.freezeRows))
	}
}

// manyNumbers is how many a collection has whose scans take so long that they are
// better tuned while it is growing. Those of smaller ones wait until it is quiet,
// or what embeds the images would have less of the processor.
const manyNumbers = 8 << 20

// isWorthTuning reports whether the index is to be tuned while it changes.
func (c *collection) isWorthTuning() bool {
	idx := c.engine()
	return idx.Stats().Engine == index.EngineGraph || idx.Len()*c.description().Dimension >= manyNumbers
}

// tune tunes the index, which is then worth saving: the next start need not.
func (c *collection) tune(ctx context.Context) error {
	idx := c.engine()
	if err := index.Tune(ctx, idx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved = max(c.moved, idx.Len())
	return nil
}

// report logs what was done to the index, or why it could not be.
func (c *collection) report(done string, err error) {
	stats := c.engine().Stats()
	log := c.catalog.Logger.With("collection", c.description().Name, "engine", stats.Engine, "vectors", stats.Len)
	switch {
	case err == nil:
		log.Info(done)
	case c.catalog.ctx.Err() != nil || errors.Is(err, store.ErrCollection): // it ends, or is dropped
	default:
		log.Warn("not done: "+done, "reason", err)
	}
}

// needsRebuild reports whether the index is of another engine than it should be,
// may have what was erased, or is mostly of places that deleted vectors left.
func (c *collection) needsRebuild() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	stats := c.idx.Stats()
	if c.unclean && len(c.building) == 0 { // or else it is being built
		return true
	}
	if stats.Len < 2*c.refused {
		return false
	}
	return stats.Engine != c.wanted(stats) || stats.Rows > 2*stats.Len+1024
}

// wanted is the engine that the index should have. Where that is left to the
// program and the index is as small again as it was when a graph became better,
// it is only given up at half of that.
func (c *collection) wanted(stats index.Stats) string {
	if !c.meta.Index.IsAuto() {
		return c.meta.Index.Engine
	}
	n := stats.Len
	if stats.Engine == index.EngineGraph {
		n *= 2
	}
	return c.catalog.choose(n, c.meta.Dimension)
}

// rebuild builds the index that the collection should have. One that fails is
// not tried again before there are twice as many vectors.
func (c *collection) rebuild(ctx context.Context) error {
	_, err := c.reindex(ctx, store.Reindexing{Index: c.description().Index}, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused = 0; err != nil {
		c.refused = max(1, c.idx.Len())
	}
	return err
}

// An index of which manyMoved vectors have changed is saved while records are being
// put, however many it has, if what the last save took is at most one part in
// savingShare of the time: a start that follows a crash reads them from the log.
const (
	manyMoved   = 4000
	savingShare = 50
)

// needsSaving reports whether the index has changed enough for the occasion. Only
// one of the engine that the next start expects is saved.
func (c *collection) needsSaving(o occasion) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n := c.idx.Len()
	due := o.due(n, c.moved) || c.moved >= manyMoved && time.Since(c.savedAt) >= savingShare*c.saving
	return n >= minSnapshot && !c.unclean && due && c.idx.Stats().Engine == c.meta.spec().Engine
}

// saveNow saves what freeze captures of the collection at the log's head.
func (c *collection) saveNow(ctx context.Context, freeze func() (frozen, error)) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return c.saveAtHead(ctx, freeze)
}

// saveAtHead is saveNow for who has the place in building.
func (c *collection) saveAtHead(ctx context.Context, freeze func() (frozen, error)) error {
	if err := c.link(ctx); err != nil { // rather than in the writer
		return err
	}
	var f frozen
	err := c.catalog.alone(ctx, func() (err error) {
		f, err = freeze()
		return err
	})
	if err != nil {
		return err
	}
	return c.save(f)
}

// begin waits for the place in building, until the context ends.
func (c *collection) begin(ctx context.Context) (done func(), err error) {
	select {
	case c.building <- struct{}{}:
		return func() { <-c.building }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// saveAll saves the indexes and rows for which that is worth it before the end. The
// writer and the maintenance have ended. After a failure that is not mended nothing is:
// an index may have more than what is said to be in it.
func (l *Catalog) saveAll() {
	if l.failed.Load() != nil {
		return
	}
	for _, c := range l.all() {
		var err error
		switch {
		case c.needsSaving(closing) && !index.IsLoose(c.engine()): // else the next start links the rest
			err = c.saveLast(c.freeze)
		case c.needsRows(closing):
			err = c.saveLast(c.freezeRows)
		}
		if err != nil {
			l.Logger.Warn("not saved for the next start", "collection", c.description().Name, "reason", err)
		}
	}
}

func (c *collection) saveLast(freeze func() (frozen, error)) error {
	done, err := c.begin(context.Background()) // a Reindex may not have ended yet
	if err != nil {
		return err
	}
	defer done()
	f, err := freeze()
	if err != nil {
		return err
	}
	return c.save(f)
}
