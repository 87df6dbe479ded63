package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"nearcase/store"
)

// OpenChoosing is Open with another rule for which engine a collection gets that
// leaves it to the program.
func OpenChoosing(dir string, o Options, choose func(n, dimension int) string) (*Catalog, error) {
	o.choose = choose
	return Open(dir, o)
}

// OpenReaching is Open of a catalog that tells how far a compaction or an erasure
// is, and fails if the function does.
func OpenReaching(dir string, o Options, reached func(step string) error) (*Catalog, error) {
	o.reached = reached
	return Open(dir, o)
}

// Ended is closed when Close begins.
func (l *Catalog) Ended() <-chan struct{} { return l.ctx.Done() }

// CopyDir copies a data directory that may be open, without the holes of its files.
func CopyDir(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		below, bad := filepath.Rel(from, path)
		if err = errors.Join(err, bad); err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, below), 0o700)
		}
		return copyFile(filepath.Join(to, below), path)
	})
}

func copyFile(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return err
	}
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer w.Close()
	for at := int64(0); ; {
		begin, end, ok, err := nextData(r, at)
		if err != nil || !ok {
			return errors.Join(err, w.Truncate(info.Size()))
		}
		if _, err := io.Copy(io.NewOffsetWriter(w, begin), io.NewSectionReader(r, begin, end-begin)); err != nil {
			return err
		}
		at = end
	}
}

// Upkeep does now what the maintenance does after commits.
func (l *Catalog) Upkeep() { l.upkeep(busy) }

// UpkeepWhenQuiet does now what the maintenance does after a while without any.
func (l *Catalog) UpkeepWhenQuiet() { l.upkeep(quiet) }

// Dir is where the catalog keeps its data.
func (l *Catalog) Dir() string { return l.dir }

// WriteEntry puts an entry into the log as another program would have, for the
// next Open to find.
func (l *Catalog) WriteEntry(collection uint32, key store.Key, json string) error {
	return l.set(logKey(collection, key, entrySuffix), seal([]byte(json)))
}

// Describe is WriteEntry for the description of a collection.
func (l *Catalog) Describe(collection uint32, json string) error {
	return l.set(collectionKey(collection), seal([]byte(json)))
}

// LabelMemory returns how many bytes each of n labels takes, and each of as many
// corrections of them, read from a log. Every one is of its own instance.
func LabelMemory(n int, text func(id string) string) (label, correction float64, err error) {
	meta := described{Collection: store.Collection{Tasks: []store.Task{{Name: "finding", Classes: []string{"normal", "pneumonia"}}}}}
	c := newCollection(nil, 1, meta)
	for i := range n {
		id := fmt.Sprintf("%064d", i)
		c.rows[store.Key(i+1)], c.ids[id] = &store.Instance{ID: id}, store.Key(i+1)
	}
	key := store.Key(n)
	var used [3]uint64
	for round := range used {
		for i := 0; i < n && round > 0 && err == nil; i++ {
			var l store.Label
			err = json.Unmarshal([]byte(text(c.rows[store.Key(i+1)].ID)), &l)
			key++
			c.label(key, l)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		used[round] = m.HeapAlloc
	}
	runtime.KeepAlive(c)
	return float64(used[1]-used[0]) / float64(n), (float64(used[2]) - float64(used[1])) / float64(n), err
}
