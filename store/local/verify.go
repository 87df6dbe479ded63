package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"nearcase/store"
)

// Verify implements store.Catalog. Each collection is read as it is at one moment,
// between two commits; nothing waits for it longer than for a copy of its rows.
func (l *Catalog) Verify(ctx context.Context, progress func(done, total int)) (store.Verified, error) {
	started := time.Now()
	if err := l.open(ctx); err != nil {
		return store.Verified{}, err
	}
	v := verifier{l: l, progress: progress, hashed: map[string]bool{}}
	v.Read, v.Findings = map[string]int{}, []store.Finding{}
	all := l.all()
	for _, c := range all {
		v.total += 2 * c.engine().Len() // vectors and originals
	}
	for _, c := range all {
		if err := v.collection(ctx, c); err != nil {
			return store.Verified{}, fmt.Errorf("verify collection %s: %w", c.description().Name, err)
		}
	}
	if err := v.lost(ctx); err != nil {
		return store.Verified{}, err
	}
	if err := v.documents(ctx); err != nil {
		return store.Verified{}, fmt.Errorf("verify documents: %w", err)
	}
	v.Took = time.Since(started)
	return v.Verified, nil
}

// lost adds what is known to be lost.
func (v *verifier) lost(ctx context.Context) error {
	all, err := v.l.Damages(ctx)
	for _, d := range all {
		what := store.OfEntry
		if d.What == store.LostDescription {
			what = store.OfCollection
		}
		v.Find(store.Finding{Collection: d.Collection, What: what, Key: d.Key, Name: d.Instance, Reason: d.Reason})
	}
	return err
}

// verifier is one call of Verify.
type verifier struct {
	store.Verified
	l           *Catalog
	progress    func(done, total int)
	done, total int
	hashed      map[string]bool // originals that have been read
}

// find adds a finding about a collection.
func (v *verifier) find(c *collection, what string, key store.Key, name string, reason error) {
	v.Find(store.Finding{Collection: c.description().Name, What: what, Key: key, Name: name, Reason: reason.Error()})
}

// tell counts one of all that is read.
func (v *verifier) tell() {
	if v.done++; v.progress != nil && v.done%100 == 0 {
		v.progress(min(v.done, v.total), v.total)
	}
}

// collection reads all there is of one. One that is dropped meanwhile is passed over.
func (v *verifier) collection(ctx context.Context, c *collection) error {
	v.Collections++
	steps := []func(context.Context, *collection) error{v.log, v.originals, v.files}
	for _, step := range steps {
		if err := step(ctx, c); err != nil {
			if c.isGone() != nil {
				return nil
			}
			return err
		}
	}
	return nil
}

// row is an instance as it is in memory.
type row struct {
	key store.Key
	store.Instance
}

// rowsNow returns the instances there are, by key.
func (c *collection) rowsNow() []row {
	c.mu.RLock()
	defer c.mu.RUnlock()
	rows := make([]row, 0, len(c.rows))
	for _, key := range c.live() {
		rows = append(rows, row{key, *c.rows[key]})
	}
	return rows
}

// isThere reports whether an instance is still stored under a key.
func (c *collection) isThere(key store.Key) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.rows[key] != nil
}

// applied waits until all that the log has by now is in memory too: between the two
// what was just deleted is in memory alone.
func (c *collection) applied(ctx context.Context) error {
	_, err := c.commit(ctx, nil, func(store.Key) ([]store.Entry, error) { return nil, nil })
	return err
}

// stays reports whether an instance in which something was found is still stored
// under its key, and was not just being deleted or replaced.
func (c *collection) stays(ctx context.Context, key store.Key) (bool, error) {
	if !c.isThere(key) {
		return false, nil
	}
	err := c.applied(ctx)
	return c.isThere(key), err
}

// log compares each instance, its vector and its place in the index with the log,
// and reads every other entry.
func (v *verifier) log(ctx context.Context, c *collection) error {
	rows := c.rowsNow()
	engine, indexed := c.engine(), 0
	for _, r := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		vector, what, err := v.entry(c, r)
		if err != nil {
			stays, ended := c.stays(ctx, r.key)
			if ended != nil {
				return ended
			}
			if stays {
				v.find(c, what, r.key, r.ID, err)
			}
			continue
		}
		if !c.isThere(r.key) { // deleted or replaced meanwhile
			continue
		}
		got, ok := engine.Vector(uint64(r.key))
		if indexed++; !ok || !slices.Equal(got, vector) {
			v.find(c, store.OfIndex, r.key, r.ID, fmt.Errorf("%w: its vector is not the log's: rebuild it (nearcase reindex)", store.ErrDamaged))
		}
		v.tell()
	}
	v.Read[store.OfVector] += len(rows)
	v.Read[store.OfIndex] += indexed
	return v.entries(ctx, c)
}

// entry reads what the log has of an instance, and compares it with memory.
func (v *verifier) entry(c *collection, r row) (vector []float32, what string, err error) {
	var e store.Entry
	value, err := v.l.read(logKey(c.number, r.key, entrySuffix))
	if err == nil {
		err = unsealJSON(value, &e)
	}
	if err == nil && (e.Instance == nil || !e.Instance.SameAs(r.Instance)) {
		err = fmt.Errorf("%w: memory has it otherwise: restart", store.ErrDamaged)
	}
	if err != nil {
		return nil, store.OfEntry, err
	}
	if value, err = v.l.read(logKey(c.number, r.key, vectorSuffix)); err == nil {
		vector, err = unsealVector(value, c.description().Dimension)
	}
	return vector, store.OfVector, err
}

// entries reads every entry: those of labels, deletions and erasures are in memory
// only by what they have changed. What memory has of labels must be there.
func (v *verifier) entries(ctx context.Context, c *collection) error {
	said := c.saidNow()
	err := v.l.each(logKeys(c.number), logKeys(c.number), func(at, value []byte) error {
		_, key, suffix, err := parseLogKey(at)
		if err != nil {
			v.find(c, store.OfEntry, 0, "", err)
			return nil
		}
		if suffix != entrySuffix {
			return nil
		}
		v.Read[store.OfEntry]++
		id := said[key]
		delete(said, key)
		var e store.Entry
		if err := unsealJSON(value, &e); err != nil && !c.isThere(key) {
			v.find(c, store.OfEntry, key, id, err)
		}
		return nil
	})
	if err == nil && len(said) > 0 {
		err = c.applied(ctx)
	}
	now := c.saidNow() // without those of what was deleted meanwhile
	for _, key := range slices.Sorted(maps.Keys(said)) {
		if _, is := now[key]; is {
			v.find(c, store.OfEntry, key, said[key], fmt.Errorf("%w: the label is missing", store.ErrDamaged))
		}
	}
	return err
}

// saidNow returns the instances of all label entries there are, by key.
func (c *collection) saidNow() map[store.Key]string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	said := map[store.Key]string{}
	for id, s := range c.labels {
		for _, key := range s.keys {
			said[key] = id
		}
	}
	return said
}

// originals reads every file that an instance refers to.
func (v *verifier) originals(ctx context.Context, c *collection) error {
	for _, r := range c.rowsNow() {
		digest := c.original(&r.Instance)
		v.tell()
		if digest == "" || v.hashed[digest] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		v.hashed[digest] = true
		v.Read[store.OfOriginal]++
		err := v.original(digest)
		if err == nil {
			continue
		}
		stays, ended := c.stays(ctx, r.key)
		if ended != nil {
			return ended
		}
		if stays {
			v.find(c, store.OfOriginal, r.key, r.ID, err)
		}
	}
	return nil
}

// original reads one file.
func (v *verifier) original(digest string) error {
	f, err := v.l.originals.open(digest)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	v.Bytes += n
	if got := hex.EncodeToString(h.Sum(nil)); err == nil && got != digest {
		err = fmt.Errorf("%w: its SHA-256 is %.12s, and it is kept as %.12s", store.ErrDamaged, got, digest)
	}
	return err
}

// documents reads all there are.
func (v *verifier) documents(ctx context.Context) error {
	return v.l.eachDocument(func(kind, name string, err error) error {
		v.Read[store.OfDocument]++
		if err != nil && !errors.Is(err, store.ErrDocument) {
			v.Find(store.Finding{What: store.OfDocument, Name: kind + " " + name, Reason: err.Error()})
		}
		return ctx.Err()
	})
}
