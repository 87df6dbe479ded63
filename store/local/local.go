// Package local is the case store of one machine: the log in Badger, originals
// in files, and an index in memory that is caught up from the log.
//
// A data directory belongs to one process at a time and holds:
//
//	log/         Badger: collections, instances, vectors, labels; log.new and
//	             log.old are there while it is compacted
//	originals/   images as received, in files named by their SHA-256
//	index/       a snapshot of each collection's index, and of its rows with what is
//	             said of them, which are derived and may be removed
//	derived/     what others have derived from each collection's log, in a folder
//	             with the collection's number; it may be removed too
//	documents/   what is kept for others that is not derived: keys, jobs
//	keys         the keys by which all of these are encrypted, if they are, and
//	             keys.copy beside it: see package vault
//	witness      what the log must have, by which is told what it has lost
//	log.damaged/ files of the log that were set aside because they are damaged
package local

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"nearcase/index"
	"nearcase/store"
	"nearcase/store/disk"
	"nearcase/store/vault"
)

// format of the data directory. A program opens it and older ones, which it
// migrates, and refuses newer ones. Those before 2 have no witness.
const format = 2

// Options of Open. The zero value works.
type Options struct {
	// MustExist makes a missing data directory an error rather than a new one.
	MustExist bool
	// Progress, if set, is told which collection is being opened, and how many of
	// the log entries that are to be read for it have been.
	Progress func(collection string, entries, of int)
	// Logger is told what happens to indexes in the background; nil means nobody.
	Logger *slog.Logger
	// Context, if set, ends a long Open when it ends.
	Context context.Context
	// Files is where the data directory is, but for the log, which Badger keeps in
	// the operating system's file system; nil is that. Names are the same in both.
	Files disk.FS
	// Key encrypts the data directory: a new one from the start, and one there is must
	// be encrypted with it. Nil is for those that are not.
	Key *vault.Key
	// Begin, if set, is told that a stage of a commit begins, and the function that
	// it returns how that ended: commit, until the disk has it, and then index. They
	// are of the changes of many callers, and so is their context.
	Begin func(ctx context.Context, stage string) (context.Context, func(error))

	// Space is how much of the disk is left.
	Space Space
	// Memory is about how many bytes the log takes of it; 0 is DefaultMemory.
	Memory int64

	choose  func(n, dimension int) string // index.Choose save in tests
	reached func(step string) error       // see step
	again   time.Duration                 // againFirst save in tests
	// unsynced lets Badger not wait for the disk, in benchmarks alone.
	unsynced bool
}

// Catalog is a store.Catalog in one data directory.
type Catalog struct {
	Options
	dir       string
	files     files
	lock      disk.File
	db        *badger.DB // only the writer changes it: see exchangeLog and reopen
	witness   *witness
	originals originals
	space     space
	wal       ahead

	mu          sync.RWMutex // guards collections
	collections map[string]*collection
	// unreadable are the collections that are not served, with the reason. It does not
	// change.
	unreadable map[uint32]string

	changes chan *change
	written chan struct{} // closed when the writer has ended
	closing sync.RWMutex  // guards closed and the closing of changes
	closed  bool
	owned   sync.RWMutex          // held by who uses files; guards gone
	gone    bool                  // the data directory may be another's
	reading sync.RWMutex          // held by who reads the log; guards away
	away    error                 // why the log is not there, if it is not
	failed  atomic.Pointer[error] // what stopped the writer, until the log is open again: see stop
	stops   atomic.Int64          // how often that was
	// commits counts them, and committed is when the last was.
	commits, committed atomic.Int64
	compactions        atomic.Int64
	// resuming is what opens the log again, once the writer, which holds writing at
	// work, has refused what was under way. unfinished is what it ends that had begun.
	resuming   sync.WaitGroup
	writing    sync.Mutex
	unfinished func() error
	owing      sync.Mutex // guards owed
	owed       []string   // digests: see owe
	copying    copying
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
	f, lock, db, found, err := openLog(filesOf(o), dir, o.MustExist)
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
	o.again = cmp.Or(o.again, againFirst)
	l := &Catalog{
		Options: o, dir: dir, files: f, lock: lock, db: db,
		originals:   originals{files: f, dir: filepath.Join(dir, "originals"), refs: map[string]int{}, pins: map[string]int{}, unsure: map[string]bool{}},
		space:       space{Space: o.Space, files: f, dir: dir, needs: f.room(), logger: o.Logger},
		wal:         ahead{dir: filepath.Join(dir, logDir), table: f.table},
		collections: map[string]*collection{},
		changes:     make(chan *change, maxGroupChanges),
		written:     make(chan struct{}),
		copying:     copying{turn: make(chan struct{}, 1)},
		wake:        make(chan struct{}, 1),
		maintained:  make(chan struct{}),
	}
	l.ctx, l.end = context.WithCancel(context.Background())
	l.space.found()
	if err = l.wal.begin(db); err == nil {
		err = l.recover(found)
	}
	if err != nil {
		l.end()
		l.resuming.Wait()
		return nil, errors.Join(err, l.witness.close(), l.closeLog(), lock.Close())
	}
	l.resuming.Go(l.watchSpace)
	l.sweepOriginals()
	l.sweepThumbnails()
	go l.write()
	go l.maintain()
	return l, nil
}

// openLog locks a data directory and opens its log, which it makes if it may. It says
// what was damaged of it.
func openLog(from files, dir string, mustExist bool) (f files, lock disk.File, db *badger.DB, found []string, err error) {
	f = from
	if !mustExist {
		err = f.makeDirs(dir)
	}
	if err == nil {
		lock, err = lockDir(f, dir)
	}
	logs := filepath.Join(dir, logDir)
	if errors.Is(err, store.ErrLocked) {
		err = inUse(f, logs)
	}
	if err != nil {
		return f, nil, nil, nil, err
	}
	if err = checkRestored(f, dir); err == nil {
		err = settleLog(f, dir)
	}
	if err == nil && mustExist {
		_, err = f.Stat(logs)
	}
	if err == nil {
		f, err = f.unlock(dir)
	}
	if err == nil {
		err = f.MkdirAll(logs, 0o700)
	}
	if err == nil {
		err = putKept(logs)
	}
	if err == nil {
		found, err = inspect(f, logs)
	}
	if err == nil {
		err = keep(f, logs)
	}
	if err == nil {
		db, err = openBadger(f, logs)
	}
	if err != nil {
		return f, nil, nil, found, errors.Join(err, lock.Close())
	}
	return f, lock, db, found, nil
}

func openBadger(f files, dir string) (*badger.DB, error) {
	o, err := f.logOptions(dir)
	if err == nil {
		err = clearLog(f, dir)
	}
	if err != nil {
		return nil, err
	}
	var db *badger.DB
	err = guarded(func() error {
		if free, err := f.Free(dir); err == nil && int64(min(free, 1<<62)) < f.room() {
			o = o.WithNumCompactors(0).WithNumLevelZeroTablesStall(maxTables) // see Catalog.awaken
		}
		db, err = badger.Open(o)
		return err
	})
	if err != nil && strings.Contains(err.Error(), "Cannot acquire directory lock") {
		return nil, inUse(f, dir)
	}
	err = fault(err)
	var errno syscall.Errno
	if err != nil && !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrFiles) && !errors.As(err, &errno) && !errors.Is(err, badger.ErrEncryptionKeyMismatch) {
		err = fmt.Errorf("%w: %w: restore a backup, see docs/durability.md", store.ErrDamaged, err)
	}
	return db, err
}

// inUse says which process has a log open.
func inUse(f files, dir string) error {
	return fmt.Errorf("%w%s: stop it, or talk to it with --server", store.ErrLocked, owner(f, dir))
}

// logOptions are those of a log that is not encrypted.
func logOptions(dir string, b bounds) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(true).            // off by default
		WithDetectConflicts(false).      // one writer, nothing to detect
		WithLogger(nil).                 //
		WithCompression(0).              // vectors do not compress
		WithMemTableSize(b.table).       //
		WithNumMemtables(2).             // not five
		WithBlockCacheSize(b.cache).     //
		WithNumCompactors(b.compactors). //
		WithChecksumVerificationMode(options.OnBlockRead).
		WithValueLogFileSize(64 << 20). // it is mapped twice as large, and nothing is in it
		WithMetricsEnabled(false)
}

// owner names the process that has a log open, as Badger notes it.
func owner(f files, dir string) string {
	b, err := disk.ReadFile(f.FS, filepath.Join(dir, "LOCK"))
	pid, bad := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || bad != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// recover brings memory up to the log, and removes what a crash left half done.
func (l *Catalog) recover(found []string) error {
	if err := l.checkFormat(); err != nil {
		return err
	}
	a, err := l.account(found)
	if err != nil {
		return err
	}
	for _, dir := range []string{l.originals.dir, l.snapshots(), l.derived()} {
		if err := l.files.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := l.loadCollections(a); err != nil {
		return err
	}
	if err := errors.Join(l.sweepSnapshots(), l.sweepDerived(), l.sweepDocuments(), l.files.RemoveAll(filepath.Join(l.dir, adoptingDir))); err != nil {
		return err
	}
	for _, c := range l.collections {
		if err := l.settle(a, c); err != nil {
			return fmt.Errorf("collection %s: %w", c.meta.Name, err)
		}
		if err := c.open(); err != nil {
			return fmt.Errorf("collection %s: %w", c.meta.Name, err)
		}
	}
	if err := l.testify(a); err != nil {
		return err
	}
	return errors.Join(l.wal.renew(), l.clearAside(), l.dropOrphans(), l.originals.begin())
}

func (l *Catalog) checkFormat() error {
	value, err := l.read(metaKey("format"))
	if errors.Is(err, badger.ErrKeyNotFound) {
		// Where files of the log were set aside, what they have is put back.
		if left, err := l.files.ReadDir(l.originals.dir); !l.isAside() && err == nil && len(left) > 0 {
			return fmt.Errorf("%w: there are originals without a log: restore log/, or choose another directory", store.ErrFormat)
		}
		return l.set(metaKey("format"), seal([]byte(strconv.Itoa(format))))
	}
	if err != nil {
		return err
	}
	payload, err := unseal(value)
	if err != nil || string(payload) == strconv.Itoa(format) {
		return err
	}
	if n, err := strconv.Atoi(string(payload)); err != nil || n < 1 || n > format {
		return fmt.Errorf("%w: format %.20s, this program reads up to %d", store.ErrFormat, payload, format)
	}
	return l.set(metaKey("format"), seal([]byte(strconv.Itoa(format))))
}

// loadCollections reads the descriptions. A collection without one that can be read is
// not served.
func (l *Catalog) loadCollections(a *accounts) error {
	l.unreadable = l.unserved(a)
	for number, reason := range l.unreadable {
		l.Logger.Error("a collection is not served", "number", number, "reason", reason)
	}
	return l.each([]byte{collectionPrefix}, []byte{collectionPrefix}, func(key, value []byte) error {
		var meta described
		number := binary.BigEndian.Uint32(key[1:])
		if _, gone := a.dropped[number]; gone || l.unreadable[number] != "" {
			return nil
		}
		if err := unsealJSON(value, &meta); err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				return fmt.Errorf("collection %d: %w", number, err)
			}
			l.unreadable[number] = "its description cannot be read"
			return nil
		}
		c := newCollection(l, number, meta)
		l.collections[c.meta.Name] = c
		return nil
	})
}

// dropOrphans removes what is left of collections whose Drop did not finish, and
// their descriptions if the witness alone knows of it.
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
		for _, keys := range [][]byte{logKeys(number), collectionKey(number)} {
			if !known[number] && l.unreadable[number] == "" && l.has(keys) {
				orphans = append(orphans, keys)
			}
		}
	}
	if len(orphans) == 0 {
		return nil
	}
	return l.dropKeys(orphans...)
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

// owning runs f while the data directory stays this catalog's, for who does not read
// the log. f must not call owning.
func (l *Catalog) owning(f func() error) error {
	l.owned.RLock()
	defer l.owned.RUnlock()
	if l.gone {
		return store.ErrClosed
	}
	return f()
}

// using runs f while the log is there. f must not call using.
func (l *Catalog) using(f func() error) error {
	l.reading.RLock()
	defer l.reading.RUnlock()
	if l.away != nil {
		return l.away
	}
	return f()
}

func (l *Catalog) set(key, value []byte) error {
	return l.update(func(t *badger.Txn) error { return t.Set(key, value) }, saidOfDescription(key, value)...)
}

// each calls f for the stored pairs with a prefix, in order, from a key on. f
// must not call the catalog.
func (l *Catalog) each(prefix, from []byte, f func(key, value []byte) error) error {
	return l.scan(prefix, from, func(item *badger.Item) error {
		key := item.KeyCopy(nil)
		return item.Value(func(value []byte) error { return f(key, value) })
	})
}

// scan is each for who does not want every value. It reads the log in pieces, so that
// who exchanges it does not wait for long; the entry and the vector of a key are
// always of one moment.
func (l *Catalog) scan(prefix, from []byte, f func(*badger.Item) error) error {
	for from != nil {
		err := l.view(func(t *badger.Txn) (err error) {
			from, err = scanSome(t, prefix, from, f)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scanned is how many pairs are read at one moment.
const scanned = 10_000

// scanSome calls f for some pairs and returns the key to go on from; nil is the end.
func scanSome(t *badger.Txn, prefix, from []byte, f func(*badger.Item) error) (next []byte, err error) {
	it := t.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	n := 0
	for it.Seek(from); it.Valid(); it.Next() {
		key := it.Item().Key()
		if n++; n > scanned && key[len(key)-1] != vectorSuffix {
			return bytes.Clone(key), nil
		}
		if err := f(it.Item()); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
