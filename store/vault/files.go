package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nearcase/store"
	"nearcase/store/disk"
)

// files is the file system that encrypts what is in the vault's folders.
type files struct {
	disk.FS
	v *Vault
}

// named returns what a file is called in the data directory, if it is in a folder
// whose files are encrypted.
func (v *Vault) named(path string) (name string, ok bool) {
	below, err := filepath.Rel(v.dir, path)
	if err != nil {
		return "", false
	}
	name = filepath.ToSlash(below)
	folder, _, inside := strings.Cut(name, "/")
	return name, inside && slices.Contains(v.folders, folder)
}

// Names of files that are yet to get another one.
func isHalfWritten(path string) bool {
	return strings.HasPrefix(filepath.Base(path), disk.HalfWritten) || strings.HasSuffix(path, ".tmp")
}

// OpenFile implements disk.FS. What is encrypted is read, or written anew: it cannot
// be opened to be changed.
func (s files) OpenFile(path string, flag int, perm fs.FileMode) (disk.File, error) {
	name, ok := s.v.named(path)
	if !ok {
		return s.FS.OpenFile(path, flag, perm)
	}
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_APPEND|os.O_TRUNC) == 0 {
		return s.v.open(path, name)
	}
	k := s.v.writes()
	if k == nil {
		return s.FS.OpenFile(path, flag, perm)
	}
	if flag&os.O_APPEND != 0 || flag&os.O_CREATE == 0 || flag&(os.O_TRUNC|os.O_EXCL) == 0 {
		return nil, &fs.PathError{Op: "open to change", Path: path, Err: errors.ErrUnsupported}
	}
	return s.v.create(path, name, k)(s.FS.OpenFile(path, flag, perm))
}

// CreateTemp implements disk.FS.
func (s files) CreateTemp(dir, pattern string) (disk.File, error) {
	k := s.v.writes()
	if _, ok := s.v.named(filepath.Join(dir, pattern)); !ok || k == nil {
		return s.FS.CreateTemp(dir, pattern)
	}
	f, err := s.FS.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	name, _ := s.v.named(f.Name())
	return s.v.create(f.Name(), name, k)(f, nil)
}

// create makes a file that was opened one that is encrypted.
func (v *Vault) create(path, name string, k *dataKey) func(disk.File, error) (disk.File, error) {
	return func(f disk.File, err error) (disk.File, error) {
		if err != nil {
			return nil, err
		}
		w := newWriter(f, v, k, name)
		if isHalfWritten(path) {
			v.mu.Lock()
			v.unnamed[path] = &unnamed{h: w.h, k: k}
			v.mu.Unlock()
		}
		return w, nil
	}
}

// unnamed is a file that has been written and may get another name.
type unnamed struct {
	h     header
	k     *dataKey
	syncs bool // then
}

// postpone notes that a file is to be synced when it gets its name, if it is to get
// one.
func (v *Vault) postpone(path string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	u := v.unnamed[path]
	if u != nil {
		u.syncs = true
	}
	return u != nil
}

// Rename implements disk.FS. Only a file that was written under another name by this
// process can get its name, and a header that says so; if it was synced before it is
// now.
func (s files) Rename(from, to string) error {
	v := s.v
	name, ok := v.named(to)
	if v.writes() == nil || !ok {
		return s.FS.Rename(from, to)
	}
	v.mu.Lock()
	u := v.unnamed[from]
	delete(v.unnamed, from)
	v.mu.Unlock()
	if u == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: errors.ErrUnsupported}
	}
	if err := s.name(from, name, u); err != nil {
		return err
	}
	return s.FS.Rename(from, to)
}

// name writes the header that a file has under a name.
func (s files) name(path, name string, u *unnamed) error {
	f, err := s.FS.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(u.h.tagOf(u.k, name), int64(tagAt)); err == nil && u.syncs {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Remove implements disk.FS.
func (s files) Remove(path string) error {
	s.v.mu.Lock()
	delete(s.v.unnamed, path)
	s.v.mu.Unlock()
	return s.FS.Remove(path)
}

// Stat implements disk.FS: the size of what is encrypted is that of the data.
func (s files) Stat(path string) (fs.FileInfo, error) {
	info, err := s.FS.Stat(path)
	if err != nil {
		return nil, err
	}
	return s.v.sized(path, info), nil
}

// ReadDir implements disk.FS.
func (s files) ReadDir(dir string) ([]fs.DirEntry, error) {
	entries, err := s.FS.ReadDir(dir)
	if _, ok := s.v.named(filepath.Join(dir, "x")); ok {
		for i, e := range entries {
			entries[i] = entry{e, s.v, filepath.Join(dir, e.Name())}
		}
	}
	return entries, err
}

// entry tells the size of the data.
type entry struct {
	fs.DirEntry
	v    *Vault
	path string
}

func (e entry) Info() (fs.FileInfo, error) {
	info, err := e.DirEntry.Info()
	if err != nil {
		return nil, err
	}
	return e.v.sized(e.path, info), nil
}

// sized returns what is known of a file with the size of its data; that of the file
// where it cannot be an encrypted one.
func (v *Vault) sized(path string, info fs.FileInfo) fs.FileInfo {
	if _, ok := v.named(path); !ok || !info.Mode().IsRegular() {
		return info
	}
	n, ok := dataSize(info.Size())
	if !ok || v.mixed() && !v.isEncrypted(path) {
		return info
	}
	return sized{info, n}
}

// isEncrypted reports whether a file is.
func (v *Vault) isEncrypted(path string) bool {
	_, id, err := v.Of(path)
	return err == nil && id != 0
}

// open opens a file to be read. Where plain ones may be, one is returned as it is.
func (v *Vault) open(path, name string) (disk.File, error) {
	f, err := disk.Open(v.files, path)
	if err != nil {
		return nil, err
	}
	opened, err := v.opened(f, name)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return opened, nil
}

func (v *Vault) opened(f disk.File, name string) (disk.File, error) {
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return f, err
	}
	h, k, err := v.header(f, name)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return f, nil
	}
	return newReader(f, name, k, h, info.Size())
}

// header returns that of a file and its data key; no key is a plain file, where such
// may be.
func (v *Vault) header(f disk.File, name string) (header, *dataKey, error) {
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, nil, err
	}
	h, ok := parseHeader(b[:n])
	k := v.dataKey(h.id)
	switch {
	case ok && k != nil && h.isOf(k, name):
		return h, k, nil
	case v.mixed():
		return h, nil, nil
	case !ok:
		return h, nil, fmt.Errorf("%s: %w: it is not encrypted", name, store.ErrDamaged)
	case k == nil:
		return h, nil, fmt.Errorf("%s: %w: it is of data key %d, which there is not", name, store.ErrDamaged, h.id)
	}
	return h, nil, fmt.Errorf("%s: %w: its header is another's", name, store.ErrDamaged)
}
