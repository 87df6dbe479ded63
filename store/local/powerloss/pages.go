//go:build linux

package powerloss

import (
	"bytes"
	"io"
	"os"
)

// A page is what is written to the disk or not; of a torn one whole sectors are.
const (
	pageLen   = 4096
	sectorLen = 512
)

var zeros [pageLen]byte

// fill takes a file in, holes as holes.
func (n *node) fill(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	n.size, n.synced = info.Size(), info.Size()
	return extents(f, n.size, func(from, to int64) error {
		for page := from / pageLen; page*pageLen < to; page++ {
			data := make([]byte, pageLen)
			if _, err := f.ReadAt(data, page*pageLen); err != nil && err != io.EOF {
				return err
			}
			if !bytes.Equal(data, zeros[:]) {
				n.pages[page] = data
			}
		}
		return nil
	})
}

// extents calls do for the parts of a file that are not holes.
func extents(f *os.File, size int64, do func(from, to int64) error) error {
	const seekData, seekHole = 3, 4
	for from := int64(0); from < size; {
		data, err := f.Seek(from, seekData)
		if err != nil {
			return nil // ENXIO: holes to the end
		}
		hole, err := f.Seek(data, seekHole)
		if err != nil {
			return err
		}
		if err := do(data, hole); err != nil {
			return err
		}
		from = hole
	}
	return nil
}

// read returns what a part of the file has.
func (n *node) read(into []byte, offset int64) []byte {
	into = into[:max(0, min(int64(len(into)), n.size-offset))]
	for at := 0; at < len(into); {
		page, within := (offset+int64(at))/pageLen, int((offset+int64(at))%pageLen)
		data := n.pages[page]
		if data == nil {
			data = zeros[:]
		}
		at += copy(into[at:], data[within:])
	}
	return into
}

// change returns a page to be changed, after noting what the disk has of it.
func (n *node) change(page int64) []byte {
	if _, known := n.dirty[page]; !known {
		n.dirty[page] = bytes.Clone(n.pages[page])
	}
	if n.pages[page] == nil {
		n.pages[page] = make([]byte, pageLen)
	}
	return n.pages[page]
}

func (n *node) write(data []byte, offset int64) {
	for at := 0; at < len(data); {
		page, within := (offset+int64(at))/pageLen, int((offset+int64(at))%pageLen)
		at += copy(n.change(page)[within:], data[at:])
	}
	n.size = max(n.size, offset+int64(len(data)))
}

// truncate changes the size; what is cut off reads as zeros afterwards.
func (n *node) truncate(size int64) {
	for page := range n.pages {
		switch from := page * pageLen; {
		case from >= size:
			n.change(page)
			delete(n.pages, page)
		case from+pageLen > size:
			clear(n.change(page)[size-from:])
		}
	}
	n.size = size
}
