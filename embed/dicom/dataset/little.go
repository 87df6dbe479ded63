package dataset

import (
	"encoding/binary"
	"slices"
)

// With returns a copy of the set with elements added, or put in the place of
// those of their tags, and without the tags given. The set itself stays as it is.
func (s *Set) With(elements []Element, without ...Tag) *Set {
	out := &Set{Order: s.Order, charset: s.charset}
	for _, e := range s.elements() {
		if !slices.Contains(without, e.Tag) {
			out.Elements = append(out.Elements, e)
		}
	}
	for _, e := range elements {
		out.put(e)
	}
	return out
}

// Little returns the set in little endian: itself where it is, else a copy whose
// numbers have their bytes reversed. Pixel data are reversed by the VR that they
// have, as all else; who knows better what is in them replaces them.
func (s *Set) Little() *Set {
	if s.order() == binary.LittleEndian {
		return s
	}
	out := &Set{Order: binary.LittleEndian, charset: s.charset, Elements: make([]Element, len(s.Elements))}
	for i, e := range s.Elements {
		if e.Items != nil {
			items := make([]*Set, len(e.Items))
			for n, item := range e.Items {
				items[n] = item.Little()
			}
			e.Items, e.VR = items, "SQ"
		}
		e.Value = Reversed(e.Value, unitOf(e.VR))
		out.Elements[i] = e
	}
	return out
}

// unitOf returns the bytes that a VR's byte order is about (PS3.5 7.3), 1 for
// those that have none.
func unitOf(vr string) int {
	switch vr {
	case "AT", "OW", "SS", "US":
		return 2
	case "FL", "OF", "OL", "SL", "UL":
		return 4
	case "FD", "OD", "OV", "SV", "UV":
		return 8
	}
	return 1
}

// Reversed returns a copy of a value in which the bytes of each unit are in the
// other order; the value itself for units of 1. What is left at the end stays.
func Reversed(value []byte, unit int) []byte {
	if unit == 1 || len(value) == 0 {
		return value
	}
	out := slices.Clone(value)
	for b := out; len(b) >= unit; b = b[unit:] {
		slices.Reverse(b[:unit])
	}
	return out
}
