// Package faulty is a file system for tests that fails as disks do: operations that
// return errors, writes that stop half way, syncs after which the data is lost, and
// power loss, after which whatever was not synced is there, is not, or is torn.
//
// It is the operating system's file system in one folder, so that files can be
// mapped, and others may keep files of their own beside. Of these it knows nothing,
// but for the folders that they are in.
//
// What power loss leaves is the worst that POSIX allows, and what disks promise. Of
// the pages of a file written since its last Sync any may be old or new, or new up
// to some sector; its size may be the old one, the new one or in between. Of the
// names made, changed and removed in a folder since its last SyncDir any may be as
// before, in any order; only a rename within a folder is done wholly or not at all.
// A folder whose own name is lost is lost with all that is in it. What a failed Sync
// should have written is not written by a later one that succeeds.
package faulty

import (
	"cmp"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"nearcase/store/disk"
)

// ErrCut is what every operation fails with once the power is gone.
var ErrCut = errors.New("the power is gone")

// Op is a kind of operation.
type Op string

// The kinds of operations. Any stands for all of them.
const (
	Any      Op = ""
	Open     Op = "open"
	Create   Op = "create" // by CreateTemp, or OpenFile of a file that is not there
	Mkdir    Op = "mkdir"
	Rename   Op = "rename"
	Remove   Op = "remove" // one or all
	ReadDir  Op = "readdir"
	Stat     Op = "stat"
	SyncDir  Op = "syncdir"
	Free     Op = "free"
	Read     Op = "read"
	Write    Op = "write"
	Seek     Op = "seek"
	Sync     Op = "sync"
	Truncate Op = "truncate"
	Close    Op = "close"
)

// FS is a disk.FS in a folder. Its methods are safe for concurrent use.
type FS struct {
	mu     sync.Mutex
	random *rand.Rand
	root   *node
	grave  *node // where what was removed is until that is durable
	buried int
	ops    []op // what was done to names and is not durable, in order

	counts map[Op]int
	faults []fault
	rate   float64
	cutAt  int
	isCut  bool
}

var _ disk.FS = (*FS)(nil)

// fault is an error that one operation is to fail with.
type fault struct {
	op  Op
	at  int // in counts
	err error
}

// New returns the file system of a folder, which must exist. What is in it is
// durable. Whatever happens at random follows from the seed and the order of the
// operations.
func New(root string, seed uint64) *FS {
	f := &FS{random: rand.New(rand.NewPCG(seed, 0)), counts: map[Op]int{}}
	f.root = &node{name: root, isDir: true}
	f.grave = &node{name: filepath.Join(root, ".removed"), isDir: true}
	_ = os.RemoveAll(f.grave.name) // of one before, whose power was not cut
	return f
}

// Fail makes the nth operation of a kind from now on fail, the first for 1, with an
// error, or one that it may have where that is nil: see Errors. A write that fails may have written some of its bytes. A sync that fails has lost the data.
func (f *FS) Fail(kind Op, nth int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fault{kind, f.counts[kind] + nth, err})
}

// FailSome makes every operation fail with some probability, with an error that it
// may have: see Errors.
func (f *FS) FailSome(probability float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate = probability
}

// Heal ends what Fail and FailSome have begun.
func (f *FS) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults, f.rate = nil, 0
}

// CutAt makes the power go with the nth operation from now on, which may have been
// done. Cut must follow.
func (f *FS) CutAt(nth int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cutAt = f.counts[Any] + nth
}

// Count is how many operations of a kind there have been.
func (f *FS) Count(kind Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[kind]
}

// do runs an operation, unless it is to fail: then half of it is done, if any.
func (f *FS) do(kind Op, name string, run func() error, half ...func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.isCut
	err := f.refusal(kind)
	if err == nil {
		return run()
	}
	if !before && errors.Is(err, ErrCut) && f.random.IntN(2) == 0 {
		_ = run() // and nobody was told
	} else if !before && len(half) > 0 {
		half[0]()
	}
	return &fs.PathError{Op: string(kind), Path: name, Err: err}
}

// refusal counts an operation and returns what it is to fail with.
func (f *FS) refusal(kind Op) error {
	if f.isCut {
		return ErrCut
	}
	f.counts[Any]++
	f.counts[kind]++
	if f.counts[Any] == f.cutAt {
		f.isCut = true
		return ErrCut
	}
	for _, x := range f.faults {
		if (x.op == kind || x.op == Any) && x.at == f.counts[x.op] {
			return cmp.Or(x.err, f.one(kind))
		}
	}
	if f.rate > 0 && f.random.Float64() < f.rate {
		return f.one(kind)
	}
	return nil
}

// one is an error that an operation of a kind may fail with.
func (f *FS) one(kind Op) error {
	might := Errors(kind)
	return might[f.random.IntN(len(might))]
}

// Errors are those that an operation of a kind may fail with: EIO, ENOSPC if it needs
// room and EMFILE if it needs a descriptor.
func Errors(kind Op) []error {
	switch kind {
	case Open, ReadDir, SyncDir:
		return []error{syscall.EIO, syscall.EMFILE}
	case Create:
		return []error{syscall.EIO, syscall.EMFILE, syscall.ENOSPC}
	case Mkdir, Rename, Write, Sync, Truncate, Close:
		return []error{syscall.EIO, syscall.ENOSPC}
	}
	return []error{syscall.EIO}
}

// OpenFile implements disk.FS.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	kind := Open
	if _, err := os.Lstat(name); err != nil && flag&os.O_CREATE != 0 {
		kind = Create
	}
	var opened disk.File
	err := f.do(kind, name, func() error {
		_, missing := os.Lstat(name)
		if flag&os.O_TRUNC != 0 && missing == nil {
			if err := f.file(name).dirty(0, f.file(name).now()); err != nil {
				return err
			}
		}
		o, err := os.OpenFile(name, flag, perm)
		if err != nil {
			return err
		}
		if missing != nil {
			f.link(name, &node{})
		}
		opened = &file{File: o, fs: f, node: f.file(name), appends: flag&os.O_APPEND != 0}
		return nil
	})
	return opened, err
}

// CreateTemp implements disk.FS.
func (f *FS) CreateTemp(dir, pattern string) (disk.File, error) {
	var opened disk.File
	err := f.do(Create, dir, func() error {
		o, err := os.CreateTemp(dir, pattern)
		if err != nil {
			return err
		}
		f.link(o.Name(), &node{})
		opened = &file{File: o, fs: f, node: f.file(o.Name())}
		return nil
	})
	return opened, err
}

// Mkdir implements disk.FS.
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	return f.do(Mkdir, name, func() error { return f.mkdir(name, perm) })
}

func (f *FS) mkdir(name string, perm fs.FileMode) error {
	if err := os.Mkdir(name, perm); err != nil {
		return err
	}
	f.link(name, &node{isDir: true})
	return nil
}

// MkdirAll implements disk.FS.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	return f.do(Mkdir, name, func() error {
		var missing []string
		for at := filepath.Clean(name); ; at = filepath.Dir(at) {
			if _, err := os.Lstat(at); err == nil {
				break
			}
			missing = append([]string{at}, missing...)
		}
		for _, dir := range missing {
			if err := f.mkdir(dir, perm); err != nil {
				return err
			}
		}
		return os.MkdirAll(name, perm) // that is not there, or an error
	})
}

// Rename implements disk.FS.
func (f *FS) Rename(from, to string) error {
	return f.do(Rename, from, func() error { return f.rename(from, to) })
}

// Remove implements disk.FS.
func (f *FS) Remove(name string) error {
	return f.do(Remove, name, func() error {
		info, err := os.Lstat(name)
		if err != nil {
			return err
		}
		if left, _ := os.ReadDir(name); info.IsDir() && len(left) > 0 {
			return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
		}
		return f.unlink(name)
	})
}

// RemoveAll implements disk.FS. Of what it has removed power loss may leave any
// part.
func (f *FS) RemoveAll(name string) error {
	return f.do(Remove, name, func() error {
		if _, err := os.Lstat(name); err != nil {
			return nil
		}
		if gone := f.file(name); gone != nil {
			gone.isTorn = true
		}
		return f.unlink(name)
	})
}

// ReadDir implements disk.FS.
func (f *FS) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = f.do(ReadDir, name, func() (err error) {
		entries, err = os.ReadDir(name)
		return err
	})
	return entries, err
}

// Stat implements disk.FS.
func (f *FS) Stat(name string) (info fs.FileInfo, err error) {
	err = f.do(Stat, name, func() (err error) {
		info, err = os.Stat(name)
		return err
	})
	return info, err
}

// SyncDir implements disk.FS. Of a folder outside it does nothing.
func (f *FS) SyncDir(name string) error {
	return f.do(SyncDir, name, func() error {
		if _, err := os.Stat(name); err != nil {
			return err
		}
		if dir := f.file(name); dir != nil {
			f.settle(dir)
		}
		return nil
	})
}

// Free implements disk.FS.
func (f *FS) Free(name string) (free uint64, err error) {
	err = f.do(Free, name, func() (err error) {
		free, err = disk.System{}.Free(name)
		return err
	})
	return free, err
}
