package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
	"nearcase/store/backup"
)

// dropLogs removes the logs of collections that are not there any more.
func (r *restorer) dropLogs() error {
	var gone [][]byte
	known := map[uint32]bool{}
	for _, p := range r.Collections {
		known[p.Number] = true
	}
	err := r.db.View(func(t *badger.Txn) error {
		it := t.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for it.Seek([]byte{logPrefix}); it.Valid() && it.Item().Key()[0] == logPrefix; {
			number, _, _, err := parseLogKey(it.Item().Key())
			if err != nil {
				return fmt.Errorf("%w: %w", store.ErrBackup, err)
			}
			if !known[number] {
				gone = append(gone, logKeys(number))
			}
			it.Seek(logKeys(number + 1)) // behind the last collection comes another prefix
			if number == 1<<32-1 {
				break
			}
		}
		return nil
	})
	if err != nil || len(gone) == 0 {
		return err
	}
	r.removed = true
	return r.db.DropPrefix(gone...)
}

// renewLog writes the log anew where something of a base is gone, since Badger keeps
// the bytes of that: a patient may have been erased.
func (r *restorer) renewLog(ctx context.Context) error {
	if !r.removed {
		return nil
	}
	old, fresh := filepath.Join(r.dir, logDir), filepath.Join(r.dir, newLogDir)
	if err := r.files.makeDir(fresh); err != nil {
		return err
	}
	db, err := openBadger(r.files, fresh)
	if err != nil {
		return err
	}
	err = errors.Join(copyPairs(ctx, db, r.db), db.Close(), r.db.Close())
	r.db = nil
	if err == nil {
		err = r.files.RemoveAll(old)
	}
	if err == nil {
		err = r.files.moveDir(r.dir, newLogDir, logDir)
	}
	if err == nil {
		r.db, err = openBadger(r.files, old)
	}
	return err
}

// copyPairs writes all that one log has into another.
func copyPairs(ctx context.Context, to, from *badger.DB) error {
	batch := to.NewWriteBatch()
	defer batch.Cancel()
	err := from.View(func(t *badger.Txn) error {
		it := t.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			value, err := it.Item().ValueCopy(nil)
			if err == nil {
				err = batch.Set(it.Item().KeyCopy(nil), value)
			}
			if err = errors.Join(err, context.Cause(ctx)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return batch.Flush()
}

// checkLog compares all pairs with those that were backed up.
func (r *restorer) checkLog(ctx context.Context) error {
	h, n := sha256.New(), 0
	err := r.db.View(func(t *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		it := t.NewIterator(o)
		defer it.Close()
		var framed []byte
		for it.Rewind(); it.Valid(); it.Next() {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			err := it.Item().Value(func(value []byte) error {
				framed = backup.AppendPair(framed[:0], it.Item().Key(), value)
				return nil
			})
			if err != nil {
				return err
			}
			h.Write(framed)
			n++
		}
		return nil
	})
	if err == nil && (n != r.Pairs || hex.EncodeToString(h.Sum(nil)) != r.Log) {
		err = fmt.Errorf("%w: the log has %d pairs that are not the %d that were backed up", store.ErrBackup, n, r.Pairs)
	}
	return err
}
