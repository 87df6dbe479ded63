package faulty

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
)

// A page is what is written to the disk or not; of a torn one whole sectors are.
const (
	pageLen   = 4096
	sectorLen = 512
)

// A node's pages are those that were written since the last Sync, by number, as they
// are on the disk; one that ends early was where the file ended. lost are those that
// a failed Sync should have written. size is what the disk has for the size of a
// file that sized says has changed.

// now is the size as it is read; 0 outside of the folder.
func (n *node) now() int64 {
	if n == nil {
		return 0
	}
	info, err := os.Stat(n.path())
	if err != nil {
		return 0
	}
	return info.Size()
}

// dirty notes what is on the disk of the bytes that are to be changed.
func (n *node) dirty(from, to int64) error {
	if n == nil {
		return nil
	}
	if !n.sized {
		n.size, n.sized = n.now(), true
	}
	if n.pages == nil {
		n.pages = map[int64][]byte{}
	}
	var f *os.File
	for page := from / pageLen; page*pageLen < to; page++ {
		if old, isLost := n.lost[page]; isLost { // it is written whole the next time
			n.pages[page] = old
			delete(n.lost, page)
		}
		if _, known := n.pages[page]; known {
			continue
		}
		if f == nil {
			var err error
			if f, err = os.Open(n.path()); errors.Is(err, fs.ErrNotExist) {
				return nil // removed durably, and still open
			}
			if err != nil {
				return err
			}
			defer f.Close()
		}
		old := make([]byte, pageLen)
		got, err := f.ReadAt(old, page*pageLen)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		n.pages[page] = old[:got]
	}
	return nil
}

// synced makes durable what was written.
func (n *node) synced() {
	if n != nil {
		n.pages, n.sized = nil, false
	}
}

// unsynced gives up what was written: that is what a failed Sync leaves.
func (n *node) unsynced() {
	if n == nil {
		return
	}
	if n.lost == nil {
		n.lost = map[int64][]byte{}
	}
	for page, old := range n.pages {
		n.lost[page] = old
	}
	n.pages = nil
}

// cut leaves of what was written what power loss might, each page with a
// probability.
func (n *node) cut(r *rand.Rand, probability float64) error {
	if !n.sized && len(n.pages)+len(n.lost) == 0 {
		return nil
	}
	f, err := os.OpenFile(n.path(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	now := n.now()
	size := now
	if low, high := min(n.size, now), max(n.size, now); n.sized {
		size = []int64{n.size, now, low + r.Int64N(high-low+1)}[r.IntN(3)]
	}
	for _, page := range slices.Sorted(maps.Keys(n.pages)) {
		kept := 0
		if r.Float64() < probability {
			kept = pageLen
		}
		if r.IntN(8) == 0 {
			kept = r.IntN(pageLen/sectorLen) * sectorLen
		}
		kept = min(kept, int(max(0, now-page*pageLen))) // where a file was cut the old is left
		err = errors.Join(err, revert(f, page, n.pages[page], kept))
	}
	for page, old := range n.lost {
		err = errors.Join(err, revert(f, page, old, 0))
	}
	return errors.Join(err, f.Truncate(size))
}

// revert makes a page the old one, but for its first bytes.
func revert(f *os.File, page int64, old []byte, kept int) error {
	whole := make([]byte, pageLen)
	copy(whole, old)
	_, err := f.WriteAt(whole[kept:], page*pageLen+int64(kept))
	return err
}
