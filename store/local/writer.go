package local

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// change is the smallest thing that is committed wholly or not at all.
type change struct {
	c *collection
	// touches are the IDs of instances, or of files with several, that plan reads
	// or writes.
	touches []string
	// plan turns the change into log entries, the first of which gets key
	// next, given all that was committed before. No entries: nothing to do.
	plan func(next store.Key) ([]store.Entry, error)
	// exec replaces plan for a change that must be alone.
	exec func() error
	// grows is about how many bytes the store becomes larger; a change for which it
	// is 0 is taken however little of the disk is free.
	grows int64
	// done is told when the change is durable and can be seen, or why not.
	done func([]store.Entry, error)
}

// submit hands a change to the writer.
func (l *Catalog) submit(ctx context.Context, ch *change) error {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return store.ErrClosed
	}
	select {
	case l.changes <- ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// alone runs f in the writer with no commit under way.
func (l *Catalog) alone(ctx context.Context, f func() error) error {
	result := make(chan error, 1)
	err := l.submit(ctx, &change{exec: f, done: func(_ []store.Entry, err error) { result <- err }})
	if err != nil {
		return err
	}
	return <-result
}

// write is the only goroutine that commits. Changes that arrive while one
// commit is being synced go together into the next.
func (l *Catalog) write() {
	defer close(l.written)
	g := group{catalog: l}
	for ch := range l.changes {
		l.writeSome(&g, ch)
	}
}

// writeSome commits a change and those that wait behind it.
func (l *Catalog) writeSome(g *group, ch *change) {
	l.writing.Lock()
	defer l.writing.Unlock()
	defer g.flush()
	for ok := true; ok; {
		g.add(ch)
		select {
		case ch, ok = <-l.changes:
		default:
			return
		}
	}
}

// group is one commit in the making.
type group struct {
	catalog *Catalog
	txn     *badger.Txn
	planned []planned
	next    map[*collection]store.Key
	touched map[*collection]map[string]bool
	bytes   int
	// partly tells that some of a change has been committed.
	partly bool
	// said is what the witness is to be told.
	said []statement
}

type planned struct {
	change  *change
	entries []store.Entry
}

// Bounds of one commit; see bounds.group too.
const (
	maxGroupChanges = 4096
	// writeBytes is what each write counts beside its key and value, so that
	// small ones keep within Badger's bound of their number: 15% of a table in
	// memory by 96 bytes.
	writeBytes = 96
	// maxUpdate is what is reserved for a change that must be alone.
	maxUpdate = 1 << 20
)

// add plans a change into the commit, after flushing what it depends on.
func (g *group) add(ch *change) {
	if ch.exec != nil || g.depends(ch) || g.bytes > g.catalog.files.group() || len(g.planned) >= maxGroupChanges {
		g.flush()
	}
	if err := g.refuses(ch); err != nil { // the flush may have failed
		ch.done(nil, err)
		return
	}
	if ch.exec != nil {
		ch.done(nil, ch.exec())
		g.catalog.told.happened()
		return
	}
	g.begin()
	if _, ok := g.next[ch.c]; !ok {
		g.next[ch.c] = ch.c.head() + 1
		g.touched[ch.c] = map[string]bool{}
	}
	entries, err := ch.plan(g.next[ch.c])
	if err != nil || len(entries) == 0 {
		ch.done(nil, err)
		return
	}
	g.stage(ch, entries)
}

// refuses returns why a change is not even planned, if it is not.
func (g *group) refuses(ch *change) error {
	if failed := g.catalog.failed.Load(); failed != nil {
		return *failed
	}
	if ch.grows > 0 {
		return g.catalog.space.take(ch.grows)
	}
	return nil
}

func (g *group) depends(ch *change) bool {
	return slices.ContainsFunc(ch.touches, func(id string) bool { return g.touched[ch.c][fileOf(id)] })
}

// fileOf returns the ID of the file that an instance of this ID would be in.
func fileOf(id string) string {
	if at := strings.LastIndexByte(id, ':'); at > 0 {
		return id[:at]
	}
	return id
}

func (g *group) begin() {
	if g.txn == nil {
		g.txn = g.catalog.db.NewTransaction(true)
		g.next = map[*collection]store.Key{}
		g.touched = map[*collection]map[string]bool{}
	}
}

// stage writes a planned change into the transaction. One that does not fit
// beside the others is committed after them.
func (g *group) stage(ch *change, entries []store.Entry) {
	writes, bytes, err := ch.c.encode(entries)
	if err == nil && len(g.planned) > 0 && g.bytes+bytes > g.catalog.files.group() {
		g.flush()
		g.add(ch)
		return
	}
	for i := 0; err == nil && i < len(writes); i++ {
		err = g.stageEntry(writes[i])
	}
	if err != nil {
		// Part of it may be in the transaction: drop that, and the rest with it.
		if err = fmt.Errorf("stage: %w", err); g.partly { // memory is behind the log
			err = g.catalog.stop("commit", err)
		}
		g.fail(err, planned{ch, entries})
		return
	}
	for _, id := range ch.touches {
		g.touched[ch.c][fileOf(id)] = true
	}
	ch.c.stage(entries)
	g.planned = append(g.planned, planned{ch, entries})
	g.next[ch.c] = entries[len(entries)-1].Key + 1
}

// stageEntry writes one entry. A change that is too large for one transaction
// is committed in several, entry by entry in the order of the log: what a crash
// leaves of it has not been acknowledged.
func (g *group) stageEntry(w write) error {
	if g.bytes+w.bytes > g.catalog.files.group() && len(g.planned) == 0 && g.bytes > 0 {
		if err := g.catalog.prepare(g.bytes); err != nil {
			return err
		}
		if err := g.txn.Commit(); err != nil {
			return g.catalog.stop("commit", err)
		}
		g.txn, g.bytes, g.partly = g.catalog.db.NewTransaction(true), 0, true
	}
	g.bytes += w.bytes
	g.said = append(g.said, w.said...)
	for _, f := range w.parts {
		if err := f(g.txn); err != nil {
			return err
		}
	}
	return nil
}

// flush commits, applies and acknowledges what was planned.
func (g *group) flush() {
	if g.txn == nil {
		return
	}
	if len(g.planned) > 0 {
		if err := g.commit(); err != nil {
			g.fail(err)
			return
		}
	}
	if err := g.index(); err != nil { // memory is behind the log, which has the truth
		g.fail(g.catalog.stop("index", err))
		return
	}
	for _, p := range g.planned {
		err := p.change.c.applyAll(p.entries)
		g.catalog.tellMended(p, g.said)
		p.change.done(p.entries, err)
	}
	g.catalog.commits.Add(1)
	g.catalog.committed.Store(time.Now().UnixNano())
	g.reset()
	g.catalog.poke()
	g.catalog.told.happened()
}

// index gives the indexes the new vectors of the commit, those of a collection
// together. No search sees them before their entries are applied.
func (g *group) index() (err error) {
	if !slices.ContainsFunc(g.planned, planned.hasVectors) {
		return nil
	}
	_, end := g.catalog.Begin(g.catalog.ctx, "index")
	defer func() { end(err) }()
	feeds := map[*collection]*feed{}
	for _, p := range g.planned {
		f, ok := feeds[p.change.c]
		if !ok {
			f = &feed{idx: p.change.c.idx}
			feeds[p.change.c] = f
		}
		for _, e := range p.entries {
			if err := f.put(e); err != nil {
				return err
			}
		}
	}
	for _, f := range feeds {
		if err := f.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (p planned) hasVectors() bool {
	return slices.ContainsFunc(p.entries, func(e store.Entry) bool { return e.Vector != nil })
}

func (g *group) fail(err error, more ...planned) {
	for _, p := range append(g.planned, more...) {
		p.change.done(nil, err)
	}
	g.reset()
}

func (g *group) reset() {
	g.txn.Discard()
	for c := range g.next {
		c.sizes.staged = growth{}
	}
	*g = group{catalog: g.catalog}
}
