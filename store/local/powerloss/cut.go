//go:build linux

package powerloss

import (
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// Left writes what the disk has after the power was cut into an empty folder: what is
// durable, and of the rest what chance has left. The file system must be cut.
func (f *FS) Left(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isCut {
		return errors.New("the power is not cut")
	}
	// All, nothing and any part of it.
	chances := []float64{0, 0.5, 0.5, 0.9, 1}
	ofNames, ofPages := chances[f.random.IntN(len(chances))], chances[f.random.IntN(len(chances))]
	for _, o := range f.pending {
		if f.random.Float64() < ofNames {
			for _, c := range o {
				c.apply()
			}
		}
	}
	written := map[*node]string{}
	return f.root.materialise(dir, f.random, ofPages, written)
}

// materialise writes a folder with all that the disk has below it. A file that has two
// names, of a rename of which half is left, has both.
func (n *node) materialise(dir string, r *rand.Rand, ofPages float64, written map[*node]string) error {
	for _, name := range slices.Sorted(maps.Keys(n.durable)) {
		kid, path := n.durable[name], filepath.Join(dir, name)
		before, again := written[kid]
		written[kid] = path
		var err error
		switch {
		case kid.isDir() && again: // which has one name
		case kid.isDir():
			if err = os.Mkdir(path, 0o700); err == nil {
				err = kid.materialise(path, r, ofPages, written)
			}
		case again:
			err = os.Link(before, path)
		default:
			err = kid.leave(path, r, ofPages)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leave writes what the disk has of a file.
func (n *node) leave(path string, r *rand.Rand, ofPages float64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	size := n.size
	if low, high := min(n.size, n.synced), max(n.size, n.synced); low < high {
		size = []int64{n.size, n.synced, low + r.Int64N(high-low+1)}[r.IntN(3)]
	}
	all := maps.Clone(n.pages)
	for _, page := range slices.Sorted(maps.Keys(n.dirty)) {
		all[page] = n.chance(page, r, ofPages)
	}
	for _, page := range slices.Sorted(maps.Keys(all)) {
		if data := all[page]; data != nil && page*pageLen < size {
			if _, err := f.WriteAt(data[:min(pageLen, size-page*pageLen)], page*pageLen); err != nil {
				return err
			}
		}
	}
	return f.Truncate(size)
}

// chance is what the disk has of a page that was not synced: the old one, the new one,
// or the first sectors of the new one.
func (n *node) chance(page int64, r *rand.Rand, probability float64) []byte {
	old, now := n.dirty[page], n.pages[page]
	if r.IntN(8) == 0 {
		torn, first := make([]byte, pageLen), r.IntN(pageLen/sectorLen)*sectorLen
		copy(torn, old)
		if now == nil {
			now = zeros[:]
		}
		copy(torn, now[:first])
		return torn
	}
	if r.Float64() < probability {
		return now
	}
	return old
}
