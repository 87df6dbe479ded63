package local

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/index"
	"nearcase/store"
)

// collection returns an open collection by name.
func (l *Catalog) collection(ctx context.Context, name string) (*collection, error) {
	if err := l.open(ctx); err != nil {
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
	if err := l.open(ctx); err != nil {
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
	if meta.Created.IsZero() {
		meta.Created = time.Now().UTC()
	}
	c := newCollection(l, 0, described{Collection: meta})
	var err error
	if c.idx, err = newIndex(c.meta.spec(), meta.Dimension); err != nil {
		return err
	}
	return l.alone(ctx, func() error { return l.create(c) })
}

func (l *Catalog) create(c *collection) error {
	l.mu.RLock()
	_, exists := l.collections[c.meta.Name]
	l.mu.RUnlock()
	if exists {
		return fmt.Errorf("collection %s: %w", c.meta.Name, store.ErrExists)
	}
	last, err := l.lastNumber()
	if err != nil {
		return err
	}
	c.number = last + 1
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
		meta := c.meta // no other goroutine changes it
		merged, err := store.Merge(meta.Tasks, tasks)
		if err != nil {
			return err
		}
		meta.Tasks = merged
		return c.describe(meta)
	})
}

// Configure implements store.Catalog.
func (l *Catalog) Configure(ctx context.Context, name, task string, s store.Settings) error {
	c, err := l.collection(ctx, name)
	if err != nil {
		return err
	}
	return l.alone(ctx, func() error {
		meta := c.meta // no other goroutine changes it
		t, err := meta.Task(task)
		if err != nil {
			return err
		}
		if err := t.CheckChange(s); err != nil {
			return err
		}
		t.Settings = s.Clone()
		meta.Tasks = slices.Clone(meta.Tasks)
		meta.Tasks[slices.IndexFunc(meta.Tasks, func(o store.Task) bool { return o.Name == task })] = t
		return c.describe(meta)
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
	if err := c.gone(); err != nil {
		return err
	}
	err := l.db.Update(func(t *badger.Txn) error { return t.Delete(collectionKey(c.number)) })
	if err != nil {
		return fmt.Errorf("drop collection %s: %w", c.meta.Name, err)
	}
	l.mu.Lock()
	delete(l.collections, c.meta.Name)
	l.mu.Unlock()
	return errors.Join(c.abandon(), c.removeSnapshot(), c.removeDerived(), l.db.DropPrefix(logKeys(c.number)))
}

// open reports why calls cannot be answered, if they cannot.
func (l *Catalog) open(ctx context.Context) error {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return store.ErrClosed
	}
	return ctx.Err()
}

// Ready implements store.Catalog.
func (l *Catalog) Ready(ctx context.Context) error {
	if err := l.open(ctx); err != nil {
		return err
	}
	if failed := l.failed.Load(); failed != nil {
		return *failed
	}
	return nil
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
	r, err := l.originals.open(found.Instance.Original())
	if err != nil {
		return nil, fmt.Errorf("instance %s: %w", id, err)
	}
	return r, nil
}

// spec is the index that the collection's snapshot must be of.
func (d *described) spec() index.Spec {
	return specOf(d.Index, cmp.Or(d.Serves, index.EngineExact))
}

// specOf is what a collection's index is to the package index; engine is the
// one for a collection that leaves it to the program.
func specOf(i store.Index, engine string) index.Spec {
	if !i.IsAuto() {
		engine = i.Engine
	}
	return index.Spec{
		Engine: engine, M: i.M, EfConstruction: i.EfConstruction, EfSearch: i.EfSearch,
		Recall: i.Recall, Candidates: i.Candidates,
	}
}

func newIndex(s index.Spec, dimension int) (index.Index, error) {
	idx, err := index.New(s, dimension)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrInvalid, err)
	}
	return idx, nil
}
