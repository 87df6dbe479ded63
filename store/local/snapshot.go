package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/index"
	"nearcase/store"
)

// snapshotFormat is the version of what a snapshot says of its collection.
const snapshotFormat = 1

// snapshotMeta ties a snapshot to a collection and to a position in its log.
type snapshotMeta struct {
	Format      int       `json:"format"`
	Collection  uint32    `json:"collection"`
	Fingerprint string    `json:"fingerprint"`
	Created     time.Time `json:"created"` // the collection
	// Head is the last log entry that the index knows.
	Head store.Key `json:"head"`
}

// minSnapshot is how many vectors an index has at least to be saved: fewer are
// read from the log as fast.
const minSnapshot = 1000

const snapshotSuffix = ".idx"

func (l *Catalog) snapshots() string { return filepath.Join(l.dir, "index") }

func (c *collection) snapshotPath() string {
	return filepath.Join(c.catalog.snapshots(), strconv.FormatUint(uint64(c.number), 10)+snapshotSuffix)
}

// sweepSnapshots removes what is in the folder of snapshots and is not one of a
// collection that there is: what a crash left half written, or of a dropped
// collection.
func (l *Catalog) sweepSnapshots() error {
	known := map[string]bool{}
	for _, c := range l.collections {
		known[filepath.Base(c.snapshotPath())], known[filepath.Base(c.rowsPath())] = true, true
	}
	entries, err := l.files.ReadDir(l.snapshots())
	for _, e := range entries {
		if !known[e.Name()] && !e.IsDir() {
			err = errors.Join(err, l.files.Remove(filepath.Join(l.snapshots(), e.Name())))
		}
	}
	return err
}

func (c *collection) removeSnapshot() error {
	if err := c.catalog.files.remove(c.snapshotPath()); err != nil {
		return fmt.Errorf("remove index snapshot: %w", err)
	}
	return nil
}

// frozen is what is on its way into files: the rows of a collection, and its index
// unless snapshot is nil.
type frozen struct {
	rows     frozenRows
	snapshot *index.Snapshot
	meta     snapshotMeta
}

// freeze captures the index and the rows at the log's head. It runs in the writer,
// or when that has ended.
func (c *collection) freeze() (f frozen, err error) {
	if f, err = c.freezeRows(); err != nil {
		return f, err
	}
	f.meta = snapshotMeta{snapshotFormat, c.number, c.meta.Fingerprint, c.meta.Created, c.last}
	f.snapshot = index.Freeze(c.idx)
	c.mu.Lock()
	defer c.mu.Unlock()
	// Counted anew from here, whether saving succeeds or has to wait for more.
	c.moved = 0
	return f, nil
}

// save writes what is frozen. The caller has the place in building.
func (c *collection) save(f frozen) error {
	began := time.Now()
	err := c.saveRows(f.rows)
	if f.snapshot == nil {
		return err
	}
	err = errors.Join(err, c.saveIndex(f))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.savedAt = time.Now()
	c.saving = c.savedAt.Sub(began)
	if c.dropped { // since it was frozen
		err = errors.Join(err, c.removeSnapshot())
	}
	return err
}

func (c *collection) saveIndex(f frozen) error {
	defer f.snapshot.Discard()
	meta, err := sealJSON(f.meta)
	if err == nil {
		err = c.catalog.files.saveIndex(c.snapshotPath(), f.snapshot, meta)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.snapshot = f.meta.Head
	return nil
}

// saveIndex writes a snapshot, from which the index then reads its vectors.
func (f files) saveIndex(path string, s *index.Snapshot, meta []byte) error {
	err := f.replace(path, func(to io.WriterAt) error { return s.Write(to, meta) })
	if err == nil {
		err = f.adopt(path, s)
	}
	if err != nil {
		return fmt.Errorf("save index: %w", err)
	}
	return nil
}

// adopt makes an index read its vectors from the file in which it was saved.
func (f files) adopt(path string, s *index.Snapshot) error {
	saved, err := f.open(path)
	if err != nil {
		return err
	}
	defer saved.Close()
	return s.Adopt(saved)
}

// loaded returns the index of the collection's snapshot and the log entry it
// stands at, and nil if there is none to use. One that cannot be used is removed:
// what it was made from is all there.
func (c *collection) loaded() (index.Index, store.Key) {
	idx, head, err := c.load()
	if err == nil {
		return idx, head
	}
	if !errors.Is(err, fs.ErrNotExist) {
		c.giveUpSnapshot(err)
	}
	return nil, 0
}

// giveUpSnapshot says why the snapshot is not used, and removes it.
func (c *collection) giveUpSnapshot(reason error) {
	err := c.removeSnapshot()
	c.catalog.Logger.Warn("index snapshot not used: the index is rebuilt from the log",
		"collection", c.meta.Name, "reason", errors.Join(reason, err))
}

func (c *collection) load() (index.Index, store.Key, error) {
	f, err := c.catalog.files.open(c.snapshotPath())
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	idx, sealed, err := index.Load(f, c.meta.spec(), c.meta.Dimension)
	if err != nil {
		return nil, 0, err
	}
	var meta snapshotMeta
	if err := unsealJSON(sealed, &meta); err != nil {
		return nil, 0, err
	}
	if last, _ := idx.LastKey(); store.Key(last) > meta.Head {
		return nil, 0, fmt.Errorf("%w: it has key %d and stands at %d", store.ErrInvalid, last, meta.Head)
	}
	return idx, meta.Head, c.checkHead(meta, snapshotFormat)
}

// checkHead returns why a file of that format is not of this collection, or of
// another time of it.
func (c *collection) checkHead(meta snapshotMeta, format int) error {
	head, err := c.lastInLog()
	switch {
	case err != nil:
		return err
	case meta.Format != format:
		return fmt.Errorf("%w: format %d, this program reads %d", store.ErrFormat, meta.Format, format)
	case meta.Collection != c.number || !meta.Created.Equal(c.meta.Created):
		return fmt.Errorf("%w: it is of another collection", store.ErrInvalid)
	case meta.Fingerprint != c.meta.Fingerprint:
		return fmt.Errorf("%w: it is of another model", store.ErrFingerprint)
	case meta.Head > head:
		return fmt.Errorf("%w: it knows log entry %d, and the log ends at %d", store.ErrInvalid, meta.Head, head)
	}
	return nil
}

// lastInLog is the key of the last log entry on disk; 0 if there is none.
func (c *collection) lastInLog() (store.Key, error) { return c.catalog.lastOf(c.number) }

// lastOf is the key of the last log entry of a collection on disk; 0 if there is none.
func (l *Catalog) lastOf(number uint32) (last store.Key, err error) {
	err = l.view(func(t *badger.Txn) error {
		it := t.NewIterator(badger.IteratorOptions{Reverse: true})
		defer it.Close()
		it.Seek(logKeys(number + 1))
		if it.ValidForPrefix(logKeys(number)) {
			_, last, _, err = parseLogKey(it.Item().Key())
		}
		return err
	})
	return last, err
}

// compared is how many vectors of a loaded index are compared with the log.
const compared = 32

// checkLoaded makes sure that a loaded index that has followed the log holds what
// the rows do. Where it does not, both are made anew from the log: nothing tells
// which of them is wrong.
func (c *collection) checkLoaded() error {
	if c.snapshot == 0 && c.rowsAt == 0 {
		return nil
	}
	reason := c.agrees()
	if reason == nil {
		return nil
	}
	if c.snapshot > 0 {
		c.giveUpSnapshot(reason)
	}
	if c.rowsAt > 0 {
		c.giveUpRows(reason)
	}
	idx, err := index.New(index.Spec{}, c.meta.Dimension)
	if err != nil {
		return err
	}
	c.clear()
	c.idx, c.snapshot, c.moved = idx, 0, 0
	return c.follow()
}

// agrees returns how the index differs from the log, looking at the number of
// vectors and at a few of them.
func (c *collection) agrees() error {
	if c.idx.Len() != len(c.rows) {
		return fmt.Errorf("%w: it has %d vectors, and the log %d", store.ErrDamaged, c.idx.Len(), len(c.rows))
	}
	keys := c.live()
	for i := range min(compared, len(keys)) {
		key := keys[i*len(keys)/min(compared, len(keys))]
		value, err := c.catalog.read(logKey(c.number, key, vectorSuffix))
		if err != nil {
			return err
		}
		want, err := unsealVector(value, c.meta.Dimension)
		if err != nil {
			return err
		}
		if got, _ := c.idx.Vector(uint64(key)); !slices.Equal(got, want) {
			return fmt.Errorf("%w: its vector %d is not that of the log", store.ErrDamaged, key)
		}
	}
	return nil
}
