package native

import (
	"encoding/binary"
	"fmt"
)

// Markers of JPEG 2000 (T.800, A.2).
const (
	markSOC = 0x4f
	markCAP = 0x50
	markSIZ = 0x51
	markCOD = 0x52
	markCOC = 0x53
	markTLM = 0x55
	markPLM = 0x57
	markPLT = 0x58
	markCPF = 0x59
	markQCD = 0x5c
	markQCC = 0x5d
	markRGN = 0x5e
	markCRG = 0x63
	markCOM = 0x64
	markSOT = 0x90
	markSOD = 0x93
	markEOC = 0xd9
)

// codestream is what the headers of a codestream say.
type codestream struct {
	area, tile rect // of the image and of the first tile, on the reference grid
	components int
	precision  int
	signed     bool

	size   int // of all its bytes
	styles styles
	own    map[int]*styles // of tiles that differ
	seen   []bool          // tiles
}

// parseCodestream reads all headers of a codestream, those of tiles included.
// Data after its end are not looked at; the EOC marker may be missing.
func parseCodestream(data []byte, l Limits) (codestream, error) {
	c := codestream{size: len(data), own: map[int]*styles{}}
	if len(data) < 4 || data[0] != 0xff || data[1] != markSOC || data[2] != 0xff || data[3] != markSIZ {
		return c, fmt.Errorf("%w: no SOC and SIZ markers at its start", ErrCorrupt)
	}
	at, err := c.main(data, l)
	if err != nil {
		return c, err
	}
	for at < len(data) && !isEnd(data[at:]) {
		if at, err = c.tilePart(data, at); err != nil {
			return c, err
		}
	}
	for i, seen := range c.seen {
		if !seen {
			return c, fmt.Errorf("%w: it ends before tile %d of %d", ErrCorrupt, i+1, len(c.seen))
		}
	}
	return c, c.checkTiles()
}

// isEnd reports whether data starts with EOC, or is the byte that fills up a
// DICOM fragment.
func isEnd(data []byte) bool {
	return len(data) == 1 && data[0] == 0 || len(data) >= 2 && data[0] == 0xff && data[1] == markEOC
}

// marker returns the marker segment at data[at:] and the position after it.
func marker(data []byte, at int) (m byte, body []byte, next int, err error) {
	if at+4 > len(data) || data[at] != 0xff {
		return 0, nil, 0, fmt.Errorf("%w: no marker at byte %d of %d", ErrCorrupt, at, len(data))
	}
	if m = data[at+1]; m == markSOD {
		return m, nil, at + 2, nil
	}
	size := int(binary.BigEndian.Uint16(data[at+2:]))
	if size < 2 || size > len(data)-at-2 {
		return 0, nil, 0, fmt.Errorf("%w: segment %#02x of %d bytes where %d are left", ErrCorrupt, m, size, len(data)-at-2)
	}
	return m, data[at+4 : at+2+size], at + 2 + size, nil
}

// main reads the main header and returns the position of the first tile-part.
func (c *codestream) main(data []byte, l Limits) (int, error) {
	for at := 2; ; {
		m, body, next, err := marker(data, at)
		switch {
		case err != nil:
			return 0, err
		case m == markSOT:
			return at, c.ready()
		case m == markSIZ && c.components == 0:
			err = c.sizes(body, l)
		case m == markCAP, m == markTLM, m == markPLM, m == markCPF, m == markCRG:
		default:
			err = c.styles.take(m, body, c.components)
		}
		if err != nil {
			return 0, err
		}
		at = next
	}
}

func (c *codestream) ready() error {
	if c.styles.layers == 0 {
		return fmt.Errorf("%w: no COD marker", ErrCorrupt)
	}
	return nil
}

// sizes reads the SIZ segment (T.800, A.5.1).
func (c *codestream) sizes(body []byte, l Limits) error {
	if len(body) < 36 || len(body) != 36+3*int(binary.BigEndian.Uint16(body[34:])) {
		return fmt.Errorf("%w: a SIZ segment of %d bytes", ErrCorrupt, len(body))
	}
	at := func(i int) int64 { return int64(binary.BigEndian.Uint32(body[2+4*i:])) }
	c.area = rect{at(2), at(3), at(0), at(1)}
	c.tile = rect{at(6), at(7), at(6) + at(4), at(7) + at(5)}
	c.components = len(body)/3 - 12
	if c.components < 1 || c.components > 4 {
		return fmt.Errorf("%w: %d components", ErrUnsupported, c.components)
	}
	if a, t := c.area, c.tile; a.empty() || a.x1 > 1<<31-1 || a.y1 > 1<<31-1 ||
		t.x0 > a.x0 || t.y0 > a.y0 || t.x1 <= a.x0 || t.y1 <= a.y0 {
		return fmt.Errorf("%w: an image at %v with tiles from %v", ErrCorrupt, a, t)
	}
	if err := l.check(c.area.width(), c.area.height(), int64(c.components)); err != nil {
		return err
	}
	if err := c.depths(body[36:]); err != nil {
		return err
	}
	return c.count()
}

// depths reads the precision and the sampling of the components.
func (c *codestream) depths(body []byte) error {
	c.precision, c.signed = int(body[0]&0x7f)+1, body[0]&0x80 != 0
	if c.precision > 24 {
		return fmt.Errorf("%w: a precision of %d bits", ErrUnsupported, c.precision)
	}
	for i := 0; i < len(body); i += 3 {
		if body[i] != body[0] {
			return fmt.Errorf("%w: component 1 of kind %#02x, component %d of kind %#02x", ErrUnsupported, body[0], i/3+1, body[i])
		}
		if body[i+1] != 1 || body[i+2] != 1 {
			return fmt.Errorf("%w: component %d is subsampled by %d x %d", ErrUnsupported, i/3+1, body[i+1], body[i+2])
		}
	}
	return nil
}

// count bounds the number of tiles: by the standard, by the bytes that each
// takes for its headers, and by the memory that the library takes for each.
func (c *codestream) count() error {
	across, down := c.grid()
	if across > 65535 || down > 65535/across || across*down*14 > int64(c.size) {
		return fmt.Errorf("%w: %d x %d tiles in %d bytes", ErrCorrupt, across, down, c.size)
	}
	if n := across * down; n > 16+c.samples()/256 {
		return fmt.Errorf("%w: %d tiles of %d x %d pixels", ErrUnsupported, n, c.tile.width(), c.tile.height())
	}
	c.seen = make([]bool, across*down)
	return nil
}

func (c *codestream) samples() int64 {
	return c.area.width() * c.area.height() * int64(c.components)
}

// grid returns the number of tiles (T.800, B.3).
func (c *codestream) grid() (across, down int64) {
	return ceil(c.area.x1-c.tile.x0, c.tile.width()), ceil(c.area.y1-c.tile.y0, c.tile.height())
}

// tilePart reads the headers of the tile-part at data[at:] and returns the
// position after it (T.800, A.4.2).
func (c *codestream) tilePart(data []byte, at int) (int, error) {
	m, body, next, err := marker(data, at)
	if err != nil {
		return 0, err
	}
	if m != markSOT || len(body) != 8 {
		return 0, fmt.Errorf("%w: marker %#02x at byte %d where a tile should be", ErrCorrupt, m, at)
	}
	tile, size := int(binary.BigEndian.Uint16(body)), int64(binary.BigEndian.Uint32(body[2:]))
	if size == 0 {
		size = int64(len(data) - at)
	}
	if tile >= len(c.seen) || size > int64(len(data)-at) {
		return 0, fmt.Errorf("%w: tile %d of %d has %d bytes where %d are left", ErrCorrupt, tile+1, len(c.seen), size, len(data)-at)
	}
	c.seen[tile] = true
	end := at + int(size)
	for m != markSOD {
		if m, body, next, err = marker(data[:end], next); err != nil {
			return 0, err
		}
		if err = c.tileHeader(tile, m, body); err != nil {
			return 0, err
		}
	}
	return end, nil
}

func (c *codestream) tileHeader(tile int, m byte, body []byte) error {
	if m == markSOD || m == markPLT {
		return nil
	}
	if m == markCOD || m == markCOC {
		if c.own[tile] == nil {
			c.own[tile] = c.styles.inherit()
		}
		return c.own[tile].take(m, body, c.components)
	}
	var none styles
	return none.take(m, body, c.components)
}
