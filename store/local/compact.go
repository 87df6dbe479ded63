package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io/fs"
	"os"
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
func settleLog(dir string) error {
	is := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	var err error
	switch {
	case is(logDir): // the old one is still there, or the new one already
	case is(oldLogDir) && is(newLogDir): // in between, where the new one is whole
		err = moveDir(dir, newLogDir, logDir)
	case is(oldLogDir):
		err = moveDir(dir, oldLogDir, logDir)
	case is(newLogDir):
		err = fmt.Errorf("%w: there is %s, and neither %s nor %s", store.ErrDamaged, newLogDir, logDir, oldLogDir)
	}
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(filepath.Join(dir, newLogDir)), os.RemoveAll(filepath.Join(dir, oldLogDir)))
}

// moveDir renames a folder in another, durably.
func moveDir(in, from, to string) error {
	if err := os.Rename(filepath.Join(in, from), filepath.Join(in, to)); err != nil {
		return err
	}
	return syncDir(in)
}

// Compact implements store.Catalog.
func (l *Catalog) Compact(ctx context.Context, progress func(done, total int)) (store.Compacted, error) {
	if err := l.open(ctx); err != nil {
		return store.Compacted{}, err
	}
	ctx, done := l.untilClosed(ctx)
	defer done()
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
	c.Before = sizeOf(filepath.Join(c.l.dir, logDir))
	c.survey()
	fresh := filepath.Join(c.l.dir, newLogDir)
	err := os.RemoveAll(fresh)
	if err == nil {
		err = c.copy(ctx, fresh)
	}
	if err == nil {
		err = c.check(ctx, fresh)
	}
	if err == nil {
		err = c.l.step("checked")
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err = c.l.exchangeLog(); err == nil {
		c.settle()
	}
	c.After, c.Took = sizeOf(filepath.Join(c.l.dir, logDir)), time.Since(started)
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
	c.said, c.written = map[uint32]map[store.Key]bool{}, newPairs()
	for _, of := range c.l.all() {
		of.mu.RLock()
		said := map[store.Key]bool{}
		for _, s := range of.labels {
			for _, key := range s.keys {
				said[key] = true
			}
		}
		c.said[of.number] = said
		c.total += 2*len(of.rows) + len(said)
		of.mu.RUnlock()
	}
}

// copy writes what is there into a new log.
func (c *compactor) copy(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	db, err := badger.Open(logOptions(dir).WithSyncWrites(false))
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
	c.tell(c.total)
	if err := c.l.step("copied"); err != nil {
		return err
	}
	return syncAll(dir)
}

// put writes one pair.
func (c *compactor) put(item *badger.Item) error {
	key := item.KeyCopy(nil)
	value, err := item.ValueCopy(nil)
	if err != nil {
		return err
	}
	if value, err = c.value(key, value); err != nil {
		return err
	}
	c.written.add(key, value)
	if c.Kept++; c.Kept%1000 == 0 {
		c.tell(min(c.Kept, c.total))
	}
	return c.batch.Set(key, value)
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
	db, err := badger.Open(logOptions(dir))
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
	return errors.Join(err, db.Close(), syncAll(dir))
}

// exchangeLog puts the new log in the old one's place. Who reads the log waits.
// What fails once the old one is closed stops the writer.
func (l *Catalog) exchangeLog() error {
	l.reading.Lock()
	defer l.reading.Unlock()
	err := l.db.Close()
	for _, move := range [][2]string{{logDir, oldLogDir}, {newLogDir, logDir}} {
		if err == nil {
			err = moveDir(l.dir, move[0], move[1])
		}
		if err == nil {
			err = l.step(move[1])
		}
	}
	if err == nil {
		l.db, err = openBadger(filepath.Join(l.dir, logDir))
	}
	if err != nil {
		err = fmt.Errorf("exchange the log, restart to recover: %w", err)
		l.failed.Store(&err)
		l.gone = true
		return err
	}
	return errors.Join(os.RemoveAll(filepath.Join(l.dir, oldLogDir)), syncDir(l.dir), l.step("removed"))
}

// step tells a test how far a compaction or an erasure is.
func (l *Catalog) step(name string) error {
	if l.reached == nil {
		return nil
	}
	return l.reached(name)
}

// syncAll brings all files of a folder to the disk.
func syncAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncDir(path) // any file
	})
}

// sizeOf is what the files of a folder take of the disk.
func sizeOf(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			size += occupied(info)
		}
		return nil
	})
	return size
}
