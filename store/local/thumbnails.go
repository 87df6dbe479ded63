package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"nearcase/store"
)

// Thumbnails are files beside those that are derived from the same collection, in
// folders by the last byte of their instance's key. They are not synced: what a
// crash leaves of one is told by its header, which is that of a derived file.
const (
	thumbnails   = "thumbnails"
	maxThumbnail = 1 << 20
)

func (c *collection) thumbnailPath(key store.Key) string {
	return filepath.Join(c.derivedDir(), thumbnails, fmt.Sprintf("%02x", byte(key)), fmt.Sprint(key))
}

func thumbnailName(key store.Key) string { return fmt.Sprint("thumbnail ", key) }

// SaveThumbnail implements store.Catalog.
func (l *Catalog) SaveThumbnail(ctx context.Context, of string, key store.Key, data []byte) error {
	c, err := l.collection(ctx, of)
	if err != nil {
		return err
	}
	if len(data) > maxThumbnail {
		return fmt.Errorf("thumbnail of %d bytes: %w: at most %d", len(data), store.ErrInvalid, maxThumbnail)
	}
	if l.space.isShort(int64(len(data))) {
		return nil // it can be derived anew
	}
	if err := l.owning(func() error { return c.saveThumbnail(key, data) }); err != nil {
		return fmt.Errorf("thumbnail %d of collection %s: %w", key, of, err)
	}
	return nil
}

func (c *collection) saveThumbnail(key store.Key, data []byte) error {
	path := c.thumbnailPath(key)
	if err := c.catalog.files.makeDir(c.derivedDir()); err != nil { // it is not for thumbnails alone
		return err
	}
	if err := c.catalog.files.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	rename := func(from string) error { return c.placeThumbnail(from, path, key) }
	return c.catalog.files.place(c.derivedDir(), rename, c.headerOf(thumbnailName(key), data), data)
}

// placeThumbnail gives a file its name unless the instance has gone meanwhile, or
// the originals have: whoever retires them removes the file after that.
func (c *collection) placeThumbnail(from, to string, key store.Key) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.rows[key] == nil || c.discards.Load() {
		return errors.Join(c.gone(), store.ErrInstance)
	}
	return errors.Join(c.gone(), c.catalog.files.Rename(from, to))
}

// Thumbnail implements store.Catalog.
func (l *Catalog) Thumbnail(ctx context.Context, of string, key store.Key) (data []byte, err error) {
	c, err := l.collection(ctx, of)
	if err != nil {
		return nil, err
	}
	err = l.owning(func() (err error) {
		data, err = c.readDerived(c.thumbnailPath(key), thumbnailName(key))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("thumbnail %d of collection %s: %w", key, of, err)
	}
	return data, nil
}

// sweepThumbnails removes in the background what power loss has brought back.
func (l *Catalog) sweepThumbnails() {
	all := l.all()
	l.originals.sweeping.Go(func() {
		for _, c := range all {
			if err := c.sweepThumbnails(l.ctx); err != nil && l.ctx.Err() == nil {
				l.Logger.Warn("thumbnails of deleted instances are left", "collection", c.description().Name, "reason", err)
			}
		}
	})
}

// sweepThumbnails removes those of instances that have gone, which power loss brings
// back. No instance gets the key of another.
func (c *collection) sweepThumbnails(ctx context.Context) error {
	return c.catalog.files.walk(filepath.Join(c.derivedDir(), thumbnails), func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(ignoreGone(err), ctx.Err()); err != nil || d == nil || d.IsDir() {
			return err
		}
		key, err := strconv.ParseUint(d.Name(), 10, 64)
		c.mu.RLock()
		row := c.rows[store.Key(key)]
		c.mu.RUnlock()
		if err != nil || row != nil {
			return nil
		}
		return c.catalog.files.remove(path)
	})
}

// removeThumbnail removes that of an instance that has gone.
func (c *collection) removeThumbnail(key store.Key) error {
	if err := c.catalog.files.remove(c.thumbnailPath(key)); err != nil {
		return fmt.Errorf("remove thumbnail: %w", err)
	}
	return nil
}
