package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nearcase/store"
	"nearcase/store/backup"
	"nearcase/store/disk"
)

// documents writes those that are not in the base.
func (b *copier) documents(ctx context.Context) error {
	kinds, err := b.l.files.ReadDir(b.l.documents())
	for _, kind := range kinds {
		if !kind.IsDir() || !documentKind.MatchString(kind.Name()) || slices.Contains(b.o.WithoutKinds, kind.Name()) {
			continue
		}
		var names []fs.DirEntry
		if names, err = b.l.files.ReadDir(filepath.Join(b.l.documents(), kind.Name())); err != nil {
			return err
		}
		for _, name := range names {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := b.document(kind.Name(), name.Name()); err != nil {
				return err
			}
		}
	}
	return err
}

func (b *copier) document(kind, file string) error {
	name, err := hex.DecodeString(file)
	if err != nil {
		return nil // half written
	}
	var data []byte
	err = b.l.using(func() error {
		data, err = b.l.loadDocument(kind, string(name))
		return err
	})
	switch {
	case errors.Is(err, store.ErrDocument):
		return nil // dropped meanwhile
	case errors.Is(err, store.ErrClosed):
		return err
	case err != nil:
		b.Damage(store.Finding{What: store.OfDocument, Name: kind, Reason: err.Error()})
		return nil
	}
	sum := sha256.Sum256(data)
	f := store.BackupFile{Name: backup.Documents + kind + "/" + file, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
	b.Documents = append(b.Documents, f)
	if b.base.files[f.Name] == f {
		return nil
	}
	_, err = b.w.Put(f.Name, data)
	return err
}

// lag is how much the times of files may be behind the clock.
const lag = 100 * time.Millisecond

// originals writes those that are new, or were written since the base, or were damaged
// in it.
func (b *copier) originals(ctx context.Context) error {
	for _, p := range b.pinned {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := b.original(p); err != nil {
			return err
		}
		b.tell(1)
	}
	return nil
}

func (b *copier) original(p pinned) error {
	file := b.l.originals.path(p.digest)
	info, err := b.l.files.Stat(file)
	if err == nil && !p.isNew && !b.base.lacks(p) && info.ModTime().Before(b.base.Created.Add(-lag)) {
		return nil
	}
	var f disk.File
	if err == nil {
		f, err = b.l.files.open(file)
	}
	if err != nil {
		b.damagedOriginal(p, err)
		return nil
	}
	defer f.Close()
	r := &padded{r: f}
	sum, err := b.w.Part(backup.Originals+p.digest[:2]+"/"+p.digest, info.Size(), r)
	if err != nil {
		return err
	}
	b.Originals, b.OriginalBytes = b.Originals+1, b.OriginalBytes+info.Size()
	if r.err != nil {
		b.damagedOriginal(p, r.err)
	} else if sum != p.digest {
		b.damagedOriginal(p, errors.New("its content is not what its digest says"))
	}
	return nil
}

// lacks reports whether an original is one that the base names as damaged. It may have
// been put back with the time that it had.
func (b base) lacks(p pinned) bool {
	return b.Backup != nil && slices.ContainsFunc(b.Damages, func(f store.Finding) bool {
		return f.What == store.OfOriginal && f.Key == p.key && f.Collection == p.collection
	})
}

func (b *copier) damagedOriginal(p pinned, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("its file is not there")
	}
	b.Damage(store.Finding{Collection: p.collection, What: store.OfOriginal, Key: p.key, Reason: err.Error()})
}

// padded has zeros where its file cannot be read.
type padded struct {
	r   io.Reader
	err error
}

func (p *padded) Read(b []byte) (int, error) {
	if p.err == nil {
		n, err := p.r.Read(b)
		if err == nil || n > 0 {
			return n, nil
		}
		p.err = err
	}
	clear(b)
	return len(b), nil
}

// openDerived opens what is derived from collections, as it is now.
func (b *copier) openDerived(all []*collection) error {
	for _, c := range all {
		entries, err := b.l.files.ReadDir(c.derivedDir())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		for _, e := range entries {
			if err == nil && strings.HasPrefix(e.Name(), derivedPrefix) {
				err = b.openOne(filepath.Join(c.derivedDir(), e.Name()), fmt.Sprintf("%s%d/%s", backup.Derived, c.number, e.Name()))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *copier) openOne(file, name string) error {
	f, err := b.l.files.open(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrDamaged) {
		return nil // dropped meanwhile, or to be derived anew
	}
	if err == nil {
		b.derived = append(b.derived, openDerived{name, f})
	}
	return err
}

// copyDerived writes what is derived and is not in the base.
func (b *copier) copyDerived(ctx context.Context) error {
	for _, d := range b.derived {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		f, err := b.file(d.name, d.File)
		if err != nil {
			return err
		}
		b.Derived = append(b.Derived, f)
	}
	return nil
}

// file writes a file, or only what is new of it. One that is in the base is not
// written.
func (b *copier) file(name string, from disk.File) (f store.BackupFile, err error) {
	info, err := from.Stat()
	if err != nil {
		return f, err
	}
	f = store.BackupFile{Name: name, Size: info.Size()}
	before, ok := b.base.files[name]
	whole := sha256.New()
	if ok && before.Size <= f.Size {
		if _, err := io.Copy(whole, io.NewSectionReader(from, 0, before.Size)); err != nil {
			return f, err
		}
		ok = hex.EncodeToString(whole.Sum(nil)) == before.SHA256
		if f.SHA256 = before.SHA256; ok && before.Size == f.Size {
			return f, nil
		}
	}
	if rest, isFile := strings.CutPrefix(name, backup.Files); ok && isFile && before.Size < f.Size {
		tail := io.TeeReader(io.NewSectionReader(from, before.Size, f.Size-before.Size), whole)
		_, err = b.w.Part(fmt.Sprintf("%s%d/%s", backup.Tails, before.Size, rest), f.Size-before.Size, tail)
		f.SHA256 = hex.EncodeToString(whole.Sum(nil))
		return f, err
	}
	f.SHA256, err = b.w.Part(name, f.Size, io.NewSectionReader(from, 0, f.Size))
	return f, err
}

// files writes what is in the data directory beside the store, and names what is
// left out.
func (b *copier) files(ctx context.Context) error {
	for _, name := range b.o.Beside {
		if err := b.beside(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range b.o.LeftOut {
		data, err := b.l.files.read(filepath.Join(b.l.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		b.LeftOut = append(b.LeftOut, store.BackupFile{Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	}
	return nil
}

// beside writes a file, or those of a folder: first the one whose name is last, so
// that files with numbers, to which something may be added meanwhile, are not older
// than what tells of them.
func (b *copier) beside(ctx context.Context, name string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	full := filepath.Join(b.l.dir, filepath.FromSlash(name))
	info, err := b.l.files.Stat(full)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !info.IsDir() {
		return errors.Join(err, b.besideFile(full, name))
	}
	entries, err := b.l.files.ReadDir(full)
	for _, e := range slices.Backward(entries) {
		if err == nil && e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			err = b.besideFile(filepath.Join(full, e.Name()), path.Join(name, e.Name()))
		}
	}
	return err
}

func (b *copier) besideFile(full, name string) error {
	from, err := b.l.files.open(full)
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := b.file(backup.Files+name, from)
	if err != nil {
		return err
	}
	b.Files = append(b.Files, f)
	return nil
}
