package embed

import (
	"encoding/binary"
	"fmt"
	"math"
)

// ifd is an image file directory of TIFF 6.0, the structure that EXIF borrows,
// or of BigTIFF, whose counts and positions have 64 bits.
type ifd struct {
	data    []byte // from the byte-order mark on
	order   binary.ByteOrder
	big     bool
	entries []byte
	// next is where the next directory begins, 0 after the last and -1 where
	// the data end before they say.
	next int64
}

// The field types that hold unsigned integers or bytes of any meaning.
const (
	typeByte      = 1
	typeShort     = 3
	typeLong      = 4
	typeUndefined = 7
	typeIFD       = 13
	typeLong8     = 16
	typeIFD8      = 18
)

// openIFD returns the first directory of data. Nothing of it is copied.
func openIFD(data []byte) (ifd, error) {
	d, first, err := openTIFFHeader(data)
	if err != nil {
		return ifd{}, err
	}
	return d.directory(first)
}

// openTIFFHeader returns an empty directory and where the first one begins.
func openTIFFHeader(data []byte) (d ifd, first int64, err error) {
	if len(data) < 8 {
		return ifd{}, 0, fmt.Errorf("%w: a TIFF header of %d bytes", ErrCorrupt, len(data))
	}
	d = ifd{data: data, order: binary.LittleEndian}
	switch string(data[:4]) {
	case "II*\x00", "II+\x00":
	case "MM\x00*", "MM\x00+":
		d.order = binary.BigEndian
	default:
		return ifd{}, 0, fmt.Errorf("%w: no TIFF header", ErrCorrupt)
	}
	if d.big = d.order.Uint16(data[2:]) == 43; !d.big {
		return d, int64(d.order.Uint32(data[4:])), nil
	}
	if len(data) < 16 || d.order.Uint16(data[4:]) != 8 || d.order.Uint16(data[6:]) != 0 {
		return ifd{}, 0, fmt.Errorf("%w: a BigTIFF header that does not say 8 bytes", ErrCorrupt)
	}
	return d, d.position(data[8:]), nil
}

// position returns a position in the file, which is beyond its end if it is
// beyond any file's.
func (d ifd) position(b []byte) int64 {
	if d.big {
		return int64(min(d.order.Uint64(b), math.MaxInt64/2))
	}
	return int64(d.order.Uint32(b))
}

// wordSize returns the bytes of a position or a count.
func (d ifd) wordSize() int {
	if d.big {
		return 8
	}
	return 4
}

// entrySize returns the bytes of an entry: tag, type, count and value.
func (d ifd) entrySize() int { return 4 + 2*d.wordSize() }

// directory returns the directory that begins at a position.
func (d ifd) directory(at int64) (ifd, error) {
	head := int64(2) // bytes of the number of entries
	if d.big {
		head = 8
	}
	if at+head > int64(len(d.data)) {
		return ifd{}, fmt.Errorf("%w: a directory at byte %d of %d", ErrCorrupt, at, len(d.data))
	}
	entries := uint64(d.order.Uint16(d.data[at:]))
	if d.big {
		entries = d.order.Uint64(d.data[at:])
	}
	rest := d.data[at+head:]
	if entries > uint64(len(rest)/d.entrySize()) {
		return ifd{}, fmt.Errorf("%w: %d directory entries at byte %d of %d", ErrCorrupt, entries, at, len(d.data))
	}
	n := int(entries) * d.entrySize()
	d.entries, d.next = rest[:n], -1
	if len(rest) >= n+d.wordSize() {
		d.next = d.position(rest[n:])
	}
	return d, nil
}

// field is the value of a directory entry: count unsigned integers in place.
type field struct {
	order binary.ByteOrder
	size  int // bytes of one: 1, 2, 4 or 8
	data  []byte
}

func (f field) len() int { return len(f.data) / max(f.size, 1) }

// at returns value i, which must be less than len.
func (f field) at(i int) uint64 {
	switch f.size {
	case 1:
		return uint64(f.data[i])
	case 2:
		return uint64(f.order.Uint16(f.data[2*i:]))
	case 4:
		return uint64(f.order.Uint32(f.data[4*i:]))
	}
	return f.order.Uint64(f.data[8*i:])
}

// field returns the values of a tag, none where the directory lacks it. Values
// that are no unsigned integers or lie beyond the data are ErrCorrupt.
func (d ifd) field(tag uint16) (field, error) {
	for e := d.entries; len(e) >= d.entrySize(); e = e[d.entrySize():] {
		if d.order.Uint16(e) == tag {
			return d.value(tag, e)
		}
	}
	return field{}, nil
}

// typeSize returns the bytes of one value of a type, 0 for other types.
func typeSize(kind uint16) uint64 {
	switch kind {
	case typeByte, typeUndefined:
		return 1
	case typeShort:
		return 2
	case typeLong, typeIFD:
		return 4
	case typeLong8, typeIFD8:
		return 8
	}
	return 0
}

func (d ifd) value(tag uint16, entry []byte) (field, error) {
	size := typeSize(d.order.Uint16(entry[2:]))
	if size == 0 {
		return field{}, fmt.Errorf("%w: tag %d is no unsigned integer", ErrCorrupt, tag)
	}
	word := d.wordSize()
	count, inline := uint64(d.order.Uint32(entry[4:])), entry[4+word:]
	if d.big {
		count = d.order.Uint64(entry[4:])
	}
	if count > uint64(len(d.data)) {
		return field{}, fmt.Errorf("%w: tag %d has %d values in %d bytes", ErrCorrupt, tag, count, len(d.data))
	}
	n := int64(size * count)
	if n <= int64(word) {
		return field{d.order, int(size), inline[:n]}, nil
	}
	at := d.position(inline)
	if at+n > int64(len(d.data)) {
		return field{}, fmt.Errorf("%w: tag %d has %d bytes at byte %d of %d", ErrCorrupt, tag, n, at, len(d.data))
	}
	return field{d.order, int(size), d.data[at : at+n]}, nil
}

// first returns the first value of a tag, or otherwise where there is none.
func (d ifd) first(tag uint16, otherwise int) (int, error) {
	f, err := d.field(tag)
	if err != nil || f.len() == 0 {
		return otherwise, err
	}
	return int(min(f.at(0), math.MaxUint32)), nil
}

// orientationEXIF returns the orientation (1 to 8) in a block of EXIF, and 1
// where it says none.
func orientationEXIF(data []byte) int {
	d, err := openIFD(data)
	if err != nil {
		return 1
	}
	return d.orientation()
}

// orientation returns the orientation (1 to 8) of a directory, 1 if it has none.
func (d ifd) orientation() int {
	const tag = 274
	o, err := d.first(tag, 1)
	if err != nil || o < 1 || o > 8 {
		return 1
	}
	return o
}

// oriented returns p turned upright. Orientation names the sides of the scene
// where the stored row 0 and column 0 lie (TIFF 6.0, tag 274).
func oriented(p *Picture, orientation int) *Picture {
	// Stored pixel of upright (x, y): start + x·right + y·down, in pixels.
	w, h := p.Width, p.Height
	last := w*h - 1
	var start, right, down int
	switch orientation {
	case 2: // mirrored
		start, right, down = w-1, -1, w
	case 3: // turned by 180°
		start, right, down = last, -1, -w
	case 4: // upside down, mirrored
		start, right, down = last-(w-1), 1, -w
	case 5: // transposed
		start, right, down = 0, w, 1
	case 6: // to be turned clockwise
		start, right, down = last-(w-1), -w, 1
	case 7: // transposed across the other diagonal
		start, right, down = last, -w, -1
	case 8: // to be turned anticlockwise
		start, right, down = w-1, w, -1
	default:
		return p
	}
	if orientation >= 5 {
		w, h = h, w
	}
	return gather(p, w, h, start, right, down)
}

// gather returns the picture whose pixel (x, y) is pixel start + x·right +
// y·down of p.
func gather(p *Picture, width, height, start, right, down int) *Picture {
	out := newPicture(width, height)
	for y := range height {
		row, from := out.row(y), 3*(start+y*down)
		for i := 0; i < len(row); i += 3 {
			copy(row[i:i+3], p.Pix[from:from+3])
			from += 3 * right
		}
	}
	return out
}
