package local

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"nearcase/index"
	"nearcase/store"
)

// collection is the state of one log in memory. Only the writer changes it.
type collection struct {
	catalog *Catalog
	number  uint32

	mu        sync.RWMutex
	meta      store.Collection
	idx       index.Index
	last      store.Key
	lastLabel store.Key
	rows      map[store.Key]*store.Instance
	order     []store.Key // of rows, ascending; may hold retired ones
	ids       map[string]store.Key
	digests   map[string][]store.Key
	patients  map[string][]store.Key
	studies   map[string][]store.Key
	series    map[string][]store.Key
	labels    map[string]map[string]store.Label // by instance and task
	labelled  map[string]map[string]int         // instances by task and class
	dropped   bool
}

func (c *collection) reset(idx index.Index) {
	c.idx = idx
	c.rows = map[store.Key]*store.Instance{}
	c.ids = map[string]store.Key{}
	c.digests = map[string][]store.Key{}
	c.patients = map[string][]store.Key{}
	c.studies = map[string][]store.Key{}
	c.series = map[string][]store.Key{}
	c.labelled = map[string]map[string]int{}
	c.labels = map[string]map[string]store.Label{}
}

// open catches the empty collection up with its log.
func (c *collection) open(progress func(string, int)) error {
	idx, err := newIndex(c.meta.Index, c.meta.Dimension)
	if err != nil {
		return err
	}
	c.reset(idx)
	entries := 0
	return c.replay(0, func(e store.Entry) error {
		if entries++; progress != nil && entries%1000 == 0 {
			progress(c.meta.Name, entries)
		}
		return c.apply(e)
	})
}

// replay reads the log after a key from disk, vectors included.
func (c *collection) replay(since store.Key, f func(store.Entry) error) error {
	var put *store.Entry // waiting for its vector
	err := c.catalog.each(logKeys(c.number), logKey(c.number, since+1, 0), func(key, value []byte) error {
		_, k, suffix, err := parseLogKey(key)
		if err != nil {
			return err
		}
		if suffix == vectorSuffix {
			if put == nil || put.Key != k {
				return fmt.Errorf("log entry %d: %w: vector without instance", k, store.ErrDamaged)
			}
			put.Vector, err = unsealVector(value, c.meta.Dimension)
			if err != nil {
				return fmt.Errorf("log entry %d: %w", k, err)
			}
			e := *put
			put = nil
			return f(e)
		}
		e := store.Entry{Key: k}
		if err := unsealJSON(value, &e); err != nil {
			return fmt.Errorf("log entry %d: %w", k, err)
		}
		if e.Kind == store.KindPut && put == nil {
			put = &e
			return nil
		}
		return f(e)
	})
	if err == nil && put != nil {
		err = fmt.Errorf("log entry %d: %w: instance without vector", put.Key, store.ErrDamaged)
	}
	return err
}

// applyAll shows committed entries to readers.
func (c *collection) applyAll(entries []store.Entry) error {
	for _, e := range entries {
		if err := c.apply(e); err != nil {
			return err
		}
	}
	return nil
}

// apply brings memory up to one entry of the log.
func (c *collection) apply(e store.Entry) error {
	if e.Kind == store.KindPut {
		// A search skips keys it finds no row for, so the index goes first.
		if err := c.idx.Add(uint64(e.Key), e.Vector); err != nil {
			return fmt.Errorf("index entry %d: %w", e.Key, err)
		}
		c.catalog.originals.keep(c.original(e.Instance))
	}
	released := c.applyRows(e)
	if e.Retires != 0 {
		c.idx.Remove(uint64(e.Retires))
	}
	return c.catalog.originals.release(released)
}

// original is the digest under which an instance's original is kept, empty if
// the collection keeps none.
func (c *collection) original(i *store.Instance) string {
	if c.meta.DiscardOriginals { // never changes
		return ""
	}
	return i.Digest
}

// applyRows returns the digest that the entry has taken one reference from.
func (c *collection) applyRows(e store.Entry) (released string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = e.Key
	if e.Retires != 0 {
		released = c.retire(e.Retires)
	}
	switch e.Kind {
	case store.KindPut:
		c.add(e.Key, e.Instance)
	case store.KindDelete:
		for _, l := range c.labels[e.Instance.ID] {
			c.count(l, -1)
		}
		delete(c.labels, e.Instance.ID)
	case store.KindLabel:
		c.label(e.Key, *e.Label)
	}
	return released
}

func (c *collection) add(key store.Key, i *store.Instance) {
	c.rows[key] = i
	c.order = append(c.order, key)
	c.ids[i.ID] = key
	for _, by := range c.byField(i) {
		if by.value != "" {
			by.keys[by.value] = append(by.keys[by.value], key)
		}
	}
}

// field is one value of an instance with the keys of all that share it.
type field struct {
	keys  map[string][]store.Key
	value string
	// unsure fields make kin only where some patient is unknown.
	unsure bool
}

func (c *collection) byField(i *store.Instance) [4]field {
	return [4]field{{c.digests, i.Digest, false}, {c.patients, i.Patient, false}, {c.studies, i.Study, true}, {c.series, i.Series, true}}
}

func (c *collection) retire(key store.Key) (digest string) {
	i, ok := c.rows[key]
	if !ok {
		return ""
	}
	delete(c.rows, key)
	delete(c.ids, i.ID)
	for _, by := range c.byField(i) {
		left := slices.DeleteFunc(by.keys[by.value], func(k store.Key) bool { return k == key })
		if by.keys[by.value] = left; len(left) == 0 {
			delete(by.keys, by.value)
		}
	}
	if len(c.order) > 2*len(c.rows)+64 {
		c.order = c.live()
	}
	return c.original(i)
}

func (c *collection) label(key store.Key, l store.Label) {
	c.lastLabel = key
	c.count(c.labels[l.Instance][l.Task], -1)
	if l.Removed {
		delete(c.labels[l.Instance], l.Task)
		return
	}
	c.count(l, 1)
	if c.labels[l.Instance] == nil {
		c.labels[l.Instance] = map[string]store.Label{}
	}
	c.labels[l.Instance][l.Task] = l
}

// count adds n to the classes of a label.
func (c *collection) count(l store.Label, n int) {
	for _, class := range l.Classes {
		if c.labelled[l.Task] == nil {
			c.labelled[l.Task] = map[string]int{}
		}
		c.labelled[l.Task][class] += n
	}
}

func (c *collection) head() store.Key {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.last
}

func (c *collection) description() store.Collection {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.meta
}

// saveMeta stores a changed description. Only the writer calls it.
func (c *collection) saveMeta(meta store.Collection) error {
	if err := c.gone(); err != nil {
		return err
	}
	value, err := sealJSON(meta)
	if err == nil {
		err = c.catalog.set(collectionKey(c.number), value)
	}
	if err != nil {
		return fmt.Errorf("save collection %s: %w", meta.Name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.meta = meta
	return nil
}

// abandon refuses later changes and gives up the originals.
func (c *collection) abandon() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped = true
	var err error
	for _, i := range c.rows {
		err = errors.Join(err, c.catalog.originals.release(c.original(i)))
	}
	return err
}

// live returns the keys of rows in a slice of its own, ascending. The caller
// holds the lock.
func (c *collection) live() []store.Key {
	keys := make([]store.Key, 0, len(c.rows))
	for _, k := range c.order {
		if c.rows[k] != nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// gone is why a change cannot be planned, if it cannot.
func (c *collection) gone() error {
	if c.dropped {
		return fmt.Errorf("collection %s: %w", c.meta.Name, store.ErrCollection)
	}
	return nil
}
