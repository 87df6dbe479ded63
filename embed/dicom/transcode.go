package dicom

import (
	"encoding/binary"
	"fmt"
	"math"

	"nearcase/embed/dicom/dataset"
)

// ExplicitLittle is the syntax that everybody reads: explicit VR little endian,
// uncompressed (PS3.5 A.2).
const ExplicitLittle = base + ".1"

// IsReadable reports whether pixels of a transfer syntax can be decoded, given the
// libraries that some need.
func IsReadable(syntax string) bool {
	decode, encapsulated := decoderOf(syntax)
	return decode != nil || !encapsulated
}

// Syntax returns the transfer syntax of the file.
func (f *File) Syntax() string { return f.file.Syntax }

// Set returns the file's data set, which must not be changed.
func (f *File) Set() *dataset.Set { return f.file.Set }

// IsEncapsulated reports whether the pixel data are streams, one or more for
// each frame, and not pixel cells.
func (f *File) IsEncapsulated() bool {
	_, ok := f.source.(*compressed)
	return ok
}

// Encoded returns a frame, 0-based, as the file has it: the stream of
// encapsulated pixel data, or pixel cells in little endian. Errors are
// ErrNoImage and ErrCorrupt.
func (f *File) Encoded(frame int) ([]byte, error) {
	if f.source == nil || frame < 0 || frame >= f.Frames() {
		return f.Native(frame) // which says what is wrong
	}
	switch source := f.source.(type) {
	case *compressed:
		return joined(source.parts[frame]), nil
	case *uncompressed:
		if f.format.allocated > 1 {
			return source.frame(&f.format, frame), nil
		}
	}
	return f.Native(frame)
}

// frame returns the cells of a frame, of whole bytes, in little endian.
func (u *uncompressed) frame(m *format, frame int) []byte {
	first, n := frame*u.size/8, u.size/8
	switch {
	case u.swapped:
		return unswapped(u.data, first, n)
	case u.order == binary.BigEndian:
		return dataset.Reversed(u.data[first:first+n], m.allocated/8)
	}
	return u.data[first : first+n]
}

// Native returns a frame, 0-based, as pixel cells in explicit VR little endian,
// by pixel where there are several samples of each. Errors are those of Stored.
func (f *File) Native(frame int) ([]byte, error) {
	s, err := f.Stored(frame)
	if err != nil {
		return nil, err
	}
	return s.cells(f.cell(s)), nil
}

// cell returns the bits that a pixel cell of these values takes: those that the
// file allocates, unless the stream has more.
func (f *File) cell(s *Stored) int {
	for _, bits := range []int{8, 16} {
		if s.Bits <= bits && f.format.allocated <= bits {
			if f.format.allocated == 1 {
				return 1
			}
			return bits
		}
	}
	return 32
}

// cells packs values into cells, low bits first where a cell is one bit.
func (s *Stored) cells(bits int) []byte {
	out := make([]byte, 0, (len(s.Values)*bits+7)/8)
	switch bits {
	case 1:
		out = out[:cap(out)]
		for i, v := range s.Values {
			out[i/8] |= byte(v&1) << (i % 8)
		}
	case 8:
		for _, v := range s.Values {
			out = append(out, byte(v))
		}
	case 16:
		for _, v := range s.Values {
			out = binary.LittleEndian.AppendUint16(out, uint16(v))
		}
	default:
		for _, v := range s.Values {
			out = binary.LittleEndian.AppendUint32(out, uint32(v))
		}
	}
	return out
}

// Explicit returns the file in explicit VR little endian. Encapsulated frames
// are decoded, and the attributes that describe pixels are set by what they
// decoded to; native ones are copied. ErrTooLarge is a file whose pixels would
// take more than limit bytes. Other errors are those of Stored.
func (f *File) Explicit(limit int64) ([]byte, error) {
	set := f.file.Set.Little()
	var err error
	switch source := f.source.(type) {
	case *compressed:
		set, err = f.decoded(set, limit)
	case *uncompressed:
		set = set.With([]dataset.Element{source.pixels(&f.format)})
	}
	if err != nil {
		return nil, fmt.Errorf("dicom: decompress: %w", err)
	}
	out := &dataset.File{Syntax: ExplicitLittle, Meta: f.file.Meta, Set: set}
	return out.Bytes()
}

// pixels returns native pixel data in little endian. Bytes are OB, so that no
// order applies to them.
func (u *uncompressed) pixels(m *format) dataset.Element {
	e := dataset.Element{Tag: tagPixels, VR: "OW", Value: u.data}
	if m.allocated <= 8 {
		e.VR = "OB"
	}
	switch {
	case u.swapped:
		e.Value = dataset.Reversed(u.data, 2)
	case u.order == binary.BigEndian && m.allocated > 8:
		e.Value = dataset.Reversed(u.data, m.allocated/8)
	}
	return e
}

// decoded returns the set with all frames decoded.
func (f *File) decoded(set *dataset.Set, limit int64) (*dataset.Set, error) {
	first, err := f.stored(0)
	if err != nil {
		return nil, err
	}
	bits, frames := f.cell(first), f.Frames()
	size := (int64(len(first.Values))*int64(bits)*int64(frames) + 7) / 8
	if size > min(limit, math.MaxUint32-2) {
		return nil, fmt.Errorf("%w: %d bytes of pixels when decompressed, the limit is %d", ErrTooLarge, size, limit)
	}
	pixels := append(make([]byte, 0, size+1), first.cells(bits)...)
	for n := 1; n < frames; n++ {
		s, err := f.stored(n)
		if err != nil {
			return nil, err
		}
		if s.Bits != first.Bits || s.Signed != first.Signed || s.Photometric != first.Photometric || len(s.Values) != len(first.Values) {
			return nil, fmt.Errorf("%w: frames 1 and %d decode to different pixels", ErrUnsupported, n+1)
		}
		pixels = append(pixels, s.cells(bits)...)
	}
	if len(pixels)%2 == 1 {
		pixels = append(pixels, 0)
	}
	return set.With(first.describe(bits, pixels), tagOffsets, tagLengths), nil
}

// describe returns the pixel data with the attributes that say what they are.
func (s *Stored) describe(bits int, pixels []byte) []dataset.Element {
	vr := "OW"
	if bits <= 8 {
		vr = "OB"
	}
	signed := 0
	if s.Signed {
		signed = 1
	}
	out := []dataset.Element{
		short(tagAllocated, bits), short(tagBitsStored, s.Bits), short(tagHighBit, s.Bits-1), short(tagRepresentation, signed),
		{Tag: tagPhotometric, VR: "CS", Value: padded(s.Photometric)}, {Tag: tagPixels, VR: vr, Value: pixels},
	}
	if s.Samples > 1 {
		out = append(out, short(tagPlanar, 0))
	}
	return out
}

func short(t dataset.Tag, v int) dataset.Element {
	return dataset.Element{Tag: t, VR: "US", Value: binary.LittleEndian.AppendUint16(nil, uint16(v))}
}

func padded(code string) []byte {
	if len(code)%2 == 1 {
		code += " "
	}
	return []byte(code)
}
