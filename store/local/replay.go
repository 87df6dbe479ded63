package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"nearcase/index"
	"nearcase/store"
)

// open catches the empty collection up with its log: the rows of its file, if there
// is one to use, and the index of its snapshot. Without that it serves by scans
// until an index of another engine has been built, unless that takes no time.
func (c *collection) open() error {
	if err := c.tell(0, 0); err != nil {
		return err
	}
	var rows sync.WaitGroup
	rows.Go(c.takeRows)
	idx, head := c.loaded()
	rows.Wait()
	if idx == nil {
		var err error
		if idx, err = index.New(index.Spec{}, c.meta.Dimension); err != nil {
			return err
		}
	}
	c.idx, c.snapshot = idx, head
	if err := c.follow(); err != nil {
		return err
	}
	if err := c.checkLoaded(); err != nil {
		return err
	}
	c.keepOriginals()
	if err := c.measure(); err != nil {
		return err
	}
	return c.openSmall()
}

// openSmall builds the index of a small collection at once where it serves by
// scans only for want of a snapshot.
func (c *collection) openSmall() error {
	spec := c.meta.spec()
	if c.idx.Len() >= minSnapshot || c.idx.Stats().Engine == spec.Engine {
		return nil
	}
	idx, err := newIndex(spec, c.meta.Dimension)
	if err != nil {
		return err
	}
	b := builder{c: c, fresh: idx}
	if err := b.fill(context.Background(), nil); err != nil {
		return err
	}
	c.idx = idx
	return nil
}

// follow applies to the collection, and to its index, what the log has that they do
// not know yet. The maintenance links the vectors, which takes the most time.
func (c *collection) follow() error {
	last, err := c.lastInLog()
	if err != nil {
		return err
	}
	fresh, since := feed{idx: c.idx, loose: true}, min(c.snapshot, c.rowsAt)
	err = c.replay(since, c.snapshot, func(e store.Entry) error {
		if err := c.tell(e.Key-since, last-since); err != nil {
			return err
		}
		if err := fresh.put(e); err != nil {
			return err
		}
		return c.recall(e)
	})
	if err != nil {
		return err
	}
	return fresh.flush()
}

// tell says how far the opening is, and returns why it is to end, if it is.
func (c *collection) tell(done, of store.Key) error {
	if done%1000 != 0 {
		return nil
	}
	if c.catalog.Progress != nil {
		c.catalog.Progress(c.meta.Name, int(done), int(of))
	}
	return c.catalog.Context.Err()
}

// feed gives an index the vectors of log entries, many at a time.
type feed struct {
	idx     index.Index
	loose   bool // see index.AddLoose
	keys    []uint64
	vectors [][]float32
}

// feedBatch is how many vectors are given together.
const feedBatch = 4096

// put takes the vector of an entry that has one.
func (f *feed) put(e store.Entry) error {
	if e.Vector == nil {
		return nil
	}
	f.keys, f.vectors = append(f.keys, uint64(e.Key)), append(f.vectors, e.Vector)
	if len(f.keys) < feedBatch {
		return nil
	}
	return f.flush()
}

func (f *feed) flush() error {
	if len(f.keys) == 0 {
		return nil
	}
	var err error
	if f.loose {
		err = index.AddLoose(f.idx, f.keys, f.vectors)
	} else {
		err = f.idx.AddAll(f.keys, f.vectors)
	}
	if err != nil {
		return fmt.Errorf("index entries from %d: %w", f.keys[0], err)
	}
	f.keys, f.vectors = f.keys[:0], f.vectors[:0]
	return nil
}

// partKeys is how many keys of the log are read by one goroutine.
const partKeys = 4096

// part is what the log has of some keys.
type part struct {
	entries []store.Entry
	err     error
}

// replay reads the log after a key from disk, with the vectors of puts after
// another key. Parts of it are read by as many goroutines as there are
// processors; f is given the entries one after the other.
func (c *collection) replay(since, vectors store.Key, f func(store.Entry) error) error {
	last, err := c.lastInLog()
	if err != nil {
		return err
	}
	ahead, stop := make(chan chan part, runtime.GOMAXPROCS(0)), make(chan struct{})
	go c.readParts(since, last, vectors, ahead, stop)
	for next := range ahead {
		p := <-next
		for i := 0; err == nil && i < len(p.entries); i++ {
			err = f(p.entries[i])
		}
		if err = cmp.Or(err, p.err); err != nil {
			break
		}
	}
	close(stop)
	for next := range ahead { // what still reads
		<-next
	}
	return err
}

// readParts reads the parts between two keys, as far ahead as there is room.
func (c *collection) readParts(since, last, vectors store.Key, ahead chan<- chan part, stop <-chan struct{}) {
	defer close(ahead)
	for from := since; from < last; from += partKeys {
		next := make(chan part, 1)
		select {
		case ahead <- next:
		case <-stop:
			return
		}
		go func() { next <- c.readPart(from, min(from+partKeys, last), vectors) }()
	}
}

// readPart reads the log after a key and up to another.
func (c *collection) readPart(since, last, vectors store.Key) (p part) {
	r := reader{dimension: c.description().Dimension, last: last, vectors: vectors, f: func(e store.Entry) error {
		p.entries = append(p.entries, e)
		return nil
	}}
	p.err = c.catalog.scan(logKeys(c.number), logKey(c.number, since+1, 0), r.read)
	if p.err == nil || errors.Is(p.err, errStop) {
		p.err = r.end()
	}
	return p
}

// reader puts together what the log has of an entry.
type reader struct {
	dimension int
	last      store.Key // to be read
	vectors   store.Key // vectors up to here are not read
	f         func(store.Entry) error
	put       *store.Entry // waits for its vector
}

// read takes the next item of the log.
func (r *reader) read(item *badger.Item) error {
	_, k, suffix, err := parseLogKey(item.Key())
	if err != nil {
		return err
	}
	if k > r.last {
		return errStop
	}
	e := store.Entry{Key: k}
	if suffix == vectorSuffix {
		e, err = r.complete(k, item)
	} else if err = r.end(); err == nil {
		err = item.Value(func(value []byte) error { return unsealJSON(value, &e) })
	}
	if err != nil {
		return fmt.Errorf("log entry %d: %w", k, err)
	}
	if e.Kind == store.KindPut && suffix == entrySuffix {
		r.put = &e
		return nil
	}
	return r.f(e)
}

// complete returns the put that waits for the vector in item.
func (r *reader) complete(k store.Key, item *badger.Item) (e store.Entry, err error) {
	if r.put == nil || r.put.Key != k {
		return e, fmt.Errorf("%w: vector without instance", store.ErrDamaged)
	}
	e, r.put = *r.put, nil
	if k > r.vectors {
		err = item.Value(func(value []byte) error {
			e.Vector, err = unsealVector(value, r.dimension)
			return err
		})
	}
	return e, err
}

// end refuses that a put still waits for its vector.
func (r *reader) end() error {
	if r.put != nil {
		return fmt.Errorf("log entry %d: %w: instance without vector", r.put.Key, store.ErrDamaged)
	}
	return nil
}
