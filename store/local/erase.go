package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"nearcase/index"
	"nearcase/store"
)

// Erase implements store.Catalog. What is committed stays erased whatever fails
// after it: the maintenance, or the next start, builds the index then.
func (l *Catalog) Erase(ctx context.Context, name, patient string) (erased store.Erased, err error) {
	ctx, done := l.untilClosed(ctx)
	defer done()
	err = l.changing(ctx, name, func(c *collection) error {
		e, err := c.erase(ctx, patient)
		erased = e.Erased
		return err
	})
	if err != nil {
		return erased, fmt.Errorf("erase from collection %s: %w", name, err)
	}
	l.poke()
	return erased, nil
}

// eraser is one call of Erase.
type eraser struct {
	store.Erased
	c       *collection
	patient string
	keys    []store.Key
	rows    []store.Instance
	labels  []store.Key
	vectors [][]float32
	// behind erases from the collection's shadow; nil if there is none.
	behind *eraser
	// inPlace tells that it is of a shadow, whose log gets no entries of its own: what
	// is erased leaves an entry under its key that names nothing.
	inPlace bool
}

func (c *collection) erase(ctx context.Context, patient string) (*eraser, error) {
	e := &eraser{c: c, patient: patient}
	if s := c.catalog.shadowOf(c); s != nil {
		e.behind = &eraser{c: s, patient: patient, inPlace: true}
	}
	built, err := e.begin(ctx)
	if err != nil {
		return e, err
	}
	defer built()
	if err := c.catalog.alone(ctx, e.commit); err != nil {
		return e, err
	}
	for _, one := range e.both() {
		if err := one.share(); err != nil {
			return e, err
		}
	}
	err = e.rebuildAll(ctx)
	e.unite()
	return e, err
}

// commit erases the instances. It runs in the writer, with no index being saved.
func (e *eraser) commit() error {
	if err := e.isOfAll(); err != nil {
		return err
	}
	if err := e.findAll(); err != nil {
		return err
	}
	writes, entries, err := e.planAll()
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	for _, one := range e.both() {
		maps.Copy(sizes, one.originals())
	}
	// First what can be made again: a crash must not leave it to answer.
	for _, one := range e.both() {
		if err := one.forsake(); err != nil {
			return err
		}
	}
	if err := e.commitOrEnd(writes, entries); err != nil {
		return err
	}
	e.count()
	if err := e.apply(entries); err != nil {
		return err
	}
	e.countOriginals(sizes)
	if err := e.syncFiles(); err != nil {
		return err
	}
	return e.c.catalog.step("erased")
}

// syncFiles makes durable that images and thumbnails are gone.
func (e *eraser) syncFiles() error {
	dirs := map[string]bool{}
	for _, one := range e.both() {
		for i, row := range one.rows {
			if digest := one.c.original(&row); digest != "" {
				dirs[filepath.Dir(one.c.catalog.originals.path(digest))] = true
			}
			dirs[filepath.Dir(one.c.thumbnailPath(one.keys[i]))] = true
		}
	}
	return e.c.catalog.files.syncDirs(dirs)
}

// forsake removes what was made from the instances.
func (e *eraser) forsake() error {
	if len(e.keys) == 0 {
		return e.dropDerived()
	}
	return errors.Join(e.c.forsakeSnapshot(), e.dropDerived())
}

// forsakeSnapshot removes the rows file, and the snapshot of an index that is not to
// be saved any more: another is to be built, without what is erased.
func (c *collection) forsakeSnapshot() error {
	if err := errors.Join(c.forsakeRows(), c.removeSnapshot(), c.catalog.files.SyncDir(c.catalog.snapshots())); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.snapshot, c.unclean = 0, true
	return nil
}

// find notes the patient's instances, and adds their IDs.
func (e *eraser) find(ids map[string]bool) {
	c := e.c
	c.mu.RLock()
	defer c.mu.RUnlock()
	e.keys = slices.Clone(c.patients[e.patient])
	for _, key := range e.keys {
		row := *c.rows[key]
		e.rows, ids[row.ID] = append(e.rows, row), true
		if v, ok := c.idx.Vector(uint64(key)); ok {
			e.vectors = append(e.vectors, v)
		}
	}
}

// plan makes what is written: first that the labels are gone, so that none is
// left without its instance, then the entries that retire the instances.
func (e *eraser) plan() (writes []write, entries []store.Entry, err error) {
	for _, key := range e.labels {
		w, err := e.nameless(key, store.KindLabel)
		if err != nil {
			return nil, nil, err
		}
		writes = append(writes, w)
	}
	w, err := e.c.noteErased(len(e.keys))
	if err != nil {
		return nil, nil, err
	}
	writes = append(writes, w)
	next := e.c.head() + 1
	for i, key := range e.keys {
		if e.inPlace {
			w, err := e.nameless(key, store.KindPut)
			if err != nil {
				return nil, nil, err
			}
			w.remove(logKey(e.c.number, key, vectorSuffix))
			writes = append(writes, w)
			continue
		}
		entries = append(entries, store.Entry{Key: next + store.Key(i), Kind: store.KindErased, Of: store.KindDelete, Retires: key})
	}
	more, _, err := e.c.encode(entries)
	return append(writes, more...), entries, err
}

// nameless puts an entry that names nothing in the place of another.
func (e *eraser) nameless(key store.Key, of store.Kind) (w write, err error) {
	erased := store.Entry{Key: key, Kind: store.KindErased, Of: of}
	value, err := sealJSON(erased)
	if err == nil {
		w.set(logKey(e.c.number, key, entrySuffix), value)
		w.said = append(w.said, stateOf(e.c.number, erased, value))
	}
	return w, err
}

// originals returns the sizes of the images' files, by digest.
func (e *eraser) originals() map[string]int64 {
	sizes := map[string]int64{}
	for _, row := range e.rows {
		digest := e.c.original(&row)
		if digest == "" {
			continue
		}
		if info, err := e.c.catalog.files.Stat(e.c.catalog.originals.path(digest)); err == nil {
			sizes[digest] = info.Size()
		}
	}
	return sizes
}

func (e *eraser) countOriginals(sizes map[string]int64) {
	for digest, size := range sizes {
		if e.c.catalog.originals.needs(digest) {
			e.SharedOriginals++
			continue
		}
		e.Originals++
		e.Bytes += size
	}
}

// needs reports whether anything needs a file.
func (o *originals) needs(digest string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refs[digest] > 0
}

// dropDerived removes all that was derived from the collection, but for pictures
// of other instances.
func (e *eraser) dropDerived() error {
	c := e.c
	c.deriving.Lock()
	defer c.deriving.Unlock()
	entries, err := c.catalog.files.ReadDir(c.derivedDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, of := range entries {
		if strings.HasPrefix(of.Name(), derivedPrefix) {
			err = errors.Join(err, c.catalog.files.Remove(filepath.Join(c.derivedDir(), of.Name())))
			e.Derived++
		}
	}
	return errors.Join(err, c.catalog.files.SyncDir(c.derivedDir()))
}

// fewToBuild is how many vectors a graph has at least that takes longer to build
// anew than to mend.
const fewToBuild = 1500

// rebuild makes the index one in which nothing is of what was erased, and saves it
// if it is large enough. The caller has the place in building.
func (e *eraser) rebuild(ctx context.Context) error {
	c := e.c
	if stats := c.engine().Stats(); stats.Engine == index.EngineGraph && stats.Len >= fewToBuild {
		index.Mend(c.engine())
		c.mu.Lock()
		c.unclean, c.moved = false, max(c.moved, stats.Len) // its snapshot is gone
		c.mu.Unlock()
		e.Indexed = stats.Len
		c.saveBuilt(ctx)
		return nil
	}
	return e.build(ctx)
}

// build builds the index anew.
func (e *eraser) build(ctx context.Context) error {
	c := e.c
	meta := c.description()
	spec := specOf(meta.Index, c.catalog.choose(c.engine().Len(), meta.Dimension))
	b := builder{c: c}
	var err error
	if b.fresh, err = newIndex(spec, meta.Dimension); err != nil {
		return err
	}
	if err := b.build(ctx, nil); err != nil {
		return fmt.Errorf("build the index anew: %w", err)
	}
	if err := c.catalog.alone(ctx, func() error { return b.swap(meta.Index, spec.Engine) }); err != nil {
		return fmt.Errorf("build the index anew: %w", err)
	}
	e.Indexed = b.fresh.Len()
	c.saveBuilt(ctx)
	return nil
}
