package native

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Markers of JPEG-LS (T.87, C.1.1).
const (
	markSOI   = 0xd8
	markEOI   = 0xd9
	markSOS   = 0xda
	markSOF55 = 0xf7
	markLSE   = 0xf8
)

// jpegls is what the headers of a stream say.
type jpegls struct {
	width, height int
	components    int
	precision     int
	planar        bool // a scan for each component
	scans         int
}

// parseJPEGLS reads all headers of a stream.
func parseJPEGLS(data []byte, l Limits) (jpegls, error) {
	var h jpegls
	if !bytes.HasPrefix(data, []byte{0xff, markSOI}) {
		return h, fmt.Errorf("%w: no SOI marker at its start", ErrCorrupt)
	}
	for at := 2; ; {
		m, body, next, err := segment(data, at)
		if err != nil {
			return h, err
		}
		if m == markEOI {
			return h, h.complete()
		}
		if err := h.take(m, body, l); err != nil {
			return h, err
		}
		if at = next; m == markSOS {
			at = skipScan(data, at)
		}
	}
}

// segment returns the marker segment at data[at:] and the position after it.
func segment(data []byte, at int) (m byte, body []byte, next int, err error) {
	for at+1 < len(data) && data[at] == 0xff && data[at+1] == 0xff {
		at++
	}
	if at+2 > len(data) {
		return 0, nil, 0, fmt.Errorf("%w: it ends without EOI", ErrCorrupt)
	}
	if m = data[at+1]; data[at] != 0xff || m < 0x80 {
		return 0, nil, 0, fmt.Errorf("%w: no marker at byte %d", ErrCorrupt, at)
	}
	if at += 2; m == markEOI {
		return m, nil, at, nil
	}
	if at+2 > len(data) {
		return 0, nil, 0, fmt.Errorf("%w: it ends within segment %#02x", ErrCorrupt, m)
	}
	size := int(binary.BigEndian.Uint16(data[at:]))
	if size < 2 || size > len(data)-at {
		return 0, nil, 0, fmt.Errorf("%w: segment %#02x of %d bytes where %d are left", ErrCorrupt, m, size, len(data)-at)
	}
	return m, data[at+2 : at+size], at + size, nil
}

// skipScan returns the position of the next marker, less those of restarts. In a
// scan, 0xff is followed by a bit 0 (T.87, A.1).
func skipScan(data []byte, at int) int {
	for {
		i := bytes.IndexByte(data[at:], 0xff)
		if i < 0 || at+i+1 >= len(data) {
			return len(data)
		}
		if m := data[at+i+1]; m >= 0x80 && m != 0xff && m&^7 != 0xd0 {
			return at + i
		}
		at += i + 1
	}
}

// take takes in a segment that is not EOI.
func (h *jpegls) take(m byte, body []byte, l Limits) error {
	switch {
	case m == markSOF55:
		return h.frame(body, l)
	case m == markSOS:
		return h.scan(body)
	case m == markLSE:
		return h.parameters(body)
	case m >= 0xc0 && m <= 0xcf:
		return fmt.Errorf("%w: marker %#02x of another JPEG", ErrUnsupported, m)
	case m == markSOI:
		return fmt.Errorf("%w: a second SOI marker", ErrCorrupt)
	}
	return nil
}

// frame reads the frame header (T.87, C.2.2).
func (h *jpegls) frame(body []byte, l Limits) error {
	if h.width > 0 {
		return fmt.Errorf("%w: a second frame", ErrCorrupt)
	}
	if len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return fmt.Errorf("%w: a frame header of %d bytes", ErrCorrupt, len(body))
	}
	h.precision, h.components = int(body[0]), int(body[5])
	h.height, h.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	switch {
	case h.precision < 2 || h.precision > 16:
		return fmt.Errorf("%w: a precision of %d bits", ErrCorrupt, h.precision)
	case h.width == 0 || h.height == 0:
		return fmt.Errorf("%w: %d x %d pixels, a size that comes later or never", ErrUnsupported, h.width, h.height)
	case h.components != 1 && h.components != 3 && h.components != 4:
		return fmt.Errorf("%w: %d components", ErrUnsupported, h.components)
	}
	for c := body[6:]; len(c) > 0; c = c[3:] {
		if c[1] != 0x11 {
			return fmt.Errorf("%w: sampling factors %#02x", ErrUnsupported, c[1])
		}
	}
	return l.check(int64(h.width), int64(h.height), int64(h.components))
}

// scan reads a scan header (T.87, C.2.3).
func (h *jpegls) scan(body []byte) error {
	if h.width == 0 {
		return fmt.Errorf("%w: a scan before the frame", ErrCorrupt)
	}
	if len(body) < 4 || len(body) != 4+2*int(body[0]) {
		return fmt.Errorf("%w: a scan header of %d bytes", ErrCorrupt, len(body))
	}
	n := int(body[0])
	near, interleave, shift := int(body[2*n+1]), body[2*n+2], body[2*n+3]
	switch planar := interleave == 0; {
	case interleave > 2 || near > min(255, (1<<h.precision-1)/2):
		return fmt.Errorf("%w: interleave mode %d, near %d", ErrCorrupt, interleave, near)
	case planar && n != 1 || !planar && n != h.components:
		return fmt.Errorf("%w: interleave mode %d of %d components in %d", ErrUnsupported, interleave, n, h.components)
	case shift != 0:
		return fmt.Errorf("%w: a point transform", ErrUnsupported)
	case h.scans > 0 && (!planar || h.scans == h.components):
		return fmt.Errorf("%w: more scans than components", ErrCorrupt)
	default:
		h.planar = planar
	}
	for c := body[1 : 1+2*n]; len(c) > 0; c = c[2:] {
		if c[1] != 0 {
			return fmt.Errorf("%w: a mapping table", ErrUnsupported)
		}
	}
	h.scans++
	return nil
}

// parameters reads preset parameters (T.87, C.2.4). Zeros stand for defaults,
// which the library works out.
func (h *jpegls) parameters(body []byte) error {
	if len(body) < 1 {
		return fmt.Errorf("%w: an LSE segment of %d bytes", ErrCorrupt, len(body))
	}
	switch id := body[0]; {
	case id == 1 && len(body) != 11:
		return fmt.Errorf("%w: preset parameters of %d bytes", ErrCorrupt, len(body))
	case id == 1 && h.width > 0 && int(binary.BigEndian.Uint16(body[1:])) >= 1<<h.precision:
		return fmt.Errorf("%w: a largest value of %d in %d bits", ErrCorrupt, binary.BigEndian.Uint16(body[1:]), h.precision)
	case id != 1:
		return fmt.Errorf("%w: an LSE segment of type %d", ErrUnsupported, id)
	}
	return nil
}

// complete reports what is missing at EOI.
func (h *jpegls) complete() error {
	want := 1
	if h.planar {
		want = h.components
	}
	if h.width == 0 || h.scans != want {
		return fmt.Errorf("%w: it ends after %d scans of %d", ErrCorrupt, h.scans, want)
	}
	return nil
}

// image returns the image of a library's samples: of 8 or 16 bits in the
// machine's order, by components if planar.
func (h *jpegls) image(samples []byte) *Image {
	pixels, n := h.width*h.height, h.components
	img := &Image{Width: h.width, Height: h.height, Components: n, Precision: h.precision, Values: make([]int32, pixels*n)}
	for i := range img.Values {
		from := i
		if h.planar {
			from = i%n*pixels + i/n
		}
		if h.precision > 8 {
			img.Values[i] = int32(binary.NativeEndian.Uint16(samples[2*from:]))
		} else {
			img.Values[i] = int32(samples[from])
		}
	}
	return img
}
