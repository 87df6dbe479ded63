package local

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"nearcase/store"
)

// files reads what is derived from a collection. What is damaged is removed when it
// is needed next, and derived anew.
func (v *verifier) files(ctx context.Context, c *collection) error {
	if err := v.derived(ctx, c); err != nil {
		return err
	}
	if err := v.thumbnails(ctx, c); err != nil {
		return err
	}
	v.snapshots(c)
	return nil
}

// mended adds a finding about something derived.
func (v *verifier) mended(c *collection, what, name string, reason error) {
	v.Find(store.Finding{Collection: c.description().Name, What: what, Name: name, Reason: reason.Error(), Mended: true})
}

func (v *verifier) derived(ctx context.Context, c *collection) error {
	names, err := v.l.DerivedNames(ctx, c.description().Name)
	if err != nil {
		return err
	}
	for _, name := range names {
		v.Read[store.OfDerived]++
		if _, err := c.loadDerived(name); errors.Is(err, store.ErrDamaged) {
			v.mended(c, store.OfDerived, name, err)
		}
	}
	return nil
}

func (v *verifier) thumbnails(ctx context.Context, c *collection) error {
	root := filepath.Join(c.derivedDir(), thumbnails)
	return v.l.files.walk(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || d.IsDir():
			return errors.Join(err, ctx.Err())
		}
		key, err := strconv.ParseUint(d.Name(), 10, 64)
		if err != nil {
			return nil
		}
		v.Read[store.OfThumbnail]++
		if _, err := c.readDerived(path, thumbnailName(store.Key(key))); errors.Is(err, store.ErrDamaged) {
			v.mended(c, store.OfThumbnail, d.Name(), err)
		}
		return ctx.Err()
	})
}

// snapshots reads what the next start would: of the index, and of the rows.
func (v *verifier) snapshots(c *collection) {
	_, _, err := c.load()
	v.snapshot(c, c.snapshotPath(), err)
	_, _, err = c.readRows()
	v.snapshot(c, c.rowsPath(), err)
}

// snapshot notes how reading one went.
func (v *verifier) snapshot(c *collection, path string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if v.Read[store.OfSnapshot]++; err != nil {
		v.mended(c, store.OfSnapshot, filepath.Base(path), err)
	}
}

// eachDocument calls f with how reading each document went.
func (l *Catalog) eachDocument(f func(kind, name string, err error) error) error {
	return l.owning(func() error {
		return l.files.walk(l.documents(), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), halfWritten) {
				return err
			}
			name, err := hex.DecodeString(d.Name())
			if err != nil {
				return nil
			}
			kind := filepath.Base(filepath.Dir(path))
			_, err = l.loadDocument(kind, string(name))
			return f(kind, string(name), err)
		})
	})
}
