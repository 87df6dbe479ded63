package dicom

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// header is what a compressed stream says of itself before it is decoded.
type header struct {
	width, height, components, precision int
	colour                               string // rgb or ybrFull where the stream says which, or ""
}

// agrees checks that the stream is of the file's size, so that a decoder never
// allocates for anything else.
func (h header) agrees(m *format) error {
	if h.width != m.columns || h.height != m.rows || h.components != m.samples {
		return fmt.Errorf("%w: the stream has %d x %d pixels of %d samples, the file says %d x %d of %d",
			ErrCorrupt, h.width, h.height, h.components, m.columns, m.rows, m.samples)
	}
	return nil
}

// Markers of JPEG (T.81, table B.1) and of JPEG-LS (T.87).
const (
	markSOF0  = 0xc0
	markDHT   = 0xc4
	markJPG   = 0xc8
	markDAC   = 0xcc
	markSOF15 = 0xcf
	markAPP14 = 0xee
	markSOF55 = 0xf7
)

// errHeader is a stream that ends, or is no stream, before its size is known.
var errHeader = fmt.Errorf("%w: a stream without a frame header", ErrCorrupt)

// jpegHeader reads a JPEG or JPEG-LS stream up to its frame header.
func jpegHeader(data []byte) (header, error) {
	if len(data) < 2 || data[0] != 0xff || data[1] != 0xd8 {
		return header{}, errHeader
	}
	adobe := ""
	for at := 2; at+4 <= len(data); {
		if data[at] != 0xff {
			return header{}, errHeader
		}
		mark := data[at+1]
		if mark == 0xff { // a fill byte
			at++
			continue
		}
		end := at + 2 + int(binary.BigEndian.Uint16(data[at+2:]))
		if end > len(data) || end < at+4 {
			return header{}, errHeader
		}
		body := data[at+4 : end]
		if mark == markAPP14 {
			adobe = adobeColour(body)
		}
		if isFrame(mark) {
			return frameHeader(body, adobe)
		}
		at = end
	}
	return header{}, errHeader
}

func isFrame(m byte) bool {
	return m == markSOF55 || m >= markSOF0 && m <= markSOF15 && m != markDHT && m != markJPG && m != markDAC
}

// frameHeader reads the body of a frame header (T.81 B.2.2). Components named
// R, G and B are what their names say.
func frameHeader(body []byte, colour string) (header, error) {
	if len(body) < 6 || len(body) < 6+3*int(body[5]) {
		return header{}, errHeader
	}
	h := header{
		precision:  int(body[0]),
		height:     int(binary.BigEndian.Uint16(body[1:])),
		width:      int(binary.BigEndian.Uint16(body[3:])),
		components: int(body[5]),
		colour:     colour,
	}
	if h.components == 3 && colour == "" && body[6] == 'R' && body[9] == 'G' && body[12] == 'B' {
		h.colour = rgb
	}
	return h, nil
}

// adobeColour returns what an APP14 segment says of the colours of three
// components. One that is too short says nothing.
func adobeColour(body []byte) string {
	if len(body) < 12 || !strings.HasPrefix(string(body[:5]), "Adobe") {
		return ""
	}
	switch body[11] {
	case 0:
		return rgb
	case 1:
		return ybrFull
	}
	return ""
}

const (
	jp2Signature = "\x00\x00\x00\x0cjP  \r\n\x87\n"
	markSIZ      = 0x51
	markCOD      = 0x52
	markSOT      = 0x90
)

// codestream returns the JPEG 2000 codestream in data: all of it, or the
// contents of a JP2 file's first such box (T.800 Annex I).
func codestream(data []byte) ([]byte, error) {
	if !strings.HasPrefix(string(data[:min(len(data), len(jp2Signature))]), jp2Signature) {
		return data, nil
	}
	for len(data) >= 8 {
		size, header := uint64(binary.BigEndian.Uint32(data)), uint64(8)
		switch {
		case size == 0:
			size = uint64(len(data))
		case size == 1 && len(data) >= 16:
			size, header = binary.BigEndian.Uint64(data[8:]), 16
		}
		if size < header || size > uint64(len(data)) {
			return nil, errHeader
		}
		if string(data[4:8]) == "jp2c" {
			return data[header:size], nil
		}
		data = data[size:]
	}
	return nil, errHeader
}

// jpeg2000Header reads a codestream's main header (T.800 Annex A). The stream
// says that its colours are RGB where it uses a component transform, which
// decoding undoes.
func jpeg2000Header(data []byte) (header, error) {
	data, err := codestream(data)
	if err != nil {
		return header{}, err
	}
	if len(data) < 4 || string(data[:4]) != "\xff\x4f\xff\x51" {
		return header{}, errHeader
	}
	var h header
	for at := 2; at+4 <= len(data) && data[at] == 0xff && data[at+1] != markSOT; {
		end := at + 2 + int(binary.BigEndian.Uint16(data[at+2:]))
		if end > len(data) || end < at+4 {
			return header{}, errHeader
		}
		switch body := data[at+4 : end]; {
		case data[at+1] == markSIZ && len(body) >= 37:
			h = sizeHeader(body)
		case data[at+1] == markCOD && len(body) >= 5 && body[4] == 1:
			h.colour = rgb
		}
		at = end
	}
	if h.width <= 0 || h.height <= 0 {
		return header{}, errHeader
	}
	return h, nil
}

// sizeHeader reads the body of a SIZ segment (T.800 A.5.1).
func sizeHeader(body []byte) header {
	number := func(at int) int { return int(binary.BigEndian.Uint32(body[at:])) }
	return header{
		width: number(2) - number(10), height: number(6) - number(14),
		components: int(binary.BigEndian.Uint16(body[34:])), precision: int(body[36]&0x7f) + 1,
	}
}
