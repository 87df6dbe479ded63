package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// recover brings memory up to the log, and removes what a crash left half done.
func (l *Catalog) recover(found []string) error {
	if err := l.checkFormat(); err != nil {
		return err
	}
	a, err := l.account(found)
	if err != nil {
		return err
	}
	for _, dir := range []string{l.originals.dir, l.snapshots(), l.derived()} {
		if err := l.files.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := l.loadCollections(a); err != nil {
		return err
	}
	if err := errors.Join(l.sweepSnapshots(), l.sweepDerived(), l.sweepDocuments(), l.files.RemoveAll(filepath.Join(l.dir, adoptingDir))); err != nil {
		return err
	}
	for _, c := range l.collections {
		if err := l.settle(a, c); err != nil {
			return fmt.Errorf("collection %s: %w", c.meta.Name, err)
		}
		if err := c.open(); err != nil {
			return fmt.Errorf("collection %s: %w", c.meta.Name, err)
		}
	}
	if err := l.testify(a); err != nil {
		return err
	}
	return errors.Join(l.wal.renew(), l.clearAside(), l.dropOrphans(), l.originals.begin())
}

func (l *Catalog) checkFormat() error {
	value, err := l.read(metaKey("format"))
	if errors.Is(err, badger.ErrKeyNotFound) {
		// Where files of the log were set aside, what they have is put back.
		if left, err := l.files.ReadDir(l.originals.dir); !l.isAside() && err == nil && len(left) > 0 {
			return fmt.Errorf("%w: there are originals without a log: restore log/, or choose another directory", store.ErrFormat)
		}
		return l.set(metaKey("format"), seal([]byte(strconv.Itoa(format))))
	}
	if err != nil {
		return err
	}
	payload, err := unseal(value)
	if err != nil || string(payload) == strconv.Itoa(format) {
		return err
	}
	if n, err := strconv.Atoi(string(payload)); err != nil || n < 1 || n > format {
		return fmt.Errorf("%w: format %.20s, this program reads up to %d", store.ErrFormat, payload, format)
	}
	return l.set(metaKey("format"), seal([]byte(strconv.Itoa(format))))
}

// loadCollections reads the descriptions. A collection without one that can be read is
// not served.
func (l *Catalog) loadCollections(a *accounts) error {
	l.unreadable = l.unserved(a)
	for number, reason := range l.unreadable {
		l.Logger.Error("a collection is not served", "number", number, "reason", reason)
	}
	return l.each([]byte{collectionPrefix}, []byte{collectionPrefix}, func(key, value []byte) error {
		var meta described
		number := binary.BigEndian.Uint32(key[1:])
		if _, gone := a.dropped[number]; gone || l.unreadable[number] != "" {
			return nil
		}
		if err := unsealJSON(value, &meta); err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				return fmt.Errorf("collection %d: %w", number, err)
			}
			l.unreadable[number] = "its description cannot be read"
			return nil
		}
		c := newCollection(l, number, meta)
		l.collections[c.meta.Name] = c
		return nil
	})
}

// dropOrphans removes what is left of collections whose Drop did not finish, and
// their descriptions if the witness alone knows of it.
func (l *Catalog) dropOrphans() error {
	last, err := l.lastNumber()
	if err != nil {
		return err
	}
	known := map[uint32]bool{}
	for _, c := range l.collections {
		known[c.number] = true
	}
	var orphans [][]byte
	for number := uint32(1); number <= last; number++ {
		for _, keys := range [][]byte{logKeys(number), collectionKey(number)} {
			if !known[number] && l.unreadable[number] == "" && l.has(keys) {
				orphans = append(orphans, keys)
			}
		}
	}
	if len(orphans) == 0 {
		return nil
	}
	return l.dropKeys(orphans...)
}

// has reports whether there is any key with a prefix.
func (l *Catalog) has(prefix []byte) (found bool) {
	_ = l.each(prefix, prefix, func(_, _ []byte) error { found = true; return errStop })
	return found
}

// lastNumber is the highest collection number ever given.
func (l *Catalog) lastNumber() (uint32, error) {
	value, err := l.read(metaKey("collections"))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("number of collections: %w", err)
	}
	payload, err := unseal(value)
	if err == nil && len(payload) != 4 {
		err = store.ErrDamaged
	}
	if err != nil {
		return 0, fmt.Errorf("number of collections: %w", err)
	}
	return binary.BigEndian.Uint32(payload), nil
}
