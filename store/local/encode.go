package local

import (
	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// write is what one entry puts into a transaction.
type write struct {
	parts []func(*badger.Txn) error
	bytes int
	// said is what the witness is told of it.
	said []statement
}

func (w *write) remove(key []byte) {
	w.bytes += writeBytes + len(key)
	w.parts = append(w.parts, func(t *badger.Txn) error { return t.Delete(key) })
}

func (w *write) set(key, value []byte) {
	w.bytes += writeBytes + len(key) + len(value)
	w.parts = append(w.parts, func(t *badger.Txn) error { return t.Set(key, value) })
}

// encode turns entries into writes: the entry, its vector, and the removal of
// what it retires.
func encode(number uint32, entries []store.Entry) (writes []write, bytes int, err error) {
	for _, e := range entries {
		value, err := sealJSON(e)
		if err != nil {
			return nil, 0, err
		}
		var w write
		w.set(logKey(number, e.Key, entrySuffix), value)
		said := stateOf(number, e, value)
		if e.Kind == store.KindPut {
			vector := sealVector(e.Vector)
			w.set(logKey(number, e.Key, vectorSuffix), vector)
			said.vector = sealSum(vector)
		}
		w.said = append(w.said, said)
		if e.Retires != 0 {
			w.remove(logKey(number, e.Retires, entrySuffix))
			w.remove(logKey(number, e.Retires, vectorSuffix))
		}
		writes, bytes = append(writes, w), bytes+w.bytes
	}
	return writes, bytes, nil
}
