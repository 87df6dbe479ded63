package local

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
	"nearcase/store/vault"
)

// Examined is what Examine found in a data directory.
type Examined struct {
	Collections []store.Collection
	// Newest is when the newest of the last log entries was made; zero where there
	// are none.
	Newest time.Time
	// Damaged is what was damaged of the log's files. What can be read of it is put
	// back when the data directory is opened.
	Damaged []string
}

// Examine looks into a data directory that nobody has open, without catching
// anything up: ErrLocked, ErrKey, ErrFormat, ErrDamaged and fs.ErrNotExist are what
// it finds wrong.
func Examine(dir string, key *vault.Key) (e Examined, err error) {
	f, lock, db, found, err := openLog(filesOf(Options{Key: key}), dir, true)
	if err != nil {
		return e, fmt.Errorf("data directory %s: %w", dir, err)
	}
	l := &Catalog{dir: dir, files: f, db: db, originals: originals{files: f, dir: filepath.Join(dir, "originals")}, collections: map[string]*collection{}}
	if err = l.checkFormat(); err == nil {
		err = l.loadCollections(&accounts{})
	}
	e.Damaged = found
	for _, c := range l.collections {
		e.Collections = append(e.Collections, c.meta.Collection)
		made, failed := c.newest()
		if err = errors.Join(err, failed); made.After(e.Newest) {
			e.Newest = made
		}
	}
	if err = errors.Join(err, db.Close()); err == nil {
		err = dropKept(filepath.Join(dir, logDir))
	}
	if err = errors.Join(err, lock.Close()); err != nil {
		return e, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return e, nil
}

// lastEntries is how many of them are asked when they were made.
const lastEntries = 64

// newest returns when the newest of the last entries was made.
func (c *collection) newest() (newest time.Time, err error) {
	err = c.catalog.view(func(t *badger.Txn) error {
		it := t.NewIterator(badger.IteratorOptions{Reverse: true})
		defer it.Close()
		it.Seek(logKeys(c.number + 1))
		for n := 0; n < lastEntries && it.ValidForPrefix(logKeys(c.number)); it.Next() {
			_, key, suffix, err := parseLogKey(it.Item().Key())
			if err != nil {
				return err
			}
			if suffix != entrySuffix {
				continue
			}
			n++
			e := store.Entry{Key: key}
			if err := it.Item().Value(func(value []byte) error { return unsealJSON(value, &e) }); err != nil {
				return fmt.Errorf("log entry %d: %w", key, err)
			}
			if made := madeAt(e); made.After(newest) {
				newest = made
			}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("collection %s: %w", c.meta.Name, err)
	}
	return newest, err
}

// madeAt is when an entry says that it was made; zero where it does not say.
func madeAt(e store.Entry) time.Time {
	switch {
	case e.Kind == store.KindPut:
		return e.Instance.Added
	case e.Kind == store.KindLabel:
		return e.Label.Time
	}
	return time.Time{}
}

// Owner names the process that has a data directory open, as far as that is known.
func Owner(dir string) string {
	return strings.Trim(owner(filesOf(Options{}), filepath.Join(dir, "log")), " ()")
}
