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
	"os"
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
	if err := l.using(f); err != nil {
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
		l.documenting.Lock()
		defer l.documenting.Unlock()
		if err := makeDir(filepath.Join(l.documents(), kind)); err != nil {
			return err
		}
		return writeAtomic(l.documentPath(kind, name), documentHead(kind, name, data), data)
	})
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
	whole, err := os.ReadFile(l.documentPath(kind, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrDocument
	}
	if err != nil {
		return nil, err
	}
	if len(whole) < documentHeader || !bytes.Equal(whole[:documentHeader], documentHead(kind, name, whole[documentHeader:])) {
		return nil, fmt.Errorf("%w: its header is of other data", store.ErrDamaged)
	}
	return whole[documentHeader:], nil
}

// Documents implements store.Catalog.
func (l *Catalog) Documents(ctx context.Context, kind string) (all []store.Document, err error) {
	err = l.withDocument(ctx, kind, "*", func() error {
		entries, err := os.ReadDir(filepath.Join(l.documents(), kind))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries { // hex sorts as the names do
			name, bad := hex.DecodeString(e.Name())
			if bad != nil {
				continue
			}
			data, err := l.loadDocument(kind, string(name))
			if errors.Is(err, store.ErrDocument) {
				continue // dropped meanwhile
			}
			if err != nil {
				return fmt.Errorf("%q: %w", name, err)
			}
			all = append(all, store.Document{Name: string(name), Data: data})
		}
		return nil
	})
	return all, err
}

// DropDocument implements store.Catalog.
func (l *Catalog) DropDocument(ctx context.Context, kind, name string) error {
	return l.withDocument(ctx, kind, name, func() error {
		l.documenting.Lock()
		defer l.documenting.Unlock()
		err := os.Remove(l.documentPath(kind, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, syncDir(filepath.Join(l.documents(), kind)))
	})
}

// sweepDocuments removes files that a crash left half written, and makes the
// folder.
func (l *Catalog) sweepDocuments() error {
	if err := os.MkdirAll(l.documents(), 0o700); err != nil {
		return err
	}
	return errors.Join(syncDir(l.dir), filepath.WalkDir(l.documents(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), halfWritten) {
			return err
		}
		return os.Remove(path)
	}))
}
