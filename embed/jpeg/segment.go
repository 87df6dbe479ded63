package jpeg

import (
	"encoding/binary"
	"fmt"
)

// Markers (T.81, table B.1): the second of their two bytes.
const (
	markTEM   = 0x01
	markSOF0  = 0xc0 // baseline
	markSOF1  = 0xc1 // extended sequential
	markSOF2  = 0xc2 // progressive
	markSOF3  = 0xc3 // lossless
	markDHT   = 0xc4
	markJPG   = 0xc8
	markDAC   = 0xcc
	markSOF15 = 0xcf
	markRST0  = 0xd0
	markRST7  = 0xd7
	markSOI   = 0xd8
	markEOI   = 0xd9
	markSOS   = 0xda
	markDQT   = 0xdb
	markDRI   = 0xdd
	markDHP   = 0xde
	markAPP0  = 0xe0
	markAPP14 = 0xee
	markSOF55 = 0xf7 // JPEG-LS (ITU-T T.87)
)

// maxPadding is the most bytes without meaning that are skipped before a
// marker. T.81 has none, some encoders write a few; more are lost data.
const maxPadding = 16

// errEnd is the end of the data where a marker should be.
var errEnd = fmt.Errorf("%w: it ends too early", ErrFormat)

// isFrame reports whether m starts a frame, of whatever process.
func isFrame(m byte) bool {
	if m == markSOF55 || m == markDHP {
		return true
	}
	return m >= markSOF0 && m <= markSOF15 && m != markDHT && m != markJPG && m != markDAC
}

// segments reads an image's segments in turn.
type segments struct {
	data []byte
	at   int // the next byte
}

// open reads the start of the image.
func (s *segments) open() error {
	if len(s.data) < 2 || s.data[0] != 0xff || s.data[1] != markSOI {
		return fmt.Errorf("%w: no SOI marker at its start", ErrFormat)
	}
	s.at = 2
	return nil
}

// next returns the next marker and the body of its segment. Markers without
// meaning outside a scan are passed over. errEnd if no marker is left.
func (s *segments) next() (m byte, body []byte, err error) {
	for m == markTEM || m >= markRST0 && m <= markRST7 || m == 0 {
		if m, err = s.marker(); err != nil {
			return 0, nil, err
		}
	}
	if m == markEOI {
		return m, nil, nil
	}
	if m == markSOI {
		return 0, nil, fmt.Errorf("%w: a second SOI marker", ErrFormat)
	}
	left := s.data[s.at:]
	if len(left) < 2 {
		return 0, nil, fmt.Errorf("%w: it ends within segment %#02x", ErrFormat, m)
	}
	size := int(binary.BigEndian.Uint16(left))
	if size < 2 || size > len(left) {
		return 0, nil, fmt.Errorf("%w: segment %#02x of %d bytes where %d are left", ErrFormat, m, size, len(left))
	}
	s.at += size
	return m, left[2:size], nil
}

// marker returns the next marker, which any number of 0xff may precede and
// maxPadding other bytes.
func (s *segments) marker() (byte, error) {
	for range maxPadding + 1 {
		fill := s.at
		for s.at < len(s.data) && s.data[s.at] == 0xff {
			s.at++
		}
		if s.at == len(s.data) {
			return 0, errEnd
		}
		m, isMarker := s.data[s.at], s.at > fill
		s.at++
		if isMarker && m != 0 {
			return m, nil
		}
	}
	return 0, fmt.Errorf("%w: no marker before byte %d", ErrFormat, s.at)
}
