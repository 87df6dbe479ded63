//go:build linux

package powerloss

import (
	"context"
	"maps"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file or a folder. The lock of its file system guards it.
type node struct {
	fs.Inode
	fs   *FS
	mode uint32

	// kids are what a folder has, and durable what the disk has of it.
	kids, durable map[string]*node

	// pages of a file that are not all zero, and dirty what the disk has of those
	// that were changed since; nil is zeros. size, and what the disk has for it.
	pages, dirty map[int64][]byte
	size, synced int64
}

var (
	_ = (fs.NodeLookuper)((*node)(nil))
	_ = (fs.NodeReaddirer)((*node)(nil))
	_ = (fs.NodeCreater)((*node)(nil))
	_ = (fs.NodeMkdirer)((*node)(nil))
	_ = (fs.NodeUnlinker)((*node)(nil))
	_ = (fs.NodeRmdirer)((*node)(nil))
	_ = (fs.NodeRenamer)((*node)(nil))
	_ = (fs.NodeGetattrer)((*node)(nil))
	_ = (fs.NodeSetattrer)((*node)(nil))
	_ = (fs.NodeOpener)((*node)(nil))
	_ = (fs.NodeReader)((*node)(nil))
	_ = (fs.NodeWriter)((*node)(nil))
	_ = (fs.NodeFsyncer)((*node)(nil))
	_ = (fs.NodeAllocater)((*node)(nil))
)

func (n *node) isDir() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

func (n *node) attributes(out *fuse.Attr) {
	out.Mode, out.Size, out.Nlink, out.Blksize = n.mode, uint64(n.size), 1, pageLen
	out.Blocks = uint64(len(n.pages)) * pageLen / 512
}

// entry tells the kernel of a node.
func (n *node) entry(ctx context.Context, of *node, out *fuse.EntryOut) *fs.Inode {
	of.attributes(&out.Attr)
	if inode := of.EmbeddedInode(); inode.StableAttr().Ino != 0 {
		return inode
	}
	return n.NewInode(ctx, of, fs.StableAttr{Mode: of.mode & syscall.S_IFMT})
}

// Lookup implements fs.NodeLookuper.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if no := n.fs.lock(); no != 0 {
		return nil, no
	}
	defer n.fs.mu.Unlock()
	kid := n.kids[name]
	if kid == nil {
		return nil, syscall.ENOENT
	}
	return n.entry(ctx, kid, out), 0
}

// Readdir implements fs.NodeReaddirer.
func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	if no := n.fs.lock(); no != 0 {
		return nil, no
	}
	defer n.fs.mu.Unlock()
	var all []fuse.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		all = append(all, fuse.DirEntry{Name: name, Mode: n.kids[name].mode & syscall.S_IFMT})
	}
	return fs.NewListDirStream(all), 0
}

// name gives a new node a name.
func (n *node) name(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if no := n.fs.lock(); no != 0 {
		return nil, no
	}
	defer n.fs.mu.Unlock()
	if n.kids[name] != nil {
		return nil, syscall.EEXIST
	}
	made := n.fs.make(mode)
	n.kids[name] = made
	n.fs.rename(operation{{n, name, made}})
	return n.entry(ctx, made, out), 0
}

// Create implements fs.NodeCreater.
func (n *node) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	made, no := n.name(ctx, name, syscall.S_IFREG|mode&0o777, out)
	return made, nil, 0, no
}

// Mkdir implements fs.NodeMkdirer.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.name(ctx, name, syscall.S_IFDIR|mode&0o777, out)
}

// Unlink implements fs.NodeUnlinker.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno { return n.remove(name) }

// Rmdir implements fs.NodeRmdirer.
func (n *node) Rmdir(_ context.Context, name string) syscall.Errno { return n.remove(name) }

func (n *node) remove(name string) syscall.Errno {
	if no := n.fs.lock(); no != 0 {
		return no
	}
	defer n.fs.mu.Unlock()
	switch kid := n.kids[name]; {
	case kid == nil:
		return syscall.ENOENT
	case len(kid.kids) > 0:
		return syscall.ENOTEMPTY
	}
	n.fs.forgo(n, name)
	delete(n.kids, name)
	n.fs.rename(operation{{n, name, nil}})
	return 0
}

// Rename implements fs.NodeRenamer.
func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if no := n.fs.lock(); no != 0 {
		return no
	}
	defer n.fs.mu.Unlock()
	dir, ok := to.(*node)
	if !ok || flags != 0 {
		return syscall.EINVAL
	}
	kid, there := n.kids[name], dir.kids[newName]
	switch {
	case kid == nil:
		return syscall.ENOENT
	case there != nil && len(there.kids) > 0:
		return syscall.ENOTEMPTY
	}
	delete(n.kids, name)
	dir.kids[newName] = kid
	n.fs.rename(operation{{n, name, nil}, {dir, newName, kid}})
	return 0
}

// Getattr implements fs.NodeGetattrer.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if no := n.fs.lock(); no != 0 {
		return no
	}
	defer n.fs.mu.Unlock()
	n.attributes(&out.Attr)
	return 0
}

// Setattr implements fs.NodeSetattrer: of what can be set, the size.
func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if no := n.fs.lock(); no != 0 {
		return no
	}
	defer n.fs.mu.Unlock()
	if size, ok := in.GetSize(); ok {
		n.truncate(int64(size))
	}
	if mode, ok := in.GetMode(); ok {
		n.mode = n.mode&syscall.S_IFMT | mode&0o777
	}
	n.attributes(&out.Attr)
	return 0
}

// Open implements fs.NodeOpener.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Allocate implements fs.NodeAllocater: there is room for all.
func (n *node) Allocate(_ context.Context, _ fs.FileHandle, offset, size uint64, mode uint32) syscall.Errno {
	if no := n.fs.lock(); no != 0 {
		return no
	}
	defer n.fs.mu.Unlock()
	const keepSize = 1
	if mode&^keepSize != 0 {
		return syscall.EOPNOTSUPP
	}
	if end := int64(offset + size); mode == 0 && end > n.size {
		n.size = end
	}
	return 0
}

// Read implements fs.NodeReader.
func (n *node) Read(_ context.Context, _ fs.FileHandle, into []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if no := n.fs.lock(); no != 0 {
		return nil, no
	}
	defer n.fs.mu.Unlock()
	return fuse.ReadResultData(n.read(into, offset)), 0
}

// Write implements fs.NodeWriter.
func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, offset int64) (uint32, syscall.Errno) {
	if no := n.fs.lock(); no != 0 {
		return 0, no
	}
	defer n.fs.mu.Unlock()
	n.write(data, offset)
	return uint32(len(data)), 0
}

// Fsync implements fs.NodeFsyncer, of files and folders.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	if no := n.fs.lock(); no != 0 {
		return no
	}
	defer n.fs.mu.Unlock()
	switch {
	case n.fs.Journalled:
		n.fs.syncNames(nil)
	case n.isDir():
		n.fs.syncNames(n)
	}
	if n.isDir() {
		n.fs.folders++
		return 0
	}
	n.fs.soon(n)
	n.fs.files++
	clear(n.dirty)
	n.synced = n.size
	return 0
}
