package local

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// Waste is how much of the log is there for nothing, in bytes.
type Waste struct {
	// Log is what the log takes of the disk, Live what it would without what has been
	// deleted or replaced.
	Log  int64 `json:"log"`
	Live int64 `json:"live"`
}

// leastWaste is what compacting must free to be worth it.
const leastWaste = 16 << 20

// IsWorth reports whether a share of the log or more is there for nothing.
func (w Waste) IsWorth(share float64) bool {
	free := w.Log - w.Live
	return free >= leastWaste && float64(free) >= share*float64(w.Log)
}

// Waste counts what the log takes, which takes a second for some million entries.
func (l *Catalog) Waste(ctx context.Context) (w Waste, err error) {
	w.Log = max(0, l.files.size(filepath.Join(l.dir, logDir))-2*l.files.ahead()-manifestAhead)
	err = l.scan(nil, []byte{}, func(item *badger.Item) error {
		w.Live += item.EstimatedSize()
		return ctx.Err()
	})
	return w, err
}

// Commits is how many commits there were since the start, and when the last was.
func (l *Catalog) Commits() (n int64, last time.Time) {
	return l.commits.Load(), time.Unix(0, l.committed.Load())
}

// Collected is what was removed.
type Collected struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// halfWrittenFor is how long a file may be half written at most.
const halfWrittenFor = time.Hour

// Collect removes originals that nothing needs and that a crash or an error has left
// behind, while others are written. Nothing is removed while something of the log is
// lost, which may need them.
func (l *Catalog) Collect(ctx context.Context) (c Collected, err error) {
	losing := l.isLosing()
	err = l.files.walk(l.originals.dir, func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		half := strings.HasPrefix(d.Name(), halfWritten)
		if !half && (losing || len(d.Name()) != 64) || half && time.Since(info.ModTime()) < halfWrittenFor {
			return nil
		}
		removed, err := l.originals.collect(path, d.Name())
		if removed {
			c.Files++
			c.Bytes += info.Size()
		}
		return err
	})
	return c, err
}

// collect removes a file that nothing needs.
func (o *originals) collect(path, name string) (removed bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refs[name] > 0 || o.pins[name] > 0 {
		return false, nil
	}
	if err := o.files.Remove(path); err != nil {
		return false, ignoreGone(err)
	}
	return true, nil
}

// erasedKey is where it is noted how many instances of a collection were erased since
// the log was compacted: a compaction leaves it out.
func erasedKey(number uint32) []byte {
	return binary.BigEndian.AppendUint32(metaKey(erasedName), number)
}

const erasedName = "erased"

// erasedSince is how many instances were erased since the log was compacted.
func (c *collection) erasedSince() (n int, err error) {
	value, err := c.catalog.read(erasedKey(c.number))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	payload, err := unseal(value)
	if err == nil && len(payload) != 8 {
		err = store.ErrDamaged
	}
	if err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint64(payload)), nil
}

// noteErased is what notes that n more are.
func (c *collection) noteErased(n int) (w write, err error) {
	before, err := c.erasedSince()
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return w, err
	}
	w.set(erasedKey(c.number), seal(binary.BigEndian.AppendUint64(nil, uint64(before+n))))
	return w, nil
}

// Uncompacted reports whether something was erased and the log has not been compacted
// since: its bytes are still there.
func (l *Catalog) Uncompacted() bool { return l.has(metaKey(erasedName)) }

// Reopened is how often the log has been opened again after a failure.
func (l *Catalog) Reopened() int64 { return l.stops.Load() }

// Compactions is how often the log has been compacted since the start.
func (l *Catalog) Compactions() int64 { return l.compactions.Load() }
