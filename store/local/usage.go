package local

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// Usage is what a data directory takes of the disk, in bytes.
type Usage struct {
	// Log is with its witness, and what was set aside of it.
	Log       int64 `json:"log"`
	Originals int64 `json:"originals"`
	Index     int64 `json:"index"`
	// Derived is what can be removed: files made from the log, but for the index.
	Derived int64 `json:"derived"`
	// Other is the rest.
	Other int64 `json:"other"`
}

// Usage returns what the data directory takes. It looks at every file, which takes
// a second for some hundred thousand of them.
func (l *Catalog) Usage(ctx context.Context) (u Usage, err error) {
	parts := map[string]*int64{"log": &u.Log, "originals": &u.Originals, "index": &u.Index, "derived": &u.Derived, witnessFile: &u.Log, asideDir: &u.Log}
	err = l.files.walk(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		part := parts[l.partOf(path)]
		if part == nil {
			part = &u.Other
		}
		*part += occupied(info)
		return nil
	})
	return u, err
}

// partOf returns the folder of the data directory that a file is below, or the
// file's own name.
func (l *Catalog) partOf(path string) string {
	below, err := filepath.Rel(l.dir, path)
	if err != nil {
		return ""
	}
	part, _, _ := strings.Cut(filepath.ToSlash(below), "/")
	return part
}

// ignoreGone returns no error for a file that was removed since its folder was
// read.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Waiting is how many changes wait for the next commit.
func (l *Catalog) Waiting() int { return len(l.changes) }
