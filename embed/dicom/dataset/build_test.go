package dataset

import (
	"encoding/binary"
	"slices"
)

// text, short and sequence make elements in little endian.
func text(t Tag, vr, value string) Element {
	return Element{Tag: t, VR: vr, Value: padded(value, vr)}
}

func short(t Tag, values ...uint16) Element {
	e := Element{Tag: t, VR: "US"}
	for _, v := range values {
		e.Value = binary.LittleEndian.AppendUint16(e.Value, v)
	}
	return e
}

func sequence(t Tag, items ...*Set) Element {
	return Element{Tag: t, VR: "SQ", Items: append([]*Set{}, items...)}
}

func set(elements ...Element) *Set { return &Set{Order: binary.LittleEndian, Elements: elements} }

// small is a file of every kind of content.
func small() *File {
	return &File{Syntax: explicitLittle, Set: set(
		text(tagCharset, "CS", "ISO_IR 100"),
		text(tagClass, "UI", "1.2.840.10008.5.1.4.1.1.7"),
		text(tagInstance, "UI", "1.2.3"),
		text(0x00100010, "PN", "M\xfcller^Anna"),
		text(0x00101010, "AS", "045Y"),
		short(0x00280010, 2), short(0x00280011, 2),
		text(0x00281050, "DS", `40\-600.5`),
		sequence(0x00283010, set(short(0x00283002, 2, 0, 8), text(0x00283003, "LO", "Dr. M\xfcller")), set()),
		Element{Tag: tagPixelData, VR: "OB", Fragments: [][]byte{{}, {1, 2}, {3, 4, 5, 6}}},
	)}
}

// raw is bytes of a file in a syntax, with a data set as it is given.
func raw(syntax string, data ...[]byte) []byte {
	b, err := (&File{Syntax: explicitLittle, Meta: set(), Set: set()}).Bytes()
	if err != nil {
		panic(err)
	}
	meta := set(text(tagSyntax, "UI", syntax))
	w := &writer{out: b[:preamble+len(magic)], order: binary.LittleEndian, explicit: true}
	w.set(meta)
	return slices.Concat(append([][]byte{w.out}, data...)...)
}

// bytesOf are bytes given as strings and numbers: an int is 16 bits, a uint32
// 32, in little endian.
func bytesOf(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = append(out, p...)
		case int:
			out = binary.LittleEndian.AppendUint16(out, uint16(p))
		case uint32:
			out = binary.LittleEndian.AppendUint32(out, p)
		}
	}
	return out
}
