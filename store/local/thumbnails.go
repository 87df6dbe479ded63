package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
	if err := l.using(func() error { return c.saveThumbnail(key, data) }); err != nil {
		return fmt.Errorf("thumbnail %d of collection %s: %w", key, of, err)
	}
	return nil
}

func (c *collection) saveThumbnail(key store.Key, data []byte) error {
	path := c.thumbnailPath(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.derivedDir(), halfWritten+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(c.headerOf(thumbnailName(key), data), data...))
	if err = errors.Join(err, f.Close()); err == nil {
		err = c.placeThumbnail(f.Name(), path, key)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// placeThumbnail gives a file its name unless the instance has gone meanwhile, or
// the originals have: whoever retires them removes the file after that.
func (c *collection) placeThumbnail(from, to string, key store.Key) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.rows[key] == nil || c.discards.Load() {
		return errors.Join(c.gone(), store.ErrInstance)
	}
	return errors.Join(c.gone(), os.Rename(from, to))
}

// Thumbnail implements store.Catalog.
func (l *Catalog) Thumbnail(ctx context.Context, of string, key store.Key) (data []byte, err error) {
	c, err := l.collection(ctx, of)
	if err != nil {
		return nil, err
	}
	err = l.using(func() (err error) {
		data, err = c.readDerived(c.thumbnailPath(key), thumbnailName(key))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("thumbnail %d of collection %s: %w", key, of, err)
	}
	return data, nil
}

// removeThumbnail removes that of an instance that has gone.
func (c *collection) removeThumbnail(key store.Key) error {
	if err := os.Remove(c.thumbnailPath(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove thumbnail: %w", err)
	}
	return nil
}
