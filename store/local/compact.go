package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// While a log is compacted, log.new is written beside it. Once that is whole and
// on the disk, the log becomes log.old, log.new becomes the log, and log.old goes.
// Open ends what a crash has interrupted: see settleLog.
const (
	logDir    = "log"
	newLogDir = "log.new"
	oldLogDir = "log.old"
)

// settleLog makes the log of a data directory the one that is to be opened.
func settleLog(f files, dir string) error {
	is := func(name string) bool {
		_, err := f.Stat(filepath.Join(dir, name))
		return err == nil
	}
	var err error
	switch {
	case is(logDir) && (is(oldLogDir) || is(newLogDir)):
		// The old one is still there, or the new one already: then a crash, or a sync
		// that failed, may have left its name to be lost after that of the old one.
		err = f.SyncDir(dir)
	case is(logDir):
	case is(oldLogDir) && is(newLogDir): // in between, where the new one is whole
		err = f.moveDir(dir, newLogDir, logDir)
	case is(oldLogDir):
		err = f.moveDir(dir, oldLogDir, logDir)
	case is(newLogDir):
		err = fmt.Errorf("%w: there is %s, and neither %s nor %s", store.ErrDamaged, newLogDir, logDir, oldLogDir)
	}
	if err != nil {
		return err
	}
	return errors.Join(f.RemoveAll(filepath.Join(dir, newLogDir)), f.RemoveAll(filepath.Join(dir, oldLogDir)))
}

// Compact implements store.Catalog.
func (l *Catalog) Compact(ctx context.Context, progress func(done, total int)) (store.Compacted, error) {
	if err := l.open(ctx); err != nil {
		return store.Compacted{}, err
	}
	ctx, done := l.untilClosed(ctx)
	defer done()
	free, err := l.copyTurn(ctx) // before the writer, which no backup is to stop
	if err != nil {
		return store.Compacted{}, fmt.Errorf("compact: %w", err)
	}
	defer free()
	p := compactor{l: l, progress: progress}
	if err := l.alone(ctx, func() error { return p.run(ctx) }); err != nil {
		return p.Compacted, fmt.Errorf("compact: %w", err)
	}
	return p.Compacted, nil
}

// compactor is one call of Compact. It runs in the writer, so that the log stands
// still.
type compactor struct {
	store.Compacted
	l        *Catalog
	progress func(done, total int)
	total    int
	said     map[uint32]map[store.Key]bool // keys of the labels that are there
	rows     map[uint32]map[store.Key]bool // and of the instances
	needed   int                           // of them and their vectors, that were read
	batch    *badger.WriteBatch
	written  pairs
}

// pairs tell two sequences of keys and values from each other.
type pairs struct {
	n   int
	sum hash.Hash64
}

func newPairs() pairs { return pairs{sum: crc64.New(crc64.MakeTable(crc64.ECMA))} }

func (p *pairs) add(key, value []byte) {
	p.n++
	lengths := binary.BigEndian.AppendUint32(nil, uint32(len(key)))
	for _, b := range [][]byte{binary.BigEndian.AppendUint32(lengths, uint32(len(value))), key, value} {
		p.sum.Write(b) // never fails
	}
}

func (c *compactor) run(ctx context.Context) error {
	started := time.Now()
	c.Before = c.l.files.size(filepath.Join(c.l.dir, logDir))
	c.survey()
	fresh := filepath.Join(c.l.dir, newLogDir)
	// What one has left that failed, whose log was exchanged already or never.
	err := errors.Join(c.l.files.RemoveAll(fresh), c.l.files.RemoveAll(filepath.Join(c.l.dir, oldLogDir)))
	if err == nil {
		err = c.room()
	}
	if err == nil {
		err = c.copy(ctx, fresh)
	}
	if err == nil {
		err = c.check(ctx, fresh)
	}
	if err == nil {
		err = c.l.step("checked")
	}
	for _, of := range c.l.all() { // it may name what is deleted
		if err == nil {
			err = of.forsakeRows()
		}
	}
	if err != nil {
		return errors.Join(err, c.l.files.RemoveAll(fresh))
	}
	if err = c.l.exchangeLog(); err == nil {
		c.settle()
		c.l.compactions.Add(1)
		err = c.l.files.RemoveAll(filepath.Join(c.l.dir, asideDir)) // what was erased may be in it
	}
	c.After, c.Took = c.l.files.size(filepath.Join(c.l.dir, logDir)), time.Since(started)
	return err
}

// settle notes that nothing deleted is left.
func (c *compactor) settle() {
	for _, of := range c.l.all() {
		of.mu.Lock()
		of.deleted = 0
		of.mu.Unlock()
	}
}

// survey notes which labels are there, and about how much there is to write.
func (c *compactor) survey() {
	c.said, c.rows, c.written = map[uint32]map[store.Key]bool{}, map[uint32]map[store.Key]bool{}, newPairs()
	for _, of := range c.l.all() {
		of.mu.RLock()
		said := map[store.Key]bool{}
		for _, s := range of.labels {
			for _, key := range s.keys {
				said[key] = true
			}
		}
		rows := map[store.Key]bool{}
		for key := range of.rows {
			rows[key] = true
		}
		c.said[of.number], c.rows[of.number] = said, rows
		c.total += 2*len(of.rows) + len(said)
		of.mu.RUnlock()
	}
}

// copy writes what is there into a new log.
func (c *compactor) copy(ctx context.Context, dir string) error {
	if err := c.l.files.Mkdir(dir, 0o700); err != nil {
		return err
	}
	o, err := c.l.files.logOptions(dir)
	if err != nil {
		return err
	}
	db, err := badger.Open(o.WithSyncWrites(false))
	if err != nil {
		return err
	}
	c.batch = db.NewWriteBatch()
	err = c.l.db.View(func(t *badger.Txn) error {
		it := t.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := c.put(it.Item()); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = c.batch.Flush()
	}
	c.batch.Cancel()
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	if c.needed != c.total { // the iterator ends at a table that cannot be read
		return fmt.Errorf("%w: of %d entries and vectors %d can be read: restart, and see nearcase verify", store.ErrDamaged, c.total, c.needed)
	}
	c.tell(c.total)
	if err := c.l.step("copied"); err != nil {
		return err
	}
	return c.l.files.sync(dir)
}

// put writes one pair, but for what notes that something is to be compacted.
func (c *compactor) put(item *badger.Item) error {
	key := item.KeyCopy(nil)
	if bytes.HasPrefix(key, metaKey(erasedName)) {
		return nil
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return err
	}
	if value, err = c.value(key, value); err != nil {
		return err
	}
	c.written.add(key, value)
	if c.isNeeded(key) {
		c.needed++
	}
	if c.Kept++; c.Kept%1000 == 0 {
		c.tell(min(c.Kept, c.total))
		if err := c.l.space.has(c.l.files.table); err != nil {
			return err
		}
	}
	return c.batch.Set(key, value)
}

// isNeeded reports whether a pair is of an instance or a label that is there.
func (c *compactor) isNeeded(key []byte) bool {
	if key[0] != logPrefix {
		return false
	}
	number, at, suffix, err := parseLogKey(key)
	return err == nil && (c.rows[number][at] || suffix == entrySuffix && c.said[number][at])
}

func (c *compactor) tell(done int) {
	if c.progress != nil {
		c.progress(done, c.total)
	}
}

// value is what is written of a pair: what is there of it, or that it is erased.
func (c *compactor) value(key, value []byte) ([]byte, error) {
	if key[0] != logPrefix {
		return value, nil
	}
	number, at, suffix, err := parseLogKey(key)
	if err != nil || suffix != entrySuffix || c.said[number][at] {
		return value, err
	}
	var e store.Entry
	if err := unsealJSON(value, &e); err != nil {
		return nil, fmt.Errorf("log entry %d of collection %d: %w", at, number, err)
	}
	switch e.Kind {
	case store.KindErased:
	case store.KindDelete, store.KindLabel:
		c.Erased++
		return sealJSON(store.Entry{Kind: store.KindErased, Of: e.Kind, Retires: e.Retires})
	}
	return value, nil
}

// check reads what was written, since the old log goes.
func (c *compactor) check(ctx context.Context, dir string) error {
	db, err := openBadger(c.l.files, dir)
	if err != nil {
		return err
	}
	got := newPairs()
	err = db.View(func(t *badger.Txn) error {
		it := t.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			item := it.Item()
			if err := item.Value(func(value []byte) error { got.add(item.Key(), value); return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && (got.n != c.written.n || !bytes.Equal(got.sum.Sum(nil), c.written.sum.Sum(nil))) {
		err = fmt.Errorf("%w: what was written reads otherwise; the old log stays", store.ErrDamaged)
	}
	return errors.Join(err, db.Close(), c.l.files.sync(dir))
}

// exchangeLog puts the new log in the old one's place. Who reads the log waits.
// What fails once the old one is closed stops the writer until it is open again.
func (l *Catalog) exchangeLog() error {
	l.lockReading()
	defer l.reading.Unlock()
	err := l.closeLog()
	for _, move := range [][2]string{{logDir, oldLogDir}, {newLogDir, logDir}} {
		if err == nil {
			err = l.files.moveDir(l.dir, move[0], move[1])
		}
		if err == nil {
			err = l.step(move[1])
		}
	}
	if err == nil {
		err = l.openAgain()
	}
	if err != nil {
		err = l.stop("exchange the log", err)
		l.away = err
		return err
	}
	return errors.Join(l.files.RemoveAll(filepath.Join(l.dir, oldLogDir)), l.files.SyncDir(l.dir), l.step("removed"))
}

// patience is how long the exchange of the log lets others begin to read it while it
// waits for those who do.
const patience = 10 * time.Second

// lockReading waits until nobody reads the log.
func (l *Catalog) lockReading() {
	wait := time.Millisecond
	for began := time.Now(); time.Since(began) < patience; wait = min(2*wait, 50*time.Millisecond) {
		if l.reading.TryLock() {
			return
		}
		time.Sleep(wait)
	}
	l.reading.Lock()
}

// room refuses to compact where there is no room for a second log. It runs in the
// writer.
func (c *compactor) room() error {
	need := 2*c.l.files.table + c.l.files.ahead()
	err := c.l.scan(nil, []byte{}, func(item *badger.Item) error {
		need += item.EstimatedSize()
		return nil
	})
	if err != nil {
		return err
	}
	return c.l.space.has(need + need/8)
}

// step tells a test how far a compaction or an erasure is.
func (l *Catalog) step(name string) error {
	if l.reached == nil {
		return nil
	}
	return l.reached(name)
}
