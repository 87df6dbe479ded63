package dataset

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func double(t Tag, values ...float64) Element {
	e := Element{Tag: t, VR: "FD"}
	for _, v := range values {
		e.Value = binary.LittleEndian.AppendUint64(e.Value, math.Float64bits(v))
	}
	return e
}

func TestValuesAreWrittenInTheDictionarysVR(t *testing.T) {
	const (
		rows, centre, frames, padding = Tag(0x00280010), Tag(0x00281050), Tag(0x00280008), Tag(0x00280120)
		descriptor, data, age         = Tag(0x00283002), Tag(0x00283006), Tag(0x00101010)
	)
	in := func(vr string, e Element) Element { e.VR = vr; return e }
	for _, c := range []struct {
		name     string
		in, want Element // want has no VR where nothing is kept
	}{
		{"a window in FD", double(centre, 40.1, -0.5), text(centre, "DS", `40.1\-0.5`)},
		{"a window in IS", text(centre, "IS", "40"), text(centre, "DS", "40")},
		{"a window in US", short(centre, 40), text(centre, "DS", "40")},
		{"a window in DS", text(centre, "DS", "+4.0e1"), text(centre, "DS", "+4.0e1")},
		{"an empty window", text(centre, "DS", ""), text(centre, "DS", "")},
		{"a window that is a date", text(centre, "DS", "1970-03-04"), Element{}},
		{"a window in LO", text(centre, "LO", "40"), Element{}},
		{"infinity", double(centre, math.Inf(1)), Element{}},
		{"a number of frames in US", short(frames, 3), text(frames, "IS", "3")},
		{"rows in UL", Element{Tag: rows, VR: "UL", Value: []byte{7, 1, 0, 0}}, short(rows, 263)},
		{"rows beyond US", Element{Tag: rows, VR: "UL", Value: []byte{7, 0, 1, 0}}, Element{}},
		{"two rows", short(rows, 7, 8), short(rows, 7)},
		{"rows in OW", in("OW", short(rows, 7)), Element{}},
		{"padding in OW", in("OW", short(padding, 65000)), short(padding, 65000)},
		{"padding in SS", in("SS", short(padding, 65000)), in("SS", short(padding, 65000))},
		{"padding in IS", text(padding, "IS", "-2000"), short(padding, 65536-2000)},
		{"a descriptor in OW", in("OW", short(descriptor, 1, 2, 16, 9)), short(descriptor, 1, 2, 16)},
		{"a descriptor in SS", in("SS", short(descriptor, 1, 2, 16)), in("SS", short(descriptor, 1, 2, 16))},
		{"a descriptor of two numbers", short(descriptor, 1, 2), Element{}},
		{"table data in UL", in("UL", short(data, 1, 2)), in("OW", short(data, 1, 2))},
		{"table data in LT", text(data, "LT", "Doe, Jane"), Element{}},
		{"a shape in LO", text(tagLUTShape, "LO", "INVERSE "), text(tagLUTShape, "CS", "INVERSE")},
		{"a shape in ST of what would be two", text(tagLUTShape, "ST", `INVERSE\X`), Element{}},
		{"photometric interpretation in ST", text(tagPhotometric, "ST", "RGB"), text(tagPhotometric, "CS", "RGB")},
		{"a body part in LO", text(0x00180015, "LO", "JANE DOE"), Element{}},
		{"an age", text(age, "AS", "045Y"), text(age, "AS", "045Y")},
		{"an age that is a year", text(age, "AS", "1970"), Element{}},
		{"a sex", text(tagSex, "CS", "F"), text(tagSex, "CS", "F")},
		{"a sex that is a name", text(tagSex, "CS", "JANE"), Element{}},
	} {
		got, ok := set(c.in).recoded(c.in)
		if ok != (c.want.VR != "") || ok && (got.VR != c.want.VR || !bytes.Equal(got.Value, c.want.Value)) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, ok, c.want)
		}
	}
}

// Law: numbers come back exactly, whatever they are.
func TestNumbersAreWrittenExactly(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		want := rapid.SliceOfN(rapid.Float64(), 1, 5).Draw(r, "numbers")
		e := double(0x00281050, want...)
		got, ok := set(e).recoded(e)
		numbers, _ := set(got).Floats(e.Tag)
		for i := range want {
			if !ok || len(numbers) != len(want) || numbers[i] != want[i] {
				r.Fatalf("%v became %q", want, got.Value)
			}
		}
	})
}

func TestUIDsAreKeptWhateverTheirVR(t *testing.T) {
	for _, vr := range []string{"UI", "LO", "OB", "UN"} {
		s := set(text(tagInstance, vr, "1.2.3"))
		d, err := (&File{Syntax: explicitLittle, Set: s}).Deidentified(Profile{KeepUIDs: true})
		if err != nil {
			t.Fatal(err)
		}
		if e := d.Set.Find(tagInstance); e == nil || e.VR != "UI" || d.Set.Text(tagInstance) != "1.2.3" {
			t.Errorf("UID of VR %s is kept as %v", vr, e)
		}
	}
}

// An item of functional groups that looks like a local code is none: frames
// behind it would move up.
func TestItemsOfFunctionalGroupsKeepTheirPlace(t *testing.T) {
	const groups = Tag(0x52009230)
	s := set(sequence(groups, set(text(tagCodeMeaning, "LO", "Muller")), set(short(0x00280010, 7))))
	d, err := (&File{Syntax: explicitLittle, Set: s}).Deidentified(Profile{})
	if err != nil {
		t.Fatal(err)
	}
	items := d.Set.Sequence(groups)
	if len(items) != 2 || len(items[0].Elements) != 0 || items[1].Int(0x00280010, 0) != 7 {
		t.Errorf("items %v, want an empty one and one of 7 rows", items)
	}
}

func TestCharactersAreReadWhateverTheVR(t *testing.T) {
	const id = tagPatientID
	for _, c := range []struct {
		name string
		e    Element
		want string
		ok   bool
	}{
		{"LO", text(id, "LO", " P 1"), "P 1", true},
		{"OB", Element{Tag: id, VR: "OB", Value: []byte("P 1\x00")}, "P 1", true},
		{"UN in another character set", text(id, "UN", "M\xfcller"), "Müller", true},
		{"several values", text(id, "LO", `A \ B\`), `A\B`, true},
		{"padding alone", Element{Tag: id, VR: "OB", Value: make([]byte, 4096)}, "", true},
		{"no items", sequence(id), "", true},
		{"items", sequence(id, set()), "", false},
		{"fragments", Element{Tag: id, VR: "OB", Fragments: [][]byte{{}}}, "", false},
		{"a number", Element{Tag: id, VR: "UL", Value: []byte{7, 0, 0, 1}}, "", false},
		{"1 KiB and more", text(id, "LO", string(bytes.Repeat([]byte("x"), 1025))), "", false},
	} {
		if got, ok := set(c.e).Characters(id); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: Characters = %q, %v, want %q, %v", c.name, got, ok, c.want, c.ok)
		}
	}
	if got, ok := set().Characters(id); got != "" || !ok {
		t.Errorf("Characters of nothing = %q, %v", got, ok)
	}
}

// A Specific Character Set within what turns out to be no sequence is not that
// of what follows.
func TestCharacterSetOfABrokenSequenceIsForgotten(t *testing.T) {
	broken := bytesOf(0xFFFE, 0xE000, uint32(undefined), 0x0008, 0x0005, uint32(10), "ISO_IR 144", "what?")
	name := bytesOf(0xFFFE, 0xE000, uint32(undefined), 0x0010, 0x0010, "PN", 6, "M\xfcller", 0xFFFE, 0xE00D, uint32(0))
	f := parsed(t, raw(explicitLittle,
		bytesOf(0x0008, 0x1140, "UN", 0, uint32(len(broken))), broken,
		bytesOf(0x0040, 0xA730, "SQ", 0, uint32(len(name))), name))
	if items := f.Set.Sequence(0x0040A730); len(items) != 1 || items[0].Text(0x00100010) != "Müller" {
		t.Errorf("items %v, want one of Müller", items)
	}
}
