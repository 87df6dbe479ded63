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
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

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

// Close refuses further calls, commits what was submitted, saves the indexes
// that have changed much, and closes the files.
func (l *Catalog) Close() error {
	l.closing.Lock()
	if l.closed {
		l.closing.Unlock()
		return nil
	}
	l.closed = true
	close(l.changes)
	l.closing.Unlock()
	l.end()
	<-l.written
	<-l.maintained
	l.originals.sweeping.Wait()
	l.resuming.Wait()
	l.saveAll()
	l.owned.Lock()
	l.gone = true
	l.owned.Unlock()
	l.leave(store.ErrClosed)
	if err := errors.Join(l.closeLog(), l.witness.close(), l.lock.Close()); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}
