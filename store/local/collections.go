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

// named returns an open collection by name.
func (l *Catalog) named(ctx context.Context, name string) (*collection, error) {
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if c, ok := l.collections[name]; ok {
		return c, nil
	}
	if store.IsShadowName(name) { // which is asked for at every change
		return nil, store.ErrCollection
	}
	names := make([]string, 0, len(l.collections))
	for n := range l.collections {
		if !store.IsShadowName(n) {
			names = append(names, n)
		}
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
		if one := c.description(); !one.IsHidden() {
			all = append(all, one)
		}
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
	found := c.description()
	found.Name = name // what it is called by now may be another's
	return found, nil
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
	c.sizes.known = true
	var err error
	if c.idx, err = newIndex(c.meta.spec(), meta.Dimension); err != nil {
		return err
	}
	if err := l.space.take(recordBytes); err != nil {
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
	err = l.update(func(t *badger.Txn) error {
		number := seal(binary.BigEndian.AppendUint32(nil, c.number))
		return errors.Join(t.Set(metaKey("collections"), number), t.Set(collectionKey(c.number), value))
	}, describedAs(c.number, value))
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
	return l.describing(ctx, name, func(c *collection) error {
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
	return l.describing(ctx, name, func(c *collection) error {
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

// describing changes in the writer how what has a name is described, and then its
// shadow as well.
func (l *Catalog) describing(ctx context.Context, name string, f func(c *collection) error) error {
	return l.changing(ctx, name, func(c *collection) error {
		return l.alone(ctx, func() error {
			err := c.writable()
			if err == nil {
				err = f(c)
			}
			if s := l.shadowOf(c); err == nil && s != nil {
				err = s.resemble(c)
			}
			return err
		})
	})
}

// Drop implements store.Catalog.
func (l *Catalog) Drop(ctx context.Context, name string) error {
	c, err := l.named(ctx, name)
	if err != nil {
		return err
	}
	return l.alone(ctx, func() error {
		if c.gone() == nil && c.meta.Name != name { // another has its name by now
			if c = l.collections[name]; c == nil {
				return fmt.Errorf("collection %q: %w", name, store.ErrCollection)
			}
		}
		return l.drop(c)
	})
}

// drop drops a collection with its shadow. It runs in the writer. After a crash in
// the middle the next start does the rest.
func (l *Catalog) drop(c *collection) error {
	if err := c.gone(); err != nil {
		return err
	}
	all := []*collection{c}
	if s := l.shadowOf(c); s != nil {
		all = append(all, s)
	}
	err := l.update(func(t *badger.Txn) (err error) {
		for _, one := range all {
			err = errors.Join(err, t.Delete(collectionKey(one.number)))
		}
		if err != nil {
			return err
		}
		// Before the commit: what the witness knows and the log has not is lost.
		if err = l.witness.add(droppedAs(all)...); err == nil {
			err = l.step("dropping")
		}
		if err != nil {
			return l.stop("drop", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop collection %s: %w", c.meta.Name, err)
	}
	l.mu.Lock()
	for _, one := range all {
		delete(l.collections, one.meta.Name)
	}
	l.mu.Unlock()
	for _, one := range all {
		err = errors.Join(err, one.abandon(), one.removeSnapshot(), one.removeRows(), one.removeDerived(), l.dropLog(one.number))
	}
	return err
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
	r, err := l.originals.openWhole(found.Instance.Original())
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
