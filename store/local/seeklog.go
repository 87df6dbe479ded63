package local

import (
	"context"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
	"nearcase/store/vault"
)

// seekLog looks through a log that is encrypted: its files show nothing, and so what
// Badger can decrypt of them is read, every key and every value that is there,
// whether it counts any more or not.
func (l *Catalog) seekLog(ctx context.Context, k *seeker, s *store.Sought) error {
	if l.files.vault.State() == vault.Plain {
		return nil
	}
	found := 0
	err := l.view(func(t *badger.Txn) error {
		it := t.NewIterator(badger.IteratorOptions{AllVersions: true, InternalAccess: true})
		defer it.Close()
		for it.Rewind(); it.Valid() && ctx.Err() == nil; it.Next() {
			item := it.Item()
			found += k.find(item.Key())
			s.Bytes += int64(len(item.Key()))
			err := item.Value(func(value []byte) error {
				found += k.find(value)
				s.Bytes += int64(len(value))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if found > 0 && len(s.In) < maxFoundIn {
		s.In = append(s.In, logDir)
	}
	s.Matches += found
	return err
}
