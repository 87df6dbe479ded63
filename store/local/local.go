// Package local is the case store of one machine: the log in Badger, originals
// in files, and an index in memory that is caught up from the log.
//
// A data directory belongs to one process at a time and holds:
//
//	log/         Badger: collections, instances, vectors, labels
//	originals/   images as received, in files named by their SHA-256
package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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
}

// Catalog is a store.Catalog in one data directory.
type Catalog struct {
	dir       string
	db        *badger.DB
	originals originals

	mu          sync.RWMutex // guards collections
	collections map[string]*collection

	changes chan *change
	written chan struct{} // closed when the writer has ended
	closing sync.RWMutex  // guards closed and the closing of changes
	closed  bool
	failed  atomic.Pointer[error] // what stopped the writer
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
	logs := filepath.Join(dir, "log")
	if o.MustExist {
		if _, err := os.Stat(logs); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return nil, err
	}
	db, err := openBadger(logs)
	if err != nil {
		return nil, err
	}
	l := &Catalog{
		dir: dir, db: db,
		originals:   originals{dir: filepath.Join(dir, "originals"), refs: map[string]int{}},
		collections: map[string]*collection{},
		changes:     make(chan *change, maxGroupChanges),
		written:     make(chan struct{}),
	}
	if err := l.recover(o); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	go l.write()
	return l, nil
}

func openBadger(dir string) (*badger.DB, error) {
	o := badger.DefaultOptions(dir).
		WithSyncWrites(true).         // off by default
		WithDetectConflicts(false).   // one writer, nothing to detect
		WithLogger(nil).              //
		WithCompression(0).           // vectors do not compress
		WithBlockCacheSize(16 << 20). //
		WithMetricsEnabled(false)
	db, err := badger.Open(o)
	if err != nil && strings.Contains(err.Error(), "Cannot acquire directory lock") {
		return nil, fmt.Errorf("%w%s: stop it, or talk to it with --server", store.ErrLocked, owner(dir))
	}
	return db, err
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
func (l *Catalog) recover(o Options) error {
	if err := l.checkFormat(); err != nil {
		return err
	}
	if err := os.MkdirAll(l.originals.dir, 0o700); err != nil {
		return err
	}
	if err := l.loadCollections(); err != nil {
		return err
	}
	for _, c := range l.collections {
		if err := c.open(o.Progress); err != nil {
			return fmt.Errorf("collection %s: %w", c.meta.Name, err)
		}
	}
	return errors.Join(l.dropOrphans(), l.originals.sweep())
}

func (l *Catalog) checkFormat() error {
	value, err := l.read(metaKey("format"))
	if errors.Is(err, badger.ErrKeyNotFound) {
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
		c := &collection{catalog: l, number: binary.BigEndian.Uint32(key[1:])}
		if err := unsealJSON(value, &c.meta); err != nil {
			return fmt.Errorf("collection %d: %w", c.number, err)
		}
		l.collections[c.meta.Name] = c
		return nil
	})
}

// dropOrphans removes what is left of collections whose Drop did not finish.
func (l *Catalog) dropOrphans() error {
	known := map[uint32]bool{}
	for _, c := range l.collections {
		known[c.number] = true
	}
	for number := uint32(1); number <= l.lastNumber(); number++ {
		if !known[number] {
			if err := l.db.DropPrefix(logKeys(number)); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastNumber is the highest collection number ever given.
func (l *Catalog) lastNumber() uint32 {
	value, err := l.read(metaKey("collections"))
	if err != nil {
		return 0
	}
	payload, err := unseal(value)
	if err != nil || len(payload) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(payload)
}

func (l *Catalog) read(key []byte) (value []byte, err error) {
	err = l.db.View(func(t *badger.Txn) error {
		item, err := t.Get(key)
		if err == nil {
			value, err = item.ValueCopy(nil)
		}
		return err
	})
	return value, err
}

func (l *Catalog) set(key, value []byte) error {
	return l.db.Update(func(t *badger.Txn) error { return t.Set(key, value) })
}

// each calls f for the stored pairs with a prefix, in order, from a key on.
func (l *Catalog) each(prefix, from []byte, f func(key, value []byte) error) error {
	return l.db.View(func(t *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.Prefix = prefix
		it := t.NewIterator(o)
		defer it.Close()
		for it.Seek(from); it.Valid(); it.Next() {
			key := it.Item().KeyCopy(nil)
			if err := it.Item().Value(func(value []byte) error { return f(key, value) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// collection returns an open collection by name.
func (l *Catalog) collection(ctx context.Context, name string) (*collection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if c, ok := l.collections[name]; ok {
		return c, nil
	}
	names := make([]string, 0, len(l.collections))
	for n := range l.collections {
		names = append(names, n)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return nil, fmt.Errorf("collection %q: %w: there are none yet", name, store.ErrCollection)
	}
	return nil, fmt.Errorf("collection %q: %w: there are %s", name, store.ErrCollection, strings.Join(names, ", "))
}

// Collections implements store.Catalog.
func (l *Catalog) Collections(ctx context.Context) ([]store.Collection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make([]store.Collection, 0, len(l.collections))
	for _, c := range l.collections {
		all = append(all, c.description())
	}
	slices.SortFunc(all, func(a, b store.Collection) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Collection implements store.Catalog.
func (l *Catalog) Collection(ctx context.Context, name string) (store.Collection, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return store.Collection{}, err
	}
	return c.description(), nil
}

// Create implements store.Catalog.
func (l *Catalog) Create(ctx context.Context, meta store.Collection) error {
	if err := meta.Validate(); err != nil {
		return err
	}
	idx, err := newIndex(meta.Index, meta.Dimension)
	if err != nil {
		return err
	}
	if meta.Created.IsZero() {
		meta.Created = time.Now().UTC()
	}
	c := &collection{catalog: l, meta: meta}
	c.reset(idx)
	return l.alone(ctx, func() error { return l.create(c) })
}

func (l *Catalog) create(c *collection) error {
	l.mu.RLock()
	_, exists := l.collections[c.meta.Name]
	l.mu.RUnlock()
	if exists {
		return fmt.Errorf("collection %s: %w", c.meta.Name, store.ErrExists)
	}
	c.number = l.lastNumber() + 1
	value, err := sealJSON(c.meta)
	if err != nil {
		return err
	}
	err = l.db.Update(func(t *badger.Txn) error {
		number := seal(binary.BigEndian.AppendUint32(nil, c.number))
		return errors.Join(t.Set(metaKey("collections"), number), t.Set(collectionKey(c.number), value))
	})
	if err != nil {
		return fmt.Errorf("create collection %s: %w", c.meta.Name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.collections[c.meta.Name] = c
	return nil
}

// Declare implements store.Catalog.
func (l *Catalog) Declare(ctx context.Context, name string, tasks []store.Task) error {
	c, err := l.collection(ctx, name)
	if err != nil {
		return err
	}
	return l.alone(ctx, func() error {
		meta := c.description()
		merged, err := store.Merge(meta.Tasks, tasks)
		if err != nil {
			return err
		}
		meta.Tasks = merged
		return c.saveMeta(meta)
	})
}

// Drop implements store.Catalog.
func (l *Catalog) Drop(ctx context.Context, name string) error {
	c, err := l.collection(ctx, name)
	if err != nil {
		return err
	}
	return l.alone(ctx, func() error { return l.drop(c) })
}

func (l *Catalog) drop(c *collection) error {
	err := l.db.Update(func(t *badger.Txn) error { return t.Delete(collectionKey(c.number)) })
	if err != nil {
		return fmt.Errorf("drop collection %s: %w", c.meta.Name, err)
	}
	l.mu.Lock()
	delete(l.collections, c.meta.Name)
	l.mu.Unlock()
	return errors.Join(c.abandon(), l.db.DropPrefix(logKeys(c.number)))
}

// Ready implements store.Catalog.
func (l *Catalog) Ready(ctx context.Context) error {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return store.ErrClosed
	}
	if failed := l.failed.Load(); failed != nil {
		return *failed
	}
	return ctx.Err()
}

// Original implements store.Catalog.
func (l *Catalog) Original(ctx context.Context, name, id string) (io.ReadCloser, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return nil, err
	}
	found, err := l.Instance(ctx, name, id)
	if err != nil {
		return nil, err
	}
	if c.original(&found.Instance) == "" {
		return nil, fmt.Errorf("instance %s: %w", id, store.ErrOriginal)
	}
	r, err := l.originals.open(found.Instance.Digest)
	if err != nil {
		return nil, fmt.Errorf("instance %s: %w", id, err)
	}
	return r, nil
}

func newIndex(s store.Index, dimension int) (index.Index, error) {
	idx, err := index.New(index.Spec{Engine: s.Engine, M: s.M, Candidates: s.Candidates}, dimension)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrInvalid, err)
	}
	return idx, nil
}
