package dataset

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestLittleReversesNumbersByTheirUnit(t *testing.T) {
	inner := &Set{Order: binary.BigEndian, Elements: []Element{{Tag: 0x00080100, VR: "US", Value: []byte{0, 1}}}}
	s := &Set{Order: binary.BigEndian, Elements: []Element{
		{Tag: 0x00080005, VR: "CS", Value: []byte("AB")}, {Tag: 0x00082218, VR: "SQ", Items: []*Set{inner}},
		{Tag: 0x00280009, VR: "AT", Value: []byte{0, 0x18, 0x10, 0x63}}, {Tag: 0x00280122, VR: "FL", Value: []byte{1, 2, 3, 4}},
		{Tag: 0x00280123, VR: "FD", Value: []byte{1, 2, 3, 4, 5, 6, 7, 8}}, {Tag: 0x7FE00010, VR: "OW", Value: []byte{1, 2, 3, 4, 5}},
	}}
	l := s.Little()
	for tag, want := range map[Tag][]byte{
		0x00080005: []byte("AB"), 0x00280009: {0x18, 0, 0x63, 0x10}, 0x00280122: {4, 3, 2, 1},
		0x00280123: {8, 7, 6, 5, 4, 3, 2, 1}, 0x7FE00010: {2, 1, 4, 3, 5},
	} {
		if got := l.Find(tag).Value; !bytes.Equal(got, want) {
			t.Errorf("%v: % x, want % x", tag, got, want)
		}
	}
	if v := l.Sequence(0x00082218)[0].Int(0x00080100, 0); v != 1 || s.Sequence(0x00082218)[0].Int(0x00080100, 0) != 1 {
		t.Errorf("a nested number is %d, want 1, and the set as it was", v)
	}
	if l.Little() != l {
		t.Error("a little endian set is copied")
	}
}

func TestWithLeavesTheSetAsItIs(t *testing.T) {
	s := &Set{Elements: []Element{{Tag: 2, VR: "CS"}, {Tag: 4, VR: "CS"}}}
	got := s.With([]Element{{Tag: 3, VR: "LO"}, {Tag: 2, VR: "SH"}}, 4)
	if len(got.Elements) != 2 || got.Elements[0].VR != "SH" || got.Elements[1].Tag != 3 {
		t.Errorf("With = %+v, want tags 2 and 3", got.Elements)
	}
	if len(s.Elements) != 2 || s.Elements[0].VR != "CS" {
		t.Errorf("the set became %+v", s.Elements)
	}
}
