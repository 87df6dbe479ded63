package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// After a commit that failed nobody knows what the disk has of it, and of a sync
// that failed none does better. So the log is closed, by which Badger writes what
// it has in memory into new files, and opened again, and what it has then and memory
// has not is applied. Until that has succeeded changes are refused.

// againFirst is how long after a failure it is tried first, againLast at most later.
const (
	againFirst = time.Second
	againLast  = 30 * time.Second
)

// stop refuses changes from here on, until the log has been opened again in the
// background. The error says so and what it was: store.ErrFull or store.ErrFiles,
// or else store.ErrStopped. It is called by the writer.
func (l *Catalog) stop(what string, cause error) error {
	cause = fault(cause)
	err := fmt.Errorf("%s: %w", what, cause)
	if !errors.Is(cause, store.ErrFull) && !errors.Is(cause, store.ErrFiles) {
		err = fmt.Errorf("%w: %w", store.ErrStopped, err)
	}
	if l.failed.CompareAndSwap(nil, &err) {
		l.Logger.Error("changes are refused until the log has been opened again", "reason", err)
		l.resuming.Go(l.resume)
	}
	return err
}

// resume opens the log again, as often as that takes.
func (l *Catalog) resume() {
	l.awaitWriter()
	for wait := l.again; l.pause(wait); wait = min(2*wait, againLast) {
		err := l.reopen()
		if err == nil {
			l.stops.Add(1)
			l.Logger.Info("the log is open again, and changes are taken")
			l.told.happened()
			return
		}
		l.Logger.Warn("the log cannot be opened again yet", "reason", err)
	}
}

// awaitWriter waits until the writer has refused what was under way when it failed.
// From then on it refuses all, and leaves the log alone.
func (l *Catalog) awaitWriter() {
	l.writing.Lock()
	defer l.writing.Unlock()
}

// pause waits, and reports false once the catalog is being closed.
func (l *Catalog) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// reopen closes the log and opens it again, and catches memory up with it. The
// writer refuses everything meanwhile, and nothing reads the log but this.
func (l *Catalog) reopen() error {
	if err := errors.Join(l.space.spare(l.wal.unwritten()+2*l.files.ahead()), canOpen()); err != nil {
		return err
	}
	l.leave(*l.failed.Load())
	if err := l.closeLog(); err != nil {
		l.Logger.Warn("the log did not close well", "reason", err)
	}
	if err := settleLog(l.files, l.dir); err != nil {
		return err
	}
	if err := l.openAgain(); err != nil {
		return err
	}
	l.leave(nil)
	if err := l.catchUp(); err != nil {
		return err
	}
	l.settled()
	return nil
}

// openAgain opens a log that was closed.
func (l *Catalog) openAgain() error {
	logs := filepath.Join(l.dir, logDir)
	if err := keep(l.files, logs); err != nil {
		return err
	}
	db, err := openBadger(l.files, logs)
	if err != nil {
		return err
	}
	l.db = db // or else it stays the one that is closed
	return l.wal.begin(db)
}

// closeLog closes Badger, which writes what it has in memory. Where there is no room
// for that it stays open until the process ends, and the next start finds what it
// finds after a crash.
func (l *Catalog) closeLog() error {
	err := l.space.spare(l.wal.unwritten())
	for began := time.Now(); err != nil && !l.isStill() && time.Since(began) < patience; { // tables may be being merged
		time.Sleep(100 * time.Millisecond)
		err = l.space.spare(l.wal.unwritten())
	}
	if err != nil {
		return fmt.Errorf("what the log has in memory is not written: %w", err)
	}
	_ = l.wal.renew() // what it could not sync, end does
	err = l.db.Close()
	if errors.Is(err, badger.ErrDBClosed) {
		err = nil
	}
	if err = errors.Join(err, l.wal.end()); err != nil {
		return err
	}
	return l.wal.clear()
}

// leave lets nobody read the log from here on, for a reason, or again without one.
// It waits for who reads it.
func (l *Catalog) leave(reason error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.away = reason
}

// catchUp applies what the log has and memory has not: of commits of which it was
// not known whether the disk has them.
func (l *Catalog) catchUp() error {
	if err := l.recollect(); err != nil {
		return err
	}
	for _, c := range l.all() {
		if err := c.catchUp(); err != nil {
			return fmt.Errorf("collection %s: %w", c.description().Name, err)
		}
	}
	if l.unfinished != nil {
		if err := l.unfinished(); err != nil {
			return err
		}
		l.unfinished = nil
	}
	return nil
}

// catchUp is Catalog.catchUp of one collection.
func (c *collection) catchUp() error {
	last, err := c.lastInLog()
	if err != nil {
		return err
	}
	head := c.head()
	if last < head {
		return fmt.Errorf("%w: the log ends at %d, and %d was acknowledged: start again to learn what is lost", store.ErrDamaged, last, head)
	}
	for key := head + 1; key <= last; key++ { // what an index got before it failed
		c.idx.Remove(uint64(key))
	}
	fresh := feed{idx: c.idx}
	var entries []store.Entry
	err = c.replay(head, head, func(e store.Entry) error {
		entries = append(entries, e)
		return fresh.put(e)
	})
	if err == nil {
		err = fresh.flush()
	}
	if err == nil {
		err = c.applyAll(entries)
	}
	if err != nil {
		return err
	}
	return c.attest(entries)
}

// attest tells the witness of entries that are shown and that it may not know of.
func (c *collection) attest(entries []store.Entry) error {
	var said []statement
	for _, e := range entries {
		value, err := c.catalog.read(logKey(c.number, e.Key, entrySuffix))
		if err != nil {
			return err
		}
		s := stateOf(c.number, e, value)
		if e.Kind == store.KindPut {
			if value, err = c.catalog.read(logKey(c.number, e.Key, vectorSuffix)); err != nil {
				return err
			}
			s.vector = sealSum(value)
		}
		if e.Kind == store.KindLabel {
			s.of = c.ids[e.Label.Instance] // no other goroutine changes it
		}
		said = append(said, s)
	}
	return c.catalog.witness.add(said...)
}

// recollect brings the collections' descriptions up to the log: one may have been
// made, described anew or dropped by what failed. Those that are not served stay so.
func (l *Catalog) recollect() error {
	stored, said := map[uint32]described{}, []statement(nil)
	err := l.each([]byte{collectionPrefix}, []byte{collectionPrefix}, func(key, value []byte) error {
		var meta described
		if _, is := l.unreadable[binary.BigEndian.Uint32(key[1:])]; is {
			return nil
		}
		err := unsealJSON(value, &meta)
		stored[binary.BigEndian.Uint32(key[1:])] = meta
		said = append(said, saidOfDescription(key, value)...)
		return err
	})
	if err == nil {
		err = l.witness.add(said...)
	}
	if err != nil {
		return err
	}
	known := map[string]*collection{}
	for _, c := range l.all() {
		meta, ok := stored[c.number]
		delete(stored, c.number)
		if err := c.reconcile(meta, ok); err != nil {
			return err
		}
		if ok {
			known[meta.Name] = c
		}
	}
	for number, meta := range stored {
		c := newCollection(l, number, meta)
		if err := c.open(); err != nil {
			return fmt.Errorf("collection %s: %w", meta.Name, err)
		}
		known[meta.Name] = c
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.collections = known
	return nil
}

// reconcile gives the collection the description that is stored, or drops it.
func (c *collection) reconcile(meta described, ok bool) error {
	if !ok {
		err := c.catalog.witness.add(statement{kind: attestedDrop, collection: c.number})
		return errors.Join(err, c.abandon(), c.removeSnapshot(), c.removeRows(), c.removeDerived())
	}
	if err := c.discard(meta.DiscardOriginals); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.meta = meta
	return nil
}

// owes notes originals that can only be given up once the log says whether they are
// needed, and reports false where it has.
func (l *Catalog) owes(digests []string) bool {
	l.owing.Lock()
	defer l.owing.Unlock()
	if l.failed.Load() == nil {
		return false
	}
	l.owed = append(l.owed, digests...)
	return true
}

// settled takes changes again, and gives up the originals that memory, caught up,
// does not need. A file that cannot be removed is swept later.
func (l *Catalog) settled() {
	l.owing.Lock()
	defer l.owing.Unlock()
	for _, digest := range l.owed {
		_ = l.originals.release(digest)
	}
	l.owed = nil
	l.failed.Store(nil)
}

// commitOrEnd commits an erasure, which is ended when the log is open again if it
// had begun: a part of it must not stay.
func (e *eraser) commitOrEnd(writes []write, entries []store.Entry) error {
	l := e.c.catalog
	l.unfinished = func() error {
		if err := l.commitAll(writes); err != nil {
			return err
		}
		return e.apply(slices.DeleteFunc(entries, func(n store.Entry) bool { return n.Key <= e.c.head() }))
	}
	err := l.commitAll(writes)
	if l.failed.Load() == nil {
		l.unfinished = nil
	}
	return err
}
