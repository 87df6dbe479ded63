package jpeg

import (
	"encoding/binary"
	"fmt"
)

// tables is what segments define for the frames and scans after them.
type tables struct {
	quant    [4]*[64]uint16 // in zigzag order
	dc, ac   [4]*huffman
	interval int // MCUs between restarts, 0 for none
	jfif     bool
	adobe    adobe
}

// adobe is the colour transform of an Adobe segment.
type adobe int

const (
	adobeAbsent adobe = iota
	adobeNone         // 0: RGB or CMYK
	adobeOther        // YCbCr, YCCK or nothing known, which libjpeg takes for them
)

// define takes in the segment of marker m, if it matters.
func (t *tables) define(m byte, body []byte) error {
	switch m {
	case markDQT:
		return t.quantisation(body)
	case markDHT:
		return t.huffman(body)
	case markDRI:
		if len(body) != 2 {
			return fmt.Errorf("%w: a restart interval of %d bytes", ErrFormat, len(body))
		}
		t.interval = int(binary.BigEndian.Uint16(body))
	case markAPP0:
		t.jfif = t.jfif || len(body) >= 14 && string(body[:5]) == "JFIF\x00"
	case markAPP14:
		if len(body) >= 12 && string(body[:5]) == "Adobe" {
			t.adobe = adobeOther
			if body[11] == 0 {
				t.adobe = adobeNone
			}
		}
	case markSOS:
		return fmt.Errorf("%w: a scan before the frame", ErrFormat)
	}
	return nil
}

// quantisation reads tables of 8 or 16 bits (B.2.4.1).
func (t *tables) quantisation(body []byte) error {
	for len(body) > 0 {
		id, size := body[0]&15, 1+int(body[0]>>4)
		if id > 3 || size > 2 || len(body) < 1+64*size {
			return fmt.Errorf("%w: a quantisation table %#02x of %d bytes", ErrFormat, body[0], len(body)-1)
		}
		table := new([64]uint16)
		for k := range table {
			table[k] = uint16(body[1+k])
			if size == 2 {
				table[k] = binary.BigEndian.Uint16(body[1+2*k:])
			}
		}
		t.quant[id] = table
		body = body[1+64*size:]
	}
	return nil
}

// huffman reads tables of codes (B.2.4.2).
func (t *tables) huffman(body []byte) error {
	for len(body) > 0 {
		if len(body) < 17 || body[0]&^0x13 != 0 {
			return fmt.Errorf("%w: a Huffman table %#02x of %d bytes", ErrFormat, body[0], len(body)-1)
		}
		class := &t.dc
		if body[0]&0x10 != 0 {
			class = &t.ac
		}
		h := &class[body[0]&3]
		if *h == nil {
			*h = new(huffman)
		}
		n, err := (*h).define(body[1:])
		if err != nil {
			return err
		}
		body = body[1+n:]
	}
	return nil
}
