package dicom

import (
	"encoding/binary"
	"fmt"

	"nearcase/embed/dicom/dataset"
)

// implicitMixed is GE's private syntax: little endian with big endian pixels.
const implicitMixed = "1.2.840.113619.5.2"

// uncompressed is native pixel data (PS3.5 8.1.1 and A.1 to A.3): the frames'
// pixel cells, one after the other without padding.
type uncompressed struct {
	data    []byte
	order   binary.ByteOrder
	swapped bool // bytes are swapped in pairs: 8 bits in big endian words
	size    int  // bits of a frame
}

// openNative returns the pixel data of a syntax without encapsulation.
func openNative(f *dataset.File, e *dataset.Element, m *format) (source, error) {
	u, err := newUncompressed(m, e.Value)
	if err != nil {
		return nil, err
	}
	if big := f.Set.Order == binary.BigEndian || f.Syntax == implicitMixed; big {
		u.order, u.swapped = binary.BigEndian, m.allocated <= 8 && e.VR == "OW"
	}
	return u, nil
}

// newUncompressed returns little endian data of m's format, which must have an
// uncompressed form.
func newUncompressed(m *format, data []byte) (*uncompressed, error) {
	if m.photometric == ybrICT || m.photometric == ybrRCT {
		return nil, fmt.Errorf("%w: %s in uncompressed pixel data", ErrUnsupported, m.photometric)
	}
	if m.photometric == ybrFull422 && (m.allocated != 8 || m.planar || m.columns%2 != 0) {
		return nil, fmt.Errorf("%w: %s of %d columns, %d bits allocated, planar %t, want an even number, 8 and false",
			ErrCorrupt, m.photometric, m.columns, m.allocated, m.planar)
	}
	return &uncompressed{data: data, order: binary.LittleEndian, size: m.bits()}, nil
}

// bits returns the bits of an uncompressed frame.
func (m *format) bits() int {
	if m.photometric == ybrFull422 {
		return m.pixels() * 16 // two luminances, then one pair of differences
	}
	return m.values() * m.allocated
}

func (u *uncompressed) frames() int { return len(u.data) * 8 / u.size }

func (u *uncompressed) stored(m *format, frame int) (*Stored, error) {
	first := frame * u.size
	if m.allocated == 1 {
		return m.frame(u.unpackBits(m, first)), nil
	}
	data := u.data[first/8 : (first+u.size)/8]
	if u.swapped {
		data = unswapped(u.data, first/8, u.size/8)
	}
	if m.photometric == ybrFull422 {
		return m.frame(unpack422(m, data)), nil
	}
	return m.frame(m.interleaved(m.unpack(data, u.order))), nil
}

// unpackBits unpacks cells of one bit, the first in the lowest bit of a byte.
// A frame may start within a byte.
func (u *uncompressed) unpackBits(m *format, first int) []int32 {
	flip := 0
	if u.swapped {
		flip = 1
	}
	out := make([]int32, m.values())
	for i := range out {
		at := (first + i) / 8
		if other := at ^ flip; other < len(u.data) {
			at = other
		}
		out[i] = m.cell(uint32(u.data[at] >> ((first + i) % 8) & 1))
	}
	return m.interleaved(out)
}

// unswapped returns count bytes of data whose pairs are swapped.
func unswapped(data []byte, first, count int) []byte {
	out := make([]byte, count)
	for i := range out {
		at := (first + i) ^ 1
		if at >= len(data) {
			at = first + i
		}
		out[i] = data[at]
	}
	return out
}

// unpack returns the values of whole cells in the order that they are in.
func (m *format) unpack(data []byte, order binary.ByteOrder) []int32 {
	out := make([]int32, m.values())
	switch m.allocated {
	case 8:
		for i := range out {
			out[i] = m.cell(uint32(data[i]))
		}
	case 16:
		m.unpack16(out, data, order)
	case 32:
		for i := range out {
			out[i] = m.cell(order.Uint32(data[4*i:]))
		}
	}
	return out
}

// unpack16 has a loop of its own for little endian, in which large images come.
func (m *format) unpack16(out []int32, data []byte, order binary.ByteOrder) {
	if order == binary.BigEndian {
		for i := range out {
			out[i] = m.cell(uint32(binary.BigEndian.Uint16(data[2*i:])))
		}
		return
	}
	high, bits, signed := m.high, m.stored, m.signed
	for i := range out {
		out[i] = extract(uint32(binary.LittleEndian.Uint16(data[2*i:])), high, bits, signed)
	}
}

// interleaved turns values by plane into values by pixel where the file says
// that they are by plane.
func (m *format) interleaved(values []int32) []int32 {
	if !m.planar || m.samples == 1 {
		return values
	}
	n := m.pixels()
	out := make([]int32, len(values))
	for i := range n {
		for s := range m.samples {
			out[i*m.samples+s] = values[s*n+i]
		}
	}
	return out
}

// unpack422 repeats the colour differences that two neighbours share
// (PS3.3 C.7.6.3.1.2).
func unpack422(m *format, data []byte) []int32 {
	out := make([]int32, m.values())
	for i := 0; i < len(data)/4; i++ {
		from, to := data[4*i:4*i+4], out[6*i:6*i+6]
		for k, at := range [6]int{0, 2, 3, 1, 2, 3} {
			to[k] = m.cell(uint32(from[at]))
		}
	}
	return out
}
