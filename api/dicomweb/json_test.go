package dicomweb

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"nearcase/embed/dicom/dataset"
)

func marshal(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func at(path string) string { return "bulk/" + path }

// Values are those of PS3.18, F.2.
func TestTheModelOfEachVR(t *testing.T) {
	le := binary.LittleEndian
	f32 := func(v float32) []byte { return le.AppendUint32(nil, math.Float32bits(v)) }
	for _, c := range []struct {
		e    dataset.Element
		want string
	}{
		{element(0x00080060, "CS", "CR"), `{"vr":"CS","Value":["CR"]}`},
		{element(0x00080060, "CS", ""), `{"vr":"CS"}`},
		{element(0x00080060, "CS", "  "), `{"vr":"CS"}`},
		{element(0x00080008, "CS", `ORIGINAL\\PRIMARY`), `{"vr":"CS","Value":["ORIGINAL",null,"PRIMARY"]}`},
		{element(0x00100010, "PN", "Yamada^Tarou=A^B=C^D"), `{"vr":"PN","Value":[{"Alphabetic":"Yamada^Tarou","Ideographic":"A^B","Phonetic":"C^D"}]}`},
		{element(0x00100010, "PN", "Doe^Jane"), `{"vr":"PN","Value":[{"Alphabetic":"Doe^Jane"}]}`},
		{element(0x00100010, "PN", "=="), `{"vr":"PN"}`},
		{element(0x00281050, "DS", `40\+1.50\1e3`), `{"vr":"DS","Value":[40,1.50,1e3]}`},
		{element(0x00281050, "DS", `.5`), `{"vr":"DS","Value":[0.5]}`},
		{element(0x00281050, "DS", `x`), `{"vr":"DS","Value":["x"]}`},
		{element(0x00281050, "DS", `007`), `{"vr":"DS","Value":[7]}`},
		{element(0x00200013, "IS", "-12"), `{"vr":"IS","Value":[-12]}`},
		{element(0x00204000, "LT", ` a\b `), `{"vr":"LT","Value":["a\\b"]}`},
		{dataset.Element{Tag: 0x00280010, VR: "US", Value: []byte{1, 2}}, `{"vr":"US","Value":[513]}`},
		{dataset.Element{Tag: 0x00281041, VR: "SS", Value: []byte{255, 255}}, `{"vr":"SS","Value":[-1]}`},
		{dataset.Element{Tag: 0x00280009, VR: "AT", Value: []byte{0x18, 0, 0x63, 0x10}}, `{"vr":"AT","Value":["00181063"]}`},
		{dataset.Element{Tag: 0x00280122, VR: "FL", Value: append(f32(1.5), f32(float32(math.NaN()))...)}, `{"vr":"FL","Value":[1.5,null]}`},
		{dataset.Element{Tag: 0x7FE00001, VR: "UV", Value: le.AppendUint64(nil, math.MaxUint64)}, `{"vr":"UV","Value":[18446744073709551615]}`},
		{dataset.Element{Tag: 0x00282000, VR: "OB", Value: []byte{1, 2}}, `{"vr":"OB","InlineBinary":"AQI="}`},
		{dataset.Element{Tag: 0x00282000, VR: "OB", Value: make([]byte, 2000)}, `{"vr":"OB","BulkDataURI":"bulk/00282000"}`},
		{dataset.Element{Tag: 0x7FE00010, VR: "OW", Value: []byte{1, 2}}, `{"vr":"OW","BulkDataURI":"bulk/7FE00010"}`},
		{dataset.Element{Tag: 0x7FE00010, VR: "OB", Fragments: [][]byte{nil, {1}}}, `{"vr":"OB","BulkDataURI":"bulk/7FE00010"}`},
		{dataset.Element{Tag: 0x00091001, VR: "ZZ", Value: []byte{1, 2}}, `{"vr":"UN","InlineBinary":"AQI="}`},
		{sequence(0x00082218, setOf(element(0x00080100, "SH", "T1"))), `{"vr":"SQ","Value":[{"00080100":{"vr":"SH","Value":["T1"]}}]}`},
		{sequence(0x00082218), `{"vr":"SQ"}`},
		{sequence(0x00283010, setOf(dataset.Element{Tag: 0x00283006, VR: "OW", Value: make([]byte, 2048)})),
			`{"vr":"SQ","Value":[{"00283006":{"vr":"OW","BulkDataURI":"bulk/00283010.1.00283006"}}]}`},
	} {
		o := Model(setOf(c.e), at)
		if got := marshal(t, o[Key(c.e.Tag)]); got != c.want {
			t.Errorf("%v of VR %s: got %s, want %s", c.e.Tag, c.e.VR, got, c.want)
		}
	}
}

func TestTextsOfTheModelAreUTF8(t *testing.T) {
	s := setOf(element(0x00080005, "CS", "ISO_IR 100"), element(0x00100010, "PN", "M\xfcller^J\xf6rg"))
	if got, want := marshal(t, Model(s, at)), `{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"Müller^Jörg"}]}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// However much a file says, its model stays small: the rest is bulk data.
func TestTheModelIsBounded(t *testing.T) {
	var elements []dataset.Element
	for i := range 200 {
		elements = append(elements, element(dataset.Tag(0x00091000+i), "DS", strings.Repeat(`1\`, 30_000)))
	}
	elements = append(elements, element(0x00204000, "LT", strings.Repeat("x", 70_000)))
	if text := marshal(t, Model(setOf(elements...), at)); len(text) > 3*mostValues {
		t.Errorf("got %d bytes, want at most %d", len(text), 3*mostValues)
	}
}

func TestBulkDataAreFoundByPath(t *testing.T) {
	big := &dataset.Set{Order: binary.BigEndian, Elements: []dataset.Element{{Tag: 0x00283006, VR: "OW", Value: []byte{1, 2}}}}
	s := &dataset.Set{Order: binary.BigEndian, Elements: []dataset.Element{{Tag: 0x00283010, VR: "SQ", Items: []*dataset.Set{{Order: binary.BigEndian}, big}}}}
	got, err := Bulk(s, "00283010.2.00283006")
	if err != nil || string(got) != "\x02\x01" {
		t.Errorf("Bulk = % x, %v, want 02 01", got, err)
	}
	icon := dataset.Element{Tag: 0x7FE00010, VR: "OB", Value: []byte{3, 4}}
	within := setOf(sequence(0x00880200, setOf(icon)), icon)
	if got, err := Bulk(within, "00880200.1.7FE00010"); err != nil || string(got) != "\x03\x04" {
		t.Errorf("Bulk of an icon = % x, %v, want 03 04", got, err)
	}
	if _, err := Bulk(within, PixelData); !errors.Is(err, ErrBulk) {
		t.Errorf("Bulk of pixel data: %v, want %v", err, ErrBulk)
	}
	for _, path := range []string{"", "x", "00283006", "00283010", "00283010.0.00283006", "00283010.3.00283006", "00283010.2", "00283010.1.00283006", "7FE00010"} {
		if _, err := Bulk(s, path); !errors.Is(err, ErrBulk) {
			t.Errorf("Bulk(%q): %v, want %v", path, err, ErrBulk)
		}
	}
}

func FuzzModel(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := dataset.Parse(data, dataset.Limits{Inflated: 1 << 20})
		if err != nil {
			return
		}
		var paths []string
		o := Model(parsed.Set, func(path string) string { paths = append(paths, path); return path })
		if text := marshal(t, o); len(text) > 3*mostValues+200*(len(data)+1<<20) {
			t.Errorf("%d bytes of JSON of %d", len(text), len(data))
		}
		for _, path := range paths[:min(len(paths), 50)] {
			if _, err := Bulk(parsed.Set, path); err != nil && path != PixelData && !isFragments(parsed.Set, path) {
				t.Errorf("Bulk(%s): %v, which the model has", path, err)
			}
		}
	})
}

// isFragments reports whether a path of the top level is of fragments.
func isFragments(s *dataset.Set, path string) bool {
	if len(path) > 8 {
		return true
	}
	tag, err := tagOf(path)
	return err == nil && s.Find(tag) != nil && s.Find(tag).Fragments != nil
}
