package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// adoptingDir is where backups are restored from which a collection is wanted.
const adoptingDir = "restore.tmp"

// RestoreCollection adds a collection of a backup to the catalog, under a name that
// is not in use: with its keys, vectors, labels, history, originals and what was
// derived from it. It takes room for all of the backup meanwhile.
func (l *Catalog) RestoreCollection(ctx context.Context, from []Source, o RestoreOptions, name, as string) (store.Collection, error) {
	if err := l.open(ctx); err != nil {
		return store.Collection{}, err
	}
	ctx, done := l.untilClosed(ctx)
	defer done()
	dir := filepath.Join(l.dir, adoptingDir)
	c, err := l.restoreCollection(ctx, dir, from, o, name, as)
	if err = errors.Join(err, l.files.RemoveAll(dir)); err != nil {
		return c, fmt.Errorf("restore collection %s as %s: %w", name, as, err)
	}
	return c, nil
}

func (l *Catalog) restoreCollection(ctx context.Context, dir string, from []Source, o RestoreOptions, name, as string) (c store.Collection, err error) {
	if err := l.vacant(as); err != nil {
		return c, err
	}
	if err := l.files.RemoveAll(dir); err != nil { // what a crash left
		return c, err
	}
	o.Options = Options{Files: l.Files, Key: l.Key, Memory: l.Memory, MustExist: true, Context: ctx}
	if _, err := Restore(ctx, dir, from, o); err != nil {
		return c, err
	}
	source, err := Open(dir, o.Options)
	if err != nil {
		return c, err
	}
	a := adoption{to: l, from: source, as: as}
	if a.source, err = source.named(ctx, name); err == nil {
		err = l.space.take(l.files.size(dir))
	}
	if err == nil {
		c, err = a.run(ctx)
	}
	return c, errors.Join(err, source.Close())
}

// vacant refuses a name that no collection can have, or that one has.
func (l *Catalog) vacant(name string) error {
	l.mu.RLock()
	_, taken := l.collections[name]
	l.mu.RUnlock()
	if taken {
		return fmt.Errorf("collection %s: %w", name, store.ErrExists)
	}
	return store.Collection{Name: name, Fingerprint: "-", Dimension: 1}.Validate()
}

// adoption takes a collection over from another catalog.
type adoption struct {
	to, from *Catalog
	source   *collection
	as       string
	c        *collection // as it is in to
}

// run copies the collection, and shows it once all of it is there.
func (a *adoption) run(ctx context.Context) (store.Collection, error) {
	free, err := a.to.copyTurn(ctx) // the log is not exchanged meanwhile
	if err != nil {
		return store.Collection{}, err
	}
	defer free()
	meta := a.source.meta
	meta.Name, meta.Shadow = a.as, nil
	a.c = newCollection(a.to, 0, meta)
	if err := a.to.alone(ctx, a.number); err != nil {
		return meta.Collection, err
	}
	digests, err := a.copy(ctx)
	if err == nil {
		err = a.open()
	}
	if err == nil {
		err = a.to.alone(ctx, a.show)
	}
	for _, digest := range digests {
		err = errors.Join(err, a.to.originals.release(digest))
	}
	if err != nil {
		err = errors.Join(err, a.giveUp())
	}
	a.to.poke()
	return meta.Collection, err
}

// number gives the collection its number, which no other gets. It runs in the writer.
func (a *adoption) number() error {
	last, err := a.to.lastNumber()
	if err != nil {
		return err
	}
	a.c.number = last + 1
	return a.to.update(func(t *badger.Txn) error {
		return t.Set(metaKey("collections"), seal(binary.BigEndian.AppendUint32(nil, a.c.number)))
	})
}

// copy copies the log, the originals, which are kept then, and what is derived.
func (a *adoption) copy(ctx context.Context) (digests []string, err error) {
	if err := a.copyLog(ctx); err != nil {
		return nil, err
	}
	for _, p := range a.source.pin(nil, map[string]bool{}, 0) {
		if ctx.Err() != nil {
			return digests, context.Cause(ctx)
		}
		a.to.originals.keep(p.digest)
		digests = append(digests, p.digest)
		if err := a.copyOriginal(p.digest); err != nil {
			return digests, err
		}
	}
	names, err := a.from.DerivedNames(ctx, a.source.meta.Name)
	for _, name := range names {
		if err == nil {
			err = a.copyDerived(name)
		}
	}
	return digests, err
}

// copyBatch is how many pairs are read before they are written.
const copyBatch = 1000

func (a *adoption) copyLog(ctx context.Context) error {
	var batch []pair
	flush := func() error {
		defer func() { batch = batch[:0] }()
		return a.writeAll(ctx, batch)
	}
	err := a.from.each(logKeys(a.source.number), logKeys(a.source.number), func(key, value []byte) error {
		_, at, suffix, err := parseLogKey(key)
		if err != nil {
			return err
		}
		batch = append(batch, pair{logKey(a.c.number, at, suffix), append([]byte(nil), value...)})
		if len(batch) < copyBatch {
			return nil
		}
		return flush()
	})
	return errors.Join(err, flush())
}

// writeAll writes pairs in the writer, so that nobody else commits meanwhile.
func (a *adoption) writeAll(ctx context.Context, pairs []pair) error {
	if len(pairs) == 0 {
		return nil
	}
	writes := make([]write, len(pairs))
	for i, p := range pairs {
		writes[i].set(p.key, p.value)
	}
	return a.to.alone(ctx, func() error { return a.to.commitAll(writes) })
}

func (a *adoption) copyOriginal(digest string) error {
	r, err := a.from.originals.open(digest)
	if errors.Is(err, store.ErrOriginal) {
		return nil // it was damaged when it was backed up
	}
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	return a.to.originals.writeFile(digest, data)
}

func (a *adoption) copyDerived(name string) error {
	data, err := a.source.loadDerived(name)
	if errors.Is(err, store.ErrDerived) {
		return nil // to be derived anew
	}
	if err == nil {
		err = a.to.files.makeDir(a.c.derivedDir())
	}
	if err == nil {
		err = a.to.files.write(a.c.derivedPath(name), a.c.headerOf(name, data), data)
	}
	return err
}

// open catches the collection up with its log, and tells the witness of that.
func (a *adoption) open() error {
	told := &accounts{of: map[uint32][]statement{}, described: map[uint32]statement{}, dropped: map[uint32]statement{}}
	if err := a.to.settle(told, a.c); err != nil {
		return err
	}
	if err := a.c.open(); err != nil {
		return err
	}
	a.to.nameInstances(told, a.c)
	return a.to.alone(context.Background(), func() error { return a.to.witness.add(told.attest...) })
}

// show makes the collection one that is there. It runs in the writer.
func (a *adoption) show() error {
	if err := a.to.vacant(a.as); err != nil {
		return err
	}
	value, err := sealJSON(a.c.meta)
	if err == nil {
		err = a.to.update(func(t *badger.Txn) error { return t.Set(collectionKey(a.c.number), value) }, describedAs(a.c.number, value))
	}
	if err != nil {
		return err
	}
	a.to.mu.Lock()
	defer a.to.mu.Unlock()
	a.to.collections[a.as] = a.c
	return nil
}

// giveUp removes what was copied. What stays is removed at the next start.
func (a *adoption) giveUp() error {
	return a.to.alone(context.Background(), func() error {
		return errors.Join(a.c.abandon(), a.c.removeDerived(), a.to.witness.add(droppedAs([]*collection{a.c})...), a.to.dropLog(a.c.number))
	})
}
