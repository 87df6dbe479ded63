package dicom

import (
	"encoding/binary"
	"fmt"

	"nearcase/embed/dicom/dataset"
)

// Tags of the palettes for red; green's and blue's follow (PS3.3 C.7.6.3.1.5).
const (
	tagPaletteDescriptor dataset.Tag = 0x0028_1101
	tagPaletteData       dataset.Tag = 0x0028_1201
	tagSegmentedData     dataset.Tag = 0x0028_1221
)

// lookUp renders a frame in PALETTE COLOR. Values beyond a table take its first
// or its last entry.
func (f *File) lookUp(p *Picture, s *Stored) error {
	for c := range 3 {
		table, err := readPalette(f.file.Set, dataset.Tag(c), s.Signed)
		if err != nil {
			return err
		}
		shift := max(table.bits-8, 0)
		for i, v := range s.Values {
			p.Pix[3*i+c] = byte(min(table.at(s.value(v))>>shift, white))
		}
	}
	return nil
}

// readPalette reads the table of a colour: 0 red, 1 green, 2 blue.
func readPalette(s *dataset.Set, colour dataset.Tag, signed bool) (*lut, error) {
	d, err := describeLUT(s, tagPaletteDescriptor+colour, signed)
	if err != nil {
		return nil, err
	}
	if s.FindBinary(tagPaletteData+colour) != nil {
		return readLUT(s, tagPaletteData+colour, d)
	}
	e := s.FindBinary(tagSegmentedData + colour)
	if e == nil {
		return nil, fmt.Errorf("%w: palette without data %v", ErrCorrupt, tagPaletteData+colour)
	}
	r := segments{d: d, data: e.Value, order: byteOrder(s)}
	if d.bits == 8 && r.order == binary.BigEndian && e.VR != "OB" {
		r.data, r.order = unswapped(e.Value, 0, len(e.Value)), binary.LittleEndian
	}
	return r.expand()
}

// segments is a segmented palette (PS3.3 C.7.9.2): pieces of a table that are
// listed, interpolated, or copied from before.
type segments struct {
	d     descriptor
	data  []byte
	order binary.ByteOrder
	out   []uint16
}

// Kinds of segment.
const (
	discrete = 0
	straight = 1
	indirect = 2
)

func (r *segments) expand() (*lut, error) {
	at := 0
	for len(r.out) < r.d.entries && at < len(r.data) {
		next, err := r.segment(at, true)
		if err != nil {
			return nil, fmt.Errorf("segmented palette, byte %d: %w", at, err)
		}
		at = next
	}
	if len(r.out) < r.d.entries {
		return nil, fmt.Errorf("%w: segmented palette of %d entries, want %d", ErrCorrupt, len(r.out), r.d.entries)
	}
	return &lut{r.d.first, r.d.bits, r.out[:r.d.entries]}, nil
}

// word returns the number at a byte and the byte after it. Numbers have as many
// bits as entries: 8, or a word.
func (r *segments) word(at int) (v, next int, err error) {
	next = at + 2
	if r.d.bits == 8 {
		next = at + 1
	}
	if at < 0 || next > len(r.data) {
		return 0, 0, fmt.Errorf("%w: it ends within a segment", ErrCorrupt)
	}
	if r.d.bits == 8 {
		return int(r.data[at]), next, nil
	}
	return int(r.order.Uint16(r.data[at:])), next, nil
}

// segment appends the entries of the segment at a byte and returns the byte
// after it. Only a segment of the table itself may copy others.
func (r *segments) segment(at int, own bool) (int, error) {
	kind, at, err := r.word(at)
	if err != nil {
		return 0, err
	}
	count, at, err := r.word(at)
	switch {
	case err != nil:
		return 0, err
	case count == 0:
		return 0, fmt.Errorf("%w: empty segment", ErrCorrupt)
	case kind == discrete:
		return r.list(at, count)
	case kind == straight && len(r.out) > 0:
		return r.line(at, count)
	case kind == indirect && own:
		return r.again(at, count)
	}
	return 0, fmt.Errorf("%w: segment of kind %d after %d entries", ErrCorrupt, kind, len(r.out))
}

func (r *segments) list(at, count int) (int, error) {
	for range count {
		v, next, err := r.word(at)
		if err != nil {
			return 0, err
		}
		r.out, at = append(r.out, uint16(v)), next
	}
	return at, nil
}

// line appends count entries from the last, which it leaves out, straight to
// one that it includes, each to the nearest integer and halves up.
func (r *segments) line(at, count int) (int, error) {
	to, next, err := r.word(at)
	if err != nil {
		return 0, err
	}
	from := int(r.out[len(r.out)-1])
	for i := 1; i <= count; i++ {
		v := (2*(from*(count-i)+to*i) + count) / (2 * count)
		r.out = append(r.out, uint16(v))
	}
	return next, nil
}

// again appends count segments once more that start at a byte offset, whose
// lower half comes first.
func (r *segments) again(at, count int) (int, error) {
	offset, shift := 0, 0
	for shift < 32 {
		v, next, err := r.word(at)
		if err != nil {
			return 0, err
		}
		offset |= v << shift
		shift, at = shift+8*(next-at), next
	}
	for range count {
		if len(r.out) >= r.d.entries {
			break
		}
		next, err := r.segment(offset, false)
		if err != nil {
			return 0, err
		}
		offset = next
	}
	return at, nil
}
