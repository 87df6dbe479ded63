// Package local is the case store of one machine: the log in Badger, originals
// in files, and an index in memory that is caught up from the log.
//
// A data directory belongs to one process at a time and holds:
//
//	log/         Badger: collections, instances, vectors, labels; log.new and
//	             log.old are there while it is compacted
//	originals/   images as received, in files named by their SHA-256
//	index/       a snapshot of each collection's index, which is derived and may
//	             be removed
//	derived/     what others have derived from each collection's log, in a folder
//	             with the collection's number; it may be removed too
//	documents/   what is kept for others that is not derived: keys, jobs
package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"nearcase/index"
	"nearcase/store"
)

// format of the data directory. A program opens this one and refuses others.
const format = 1

// Options of Open. The zero value works.
type Options struct {
	// MustExist makes a missing data directory an error rather than a new one.
	MustExist bool
	// Progress, if set, is told of the log entries read while opening.
	Progress func(collection string, entries int)
	// Logger is told what happens to indexes in the background; nil means nobody.
	Logger *slog.Logger
	// Context, if set, ends a long Open when it ends.
	Context context.Context
	// Begin, if set, is told that a stage of a commit begins, and the function that
	// it returns how that ended: commit, until the disk has it, and then index. They
	// are of the changes of many callers, and so is their context.
	Begin func(ctx context.Context, stage string) (context.Context, func(error))

	choose  func(n, dimension int) string // index.Choose save in tests
	reached func(step string) error       // see step
}

// Catalog is a store.Catalog in one data directory.
type Catalog struct {
	Options
	dir       string
	lock      *os.File
	db        *badger.DB // only the writer changes it: see exchangeLog
	originals originals

	mu          sync.RWMutex // guards collections
	collections map[string]*collection

	changes chan *change
	written chan struct{} // closed when the writer has ended
	closing sync.RWMutex  // guards closed and the closing of changes
	closed  bool
	reading sync.RWMutex          // held by who uses the data directory; guards gone
	gone    bool                  // the log is closed
	failed  atomic.Pointer[error] // what stopped the writer
	// documenting is held by who changes a document.
	documenting sync.Mutex

	ctx        context.Context // ends when Close begins
	end        context.CancelFunc
	wake       chan struct{} // tells the maintenance of commits
	told       told
	maintained chan struct{} // closed when the maintenance has ended
	upkeeping  sync.Mutex    // held by what looks after all collections
}

var _ store.Catalog = (*Catalog)(nil)

// Open opens a data directory, or makes one, and catches up what is derived
// from its log. One that another process has open is store.ErrLocked.
func Open(dir string, o Options) (*Catalog, error) {
	l, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open data directory %s: %w", dir, err)
	}
	return l, nil
}

func open(dir string, o Options) (*Catalog, error) {
	lock, db, err := openLog(dir, o.MustExist)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.Begin == nil {
		o.Begin = func(ctx context.Context, _ string) (context.Context, func(error)) { return ctx, func(error) {} }
	}
	if o.choose == nil {
		o.choose = index.Choose
	}
	l := &Catalog{
		Options: o, dir: dir, lock: lock, db: db,
		originals:   originals{dir: filepath.Join(dir, "originals"), refs: map[string]int{}},
		collections: map[string]*collection{},
		changes:     make(chan *change, maxGroupChanges),
		written:     make(chan struct{}),
		wake:        make(chan struct{}, 1),
		maintained:  make(chan struct{}),
	}
	if err := l.recover(); err != nil {
		return nil, errors.Join(err, db.Close(), lock.Close())
	}
	l.ctx, l.end = context.WithCancel(context.Background())
	go l.write()
	go l.maintain()
	return l, nil
}

// openLog locks a data directory and opens its log, which it makes if it may.
func openLog(dir string, mustExist bool) (lock *os.File, db *badger.DB, err error) {
	if !mustExist {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		lock, err = lockDir(dir)
	}
	logs := filepath.Join(dir, logDir)
	if errors.Is(err, store.ErrLocked) {
		err = inUse(logs)
	}
	if err != nil {
		return nil, nil, err
	}
	err = settleLog(dir)
	if err == nil && mustExist {
		_, err = os.Stat(logs)
	}
	if err == nil {
		err = os.MkdirAll(logs, 0o700)
	}
	if err == nil {
		db, err = openBadger(logs)
	}
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return lock, db, nil
}

func openBadger(dir string) (*badger.DB, error) {
	db, err := badger.Open(logOptions(dir))
	if err != nil && strings.Contains(err.Error(), "Cannot acquire directory lock") {
		return nil, inUse(dir)
	}
	return db, err
}

// inUse says which process has a log open.
func inUse(dir string) error {
	return fmt.Errorf("%w%s: stop it, or talk to it with --server", store.ErrLocked, owner(dir))
}

func logOptions(dir string) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(true).         // off by default
		WithDetectConflicts(false).   // one writer, nothing to detect
		WithLogger(nil).              //
		WithCompression(0).           // vectors do not compress
		WithMemTableSize(32 << 20).   // two of them, not five of 64 MiB
		WithNumMemtables(2).          //
		WithBlockCacheSize(16 << 20). //
		WithMetricsEnabled(false)
}

// owner names the process that has a log open, as Badger notes it.
func owner(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "LOCK"))
	pid, bad := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || bad != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// recover brings memory up to the log, and removes what a crash left half done.
func (l *Catalog) recover() error {
	if err := l.checkFormat(); err != nil {
		return err
	}
	for _, dir := range []string{l.originals.dir, l.snapshots(), l.derived()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := l.loadCollections(); err != nil {
		return err
	}
	if err := errors.Join(l.sweepSnapshots(), l.sweepDerived(), l.sweepDocuments()); err != nil {
		return err
	}
	for _, c := range l.collections {
		if err := c.open(l.Progress); err != nil {
			return fmt.Errorf("collection %s: %w", c.meta.Name, err)
		}
	}
	return errors.Join(l.dropOrphans(), l.originals.sweep())
}

func (l *Catalog) checkFormat() error {
	value, err := l.read(metaKey("format"))
	if errors.Is(err, badger.ErrKeyNotFound) {
		if left, err := os.ReadDir(l.originals.dir); err == nil && len(left) > 0 {
			return fmt.Errorf("%w: there are originals without a log: restore log/, or choose another directory", store.ErrFormat)
		}
		return l.set(metaKey("format"), seal([]byte(strconv.Itoa(format))))
	}
	if err != nil {
		return err
	}
	payload, err := unseal(value)
	if err == nil && string(payload) != strconv.Itoa(format) {
		err = fmt.Errorf("%w: format %.20s, this program reads %d", store.ErrFormat, payload, format)
	}
	return err
}

func (l *Catalog) loadCollections() error {
	return l.each([]byte{collectionPrefix}, []byte{collectionPrefix}, func(key, value []byte) error {
		var meta described
		number := binary.BigEndian.Uint32(key[1:])
		if err := unsealJSON(value, &meta); err != nil {
			return fmt.Errorf("collection %d: %w", number, err)
		}
		c := newCollection(l, number, meta)
		l.collections[c.meta.Name] = c
		return nil
	})
}

// dropOrphans removes what is left of collections whose Drop did not finish.
func (l *Catalog) dropOrphans() error {
	last, err := l.lastNumber()
	if err != nil {
		return err
	}
	known := map[uint32]bool{}
	for _, c := range l.collections {
		known[c.number] = true
	}
	var orphans [][]byte
	for number := uint32(1); number <= last; number++ {
		if !known[number] && l.has(logKeys(number)) {
			orphans = append(orphans, logKeys(number))
		}
	}
	if len(orphans) == 0 {
		return nil
	}
	return l.db.DropPrefix(orphans...)
}

// has reports whether there is any key with a prefix.
func (l *Catalog) has(prefix []byte) (found bool) {
	_ = l.each(prefix, prefix, func(_, _ []byte) error { found = true; return errStop })
	return found
}

// lastNumber is the highest collection number ever given.
func (l *Catalog) lastNumber() (uint32, error) {
	value, err := l.read(metaKey("collections"))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("number of collections: %w", err)
	}
	payload, err := unseal(value)
	if err == nil && len(payload) != 4 {
		err = store.ErrDamaged
	}
	if err != nil {
		return 0, fmt.Errorf("number of collections: %w", err)
	}
	return binary.BigEndian.Uint32(payload), nil
}

func (l *Catalog) read(key []byte) (value []byte, err error) {
	err = l.view(func(t *badger.Txn) error {
		item, err := t.Get(key)
		if err == nil {
			value, err = item.ValueCopy(nil)
		}
		return err
	})
	return value, err
}

// view reads the log as it is at one moment. It may be called while the catalog
// is being closed.
func (l *Catalog) view(f func(*badger.Txn) error) error {
	return l.using(func() error { return l.db.View(f) })
}

// using runs f while the data directory stays this catalog's. f must not call
// using.
func (l *Catalog) using(f func() error) error {
	l.reading.RLock()
	defer l.reading.RUnlock()
	if l.gone {
		return store.ErrClosed
	}
	return f()
}

func (l *Catalog) set(key, value []byte) error {
	return l.db.Update(func(t *badger.Txn) error { return t.Set(key, value) })
}

// each calls f for the stored pairs with a prefix, in order, from a key on. f
// must not call the catalog.
func (l *Catalog) each(prefix, from []byte, f func(key, value []byte) error) error {
	return l.scan(prefix, from, func(item *badger.Item) error {
		key := item.KeyCopy(nil)
		return item.Value(func(value []byte) error { return f(key, value) })
	})
}

// scan is each for who does not want every value.
func (l *Catalog) scan(prefix, from []byte, f func(*badger.Item) error) error {
	return l.view(func(t *badger.Txn) error {
		it := t.NewIterator(badger.IteratorOptions{Prefix: prefix})
		defer it.Close()
		for it.Seek(from); it.Valid(); it.Next() {
			if err := f(it.Item()); err != nil {
				return err
			}
		}
		return nil
	})
}
