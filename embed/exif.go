package embed

import (
	"encoding/binary"
	"fmt"
)

// ifd is an image file directory of TIFF 6.0, the structure that EXIF borrows.
type ifd struct {
	data    []byte // from the byte-order mark on
	order   binary.ByteOrder
	entries []byte // 12 bytes each
}

// The field types that hold unsigned integers, and their lengths in bytes.
const (
	typeByte  = 1
	typeShort = 3
	typeLong  = 4
)

// openIFD returns the first directory of data. Nothing of it is copied.
func openIFD(data []byte) (ifd, error) {
	if len(data) < 8 {
		return ifd{}, fmt.Errorf("%w: a TIFF header of %d bytes", ErrCorrupt, len(data))
	}
	d := ifd{data: data, order: binary.LittleEndian}
	switch string(data[:4]) {
	case "II*\x00":
	case "MM\x00*":
		d.order = binary.BigEndian
	case "II+\x00", "MM\x00+":
		return ifd{}, fmt.Errorf("%w: BigTIFF", ErrUnsupported)
	default:
		return ifd{}, fmt.Errorf("%w: no TIFF header", ErrCorrupt)
	}
	at := int64(d.order.Uint32(data[4:]))
	if at+2 > int64(len(data)) {
		return ifd{}, fmt.Errorf("%w: a directory at byte %d of %d", ErrCorrupt, at, len(data))
	}
	n := 12 * int64(d.order.Uint16(data[at:]))
	if at+2+n > int64(len(data)) {
		return ifd{}, fmt.Errorf("%w: %d directory entries at byte %d of %d", ErrCorrupt, n/12, at, len(data))
	}
	d.entries = data[at+2 : at+2+n]
	return d, nil
}

// field is the value of a directory entry: count unsigned integers in place.
type field struct {
	order binary.ByteOrder
	size  int // bytes of one: 1, 2 or 4
	data  []byte
}

func (f field) len() int { return len(f.data) / max(f.size, 1) }

// at returns value i, which must be less than len.
func (f field) at(i int) uint32 {
	switch f.size {
	case 1:
		return uint32(f.data[i])
	case 2:
		return uint32(f.order.Uint16(f.data[2*i:]))
	}
	return f.order.Uint32(f.data[4*i:])
}

// field returns the values of a tag, none where the directory lacks it. Values
// that are no unsigned integers or lie beyond the data are ErrCorrupt.
func (d ifd) field(tag uint16) (field, error) {
	for e := d.entries; len(e) >= 12; e = e[12:] {
		if d.order.Uint16(e) == tag {
			return d.value(tag, e)
		}
	}
	return field{}, nil
}

func (d ifd) value(tag uint16, entry []byte) (field, error) {
	size := int64(0)
	switch d.order.Uint16(entry[2:]) {
	case typeByte:
		size = 1
	case typeShort:
		size = 2
	case typeLong:
		size = 4
	default:
		return field{}, fmt.Errorf("%w: tag %d is no unsigned integer", ErrCorrupt, tag)
	}
	n := size * int64(d.order.Uint32(entry[4:]))
	if n <= 4 {
		return field{d.order, int(size), entry[8 : 8+n]}, nil
	}
	at := int64(d.order.Uint32(entry[8:]))
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
	return int(f.at(0)), nil
}

// orientation returns the orientation (1 to 8) in a TIFF structure, which is
// what EXIF blocks and TIFF files are, and 1 where it says none.
func orientation(data []byte) int {
	d, err := openIFD(data)
	if err != nil {
		return 1
	}
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
