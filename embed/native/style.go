package native

import (
	"encoding/binary"
	"fmt"
)

// styles is how a tile is coded.
type styles struct {
	layers int
	of     [4]style // of each component
	own    [4]bool  // by a COC of this header
}

// style is how a component of a tile is coded.
type style struct {
	levels    int      // of decomposition
	xcb, ycb  int      // exponents of a code-block's size
	precincts [33]byte // exponents of sizes, by resolution: width in the lower half
}

// inherit returns s as a tile's header finds it.
func (s styles) inherit() *styles {
	s.own = [4]bool{}
	return &s
}

// take takes in a segment that main and tile-part headers may have.
func (s *styles) take(m byte, body []byte, components int) error {
	switch {
	case m == markCOD && components > 0:
		return s.all(body)
	case m == markCOC && components > 0:
		return s.one(body, components)
	case components > 0 && (m == markQCD || m == markQCC || m == markRGN || m == markCOM):
		return nil
	case m == markSIZ || components == 0:
		return fmt.Errorf("%w: marker %#02x out of place", ErrCorrupt, m)
	}
	return fmt.Errorf("%w: marker %#02x", ErrUnsupported, m)
}

// all reads a COD segment (T.800, A.6.1).
func (s *styles) all(body []byte) error {
	if len(body) < 10 {
		return fmt.Errorf("%w: a COD segment of %d bytes", ErrCorrupt, len(body))
	}
	s.layers = int(binary.BigEndian.Uint16(body[2:]))
	if s.layers == 0 || body[1] > 4 || body[4] > 1 {
		return fmt.Errorf("%w: %d layers in progression %d, transform %d", ErrCorrupt, s.layers, body[1], body[4])
	}
	one, err := parseStyle(body[0], body[5:])
	for i := range s.of {
		if !s.own[i] {
			s.of[i] = one
		}
	}
	return err
}

// one reads a COC segment (A.6.2).
func (s *styles) one(body []byte, components int) error {
	if len(body) < 7 || int(body[0]) >= components {
		return fmt.Errorf("%w: a COC segment of %d bytes", ErrCorrupt, len(body))
	}
	one, err := parseStyle(body[1], body[2:])
	s.of[body[0]], s.own[body[0]] = one, true
	return err
}

// parseStyle reads what COD and COC have in common (table A.20).
func parseStyle(flags byte, body []byte) (style, error) {
	s := style{levels: int(body[0]), xcb: int(body[1]) + 2, ycb: int(body[2]) + 2}
	if s.levels > 32 || s.xcb > 10 || s.ycb > 10 || s.xcb+s.ycb > 12 || body[4] > 1 {
		return s, fmt.Errorf("%w: %d levels, code-blocks of 2^%d x 2^%d, wavelet %d", ErrCorrupt, s.levels, s.xcb, s.ycb, body[4])
	}
	want := 5
	if flags&1 != 0 {
		want += s.levels + 1
	}
	if len(body) != want {
		return s, fmt.Errorf("%w: a coding style of %d bytes, not %d", ErrCorrupt, len(body), want)
	}
	for r := range s.precincts {
		s.precincts[r] = 0xff
	}
	copy(s.precincts[:], body[5:])
	for r, p := range body[5:] {
		if r > 0 && (p&15 == 0 || p>>4 == 0) {
			return s, fmt.Errorf("%w: precincts of exponents %#02x at resolution %d", ErrCorrupt, p, r)
		}
	}
	return s, nil
}
