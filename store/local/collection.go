package local

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nearcase/index"
	"nearcase/store"
)

// collection is the state of one log in memory. Only the writer changes it.
type collection struct {
	catalog  *Catalog
	number   uint32
	discards atomic.Bool // originals
	// building has a place for the one that builds, swaps or saves an index.
	building chan struct{}
	// deriving is held by who changes what SaveDerived has kept.
	deriving sync.Mutex

	mu        sync.RWMutex
	meta      described
	idx       index.Index
	last      store.Key
	lastLabel store.Key
	rows      map[store.Key]*store.Instance
	order     []store.Key // of rows, ascending; may hold retired ones
	ids       map[string]store.Key
	digests   map[string][]store.Key
	files     map[string][]store.Key // of several images
	patients  map[string][]store.Key
	studies   map[string][]store.Key
	series    map[string][]store.Key
	numbers   patients
	// studyNumbers are of studies as numbers are of patients.
	studyNumbers patients
	labels       map[string]*said     // by instance
	labelled     map[string]*labelled // by task
	texts        map[string]string    // of labels, each once: see text
	levels       levels
	dropped      bool
	deleted      int // instances since the log was compacted
	// leaving are the instances that a commit under way retires, or one that failed:
	// the log may lack them already.
	leaving map[store.Key]bool
	sizes   sizes

	snapshot store.Key // log entry at which the index was saved last; 0 is never
	moved    int       // vectors added or removed since
	lost     []store.Damage
	lostSaid []statement   // of lost, one of each
	refused  int           // vectors there were when a rebuild failed last
	unclean  bool          // the index may still have what was erased
	savedAt  time.Time     // when the index was saved last by this process
	saving   time.Duration // how long that took

	rowsAt   store.Key // log entry at which the rows were saved last, or were to be
	forsaken int       // how often what saves the rows was told to give that up
}

// described is a collection as it is stored.
type described struct {
	store.Collection
	// Serves is the engine that was chosen last where the collection leaves that
	// to the program; empty is the exact scan.
	Serves string `json:"serves,omitempty"`
}

func newCollection(l *Catalog, number uint32, meta described) *collection {
	c := &collection{catalog: l, number: number, building: make(chan struct{}, 1), meta: meta}
	c.clear()
	c.discards.Store(meta.DiscardOriginals)
	return c
}

// clear makes the collection one without rows. It is for who opens it.
func (c *collection) clear() {
	c.last, c.lastLabel, c.deleted, c.rowsAt = 0, 0, 0, 0
	c.rows, c.order = map[store.Key]*store.Instance{}, nil
	c.ids, c.leaving = map[string]store.Key{}, map[store.Key]bool{}
	c.files, c.digests = map[string][]store.Key{}, map[string][]store.Key{}
	c.patients, c.studies, c.series = map[string][]store.Key{}, map[string][]store.Key{}, map[string][]store.Key{}
	c.numbers, c.studyNumbers = patients{of: map[patient]uint32{}}, patients{of: map[patient]uint32{}}
	c.labels, c.labelled = map[string]*said{}, map[string]*labelled{}
	c.texts = map[string]string{}
}

// applyAll shows committed entries to readers, all of them whatever file of one
// cannot be removed: that is swept at the next start.
func (c *collection) applyAll(entries []store.Entry) (err error) {
	for _, e := range entries {
		err = errors.Join(err, c.apply(e))
	}
	return err
}

// apply shows an entry of the log, whose vector the index has already.
func (c *collection) apply(e store.Entry) error {
	if e.Kind == store.KindPut {
		c.catalog.originals.keep(c.original(e.Instance))
	}
	released := c.applyRows(e)
	var err error
	if e.Retires != 0 {
		c.idx.Remove(uint64(e.Retires))
		err = c.removeThumbnail(e.Retires)
	}
	return errors.Join(err, c.catalog.originals.release(released))
}

// recall is apply for an entry that is read at the opening, of which the rows or the
// index may know already. Originals are left to keepOriginals, and those that
// nothing needs to the sweep.
func (c *collection) recall(e store.Entry) error {
	if e.Key > c.rowsAt {
		c.applyRows(e)
	} else if e.Key > c.snapshot && (e.Kind == store.KindPut || e.Retires != 0) {
		c.moved++
	}
	if e.Retires == 0 {
		return nil
	}
	c.idx.Remove(uint64(e.Retires))
	return c.removeThumbnail(e.Retires)
}

// original is the digest under which an instance's original is kept, empty if
// the collection keeps none.
func (c *collection) original(i *store.Instance) string {
	if c.discards.Load() {
		return ""
	}
	return i.Original()
}

// applyRows returns the digest that the entry has taken one reference from.
func (c *collection) applyRows(e store.Entry) (released string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = e.Key
	if e.Kind == store.KindErased {
		c.erased(e)
	}
	if e.Retires != 0 {
		released = c.retire(e.Retires)
	}
	if e.Key > c.snapshot && (e.Kind == store.KindPut || e.Retires != 0) {
		c.moved++
	}
	switch e.Kind {
	case store.KindPut:
		c.add(e.Key, e.Instance)
	case store.KindDelete:
		c.deleted++
		delete(c.labels, e.Instance.ID)
	case store.KindLabel:
		c.label(e.Key, *e.Label)
	}
	return released
}

// erased shows an entry that names nothing. While the log is read, what it retires
// is not there.
func (c *collection) erased(e store.Entry) {
	if e.Of == store.KindLabel {
		c.lastLabel = e.Key
	}
	if i, ok := c.rows[e.Retires]; ok {
		c.deleted++
		c.markAll(e.Retires, i.ID, false)
		delete(c.labels, i.ID)
	}
}

func (c *collection) add(key store.Key, i *store.Instance) {
	c.rows[key] = i
	c.order = append(c.order, key)
	c.ids[i.ID] = key
	if i.File != "" {
		c.files[i.File] = append(c.files[i.File], key)
	}
	for _, by := range c.byField(i) {
		if by.value != "" {
			by.keys[by.value] = append(by.keys[by.value], key)
		}
	}
	c.resize(i, 1)
	c.numbers.add(key, patientOf(i))
	c.studyNumbers.add(key, studyOf(i))
	c.markAll(key, i.ID, true)
	c.levels.touch(i)
}

// field is one value of an instance with the keys of all that share it.
type field struct {
	keys  map[string][]store.Key
	value string
	// unsure fields make kin only where some patient is unknown.
	unsure bool
}

func (c *collection) byField(i *store.Instance) []field {
	return []field{{c.digests, i.Digest, false}, {c.patients, i.Patient, false}, {c.studies, i.Study, true}, {c.series, i.Series, true}}
}

func (c *collection) retire(key store.Key) (digest string) {
	delete(c.leaving, key)
	i, ok := c.rows[key]
	if !ok {
		return ""
	}
	c.markAll(key, i.ID, false)
	c.levels.touch(i)
	delete(c.rows, key)
	delete(c.ids, i.ID)
	for _, by := range append([]field{{keys: c.files, value: i.File}}, c.byField(i)...) {
		left := slices.DeleteFunc(by.keys[by.value], func(k store.Key) bool { return k == key })
		if by.keys[by.value] = left; len(left) == 0 {
			delete(by.keys, by.value)
		}
	}
	c.resize(i, -1)
	if len(c.patients[i.Patient]) == 0 && (i.Patient != "" || len(c.studies[i.Study]) == 0) {
		delete(c.numbers.of, patientOf(i))
	}
	if !slices.ContainsFunc(c.studies[i.Study], func(k store.Key) bool { return c.rows[k].Patient == i.Patient }) {
		delete(c.studyNumbers.of, studyOf(i))
	}
	if len(c.order) > 2*len(c.rows)+64 {
		c.order = c.live()
	}
	return c.original(i)
}

func (c *collection) head() store.Key {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.last
}

func (c *collection) description() store.Collection {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.meta.Collection
}

// engine is the index that serves.
func (c *collection) engine() index.Index {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.idx
}

// describe stores a changed description. Only the writer calls it.
func (c *collection) describe(meta described) error {
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
