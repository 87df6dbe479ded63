//go:build linux

package powerloss

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Options of Mount. The zero value is what POSIX allows.
type Options struct {
	Seed uint64
	// Journalled makes all names durable that came before the fsync of any file or
	// folder, as the journal of ext4 does.
	Journalled bool
	// CutAt is the call at which the power is cut; 0 is none.
	CutAt int
	// Unnamed has the power cut soon after a file was synced, at times, whose name was
	// not, if that comes before CutAt.
	Unnamed bool
}

// FS is a file system in memory. Its methods are safe for concurrent use.
type FS struct {
	Options
	server *fuse.Server
	at     string

	mu      sync.Mutex
	random  *rand.Rand
	root    *node
	pending []operation // of names, in their order
	calls   int
	isCut   bool
	gone    chan struct{} // closed when the power is cut
	// files and folders count what was made durable.
	files, folders int
	early          []string
}

// operation changes names together, as a rename does.
type operation []named

// named is what a name in a folder is to be; nil is nothing.
type named struct {
	dir  *node
	name string
	to   *node
}

// ErrUnavailable is a machine on which nothing can be mounted.
var ErrUnavailable = errors.New("no file system can be mounted")

// Mount mounts a file system with what is in a folder, all of it durable.
func Mount(at, from string, o Options) (*FS, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: root alone may", ErrUnavailable)
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	f := &FS{Options: o, at: at, random: rand.New(rand.NewPCG(o.Seed, 3)), gone: make(chan struct{})}
	f.root = f.make(syscall.S_IFDIR | 0o700)
	if err := f.load(f.root, from); err != nil {
		return nil, err
	}
	mount := &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "powerloss", Name: "powerloss", DisableXAttrs: true, MaxWrite: 1 << 20}}
	server, err := fs.Mount(at, f.root, mount)
	if errors.Is(err, syscall.EPERM) { // as root of a container
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	f.server = server
	return f, nil
}

// load takes a folder in.
func (f *FS) load(into *node, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(from, e.Name())
		if e.IsDir() {
			dir := f.make(syscall.S_IFDIR | 0o700)
			into.kids[e.Name()], into.durable[e.Name()] = dir, dir
			if err := f.load(dir, path); err != nil {
				return err
			}
			continue
		}
		file := f.make(syscall.S_IFREG | 0o600)
		if err := file.fill(path); err != nil {
			return err
		}
		into.kids[e.Name()], into.durable[e.Name()] = file, file
	}
	return nil
}

// make makes a node without a name.
func (f *FS) make(mode uint32) *node {
	n := &node{fs: f, mode: mode}
	if n.isDir() {
		n.kids, n.durable = map[string]*node{}, map[string]*node{}
		return n
	}
	n.pages, n.dirty = map[int64][]byte{}, map[int64][]byte{}
	return n
}

// Cut takes the power away: nothing that is asked for later happens.
func (f *FS) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut()
}

// cut is Cut for who has the lock.
func (f *FS) cut() {
	if !f.isCut {
		f.isCut = true
		close(f.gone)
	}
}

// Gone is closed when the power is cut.
func (f *FS) Gone() <-chan struct{} { return f.gone }

// Unmount takes the file system away once nobody uses it.
func (f *FS) Unmount() error {
	return f.server.Unmount()
}

// Counts returns how many calls there were, and how often files and folders were made
// durable.
func (f *FS) Counts() (calls, files, folders int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls, f.files, f.folders
}

// Early returns the names of write-ahead logs that were removed while a table had a
// name that was not durable, and no copy of the log had one that was: the power, cut
// then, may leave neither. Where two tables are written at once it may be of another.
func (f *FS) Early() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.early
}

// forgo notes that a file is removed; see Early.
func (f *FS) forgo(dir *node, name string) {
	if filepath.Ext(name) != ".mem" || dir.durable[name] == nil || dir.durable[name+".kept"] != nil {
		return
	}
	for _, o := range f.pending {
		for _, c := range o {
			if c.dir == dir && c.to != nil && filepath.Ext(c.name) == ".sst" {
				f.early = append(f.early, name)
				return
			}
		}
	}
}

// rename notes a change of names, which the caller has made in kids.
func (f *FS) rename(o operation) { f.pending = append(f.pending, o) }

// syncNames makes durable what the names in a folder are, of all for nil.
func (f *FS) syncNames(dir *node) {
	var left []operation
	for _, o := range f.pending {
		var rest operation
		for _, c := range o {
			if dir != nil && c.dir != dir {
				rest = append(rest, c)
				continue
			}
			c.apply()
		}
		if len(rest) > 0 {
			left = append(left, rest)
		}
	}
	f.pending = left
}

// apply makes a name durable.
func (c named) apply() {
	if c.to == nil {
		delete(c.dir.durable, c.name)
		return
	}
	c.dir.durable[c.name] = c.to
}

// soon has the power cut in one of the next calls, at times, if a name of the file is
// not durable.
func (f *FS) soon(n *node) {
	if !f.Unnamed || f.random.IntN(12) != 0 {
		return
	}
	for _, o := range f.pending {
		for _, c := range o {
			if c.to == n {
				f.CutAt, f.Unnamed = f.calls+1+f.random.IntN(40), false
				return
			}
		}
	}
}

// lock begins a call, or says that there is no power.
func (f *FS) lock() syscall.Errno {
	f.mu.Lock()
	if f.calls++; f.calls == f.CutAt {
		f.cut()
	}
	if f.isCut {
		f.mu.Unlock()
		return syscall.EIO
	}
	return 0
}

var _ = (fs.NodeStatfser)((*node)(nil))

// Statfs implements fs.NodeStatfser.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const free = 1 << 28 // pages
	out.Bsize, out.Frsize, out.Blocks, out.Bfree, out.Bavail, out.NameLen = pageLen, pageLen, free, free, free, 255
	return 0
}
