package embed

import (
	"bytes"
	"encoding/binary"
	"fmt"

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
			return orientationEXIF(body[:size])
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
			return orientationEXIF(body[8:])
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
