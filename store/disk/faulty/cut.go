package faulty

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// Cut takes the power away, if it is not gone, and leaves the folder as a disk might
// be after that. Whoever uses the file system is to have ended; another is to be
// made for who comes after.
func (f *FS) Cut() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.isCut = true
	// All, nothing and any part of it.
	chances := []float64{0, 0.5, 0.5, 1}
	ofNames, ofPages := chances[f.random.IntN(len(chances))], chances[f.random.IntN(len(chances))]
	all := slices.Concat(f.root.all(), f.grave.all())
	var err error
	for _, n := range all {
		if !n.isDir {
			err = errors.Join(err, n.cut(f.random, ofPages))
		}
	}
	return errors.Join(err, f.restore(all, ofNames), os.RemoveAll(f.grave.name))
}

// all are a folder and all below it that is known, in the order of the names.
func (n *node) all() []*node {
	all := []*node{n}
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		all = append(all, n.kids[name].all()...)
	}
	return all
}

// restore gives files the names that are left.
func (f *FS) restore(all []*node, probability float64) error {
	for _, o := range f.ops {
		if f.random.Float64() < probability {
			for _, c := range o {
				c.dir.durable[c.name] = c.to
			}
		}
	}
	var err error
	for _, dir := range all {
		for _, name := range slices.Sorted(maps.Keys(dir.durable)) {
			if there := dir.kids[name]; there != nil {
				err = errors.Join(err, f.bury(there))
			}
		}
	}
	for _, dir := range all {
		for _, name := range slices.Sorted(maps.Keys(dir.durable)) {
			if n := dir.durable[name]; n != nil {
				err = errors.Join(err, f.dig(n, dir, name))
			}
		}
	}
	return err
}

// dig gives one of the removed a name, or one that has another name already.
func (f *FS) dig(n, dir *node, name string) error {
	from, to := n.path(), filepath.Join(dir.path(), name)
	if _, err := os.Lstat(to); err == nil { // somebody else's, who has taken the name since
		return nil
	}
	if n.parent != f.grave {
		if n.isDir { // which has one name
			return nil
		}
		return os.Link(from, to)
	}
	dir.adopt(name, n)
	err := os.Rename(from, to)
	if n.isTorn {
		err = errors.Join(err, tear(to, f.random))
	}
	return err
}

// tear removes a part of what is in a folder.
func tear(dir string, r *rand.Rand) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || r.IntN(2) == 0 {
			return err
		}
		return os.Remove(path)
	})
}
