package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nearcase/store"
	"nearcase/store/disk"
)

// A file of something derived is a header and the data. The header is
// derivedMagic, the length of the data as a little-endian uint64, and the SHA-256
// of what it is of and the data.
const (
	derivedMagic  = "NCDERIV\x01"
	derivedHeader = len(derivedMagic) + 8 + sha256.Size
	// derivedPrefix begins the files' names, so that any name is one.
	derivedPrefix = "d-"
	maxDerived    = 1 << 30
)

var derivedName = regexp.MustCompile(`^[a-z0-9._-]{1,100}$`)

func (l *Catalog) derived() string { return filepath.Join(l.dir, "derived") }

func (c *collection) derivedDir() string {
	return filepath.Join(c.catalog.derived(), strconv.FormatUint(uint64(c.number), 10))
}

func (c *collection) derivedPath(name string) string {
	return filepath.Join(c.derivedDir(), derivedPrefix+name)
}

// withDerived runs f for the collection of a derived name.
func (l *Catalog) withDerived(ctx context.Context, of, name string, f func(c *collection) error) error {
	c, err := l.collection(ctx, of)
	if err != nil {
		return err
	}
	if !derivedName.MatchString(name) {
		return fmt.Errorf("derived name %.120q: %w: use 1 to 100 of a-z, 0-9, '.', '_' and '-'", name, store.ErrInvalid)
	}
	if err := l.owning(func() error { return f(c) }); err != nil {
		return fmt.Errorf("derived %s of collection %s: %w", name, of, err)
	}
	return nil
}

// SaveDerived implements store.Catalog.
func (l *Catalog) SaveDerived(ctx context.Context, of, name string, data []byte) error {
	return l.withDerived(ctx, of, name, func(c *collection) error {
		if len(data) > maxDerived {
			return fmt.Errorf("%d bytes: %w: at most %d", len(data), store.ErrInvalid, maxDerived)
		}
		c.deriving.Lock()
		defer c.deriving.Unlock()
		if err := c.isGone(); err != nil {
			return err
		}
		if c.catalog.space.isShort(int64(len(data))) {
			return nil // it can be derived anew
		}
		if err := c.catalog.files.makeDir(c.derivedDir()); err != nil {
			return err
		}
		return c.catalog.files.write(c.derivedPath(name), c.headerOf(name, data), data)
	})
}

// isGone is gone for who does not hold the lock.
func (c *collection) isGone() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.gone()
}

// headerOf returns the header of a file.
func (c *collection) headerOf(name string, data []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %s\n", c.number, c.description().Created.UnixNano(), name)
	h.Write(data)
	b := binary.LittleEndian.AppendUint64([]byte(derivedMagic), uint64(len(data)))
	return h.Sum(b)
}

// Derived implements store.Catalog. A damaged file is removed.
func (l *Catalog) Derived(ctx context.Context, of, name string) (data []byte, err error) {
	err = l.withDerived(ctx, of, name, func(c *collection) error {
		if data, err = c.loadDerived(name); errors.Is(err, store.ErrDamaged) {
			data, err = c.giveUpDerived(name)
		}
		return err
	})
	return data, err
}

// loadDerived reads a file: ErrDerived if it is not there, and ErrDamaged too if
// it is not what was saved.
func (c *collection) loadDerived(name string) ([]byte, error) {
	return c.readDerived(c.derivedPath(name), name)
}

// readDerived reads a file whose header says that it is of a name.
func (c *collection) readDerived(path, name string) ([]byte, error) {
	f, err := c.catalog.files.open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrDerived
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrDerived, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrDerived, err)
	}
	if info.Size() < int64(derivedHeader) || info.Size() > int64(derivedHeader)+maxDerived {
		return nil, fmt.Errorf("%w: %w: file of %d bytes", store.ErrDerived, store.ErrDamaged, info.Size())
	}
	whole := make([]byte, info.Size())
	if _, err := io.ReadFull(f, whole); err != nil {
		return nil, fmt.Errorf("%w: %w: %w", store.ErrDerived, store.ErrDamaged, err)
	}
	if isNewer(whole, derivedMagic) {
		// As good as damaged: it can be derived anew.
		return nil, fmt.Errorf("%w: %w: %w: format %d, this program reads %d", store.ErrDerived, store.ErrDamaged, store.ErrFormat, whole[7], derivedMagic[7])
	}
	data := whole[derivedHeader:]
	if !bytes.Equal(whole[:derivedHeader], c.headerOf(name, data)) {
		return nil, fmt.Errorf("%w: %w: its header is of other data", store.ErrDerived, store.ErrDamaged)
	}
	return data, nil
}

// giveUpDerived removes a damaged file, unless it has been saved anew meanwhile.
func (c *collection) giveUpDerived(name string) ([]byte, error) {
	c.deriving.Lock()
	defer c.deriving.Unlock()
	data, err := c.loadDerived(name)
	if errors.Is(err, store.ErrDamaged) {
		c.catalog.Logger.Warn("derived file removed: it is to be derived anew", "collection", c.description().Name,
			"name", name, "reason", errors.Join(err, c.catalog.files.Remove(c.derivedPath(name))))
	}
	return data, err
}

// DerivedNames implements store.Catalog.
func (l *Catalog) DerivedNames(ctx context.Context, of string) (names []string, err error) {
	c, err := l.collection(ctx, of)
	if err != nil {
		return nil, err
	}
	var entries []fs.DirEntry
	err = l.owning(func() error {
		entries, err = l.files.ReadDir(c.derivedDir())
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("derived names of collection %s: %w", of, err)
	}
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), derivedPrefix); ok && derivedName.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// DropDerived implements store.Catalog.
func (l *Catalog) DropDerived(ctx context.Context, of, name string) error {
	return l.withDerived(ctx, of, name, func(c *collection) error {
		c.deriving.Lock()
		defer c.deriving.Unlock()
		return l.files.removeDurably(c.derivedPath(name))
	})
}

// removeDerived removes all that is derived from a dropped collection.
func (c *collection) removeDerived() error {
	c.deriving.Lock()
	defer c.deriving.Unlock()
	if err := c.catalog.files.RemoveAll(c.derivedDir()); err != nil {
		return fmt.Errorf("remove what was derived: %w", err)
	}
	return nil
}

// sweepDerived removes what a crash left: files half written, the folders of
// collections that are gone, and thumbnails of those that keep no originals.
func (l *Catalog) sweepDerived() error {
	known := map[string]bool{}
	entries, err := l.files.ReadDir(l.derived())
	err = errors.Join(err, l.files.SyncDir(l.derived())) // a crash may have come before that
	for _, c := range l.collections {
		known[filepath.Base(c.derivedDir())] = true
		if c.discards.Load() {
			err = errors.Join(err, l.files.RemoveAll(filepath.Join(c.derivedDir(), thumbnails)))
		}
	}
	for _, e := range entries {
		dir := filepath.Join(l.derived(), e.Name())
		if known[e.Name()] {
			err = errors.Join(err, disk.Sweep(l.files.FS, dir))
		} else {
			err = errors.Join(err, l.files.RemoveAll(dir))
		}
	}
	return err
}
