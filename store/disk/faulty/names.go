package faulty

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// node is a file or folder, whatever its name. Those are known that something was
// done to, and the folders above them.
type node struct {
	parent *node // nil for the folder that all are in, and for the one of the removed
	name   string
	isDir  bool
	kids   map[string]*node // as they are now
	// durable are the names in a folder that something not durable was done to, as
	// power loss would leave them if it undid all of it; nil for no file.
	durable map[string]*node
	isTorn  bool // of what was removed with all below it

	pages map[int64][]byte // see pages.go
	lost  map[int64][]byte
	size  int64
	sized bool
}

// op is what one operation did to names.
type op []change

// change is one name: the file that it is of since, or nil for none.
type change struct {
	dir  *node
	name string
	to   *node
}

// path is where a file is now.
func (n *node) path() string {
	if n.parent == nil {
		return n.name
	}
	return filepath.Join(n.parent.path(), n.name)
}

// file returns what is at a place, which must exist; nil outside of the folder.
func (f *FS) file(name string) *node {
	below, err := filepath.Rel(f.root.name, name)
	if err != nil || below == ".." || strings.HasPrefix(below, ".."+string(filepath.Separator)) {
		return nil
	}
	at := f.root
	for _, part := range strings.Split(below, string(filepath.Separator)) {
		if part != "." {
			at = at.kid(part)
		}
	}
	return at
}

// kid is a file in a folder, which is known from now on.
func (n *node) kid(name string) *node {
	if known := n.kids[name]; known != nil {
		return known
	}
	info, err := os.Lstat(filepath.Join(n.path(), name))
	kid := &node{isDir: err == nil && info.IsDir()}
	n.adopt(name, kid)
	return kid
}

// adopt gives a file its name of now.
func (n *node) adopt(name string, kid *node) {
	if kid.parent != nil {
		delete(kid.parent.kids, kid.name)
	}
	if n.kids == nil {
		n.kids = map[string]*node{}
	}
	kid.parent, kid.name, n.kids[name] = n, name, kid
}

// link notes that a file was made.
func (f *FS) link(name string, made *node) {
	dir := f.file(filepath.Dir(name))
	if dir == nil {
		return
	}
	made.sized = true // durable is that it is empty
	f.note(change{dir, filepath.Base(name), made})
	dir.adopt(filepath.Base(name), made)
}

// note takes down an operation that is not durable yet.
func (f *FS) note(changes ...change) {
	for _, c := range changes {
		if _, known := c.dir.durable[c.name]; known {
			continue
		}
		if c.dir.durable == nil {
			c.dir.durable = map[string]*node{}
		}
		c.dir.durable[c.name] = c.dir.kids[c.name]
	}
	f.ops = append(f.ops, changes)
}

// unlink notes that a name was removed, and puts what it was of aside.
func (f *FS) unlink(name string) error {
	dir, gone := f.file(filepath.Dir(name)), f.file(name)
	if dir == nil || gone == nil {
		return os.RemoveAll(name)
	}
	f.note(change{dir, gone.name, nil})
	return f.bury(gone)
}

// bury puts a file among the removed.
func (f *FS) bury(n *node) error {
	from := n.path()
	f.buried++
	f.grave.adopt(strconv.Itoa(f.buried), n)
	return errors.Join(os.MkdirAll(f.grave.name, 0o700), os.Rename(from, n.path()))
}

// rename notes that a file has another name now, which may have been of another.
func (f *FS) rename(from, to string) error {
	moved, err := os.Lstat(from)
	if err != nil {
		return err
	}
	source, target := f.file(filepath.Dir(from)), f.file(filepath.Dir(to))
	if source == nil || target == nil {
		return os.Rename(from, to)
	}
	over, err := os.Lstat(to)
	if err == nil && (over.IsDir() || moved.IsDir()) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: os.ErrExist}
	}
	n, replaced := f.file(from), (*node)(nil)
	if err == nil {
		replaced = f.file(to)
	}
	f.note(change{source, filepath.Base(from), nil}, change{target, filepath.Base(to), n})
	if replaced != nil {
		if err := f.bury(replaced); err != nil {
			return err
		}
	}
	target.adopt(filepath.Base(to), n)
	return os.Rename(from, to)
}

// settle makes the names in a folder durable.
func (f *FS) settle(dir *node) {
	var left []op
	for _, o := range f.ops {
		var rest op
		for _, c := range o {
			if c.dir != dir {
				rest = append(rest, c)
			}
		}
		if len(rest) > 0 {
			left = append(left, rest)
		}
	}
	f.ops, dir.durable = left, nil
	f.forget()
}

// forget removes the removed that no power loss can bring back.
func (f *FS) forget() {
	needed := map[*node]bool{}
	for _, o := range f.ops {
		for _, c := range o {
			needed[c.to], needed[c.dir.durable[c.name]] = true, true
		}
	}
	for name, n := range f.grave.kids {
		if !slices.ContainsFunc(n.all(), func(of *node) bool { return needed[of] }) {
			_ = os.RemoveAll(n.path())
			delete(f.grave.kids, name)
		}
	}
}
