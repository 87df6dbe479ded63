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

// commitAll commits writes, in several transactions if they do not fit one. What
// fails when it has begun leaves memory behind the log.
func (l *Catalog) commitAll(writes []write) error {
	g := group{catalog: l}
	g.begin()
	defer func() { g.txn.Discard() }()
	for _, w := range writes {
		if err := g.stageEntry(w); err != nil {
			if g.partly {
				err = l.stop("commit", err)
			}
			return err
		}
	}
	return g.commit()
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

// share notes which traces others have left too, and takes the rest down to be
// looked for.
func (e *eraser) share() error {
	texts, digests := map[string]bool{e.patient: true}, map[string]bool{}
	for _, row := range e.rows {
		for _, text := range []string{row.ID, row.File, row.Study, row.Series} {
			texts[text] = text != ""
		}
		if row.Study != "" && !slices.Contains(e.Studies, row.Study) {
			e.Studies = append(e.Studies, row.Study)
		}
		for _, digest := range []string{row.Digest, row.Original()} {
			digests[digest] = digest != ""
		}
	}
	all := e.c.catalog.all()
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		switch shared := slices.ContainsFunc(all, func(c *collection) bool { return c.names(text) }); {
		case shared && text != e.patient:
			e.SharedNames++
		case texts[text] && !shared:
			e.Traces.Texts = append(e.Traces.Texts, text)
		}
	}
	for _, digest := range slices.Sorted(maps.Keys(digests)) {
		if digests[digest] && !e.c.catalog.hasDigest(digest) {
			e.Traces.Digests = append(e.Traces.Digests, digest)
		}
	}
	for _, c := range all {
		if c != e.c && c.isOf(e.patient) {
			e.Elsewhere = append(e.Elsewhere, strings.TrimPrefix(c.description().Name, store.ShadowName("")))
		}
	}
	e.Elsewhere = united(e.Elsewhere, nil)
	return e.shareVectors(all)
}

// names reports whether an instance that is there has a text as a name.
func (c *collection) names(text string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, id := c.ids[text]
	return id || len(c.files[text])+len(c.patients[text])+len(c.studies[text])+len(c.series[text])+len(c.digests[text]) > 0
}

func (c *collection) isOf(patient string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.patients[patient]) > 0
}

// hasDigest reports whether anything is of an image, or called by its digest.
func (l *Catalog) hasDigest(digest string) bool {
	return l.originals.needs(digest) || slices.ContainsFunc(l.all(), func(c *collection) bool { return c.names(digest) })
}

// shareVectors leaves out the vectors that other instances have to the last bit.
func (e *eraser) shareVectors(all []*collection) error {
	for _, v := range e.vectors {
		shared := false
		for _, c := range all {
			has, err := c.hasVector(v)
			if err != nil {
				return err
			}
			shared = shared || has
		}
		if shared {
			e.SharedVectors++
		} else {
			e.Traces.Vectors = append(e.Traces.Vectors, v)
		}
	}
	return nil
}

// alike is how many of the nearest vectors are compared: those of almost unit
// length may be nearer to a vector than it is to itself.
const alike = 16

// hasVector reports whether one of the nearest vectors is this one.
func (c *collection) hasVector(v []float32) (bool, error) {
	if c.description().Dimension != len(v) {
		return false, nil
	}
	engine, f, err := c.prepare(store.Query{})
	if err != nil {
		return false, err
	}
	found, err := engine.SearchExact(v, alike, f)
	if err != nil {
		return false, translate(err)
	}
	return slices.ContainsFunc(found, func(n index.Neighbour) bool {
		got, _ := engine.Vector(n.Key)
		return slices.Equal(got, v)
	}), nil
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
