// Package disk is the file system as the packages that keep data see it: what they
// write to it can be made to fail, to be lost or to be encrypted by another FS.
package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FS is a file system. Names are as package os has them, and so are the errors.
// Its methods are safe for concurrent use.
//
// What is written to a file is durable after Sync of the file, and that a name is
// there, is another file's or is gone, after SyncDir of its folder. After a Sync or
// SyncDir that fails nothing is known of what came before it.
type FS interface {
	// OpenFile opens a file; flag and perm are those of os.OpenFile. A folder can
	// be opened too, to be locked.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// CreateTemp makes a new file in a folder; see os.CreateTemp.
	CreateTemp(dir, pattern string) (File, error)
	Mkdir(name string, perm fs.FileMode) error
	MkdirAll(name string, perm fs.FileMode) error
	Rename(from, to string) error
	Remove(name string) error
	RemoveAll(name string) error
	// ReadDir returns what is in a folder, in the order of the names.
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the names in a folder durable.
	SyncDir(name string) error
	// Free is how many bytes can still be written where a file or folder is;
	// errors.ErrUnsupported where the system does not say.
	Free(name string) (uint64, error)
}

// File is an open file. *os.File is one. One that also has the method Fd of that
// lies in the operating system's file system as it is read, and can be mapped.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Seeker
	io.Closer
	Name() string
	Stat() (fs.FileInfo, error)
	// Sync makes the bytes and the size durable.
	Sync() error
	Truncate(size int64) error
}

// System is the operating system's file system.
type System struct{}

var _ FS = System{}

// OpenFile implements FS.
func (System) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	return opened(os.OpenFile(name, flag, perm))
}

// CreateTemp implements FS.
func (System) CreateTemp(dir, pattern string) (File, error) {
	return opened(os.CreateTemp(dir, pattern))
}

// opened is a file, or nil where there is none.
func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Mkdir implements FS.
func (System) Mkdir(name string, perm fs.FileMode) error { return os.Mkdir(name, perm) }

// MkdirAll implements FS.
func (System) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(name, perm) }

// Rename implements FS.
func (System) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (System) Remove(name string) error { return os.Remove(name) }

// RemoveAll implements FS.
func (System) RemoveAll(name string) error { return os.RemoveAll(name) }

// ReadDir implements FS.
func (System) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// Stat implements FS.
func (System) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// SyncDir implements FS.
func (System) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Free implements FS.
func (System) Free(name string) (uint64, error) { return free(name) }

// Open opens a file for reading.
func Open(f FS, name string) (File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

// ReadFile returns all of a file.
func ReadFile(f FS, name string) ([]byte, error) {
	opened, err := Open(f, name)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return io.ReadAll(opened)
}

// WalkDir calls fn for a file or folder and all below it; see fs.WalkDir.
func WalkDir(f FS, root string, fn fs.WalkDirFunc) error {
	return fs.WalkDir(tree{f}, root, func(path string, d fs.DirEntry, err error) error {
		return fn(filepath.FromSlash(path), d, err)
	})
}

// tree is an FS as package io/fs has them, but that names are as package os has
// them.
type tree struct{ FS }

func (t tree) Open(name string) (fs.File, error) { return Open(t.FS, name) }

// HalfWritten begins the names of files that WriteAtomic and Replace have not
// finished: see Sweep.
const HalfWritten = ".new-"

// Sweep removes the files of a folder that a crash left half written.
func Sweep(f FS, dir string) error {
	entries, err := f.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), HalfWritten) {
			err = errors.Join(err, f.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// WriteAtomic makes a file of some parts appear whole or not at all, and stay
// after power loss; see Replace.
func WriteAtomic(f FS, path string, parts ...[]byte) error {
	return Replace(f, path, func(to File) error {
		for _, part := range parts {
			if _, err := to.Write(part); err != nil {
				return err
			}
		}
		return nil
	})
}

// Replace makes a file that write fills appear whole or not at all, in the place
// of one that was there, and stay after power loss. Where it fails the one before
// is there, or the new one if the folder could not be synced.
func Replace(f FS, path string, write func(File) error) error {
	to, err := f.CreateTemp(filepath.Dir(path), HalfWritten+"*")
	if err != nil {
		return err
	}
	if err = write(to); err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = f.Rename(to.Name(), path)
	}
	if err != nil {
		return errors.Join(err, f.Remove(to.Name()))
	}
	return f.SyncDir(filepath.Dir(path))
}
