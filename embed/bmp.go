package embed

import (
	"encoding/binary"
	"fmt"
	"image/color"
	"math/bits"
)

// The compressions of BMP.
const (
	bmpPlain  = 0
	bmpRuns8  = 1
	bmpRuns4  = 2
	bmpFields = 3
)

// bitmap is a BMP file ("Bitmap Storage", Windows API), with the headers of OS/2
// and of Windows 3 to 5.
type bitmap struct {
	header
	topDown           bool
	bits, compression int
	masks             [3]uint32 // of red, green and blue
	palette           color.Palette
	pixels            []byte
}

func openBMP(data []byte, l Limits) (source, error) {
	b := &bitmap{header: header{orientation: 1}}
	if len(data) < 26 {
		return nil, fmt.Errorf("%w: a BMP of %d bytes", ErrCorrupt, len(data))
	}
	size := int64(binary.LittleEndian.Uint32(data[14:]))
	if size+14 > int64(len(data)) {
		return nil, fmt.Errorf("%w: a header of %d bytes in a file of %d", ErrCorrupt, size, len(data))
	}
	at, err := b.describe(data[14:], int(size))
	if err != nil {
		return nil, err
	}
	if err := l.size(b.width, b.height); err != nil {
		return nil, err
	}
	start := int64(binary.LittleEndian.Uint32(data[10:]))
	if start == 0 {
		start = int64(14 + at)
	}
	if start > int64(len(data)) {
		return nil, fmt.Errorf("%w: pixels at byte %d of %d", ErrCorrupt, start, len(data))
	}
	b.pixels = data[start:]
	if need := int64(b.height) * int64(b.rowBytes()); b.isPlain() && need > int64(len(b.pixels)) {
		return nil, fmt.Errorf("%w: %d bytes, its pixels alone take %d", ErrCorrupt, len(data), need)
	}
	return b, nil
}

// describe reads an information header of the given size and what follows it,
// and returns where that ends.
func (b *bitmap) describe(data []byte, size int) (end int, err error) {
	colours, entry := 0, 4
	switch size {
	case 12:
		b.width, b.height = int(binary.LittleEndian.Uint16(data[4:])), int(binary.LittleEndian.Uint16(data[6:]))
		b.bits, entry = int(binary.LittleEndian.Uint16(data[10:])), 3
	case 40, 52, 56, 64, 108, 124:
		b.width, b.height = int(int32(binary.LittleEndian.Uint32(data[4:]))), int(int32(binary.LittleEndian.Uint32(data[8:])))
		b.bits, b.compression = int(binary.LittleEndian.Uint16(data[14:])), int(binary.LittleEndian.Uint32(data[16:]))
		colours = int(binary.LittleEndian.Uint32(data[32:]))
		if b.topDown = b.height < 0; b.topDown {
			b.height = -b.height
		}
	default:
		return 0, fmt.Errorf("%w: a BMP header of %d bytes", ErrUnsupported, size)
	}
	if b.compression == bmpFields && size == 40 {
		size += 12 // the masks stand behind the header and not in it
	}
	if err := b.readMasks(data, size); err != nil {
		return 0, err
	}
	return b.readPalette(data, size, colours, entry)
}

// readMasks finds where the colours are in pixels of more than 8 bits.
func (b *bitmap) readMasks(data []byte, end int) error {
	switch {
	case b.bits == 16:
		b.masks = [3]uint32{0x7c00, 0x3e0, 0x1f}
	case b.bits == 24, b.bits == 32:
		b.masks = [3]uint32{0xff0000, 0xff00, 0xff}
	}
	known := b.bits == 1 || b.bits == 4 || b.bits == 8 || b.masks[0] != 0
	switch b.compression {
	case bmpPlain:
	case bmpRuns8:
		known = b.bits == 8 && !b.topDown
	case bmpRuns4:
		known = b.bits == 4 && !b.topDown
	case bmpFields:
		known = b.masks[0] != 0 && end >= 52 && len(data) >= 52
		for i := 0; known && i < 3; i++ {
			if m := binary.LittleEndian.Uint32(data[40+4*i:]); m != 0 {
				b.masks[i] = m
			}
		}
	default:
		known = false
	}
	if !known {
		return fmt.Errorf("%w: BMP of %d bits per pixel, compression %d", ErrUnsupported, b.bits, b.compression)
	}
	return nil
}

// readPalette reads the colours, entry bytes each in the order blue, green,
// red; 0 colours are as many as the bits can tell apart.
func (b *bitmap) readPalette(data []byte, at, colours, entry int) (end int, err error) {
	if b.bits > 8 {
		return at, nil
	}
	if colours == 0 || colours > 1<<b.bits {
		colours = 1 << b.bits
	}
	end = at + entry*colours
	if end > len(data) {
		return 0, fmt.Errorf("%w: it ends in a palette of %d colours", ErrCorrupt, colours)
	}
	for c := data[at:end]; len(c) >= entry; c = c[entry:] {
		b.palette = append(b.palette, color.NRGBA{c[2], c[1], c[0], 255})
	}
	return end, nil
}

func (b *bitmap) isPlain() bool { return b.compression == bmpPlain || b.compression == bmpFields }

// rowBytes returns the bytes of an uncompressed row, a multiple of 4.
func (b *bitmap) rowBytes() int { return (b.width*b.bits + 31) / 32 * 4 }

func (b *bitmap) frames() int { return 1 }

func (b *bitmap) picture(int, View) (*Picture, error) {
	p := newPicture(b.width, b.height)
	if !b.isPlain() {
		return p, b.runs(p)
	}
	convert := b.convert()
	for i := range b.height {
		y := b.height - 1 - i
		if b.topDown {
			y = i
		}
		convert(p.row(y), b.pixels[i*b.rowBytes():])
	}
	return p, nil
}

// convert returns the conversion of an uncompressed row.
func (b *bitmap) convert() func(dst, src []byte) {
	if b.bits > 8 {
		return b.fields
	}
	look, index := paletteRow(b.palette), make([]byte, b.width)
	return func(dst, src []byte) {
		unpack(index, src, b.bits)
		look(dst, index)
	}
}

// unpack writes samples of 1, 2, 4 or 8 bits, the first in the highest bits.
func unpack(dst, src []byte, bits int) {
	perByte, mask := 8/bits, byte(1<<bits-1)
	for i := range dst {
		dst[i] = src[i/perByte] >> (8 - bits*(i%perByte+1)) & mask
	}
}

// fields converts a row of pixels of 2, 3 or 4 bytes by their masks.
func (b *bitmap) fields(dst, src []byte) {
	size := b.bits / 8
	var shift [3]int
	var top [3]uint64
	for c, m := range b.masks {
		shift[c] = bits.TrailingZeros32(m)
		top[c] = uint64(m >> shift[c])
	}
	for i := range len(dst) / 3 {
		var v uint32
		for j, part := range src[size*i : size*i+size] {
			v |= uint32(part) << (8 * j)
		}
		for c, m := range b.masks {
			dst[3*i+c] = byte(uint64(v&m>>shift[c]) * 255 / top[c])
		}
	}
}

// runs decodes run lengths, from the bottom row up. What they leave out is the
// first colour.
func (b *bitmap) runs(p *Picture) error {
	index := make([]byte, b.width*b.height)
	if err := (&runReader{data: b.pixels, nibbles: b.compression == bmpRuns4, width: b.width}).fill(index); err != nil {
		return err
	}
	look := paletteRow(b.palette)
	for i := range b.height {
		look(p.row(b.height-1-i), index[i*b.width:(i+1)*b.width])
	}
	return nil
}

// runReader decodes BMP's run lengths.
type runReader struct {
	data        []byte
	nibbles     bool // two pixels in a byte
	x, y, width int
}

// fill writes the pixels to dst, which begin as zeros.
func (r *runReader) fill(dst []byte) error {
	const endOfLine, endOfPicture, move = 0, 1, 2
	for r.y*r.width < len(dst) {
		if len(r.data) < 2 {
			return fmt.Errorf("%w: it ends at pixel %d of row %d", ErrCorrupt, r.x, r.y)
		}
		n, v := int(r.data[0]), r.data[1]
		r.data = r.data[2:]
		switch {
		case n > 0:
			r.put(dst, n, func(int) byte { return v })
		case v == endOfLine:
			r.x, r.y = 0, r.y+1
		case v == endOfPicture:
			return nil
		case v == move && len(r.data) >= 2:
			r.x, r.y, r.data = r.x+int(r.data[0]), r.y+int(r.data[1]), r.data[2:]
		case v == move || !r.literal(dst, int(v)):
			return fmt.Errorf("%w: it ends in row %d", ErrCorrupt, r.y)
		}
	}
	return nil
}

// literal writes n pixels that stand there one by one, and skips to an even
// number of bytes. It reports whether they were all there.
func (r *runReader) literal(dst []byte, n int) bool {
	size := n
	if r.nibbles {
		size = (n + 1) / 2
	}
	size += size % 2
	if size > len(r.data) {
		return false
	}
	values := r.data
	r.put(dst, n, func(i int) byte {
		if r.nibbles {
			return values[i/2]
		}
		return values[i]
	})
	r.data = r.data[size:]
	return true
}

// put writes n pixels from bytes; what is beyond the row is dropped.
func (r *runReader) put(dst []byte, n int, from func(i int) byte) {
	for i := range n {
		v := from(i)
		if r.nibbles {
			v = v >> (4 - i%2*4) & 15
		}
		if r.x < r.width {
			dst[r.y*r.width+r.x] = v
			r.x++
		}
	}
}
