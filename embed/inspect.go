package embed

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/image/bmp"

	"nearcase/embed/jpeg"
)

// deflateRatio is the most bytes that one byte of a deflate stream yields.
const deflateRatio = 1032

func inspectPNG(data []byte, l Limits) (header, error) {
	const end = 8 + 8 + 13 // signature, chunk header, IHDR
	if len(data) < end || string(data[12:16]) != "IHDR" {
		return header{}, fmt.Errorf("%w: no IHDR chunk", ErrCorrupt)
	}
	w, h := binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
	if err := l.size(int(w), int(h)); err != nil {
		return header{}, err
	}
	samples := [8]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[data[25]&7] // by colour type
	if raw := int64(h) * ((int64(w)*samples*int64(data[24]) + 7) / 8); raw > deflateRatio*int64(len(data)) {
		return header{}, fmt.Errorf("%w: %d bytes cannot hold %d x %d pixels", ErrCorrupt, len(data), w, h)
	}
	return header{int(w), int(h), orientationPNG(data)}, nil
}

// orientationPNG returns what the eXIf chunk says, wherever it stands
// (PNG third edition, 11.3.3.5).
func orientationPNG(data []byte) int {
	for at := 8; at+8 <= len(data); {
		size := int64(binary.BigEndian.Uint32(data[at:]))
		name, body := string(data[at+4:at+8]), data[at+8:]
		if size+4 > int64(len(body)) {
			break
		}
		if name == "eXIf" {
			return orientation(body[:size])
		}
		at += 8 + int(size) + 4
	}
	return 1
}

// inspectJPEG leaves it to the decoder to weigh the size against the bytes.
func inspectJPEG(data []byte, l Limits) (header, error) {
	width, height, err := jpeg.Size(data)
	if err != nil {
		return header{}, verdict(err)
	}
	if err := l.size(width, height); err != nil {
		return header{}, err
	}
	return header{width, height, orientationJPEG(data)}, nil
}

// orientationJPEG returns what the first Exif segment before the pixels says
// (Exif 2.32, 4.7.2).
func orientationJPEG(data []byte) int {
	const (
		eoi, sos, app1 = 0xd9, 0xda, 0xe1
		exif           = "Exif\x00\x00"
	)
	for at := 2; ; {
		next, marker := nextMarker(data, at)
		at = next
		if at+2 > len(data) || marker == sos || marker == eoi {
			return 1
		}
		body := data[at:]
		body = body[:min(len(body), int(binary.BigEndian.Uint16(body)))]
		if marker == app1 && len(body) > 8 && string(body[2:8]) == exif {
			return orientation(body[8:])
		}
		at += len(body)
	}
}

// nextMarker returns the first marker at or after at that starts a segment or
// ends the image, and the position after it, or len(data) where none is left.
func nextMarker(data []byte, at int) (next int, marker byte) {
	for at < len(data) {
		i := bytes.IndexByte(data[at:], 0xff)
		if i < 0 || at+i+1 >= len(data) {
			break
		}
		at += i + 1
		m := data[at]
		if m == 0xff {
			continue // fill
		}
		at++
		if m != 0 && m != 0x01 && (m < 0xd0 || m > 0xd8) {
			return at, m
		}
	}
	return len(data), 0
}

func inspectBMP(data []byte, l Limits) (header, error) {
	config, err := guarded(func(r io.Reader) ([2]int, error) {
		c, err := bmp.DecodeConfig(r)
		return [2]int{c.Width, c.Height}, err
	}, data)
	if err != nil {
		return header{}, err
	}
	h := header{config[0], config[1], 1}
	if err := l.size(h.width, h.height); err != nil {
		return header{}, err
	}
	// The decoder takes only uncompressed pixels, so the size says how many
	// bytes there must be. The bits per pixel stand at byte 28.
	bits := int64(binary.LittleEndian.Uint16(data[28:]))
	if need := int64(h.height) * ((int64(h.width)*bits + 31) / 32 * 4); need > int64(len(data)) {
		return header{}, fmt.Errorf("%w: %d bytes, its pixels alone take %d", ErrCorrupt, len(data), need)
	}
	return h, nil
}

// inspectWebP checks every chunk that the decoder would allocate for: it
// believes the lengths and sizes that it reads, and its DecodeConfig reports
// the canvas, which need not be the size of the image inside.
// See RFC 9649 for the container, section 9.1 of RFC 6386 for VP8.
func inspectWebP(data []byte, l Limits) (header, error) {
	h := header{orientation: 1}
	size := int64(binary.LittleEndian.Uint32(data[4:])) + 8
	if size > int64(len(data)) {
		return h, fmt.Errorf("%w: %d bytes, its header says %d", ErrCorrupt, len(data), size)
	}
	for data = data[min(12, size):size]; len(data) >= 8; {
		name, length := string(data[:4]), int64(binary.LittleEndian.Uint32(data[4:]))
		if length > int64(len(data)-8) {
			return h, fmt.Errorf("%w: a %q chunk of %d bytes where %d are left", ErrCorrupt, name, length, len(data)-8)
		}
		body := data[8 : 8+length]
		data = data[min(8+length+length&1, int64(len(data))):]
		if err := h.chunkWebP(name, body, l); err != nil {
			return h, err
		}
	}
	return h, l.size(h.width, h.height)
}

// chunkWebP takes one chunk's size or orientation into h.
func (h *header) chunkWebP(name string, body []byte, l Limits) error {
	var w, ht int
	switch {
	case name == "EXIF":
		h.orientation = orientation(bytes.TrimPrefix(body, []byte("Exif\x00\x00")))
		return nil
	case name == "VP8X" && len(body) == 10:
		if body[0]&2 != 0 {
			return fmt.Errorf("%w: animation", ErrUnsupported)
		}
		w = 1 + (int(body[4]) | int(body[5])<<8 | int(body[6])<<16)
		ht = 1 + (int(body[7]) | int(body[8])<<8 | int(body[9])<<16)
	case name == "VP8L" && len(body) >= 5:
		bits := int(binary.LittleEndian.Uint32(body[1:]))
		w, ht = 1+bits&0x3fff, 1+bits>>14&0x3fff
	case name == "VP8 " && len(body) >= 10:
		w = int(binary.LittleEndian.Uint16(body[6:])) & 0x3fff
		ht = int(binary.LittleEndian.Uint16(body[8:])) & 0x3fff
	case name == "VP8X", name == "VP8L", name == "VP8 ":
		return fmt.Errorf("%w: a %q chunk of %d bytes", ErrCorrupt, name, len(body))
	default:
		return nil
	}
	if h.width != 0 && (h.width != w || h.height != ht) {
		return fmt.Errorf("%w: it says both %d x %d and %d x %d pixels", ErrCorrupt, h.width, h.height, w, ht)
	}
	h.width, h.height = w, ht
	return l.size(w, ht)
}
