package local

import (
	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// SpoilEntry leaves something else of a log entry than what was stored, or nothing.
func (l *Catalog) SpoilEntry(collection uint32, key store.Key, value []byte) error {
	return l.db.Update(func(t *badger.Txn) error {
		if value == nil {
			return t.Delete(logKey(collection, key, entrySuffix))
		}
		return t.Set(logKey(collection, key, entrySuffix), value)
	})
}

// LoseVector leaves nothing of a vector of the log.
func (l *Catalog) LoseVector(collection uint32, key store.Key) error {
	return l.db.Update(func(t *badger.Txn) error { return t.Delete(logKey(collection, key, vectorSuffix)) })
}
