package local

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sync/errgroup"

	"nearcase/store"
	"nearcase/store/disk"
)

// reckoning compares what the log has of a collection with what the witness says of
// it, and makes the log one that can be read from its beginning to its end:
//
//   - What was retired and is there nonetheless is removed.
//   - In place of a deletion that is lost stands one that names nothing.
//   - In place of a label that is lost, and that is not corrected by a later one,
//     stands that its reader withdraws what was said before.
//   - In place of an instance that is lost, or whose vector is, stands that it was
//     erased, with its ID if that can be read.
//   - Where nothing is known of a key, and a file of the log was damaged, stands an
//     entry that says nothing. Otherwise it was retired by what was retired itself.
//
// So no answer is one that a lost entry had corrected, and no key is given twice.
type reckoning struct {
	l      *Catalog
	number uint32
	last   store.Key
	// stored and said are by key, from 1 on.
	stored  []stored
	said    []statement
	retires map[store.Key]statement // by the key that is retired
	// attest is what the witness is to be told, and unsaid which keys it says
	// nothing of yet.
	attest []statement
	unsaid map[store.Key]bool
	writes []write
	lost   []store.Damage
	// changed tells that what was derived from the log may be wrong.
	changed bool
	// suspect tells that a file of the log was damaged.
	suspect bool
}

// stored is what the log has under a key: the checksums of its values.
type stored struct {
	entry, vector       uint32
	hasEntry, hasVector bool
}

// reckon compares a collection's log with what the witness says of it.
func (l *Catalog) reckon(number uint32, said []statement, suspect bool) (*reckoning, error) {
	r := &reckoning{l: l, number: number, suspect: suspect, retires: map[store.Key]statement{}, unsaid: map[store.Key]bool{}}
	if err := r.scan(); err != nil {
		return nil, err
	}
	for _, s := range said {
		r.last = max(r.last, s.key)
	}
	if r.last > store.Key(len(r.stored)+len(said)+maxStray) {
		return nil, fmt.Errorf("%w: its last key is %d", store.ErrDamaged, r.last)
	}
	r.stored = append(r.stored, make([]stored, r.last-store.Key(len(r.stored)))...)
	r.said = make([]statement, r.last)
	for _, s := range said {
		if s.key > 0 {
			r.said[s.key-1] = s
		}
	}
	for k := range r.said {
		if r.said[k].kind == 0 {
			r.presume(store.Key(k + 1))
		}
		if s := r.said[k]; s.of != 0 && (s.kind != attestedLabel && s.was != attestedLabel) {
			r.retires[s.of] = s
		}
	}
	return r, nil
}

// maxStray is how many keys may be missing of which neither the log nor the witness
// has anything.
const maxStray = 1 << 20

// scan reads which keys the log has: parts of it in as many goroutines as there are
// processors.
func (r *reckoning) scan() error {
	last, err := r.l.lastOf(r.number)
	if err != nil {
		return err
	}
	parts := make([][]valueSum, 4*runtime.GOMAXPROCS(0))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	each := last/store.Key(len(parts)) + 1
	for n := range parts {
		group.Go(func() (err error) {
			parts[n], err = r.l.sums(r.number, store.Key(n)*each, store.Key(n+1)*each)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, part := range parts {
		for _, v := range part {
			if err := r.note(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// valueSum is the checksum of a value of the log.
type valueSum struct {
	key    store.Key
	suffix byte
	sum    uint32
}

// sums reads the checksums of a collection's log from a key up to, not including,
// another.
func (l *Catalog) sums(number uint32, from, to store.Key) (all []valueSum, err error) {
	err = l.scan(logKeys(number), logKey(number, from, 0), func(item *badger.Item) error {
		_, key, suffix, err := parseLogKey(item.Key())
		if err != nil || key == 0 {
			return err
		}
		if key >= to {
			return errStop
		}
		return item.Value(func(value []byte) error {
			all = append(all, valueSum{key, suffix, sealSum(value)})
			return nil
		})
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return all, err
}

// note notes one value of the log; they come in the order of their keys.
func (r *reckoning) note(v valueSum) error {
	if v.key > store.Key(len(r.stored)) {
		if v.key > store.Key(len(r.stored)+maxStray) {
			return fmt.Errorf("%w: key %d follows %d", store.ErrDamaged, v.key, r.last)
		}
		r.stored = append(r.stored, make([]stored, v.key-store.Key(len(r.stored)))...)
	}
	r.last = v.key
	at := &r.stored[v.key-1]
	switch v.suffix {
	case entrySuffix:
		at.entry, at.hasEntry = v.sum, true
	case vectorSuffix:
		at.vector, at.hasVector = v.sum, true
	}
	return nil
}

// presume makes a statement of what the log has under a key. Nothing is said of what
// cannot be read.
func (r *reckoning) presume(key store.Key) {
	at, s := r.stored[key-1], statement{collection: r.number, key: key}
	r.unsaid[key] = true
	if e, ok := r.entry(key); ok {
		s = stateOf(r.number, e, nil)
		s.value = at.entry
	} else if at.hasVector {
		s.kind = attestedPut
	} else if !at.hasEntry && !r.suspect {
		s.kind, s.was, s.of = attestedErased, attestedPut, key
	}
	s.vector = at.vector
	r.said[key-1] = s
}

// entry reads the entry under a key; false if it is not there or cannot be read.
func (r *reckoning) entry(key store.Key) (e store.Entry, ok bool) {
	if key == 0 || key > r.last || !r.stored[key-1].hasEntry {
		return e, false
	}
	value, err := r.l.read(logKey(r.number, key, entrySuffix))
	if err == nil {
		err = unsealJSON(value, &e)
	}
	e.Key = key
	return e, err == nil
}

// wants adds the values that the log lacks, by log key, with their checksums.
func (r *reckoning) wants(want map[string]uint32) {
	for k, s := range r.said {
		if _, gone := r.retires[s.key]; gone || s.kind == 0 || s.kind == attestedLost {
			continue
		}
		if !r.stored[k].is(s.value) {
			want[string(logKey(r.number, s.key, entrySuffix))] = s.value
		}
		if s.kind == attestedPut && !r.stored[k].isOf(s.vector) {
			want[string(logKey(r.number, s.key, vectorSuffix))] = s.vector
		}
	}
}

func (at stored) is(value uint32) bool { return at.hasEntry && at.entry == value }

func (at stored) isOf(vector uint32) bool { return at.hasVector && at.vector == vector }

// settle finds what differs, and plans what is written in place of it.
func (r *reckoning) settle() error {
	for k, s := range r.said {
		if err := r.settleOne(s, r.stored[k]); err != nil {
			return fmt.Errorf("log entry %d: %w", s.key, err)
		}
	}
	return nil
}

func (r *reckoning) settleOne(s statement, at stored) error {
	if _, gone := r.retires[s.key]; gone {
		return r.settleRetired(s, at)
	}
	whole := at.is(s.value) && (s.kind != attestedPut || at.isOf(s.vector))
	switch {
	case s.kind == attestedLost && at.hasEntry:
		r.remember(s)
		return nil
	case s.kind != 0 && whole && r.readable(s):
		if r.unsaid[s.key] {
			r.attest = append(r.attest, s)
		}
		return nil
	}
	return r.lose(s)
}

// readable reports whether what was presumed can be read: what the witness said has
// a checksum that agrees.
func (r *reckoning) readable(s statement) bool {
	if !r.unsaid[s.key] || s.kind != attestedPut {
		return true
	}
	_, ok := r.entry(s.key)
	return ok
}

// settleRetired makes sure that what was retired is not there.
func (r *reckoning) settleRetired(s statement, at stored) error {
	if at.hasEntry || at.hasVector {
		var w write
		w.remove(logKey(r.number, s.key, entrySuffix))
		w.remove(logKey(r.number, s.key, vectorSuffix))
		r.writes, r.changed = append(r.writes, w), true
	}
	if r.unsaid[s.key] { // or else it would be presumed again each time
		s.kind, s.was, s.of = attestedErased, attestedPut, s.key
		r.attest = append(r.attest, s)
	}
	return nil
}

// lose writes in place of an entry that is lost.
func (r *reckoning) lose(s statement) error {
	e, readable := r.entry(s.key)
	was := s.kind
	if s.kind == attestedErased || s.kind == attestedLost {
		was = s.was
	}
	if readable && e.Kind == store.KindErased && kindsAttested[e.Of] == was && was != attestedPut {
		r.accept(s, e) // an erasure or a compaction, which does not tell
		return nil
	}
	switch was {
	case attestedLabel:
		if s.kind == attestedErased {
			return r.put(store.Entry{Kind: store.KindErased, Of: store.KindLabel}, s, attestedErased)
		}
		return r.loseLabel(s)
	case attestedDelete:
		return r.put(store.Entry{Kind: store.KindErased, Of: store.KindDelete, Retires: s.of}, s, attestedErased)
	case attestedPut:
		return r.losePut(s, e)
	}
	s.kind = attestedLost
	return r.put(store.Entry{Kind: store.KindErased}, s, attestedLost)
}

// accept tells the witness that an entry names nothing any more.
func (r *reckoning) accept(s statement, e store.Entry) {
	s.was, s.kind, s.value = kindsAttested[e.Of], attestedErased, r.stored[s.key-1].entry
	r.attest = append(r.attest, s)
}

// losePut writes that an instance is lost.
func (r *reckoning) losePut(s statement, e store.Entry) error {
	lost := store.Entry{Kind: store.KindErased, Of: store.KindPut, Retires: s.of}
	if e.Instance != nil {
		lost.Instance = &store.Instance{ID: e.Instance.ID}
	}
	if s.kind == attestedErased { // it was retired or stored again
		return r.put(lost, s, attestedErased)
	}
	return r.put(lost, s, attestedLost)
}

// loseLabel writes that a reader withdraws what was said before a label that is
// lost, unless the same reader has said something since, or the instance is gone.
func (r *reckoning) loseLabel(s statement) error {
	row, there := r.follow(s.of)
	before, later := r.saidOf(s, row)
	nothing := store.Entry{Kind: store.KindErased, Of: store.KindLabel}
	if later || !there {
		return r.put(nothing, s, attestedErased)
	}
	if before == nil {
		if e, ok := r.entry(row); ok && e.Instance != nil {
			nothing.Instance = &store.Instance{ID: e.Instance.ID}
		}
		return r.put(nothing, s, attestedLost)
	}
	withdrawn := store.Label{Instance: before.Instance, Task: before.Task, Reader: before.Reader, Removed: true, Time: before.Time}
	return r.put(store.Entry{Kind: store.KindLabel, Label: &withdrawn}, s, attestedLost)
}

// follow returns the instance that an instance has been replaced by, and whether it
// is still there. One that is lost counts as there: it may be stored again.
func (r *reckoning) follow(row store.Key) (store.Key, bool) {
	for {
		by, retired := r.retires[row]
		if !retired {
			return row, row != 0
		}
		if by.kind != attestedPut && by.was != attestedPut || by.key == row {
			return row, false
		}
		row = by.key
	}
}

// saidOf returns the label that a lost one may have corrected, and whether a later
// one corrects both.
func (r *reckoning) saidOf(lost statement, row store.Key) (before *store.Label, later bool) {
	for _, s := range r.said {
		if s.kind != attestedLabel || s.said != lost.said || s.key == lost.key {
			continue
		}
		if of, _ := r.follow(s.of); of != row {
			continue
		}
		if e, ok := r.entry(s.key); ok && e.Label != nil {
			before, later = e.Label, later || s.key > lost.key
		}
	}
	return before, later
}

// put writes an entry in place of another, and what the witness says of it then.
func (r *reckoning) put(e store.Entry, s statement, as attested) error {
	e.Key = 0
	value, err := sealJSON(e)
	if err != nil {
		return err
	}
	was := s.kind
	if was == attestedErased || was == attestedLost {
		was = s.was
	}
	s.kind, s.was, s.value = as, was, sealSum(value)
	var w write
	w.set(logKey(r.number, s.key, entrySuffix), value)
	w.remove(logKey(r.number, s.key, vectorSuffix))
	r.writes, r.attest, r.changed = append(r.writes, w), append(r.attest, s), true
	if as == attestedLost {
		r.rememberAs(s, e)
	}
	return nil
}

// remember notes what is known to be lost from before.
func (r *reckoning) remember(s statement) {
	e, _ := r.entry(s.key)
	r.rememberAs(s, e)
}

func (r *reckoning) rememberAs(s statement, e store.Entry) {
	d := store.Damage{Key: s.key, What: store.LostUnknown, Reason: "the log entry cannot be read"}
	switch s.was {
	case attestedPut:
		d.What = store.LostInstance
	case attestedLabel:
		d.What = store.LostLabel
	}
	switch {
	case e.Instance != nil:
		d.Instance = e.Instance.ID
	case e.Label != nil:
		d.Instance = e.Label.Instance
	}
	r.lost = append(r.lost, d)
}

// restore puts back into the log what can be read of the files that were set aside,
// as far as the witness says that it belongs there.
func (l *Catalog) restore(i *inspection, want map[string]uint32) error {
	entries, err := l.files.ReadDir(i.aside)
	if errors.Is(err, fs.ErrNotExist) || len(want) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		data, err := disk.ReadFile(l.files.FS, filepath.Join(i.aside, e.Name()))
		if err != nil {
			return err
		}
		if err := l.prepare(len(data)); err != nil {
			return err
		}
		batch := l.db.NewWriteBatch()
		i.pairs(data, func(key, value []byte) {
			sum, wanted := want[string(key)]
			if _, bad := unseal(value); !wanted || bad != nil || sealSum(value) != sum {
				return
			}
			delete(want, string(key))
			err = errors.Join(err, batch.Set(slices.Clone(key), slices.Clone(value)))
		})
		if err = errors.Join(err, batch.Flush()); err != nil {
			return fmt.Errorf("put back what %s has: %w", e.Name(), err)
		}
	}
	return nil
}
