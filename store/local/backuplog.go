package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
	"nearcase/store/backup"
)

const (
	// blockKeys is how many keys of a log are compared with the base together.
	blockKeys = 256
	// blockSum is how much of the SHA-256 of their pairs is kept.
	blockSum = 16
)

// pair is a key with its value in Badger.
type pair struct{ key, value []byte }

// log writes the pairs of the log, in their order.
func (b *copier) log(ctx context.Context) error {
	if err := b.others(nil); err != nil {
		return err
	}
	for _, at := range b.logs {
		for first := store.Key(0); first <= at.Head; first += blockKeys {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := b.block(at, first); err != nil {
				return fmt.Errorf("log of %s: %w", at.Name, err)
			}
			b.tell(blockKeys)
		}
		b.Collections = append(b.Collections, at.Point)
	}
	if err := b.others([]byte{logPrefix + 1}); err != nil {
		return err
	}
	return errors.Join(b.flush(&b.kept), b.flush(&b.part))
}

// others writes the pairs from a key on that are of no log, up to the first that is:
// they are few.
func (b *copier) others(from []byte) error {
	var all []pair
	err := b.reading(func() error {
		it := b.txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for it.Seek(from); it.Valid() && (len(from) > 0 || it.Item().Key()[0] < logPrefix); it.Next() {
			value, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			all = append(all, pair{it.Item().KeyCopy(nil), value})
		}
		return nil
	})
	for i := 0; err == nil && i < len(all); i++ {
		err = b.pair(all[i])
	}
	return err
}

// pair writes a pair.
func (b *copier) pair(p pair) error {
	b.count(p)
	return b.add(&b.part, p.key, p.value)
}

// count counts a pair that there is, whether it is written or in the base.
func (b *copier) count(p pair) {
	b.Pairs++
	b.sum.Write(backup.AppendPair(nil, p.key, p.value))
}

// reading runs f while the log is the one whose moment is kept. What Badger panics
// at is damaged.
func (b *copier) reading(f func() error) error {
	return b.l.using(func() (err error) {
		if b.l.db != b.db {
			return fmt.Errorf("%w: the log was opened anew meanwhile: begin once more", store.ErrClosed)
		}
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("%w: %v", store.ErrDamaged, r)
			}
		}()
		return f()
	})
}

// block writes what there is of some keys, or what is new of it.
func (b *copier) block(at *logAt, first store.Key) error {
	pairs, err := b.pairs(at, first)
	if err != nil {
		return err
	}
	pairs = b.salvage(at, first, pairs)
	h := sha256.New()
	for _, p := range pairs {
		b.count(p)
		b.examine(at, p)
		h.Write(backup.AppendPair(nil, p.key, p.value))
	}
	at.Blocks = append(at.Blocks, h.Sum(nil)[:blockSum]...)
	old, err := b.changed(at, first, pairs)
	for _, p := range pairs {
		if err != nil {
			return err
		}
		// What the base could not read may be there again.
		if key := keyOf(p); key > at.since || old && (isErased(p) || b.base.Damaged > 0) {
			err = b.add(&b.part, p.key, p.value)
		}
	}
	return err
}

// keyOf is the position of a pair in its log; 0 of what is none.
func keyOf(p pair) store.Key {
	_, key, _, err := parseLogKey(p.key)
	if err != nil {
		return 0
	}
	return key
}

func isErased(p pair) bool {
	var e store.Entry
	_, _, suffix, err := parseLogKey(p.key)
	return err == nil && suffix == entrySuffix && unsealJSON(p.value, &e) == nil && e.Kind == store.KindErased
}

// pairs reads the pairs of some keys. What cannot be read is damaged, and left to
// salvage.
func (b *copier) pairs(at *logAt, first store.Key) (pairs []pair, err error) {
	last := min(first+blockKeys-1, at.Head)
	err = b.reading(func() error {
		it := b.txn.NewIterator(badger.IteratorOptions{Prefix: logKeys(at.Number)})
		defer it.Close()
		for it.Seek(logKey(at.Number, first, 0)); it.Valid(); it.Next() {
			p := pair{key: it.Item().KeyCopy(nil)}
			if keyOf(p) > last {
				return nil
			}
			var failed error
			if p.value, failed = it.Item().ValueCopy(nil); failed == nil {
				pairs = append(pairs, p)
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrDamaged) {
		err = nil
	}
	return pairs, err
}

// salvage looks one by one for the entries and vectors of a block that there must be
// and were not found, and notes those that cannot be read.
func (b *copier) salvage(at *logAt, first store.Key, pairs []pair) []pair {
	found := pairs
	for _, want := range []struct {
		keys   []store.Key
		suffix byte
		what   string
	}{{at.entries, entrySuffix, store.OfEntry}, {at.instances, vectorSuffix, store.OfVector}} {
		from, _ := slices.BinarySearch(want.keys, first)
		for _, key := range want.keys[from:] {
			if key >= first+blockKeys {
				break
			}
			if b.has(found, at, key, want.suffix) {
				continue
			}
			p, err := b.get(logKey(at.Number, key, want.suffix))
			if err != nil {
				b.Damage(store.Finding{Collection: at.Name, What: want.what, Key: key, Reason: err.Error()})
				continue
			}
			pairs = append(pairs, p)
		}
	}
	if len(pairs) > len(found) {
		slices.SortFunc(pairs, func(x, y pair) int { return bytes.Compare(x.key, y.key) })
	}
	return pairs
}

// has reports whether a pair is among those that are sorted.
func (b *copier) has(pairs []pair, at *logAt, key store.Key, suffix byte) bool {
	_, ok := slices.BinarySearchFunc(pairs, logKey(at.Number, key, suffix), func(p pair, key []byte) int { return bytes.Compare(p.key, key) })
	return ok
}

func (b *copier) get(key []byte) (p pair, err error) {
	err = b.reading(func() error {
		item, err := b.txn.Get(key)
		if err == nil {
			p.key = key
			p.value, err = item.ValueCopy(nil)
		}
		return err
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		err = errors.New("it is missing")
	}
	return p, err
}

// examine notes a pair that is not as it was stored. It is kept as it is.
func (b *copier) examine(at *logAt, p pair) {
	_, key, suffix, err := parseLogKey(p.key)
	if err == nil {
		_, err = unseal(p.value)
	}
	if err == nil {
		return
	}
	what := store.OfEntry
	if suffix == vectorSuffix {
		what = store.OfVector
	}
	b.Damage(store.Finding{Collection: at.Name, What: what, Key: key, Reason: err.Error()})
}

// changed reports whether some keys of the base have other pairs by now: some are
// gone, or say that what was there is erased. It notes then which are still there.
func (b *copier) changed(at *logAt, first store.Key, pairs []pair) (bool, error) {
	if at.since < max(first, 1) {
		return false, nil
	}
	h, present := sha256.New(), make([]byte, 8+2*blockKeys/8)
	binary.BigEndian.PutUint64(present, uint64(at.since))
	for _, p := range pairs {
		_, key, suffix, err := parseLogKey(p.key)
		if err != nil || key > at.since {
			continue
		}
		h.Write(backup.AppendPair(nil, p.key, p.value))
		bit := 2 * int(key-first)
		if suffix == vectorSuffix {
			bit++
		}
		present[8+bit/8] |= 1 << (bit % 8)
	}
	n := int(first / blockKeys)
	if len(at.blocks) >= (n+1)*blockSum && bytes.Equal(at.blocks[n*blockSum:(n+1)*blockSum], h.Sum(nil)[:blockSum]) {
		return false, nil
	}
	return true, b.add(&b.kept, logKey(at.Number, first, 'k'), present)
}
