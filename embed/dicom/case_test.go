package dicom

import (
	"encoding/binary"
	"slices"
	"testing"

	"nearcase/embed/dicom/dataset"
)

const (
	implicitLittle = "1.2.840.10008.1.2"
	explicitLittle = "1.2.840.10008.1.2.1"
	explicitBig    = "1.2.840.10008.1.2.2"
	encapsulated   = "1.2.840.10008.1.2.1.98"
	rle            = "1.2.840.10008.1.2.5"
	jpegBaseline   = "1.2.840.10008.1.2.4.50"
)

func us(tag dataset.Tag, v ...int) dataset.Element {
	e := dataset.Element{Tag: tag, VR: "US"}
	for _, v := range v {
		e.Value = binary.LittleEndian.AppendUint16(e.Value, uint16(v))
	}
	return e
}

func str(tag dataset.Tag, vr, v string) dataset.Element {
	if len(v)%2 == 1 {
		v += " "
	}
	return dataset.Element{Tag: tag, VR: vr, Value: []byte(v)}
}

func cs(tag dataset.Tag, v string) dataset.Element { return str(tag, "CS", v) }
func ds(tag dataset.Tag, v string) dataset.Element { return str(tag, "DS", v) }

func ow(tag dataset.Tag, v ...byte) dataset.Element {
	return dataset.Element{Tag: tag, VR: "OW", Value: v}
}

func sq(tag dataset.Tag, items ...[]dataset.Element) dataset.Element {
	e := dataset.Element{Tag: tag, VR: "SQ"}
	for _, item := range items {
		e.Items = append(e.Items, setOf(item))
	}
	return e
}

func fragments(v ...[]byte) dataset.Element {
	return dataset.Element{Tag: tagPixels, VR: "OB", Fragments: v}
}

// words returns values as 16-bit little endian.
func words(v ...int) []byte {
	return us(0, v...).Value
}

// setOf returns a set of elements, of which a later one replaces an earlier.
func setOf(elements []dataset.Element) *dataset.Set {
	s := &dataset.Set{Order: binary.LittleEndian}
	for _, e := range elements {
		i, found := slices.BinarySearchFunc(s.Elements, e.Tag, func(e dataset.Element, t dataset.Tag) int {
			return int(e.Tag) - int(t)
		})
		if found {
			s.Elements[i] = e
			continue
		}
		s.Elements = slices.Insert(s.Elements, i, e)
	}
	return s
}

// encode returns a file of elements in a little endian syntax.
func encode(t testing.TB, syntax string, elements ...dataset.Element) []byte {
	t.Helper()
	f := dataset.File{Syntax: syntax, Meta: &dataset.Set{}, Set: setOf(elements)}
	data, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// module returns an image pixel module of unsigned 8-bit grey; extra elements
// replace it.
func module(rows, columns int, extra ...dataset.Element) []dataset.Element {
	return append([]dataset.Element{
		us(tagRows, rows), us(tagColumns, columns), us(tagSamples, 1), cs(tagPhotometric, monochrome2),
		us(tagAllocated, 8), us(tagBitsStored, 8), us(tagHighBit, 7), us(tagRepresentation, 0),
	}, extra...)
}

// bits returns the elements of a pixel cell's layout.
func bits(allocated, stored, high, representation int) []dataset.Element {
	return []dataset.Element{
		us(tagAllocated, allocated), us(tagBitsStored, stored), us(tagHighBit, high), us(tagRepresentation, representation),
	}
}

// row16 returns a file of one row of 16-bit values, signed where one is
// negative.
func row16(t testing.TB, values []int, extra ...dataset.Element) *File {
	t.Helper()
	signed := 0
	for _, v := range values {
		if v < 0 {
			signed = 1
		}
	}
	elements := module(1, len(values), bits(16, 16, 15, signed)...)
	elements = append(elements, ow(tagPixels, words(values...)...))
	return open(t, encode(t, explicitLittle, append(elements, extra...)...))
}

// levelsOf returns the red bytes of a frame.
func levelsOf(t testing.TB, f *File, frame int, v View) []int {
	t.Helper()
	p, err := f.Render(frame, v)
	if err != nil {
		t.Fatalf("Render(%d, %+v): %v", frame, v, err)
	}
	var out []int
	for i := 0; i < len(p.Pix); i += 3 {
		out = append(out, int(p.Pix[i]))
	}
	return out
}

func pictureOf(t testing.TB, f *File, frame int) *Picture {
	t.Helper()
	p, err := f.Render(frame, View{})
	if err != nil {
		t.Fatalf("Render(%d): %v", frame, err)
	}
	return p
}

func storedOf(t testing.TB, f *File, frame int) []int32 {
	t.Helper()
	s, err := f.Stored(frame)
	if err != nil {
		t.Fatalf("Stored(%d): %v", frame, err)
	}
	return s.Values
}
