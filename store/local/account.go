package local

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// accounts are what the witness says while a data directory is being opened.
type accounts struct {
	id   uint64
	file testimony
	// known tells that there is a witness that can be read.
	known bool
	// of are the statements of collections that are there, described and dropped
	// those of collections.
	of        map[uint32][]statement
	described map[uint32]statement
	dropped   map[uint32]statement
	// attest is what the witness is to be told once all is open.
	attest []statement
	// suspect tells that a file of the log was damaged.
	suspect bool
}

// account reads the witness, and puts back what can be read of the files of the log
// that were set aside.
func (l *Catalog) account(found []string) (*accounts, error) {
	a := &accounts{of: map[uint32][]statement{}, described: map[uint32]statement{}, dropped: map[uint32]statement{}, suspect: len(found) > 0}
	for _, reason := range found {
		l.Logger.Warn("a file of the log is damaged: what can be read of it is put back", "reason", reason)
	}
	if err := l.identify(a); err != nil {
		return nil, err
	}
	var err error
	a.file, err = readWitness(l.files.FS, l.dir, a.id)
	switch {
	case err == nil:
		a.known = true
	case !isMissing(err):
		return nil, err
	case !errors.Is(err, fs.ErrNotExist):
		if a.suspect || l.isAside() { // nothing tells what is lost
			return nil, fmt.Errorf("%w: files of the log (set aside in %s), and the witness of what they had: restore a backup: %w", store.ErrDamaged, asideDir, err)
		}
		l.Logger.Warn("the witness cannot be read: it is made anew", "reason", err)
	}
	a.sort()
	if err := l.renumber(a); err != nil {
		return nil, err
	}
	if !a.suspect && !l.isAside() {
		return a, nil
	}
	a.suspect = true
	return a, l.putBack(a)
}

// renumber makes sure that no number is given again that the witness knows.
func (l *Catalog) renumber(a *accounts) error {
	last, err := l.lastNumber()
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	known := last
	for _, s := range a.file.said {
		known = max(known, s.collection)
	}
	if err == nil && known == last {
		return nil
	}
	return l.set(metaKey("collections"), seal(binary.BigEndian.AppendUint32(nil, known)))
}

// identify finds the id of the data directory, and gives it one if it has none.
func (l *Catalog) identify(a *accounts) error {
	value, err := l.read(metaKey("id"))
	if err == nil {
		var payload []byte
		if payload, err = unseal(value); err == nil && len(payload) == 8 {
			a.id = binary.BigEndian.Uint64(payload)
			return nil
		}
	}
	if err != nil && !errors.Is(err, badger.ErrKeyNotFound) && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	if kept, err := readWitness(l.files.FS, l.dir, 0); err == nil { // the log has lost it
		a.id = kept.id
	}
	for a.id == 0 {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return err
		}
		a.id = binary.BigEndian.Uint64(b[:])
	}
	return l.set(metaKey("id"), seal(binary.BigEndian.AppendUint64(nil, a.id)))
}

// sort divides what the witness says by collection.
func (a *accounts) sort() {
	for _, s := range a.file.said {
		switch {
		case s.kind == attestedDrop:
			a.dropped[s.collection] = s
		case s.kind == attestedCollection:
			a.described[s.collection] = s
		default:
			a.of[s.collection] = append(a.of[s.collection], s)
		}
	}
	for number := range a.dropped {
		delete(a.of, number)
	}
}

// isAside reports whether files of the log have been set aside.
func (l *Catalog) isAside() bool {
	entries, err := l.files.ReadDir(filepath.Join(l.dir, asideDir))
	return err == nil && len(entries) > 0
}

// putBack puts back into the log what it lacks and what files that were set aside
// have.
func (l *Catalog) putBack(a *accounts) error {
	want := map[string]uint32{}
	for number, said := range a.of {
		r, err := l.reckon(number, said, a.suspect)
		if err != nil {
			return fmt.Errorf("collection %d: %w", number, err)
		}
		r.wants(want)
	}
	for number, s := range a.described {
		if value, err := l.read(collectionKey(number)); err != nil || sealSum(value) != s.value {
			want[string(collectionKey(number))] = s.value
		}
	}
	before := len(want)
	i := inspection{files: l.files, dir: filepath.Join(l.dir, logDir), aside: filepath.Join(l.dir, asideDir)}
	o, err := l.files.logOptions(i.dir)
	if err != nil {
		return err
	}
	if i.keys, err = i.openKeys(o); err != nil {
		return err
	}
	err = l.restore(&i, want)
	if before > 0 {
		l.Logger.Warn("the log lacked values", "lacked", before, "put_back", before-len(want))
	}
	i.indexes.close()
	return errors.Join(err, i.keys.Close())
}

// settle makes a collection's log one that can be read, before it is.
func (l *Catalog) settle(a *accounts, c *collection) error {
	r, err := l.reckon(c.number, a.of[c.number], a.suspect)
	if err == nil {
		err = r.settle()
	}
	if err != nil {
		return err
	}
	if r.changed {
		err = errors.Join(c.removeSnapshot(), c.removeRows(), c.forgetDerived())
	}
	if err == nil {
		err = l.writeAll(r.writes)
	}
	if err != nil {
		return err
	}
	for _, d := range r.lost {
		l.Logger.Error("a log entry is lost", "collection", c.meta.Name, "key", d.Key, "what", d.What, "instance", d.Instance, "reason", d.Reason)
	}
	c.lost = r.lost
	for i, s := range r.attest {
		if s.kind == attestedLost {
			r.said[s.key-1] = r.attest[i]
		}
	}
	for i := range c.lost {
		c.lostSaid = append(c.lostSaid, r.said[c.lost[i].Key-1])
	}
	a.attest = append(a.attest, r.attest...)
	return nil
}

// writeAll commits writes while nobody else does.
func (l *Catalog) writeAll(writes []write) error {
	for some := range slices.Chunk(writes, 1000) {
		err := l.update(func(t *badger.Txn) error {
			for _, w := range some {
				for _, f := range w.parts {
					if err := f(t); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unserved returns the collections that the witness knows and of which the log has
// no description that can be read, or not the last one.
func (l *Catalog) unserved(a *accounts) map[uint32]string {
	all := map[uint32]string{}
	for number, s := range a.described {
		value, err := l.read(collectionKey(number))
		if err == nil {
			_, err = unseal(value)
		}
		switch {
		case err != nil:
			all[number] = "its description cannot be read"
		case a.suspect && sealSum(value) != s.value:
			all[number] = "its description is not the last one"
		}
	}
	return all
}

// testify opens the witness, and tells it what it does not say yet.
func (l *Catalog) testify(a *accounts) (err error) {
	for number := range a.dropped {
		delete(a.described, number)
	}
	for _, c := range l.collections {
		value, err := l.read(collectionKey(c.number))
		if err != nil {
			return err
		}
		if s := describedAs(c.number, value); a.described[c.number] != s {
			a.attest = append(a.attest, s)
		}
		l.nameInstances(a, c)
	}
	if a.known && !a.file.wordy {
		if l.witness, err = openWitness(l.files.FS, l.dir, a.id, a.file.end); err == nil {
			err = l.witness.add(a.attest...)
		}
		return err
	}
	said := slices.Concat(slices.Collect(maps.Values(a.dropped)), slices.Collect(maps.Values(a.described)))
	for _, of := range a.of {
		said = append(said, of...)
	}
	l.witness, err = makeWitness(l.files.FS, l.dir, a.id, latest(append(said, a.attest...)))
	return err
}

// nameInstances adds to the statements of labels which instance they are of, where
// that is not known yet.
func (l *Catalog) nameInstances(a *accounts, c *collection) {
	for i := range a.attest {
		s := &a.attest[i]
		if s.collection != c.number || s.kind != attestedLabel || s.of != 0 {
			continue
		}
		e := store.Entry{}
		if value, err := l.read(logKey(c.number, s.key, entrySuffix)); err == nil && unsealJSON(value, &e) == nil && e.Label != nil {
			s.of = c.ids[e.Label.Instance]
		}
	}
}

// describedAs is what the witness says of a collection's description.
func describedAs(number uint32, value []byte) statement {
	return statement{kind: attestedCollection, collection: number, value: sealSum(value)}
}

// saidOfDescription is what the witness is told of a value that is one.
func saidOfDescription(key, value []byte) []statement {
	if key[0] != collectionPrefix {
		return nil
	}
	return []statement{describedAs(binary.BigEndian.Uint32(key[1:]), value)}
}

// droppedAs is what the witness says of collections that are dropped.
func droppedAs(all []*collection) (said []statement) {
	for _, c := range all {
		said = append(said, statement{kind: attestedDrop, collection: c.number})
	}
	return said
}

// isLosing reports whether something of the log is lost, which may need originals
// that nothing is known to need.
func (l *Catalog) isLosing() bool {
	if len(l.unreadable) > 0 {
		return true
	}
	for _, c := range l.collections {
		if len(c.lost) > 0 {
			return true
		}
	}
	return false
}

// clearAside removes the files of the log that were set aside, unless something is
// lost that an expert may find in them.
func (l *Catalog) clearAside() error {
	if !l.isAside() || l.isLosing() {
		return nil
	}
	return l.files.RemoveAll(filepath.Join(l.dir, asideDir))
}

// encode turns entries into writes, and says of labels which instances they are of.
func (c *collection) encode(entries []store.Entry) (writes []write, bytes int, err error) {
	writes, bytes, err = encode(c.number, entries)
	if err != nil {
		return nil, 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := map[string]store.Key{}
	for i, e := range entries {
		if e.Retires != 0 {
			c.leaving[e.Retires] = true
		}
		switch e.Kind {
		case store.KindPut:
			fresh[e.Instance.ID] = e.Key
		case store.KindLabel:
			of, ok := fresh[e.Label.Instance]
			if !ok {
				of = c.ids[e.Label.Instance]
			}
			writes[i].said[0].of = of
		}
	}
	return writes, bytes, nil
}

// forgetDerived removes what others have derived, but for pictures.
func (c *collection) forgetDerived() error {
	entries, err := c.catalog.files.ReadDir(c.derivedDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if bytes.HasPrefix([]byte(e.Name()), []byte(derivedPrefix)) {
			err = errors.Join(err, c.catalog.files.Remove(filepath.Join(c.derivedDir(), e.Name())))
		}
	}
	return err
}
