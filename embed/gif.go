package embed

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"io"
)

// gif is the first frame of a GIF file ("Graphics Interchange Format, Version
// 89a", 1990). It is read here because image/gif forgets the colour of what is
// transparent, which dropping alpha brings to light.
type gif struct {
	header      // of the canvas
	frame       image.Rectangle
	palette     color.Palette // nil where there is none: an index is its grey
	transparent int           // -1 where nothing is
	interlaced  bool
	bits        int // of the first LZW codes, less one
	body        []byte
}

// openGIF reads up to the first frame's pixels.
func openGIF(data []byte, l Limits) (source, error) {
	if len(data) < 13 {
		return nil, fmt.Errorf("%w: a GIF of %d bytes", ErrCorrupt, len(data))
	}
	g := &gif{transparent: -1}
	g.width, g.height, g.orientation = int(binary.LittleEndian.Uint16(data[6:])), int(binary.LittleEndian.Uint16(data[8:])), 1
	rest, err := g.colours(data[13:], data[10])
	for err == nil && g.body == nil {
		if len(rest) == 0 || rest[0] == 0x3b {
			return nil, fmt.Errorf("%w: it ends before its first frame", ErrCorrupt)
		}
		switch rest[0] {
		case 0x21:
			rest, err = g.extension(rest[1:])
		case 0x2c:
			err = g.descriptor(rest[1:])
		default:
			rest = rest[1:]
		}
	}
	if err != nil {
		return nil, err
	}
	return g, l.size(g.width, g.height)
}

// colours takes the colour table that a flags byte announces.
func (g *gif) colours(data []byte, flags byte) ([]byte, error) {
	if flags&0x80 == 0 {
		return data, nil
	}
	n := 2 << (flags & 7)
	if len(data) < 3*n {
		return nil, fmt.Errorf("%w: %d bytes for %d colours", ErrCorrupt, len(data), n)
	}
	g.palette = make(color.Palette, n)
	for i := range g.palette {
		g.palette[i] = color.NRGBA{data[3*i], data[3*i+1], data[3*i+2], 255}
	}
	return data[3*n:], nil
}

// extension skips an extension, of which only transparency is looked at.
func (g *gif) extension(data []byte) ([]byte, error) {
	const graphicControl = 0xf9
	if len(data) >= 6 && data[0] == graphicControl && data[1] >= 4 && data[2]&1 != 0 {
		g.transparent = int(data[5])
	}
	for data = data[min(1, len(data)):]; len(data) > 0; {
		n := int(data[0])
		if n+1 > len(data) {
			break
		}
		if data = data[n+1:]; n == 0 {
			return data, nil
		}
	}
	return nil, fmt.Errorf("%w: it ends in an extension", ErrCorrupt)
}

// descriptor takes the frame's place and colours. A frame that overhangs the
// canvas enlarges it.
func (g *gif) descriptor(data []byte) error {
	if len(data) < 9 {
		return fmt.Errorf("%w: it ends in an image descriptor", ErrCorrupt)
	}
	at := func(i int) int { return int(binary.LittleEndian.Uint16(data[i:])) }
	g.frame = image.Rect(at(0), at(2), at(0)+at(4), at(2)+at(6))
	g.width, g.height = max(g.width, g.frame.Max.X), max(g.height, g.frame.Max.Y)
	g.interlaced = data[8]&0x40 != 0
	rest, err := g.colours(data[9:], data[8])
	if err != nil {
		return err
	}
	if len(rest) == 0 || rest[0] < 2 || rest[0] > 8 || g.frame.Empty() {
		return fmt.Errorf("%w: a frame of %v pixels without codes", ErrCorrupt, g.frame.Size())
	}
	g.bits, g.body = int(rest[0]), rest[1:]
	return nil
}

func (g *gif) frames() int { return 1 }

// picture lays the frame on a canvas of the transparent colour, or of the first.
func (g *gif) picture(int, View) (*Picture, error) {
	index := make([]byte, g.frame.Dx()*g.frame.Dy())
	z := lzw.NewReader(&subBlocks{data: g.body}, lzw.LSB, g.bits)
	defer z.Close()
	if n, err := io.ReadFull(z, index); err != nil {
		return nil, fmt.Errorf("%w: %d of %d pixels: %w", ErrCorrupt, n, len(index), err)
	}
	convert, p := grayRow, newPicture(g.width, g.height)
	if g.palette != nil {
		convert = paletteRow(g.palette)
	}
	if g.frame != image.Rect(0, 0, g.width, g.height) {
		line := bytes.Repeat([]byte{byte(max(0, g.transparent))}, g.width)
		for y := range p.Height {
			convert(p.row(y), line)
		}
	}
	for i := range g.frame.Dy() {
		y := g.frame.Min.Y + g.line(i)
		convert(p.row(y)[3*g.frame.Min.X:3*g.frame.Max.X], index[i*g.frame.Dx():(i+1)*g.frame.Dx()])
	}
	return p, nil
}

// line returns where stored line i belongs: interlaced, every eighth comes
// first, then those halfway between, and so on (appendix E).
func (g *gif) line(i int) int {
	if !g.interlaced {
		return i
	}
	for _, pass := range []struct{ first, step int }{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		n := max(0, g.frame.Dy()-pass.first+pass.step-1) / pass.step
		if i < n {
			return pass.first + i*pass.step
		}
		i -= n
	}
	return 0
}

// subBlocks reads the bytes of GIF's sub-blocks, each of which says its length,
// up to the empty one.
type subBlocks struct {
	data []byte
	left int
}

func (s *subBlocks) ReadByte() (byte, error) {
	if len(s.data) > 0 && s.left == 0 {
		s.left, s.data = int(s.data[0]), s.data[1:]
		if s.left == 0 {
			s.data = nil
		}
	}
	if len(s.data) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	b := s.data[0]
	s.data, s.left = s.data[1:], s.left-1
	return b, nil
}

// Read makes subBlocks an io.Reader, of which lzw uses the bytes one by one.
func (s *subBlocks) Read(dst []byte) (n int, err error) {
	for n < len(dst) {
		if dst[n], err = s.ReadByte(); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
