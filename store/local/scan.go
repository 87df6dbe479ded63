package local

import (
	"bytes"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

func (l *Catalog) read(key []byte) (value []byte, err error) {
	err = l.view(func(t *badger.Txn) error {
		item, err := t.Get(key)
		if err == nil {
			value, err = item.ValueCopy(nil)
		}
		return err
	})
	return value, err
}

// view reads the log as it is at one moment. It may be called while the catalog
// is being closed.
func (l *Catalog) view(f func(*badger.Txn) error) error {
	return l.using(func() error { return l.db.View(f) })
}

// owning runs f while the data directory stays this catalog's, for who does not read
// the log. f must not call owning.
func (l *Catalog) owning(f func() error) error {
	l.owned.RLock()
	defer l.owned.RUnlock()
	if l.gone {
		return store.ErrClosed
	}
	return f()
}

// using runs f while the log is there. f must not call using.
func (l *Catalog) using(f func() error) error {
	l.reading.RLock()
	defer l.reading.RUnlock()
	if l.away != nil {
		return l.away
	}
	return f()
}

func (l *Catalog) set(key, value []byte) error {
	return l.update(func(t *badger.Txn) error { return t.Set(key, value) }, saidOfDescription(key, value)...)
}

// each calls f for the stored pairs with a prefix, in order, from a key on. f
// must not call the catalog.
func (l *Catalog) each(prefix, from []byte, f func(key, value []byte) error) error {
	return l.scan(prefix, from, func(item *badger.Item) error {
		key := item.KeyCopy(nil)
		return item.Value(func(value []byte) error { return f(key, value) })
	})
}

// scan is each for who does not want every value. It reads the log in pieces, so that
// who exchanges it does not wait for long; the entry and the vector of a key are
// always of one moment.
func (l *Catalog) scan(prefix, from []byte, f func(*badger.Item) error) error {
	for from != nil {
		err := l.view(func(t *badger.Txn) (err error) {
			from, err = scanSome(t, prefix, from, f)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scanned is how many pairs are read at one moment.
const scanned = 10_000

// scanSome calls f for some pairs and returns the key to go on from; nil is the end.
func scanSome(t *badger.Txn, prefix, from []byte, f func(*badger.Item) error) (next []byte, err error) {
	it := t.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	n := 0
	for it.Seek(from); it.Valid(); it.Next() {
		key := it.Item().Key()
		if n++; n > scanned && key[len(key)-1] != vectorSuffix {
			return bytes.Clone(key), nil
		}
		if err := f(it.Item()); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
