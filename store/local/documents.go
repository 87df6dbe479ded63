package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"nearcase/store"
)

// A file of a document is a header and the data. The header is documentMagic, the
// length of the data as a little-endian uint64, and the SHA-256 of what it is of
// and the data. Its name is the document's in hex, so that any name is one.
const (
	documentMagic  = "NCDOCUM\x01"
	documentHeader = len(documentMagic) + 8 + sha256.Size
	maxDocument    = 64 << 20
	maxName        = 120
)

var documentKind = regexp.MustCompile(`^[a-z]{1,32}$`)

func (l *Catalog) documents() string { return filepath.Join(l.dir, "documents") }

func (l *Catalog) documentPath(kind, name string) string {
	return filepath.Join(l.documents(), kind, hex.EncodeToString([]byte(name)))
}

// withDocument runs f for the folder of a kind.
func (l *Catalog) withDocument(ctx context.Context, kind, name string, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !documentKind.MatchString(kind) || len(name) < 1 || len(name) > maxName {
		return fmt.Errorf("document %.40q of kind %.40q: %w: a kind has 1 to 32 of a-z, a name 1 to %d bytes", name, kind, store.ErrInvalid, maxName)
	}
	if err := l.owning(f); err != nil {
		return fmt.Errorf("%s %.120q: %w", kind, name, err)
	}
	return nil
}

// SaveDocument implements store.Catalog.
func (l *Catalog) SaveDocument(ctx context.Context, kind, name string, data []byte) error {
	return l.withDocument(ctx, kind, name, func() error {
		if len(data) > maxDocument {
			return fmt.Errorf("%d bytes: %w: at most %d", len(data), store.ErrInvalid, maxDocument)
		}
		if err := l.takesDocument(len(data)); err != nil {
			return err
		}
		l.documenting.Lock()
		defer l.documenting.Unlock()
		if err := l.files.makeDir(filepath.Join(l.documents(), kind)); err != nil {
			return err
		}
		return l.files.write(l.documentPath(kind, name), documentHead(kind, name, data), data)
	})
}

// isNewer reports whether a file begins with a magic of which the last byte, the
// format, is a higher one.
func isNewer(whole []byte, magic string) bool {
	last := len(magic) - 1
	return len(whole) >= len(magic) && string(whole[:last]) == magic[:last] && whole[last] > magic[last]
}

func documentHead(kind, name string, data []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s %q\n", kind, name)
	h.Write(data)
	return h.Sum(binary.LittleEndian.AppendUint64([]byte(documentMagic), uint64(len(data))))
}

// Document implements store.Catalog.
func (l *Catalog) Document(ctx context.Context, kind, name string) (data []byte, err error) {
	err = l.withDocument(ctx, kind, name, func() error {
		data, err = l.loadDocument(kind, name)
		return err
	})
	return data, err
}

func (l *Catalog) loadDocument(kind, name string) ([]byte, error) {
	whole, err := l.files.read(l.documentPath(kind, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrDocument
	}
	if err != nil {
		return nil, err
	}
	if isNewer(whole, documentMagic) {
		return nil, fmt.Errorf("%w: document format %d, this program reads %d", store.ErrFormat, whole[7], documentMagic[7])
	}
	if len(whole) < documentHeader || !bytes.Equal(whole[:documentHeader], documentHead(kind, name, whole[documentHeader:])) {
		return nil, fmt.Errorf("%w: its header is of other data", store.ErrDamaged)
	}
	return whole[documentHeader:], nil
}

// Documents implements store.Catalog.
func (l *Catalog) Documents(ctx context.Context, kind string) (all []store.Document, err error) {
	err = l.withDocument(ctx, kind, "*", func() error {
		entries, err := l.files.ReadDir(filepath.Join(l.documents(), kind))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		var damaged error
		for _, e := range entries { // hex sorts as the names do
			name, bad := hex.DecodeString(e.Name())
			if bad != nil {
				continue
			}
			data, err := l.loadDocument(kind, string(name))
			if errors.Is(err, store.ErrDocument) {
				continue // dropped meanwhile
			}
			if errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrFormat) {
				damaged = errors.Join(damaged, fmt.Errorf("%q: %w", name, err))
				continue
			}
			if err != nil {
				return fmt.Errorf("%q: %w", name, err)
			}
			all = append(all, store.Document{Name: string(name), Data: data})
		}
		if damaged != nil {
			damaged = fmt.Errorf("%w: %w", store.ErrDamaged, damaged)
		}
		return damaged
	})
	return all, err
}

// DropDocument implements store.Catalog.
func (l *Catalog) DropDocument(ctx context.Context, kind, name string) error {
	return l.withDocument(ctx, kind, name, func() error {
		l.documenting.Lock()
		defer l.documenting.Unlock()
		return l.files.removeDurably(l.documentPath(kind, name))
	})
}

// sweepDocuments removes files that a crash left half written, and makes the
// folder. A crash may have come before it, or one in it, was synced.
func (l *Catalog) sweepDocuments() error {
	if err := l.files.MkdirAll(l.documents(), 0o700); err != nil {
		return err
	}
	return errors.Join(l.files.SyncDir(l.dir), l.files.SyncDir(l.documents()), l.files.walk(l.documents(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), halfWritten) {
			return err
		}
		return l.files.Remove(path)
	}))
}
