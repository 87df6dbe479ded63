package dataset

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func parsed(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Parse(data, Limits{})
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return f
}

func written(t testing.TB, f *File) []byte {
	t.Helper()
	data, err := f.Bytes()
	if err != nil {
		t.Fatalf("Bytes: %v", err)
	}
	return data
}

// equal says whether two sets have the same elements.
func equal(a, b *Set) bool {
	if len(a.Elements) != len(b.Elements) || len(a.Elements) > 0 && a.order() != b.order() {
		return false
	}
	for i, x := range a.Elements {
		y := b.Elements[i]
		if x.Tag != y.Tag || x.VR != y.VR || !bytes.Equal(x.Value, y.Value) || len(x.Items) != len(y.Items) ||
			len(x.Fragments) != len(y.Fragments) || (x.Items == nil) != (y.Items == nil) {
			return false
		}
		for j := range x.Items {
			if !equal(x.Items[j], y.Items[j]) {
				return false
			}
		}
		for j := range x.Fragments {
			if !bytes.Equal(x.Fragments[j], y.Fragments[j]) {
				return false
			}
		}
	}
	return true
}

func TestWrittenFileReadsTheSame(t *testing.T) {
	for _, syntax := range []string{explicitLittle, implicitLittle, "1.2.840.10008.1.2.4.50"} {
		f := small()
		f.Syntax = syntax
		got := parsed(t, written(t, f))
		if syntax == implicitLittle {
			got.Set.Elements[len(got.Set.Elements)-1].VR = "OB" // OW there
		}
		if got.Syntax != syntax || !equal(got.Set, f.Set) {
			t.Errorf("%s: Parse(Bytes()) = %s, %v, want %v", syntax, got.Syntax, got.Set.Elements, f.Set.Elements)
		}
	}
}

// Law: for each file, Parse of Bytes has the same set, and Bytes of that is the
// same.
func TestEveryFileIsWrittenAsItWasRead(t *testing.T) {
	for name, want := range references(t) {
		f, err := Parse(shared(t, name), Limits{})
		if err != nil {
			if broken[name] == "" || want.Error != "" {
				t.Errorf("Parse(%s): %v", name, err)
			}
			continue
		}
		data := written(t, f)
		again := parsed(t, data)
		if !equal(f.Set, again.Set) {
			t.Errorf("%s: the set changed by writing", name)
		}
		if !bytes.Equal(written(t, again), data) {
			t.Errorf("%s: Bytes changed by reading", name)
		}
		if !Is(data) || !Is(shared(t, name)) {
			t.Errorf("Is(%s) = false", name)
		}
	}
}

func TestMalformedFilesAreTold(t *testing.T) {
	le := func(data []byte) []byte { return raw(explicitLittle, data) }
	deep := bytes.Repeat(bytesOf(0x0040, 0x0555, "SQ", 0, uint32(undefined), 0xFFFE, 0xE000, uint32(undefined)), 40)
	for name, c := range map[string]struct {
		data []byte
		want error
		says string
	}{
		"no bytes":                 {nil, ErrNotDICOM, "0 bytes"},
		"text":                     {[]byte(strings.Repeat("not DICOM ", 99)), ErrNotDICOM, ""},
		"half a header":            {le(bytesOf(0x0008, 0x0060, "CS")), ErrCorrupt, "no element at byte 160 of 166"},
		"half a header in an item": {le(bytesOf(0x0008, 0x1140, "SQ", 0, uint32(14), 0xFFFE, 0xE000, uint32(6), "abcdef")), ErrCorrupt, "6 bytes of 8"},
		"zeros, then something":    {le(append(make([]byte, 1<<20), 1)), ErrCorrupt, "no element"},
		"half a long header":       {le(bytesOf(0x0008, 0x0060, "UN", 0)), ErrCorrupt, "(0008,0060)"},
		"forged length":            {le(bytesOf(0x7FE0, 0x0010, "OW", 0, uint32(1<<31), "ab")), ErrCorrupt, "(7FE0,0010) at byte 160 has 2 bytes of 2147483648"},
		"sequence without end":     {le(bytesOf(0x0040, 0x0555, "SQ", 0, uint32(undefined))), ErrCorrupt, "no delimiter"},
		"item without end":         {le(bytesOf(0x0040, 0x0555, "SQ", 0, uint32(undefined), 0xFFFE, 0xE000, uint32(undefined))), ErrCorrupt, "without delimiter"},
		"item longer than its set": {le(bytesOf(0x0040, 0x0555, "SQ", 0, uint32(8), 0xFFFE, 0xE000, uint32(9))), ErrCorrupt, "0 bytes of 9"},
		"sequence of no items":     {le(bytesOf(0x0040, 0x0555, "SQ", 0, uint32(8), 0x0008, 0x0060, uint32(0))), ErrCorrupt, "not an item"},
		"text without length":      {le(bytesOf(0x0040, 0x0555, "UT", 0, uint32(undefined))), ErrCorrupt, "no length"},
		"fragments without end":    {le(bytesOf(0x7FE0, 0x0010, "OB", 0, uint32(undefined), 0xFFFE, 0xE000, uint32(0))), ErrCorrupt, ""},
		"endless fragment":         {le(bytesOf(0x7FE0, 0x0010, "OB", 0, uint32(undefined), 0xFFFE, 0xE000, uint32(undefined))), ErrCorrupt, "without length"},
		"stray delimiter":          {le(bytesOf(0xFFFE, 0xE00D, uint32(0))), ErrCorrupt, "no element"},
		"sequences 40 deep":        {le(deep), ErrTooLarge, "deeper than 32"},
		"no deflate":               {raw(deflated, []byte("\xff\xff\xff\xff")), ErrCorrupt, "deflated"},
		"deflate cut short":        {raw(deflated, squeezed(t, make([]byte, 999))[:9]), ErrCorrupt, "deflated"},
	} {
		f, err := Parse(c.data, Limits{})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || f != nil {
			t.Errorf("%s: Parse = %v, want %v that says %q", name, err, c.want, c.says)
		}
	}
}

func squeezed(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	w.Close()
	return out.Bytes()
}

func TestLimitsHold(t *testing.T) {
	data := written(t, small())
	bomb := raw(deflated, squeezed(t, make([]byte, 1<<20)))
	for name, c := range map[string]struct {
		data []byte
		l    Limits
	}{
		"bytes":    {data, Limits{Bytes: 100}},
		"elements": {data, Limits{Elements: 10}},
		"items":    {data, Limits{Items: 1}},
		"inflated": {bomb, Limits{Inflated: 1<<20 - 1}},
	} {
		if _, err := Parse(c.data, c.l); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: Parse = %v, want %v", name, err, ErrTooLarge)
		}
	}
	if _, err := Parse(bomb, Limits{Inflated: 1 << 20}); err != nil {
		t.Errorf("Parse of zeros at the limit: %v", err) // padding
	}
}

func TestCommonMistakesAreRead(t *testing.T) {
	rows := bytesOf(0x0028, 0x0010, "US", 2, 7)
	implicit := bytesOf(0x0028, 0x0010, uint32(2), 7)
	first := bytesOf(0x0008, 0x0060, "CS", 2, "CT")
	whole := written(t, &File{Syntax: explicitLittle, Set: set(text(tagClass, "UI", "1.2"), text(tagInstance, "UI", "1.2"), short(0x00280010, 7))})
	for name, data := range map[string][]byte{
		"explicit":                          raw(explicitLittle, first, rows),
		"implicit":                          raw(implicitLittle, bytesOf(0x0008, 0x0060, uint32(2), "CT"), implicit),
		"implicit said explicit":            raw(explicitLittle, bytesOf(0x0008, 0x0060, uint32(2), "CT"), implicit),
		"explicit said implicit":            raw(implicitLittle, first, rows),
		"no syntax":                         raw("", first, rows),
		"one implicit element":              raw(explicitLittle, first, implicit),
		"no preamble":                       whole[preamble+len(magic):],
		"no preamble, but DICM":             whole[preamble:],
		"no meta information":               bytesOf(0x0008, 0x0060, "CS", 2, "CT", 0x0028, 0x0010, "US", 2, 7),
		"big endian without meta":           []byte("\x00\x08\x00\x60CS\x00\x02CT\x00\x28\x00\x10US\x00\x02\x00\x07"),
		"group length":                      raw(explicitLittle, bytesOf(0x0028, 0, "UL", 4, uint32(999)), rows),
		"padding element":                   raw(explicitLittle, rows, bytesOf(0xFFFC, 0xFFFC, "OB", 0, uint32(2), 0)),
		"padding of zeros":                  raw(explicitLittle, rows, make([]byte, 77)),
		"out of order":                      raw(explicitLittle, rows, first),
		"equal tags, the last counts":       raw(explicitLittle, bytesOf(0x0028, 0x0010, "US", 2, 9), rows),
		"UN of a known tag":                 raw(explicitLittle, bytesOf(0x0028, 0x0010, "UN", 0, uint32(2), 7)),
		"deflated":                          raw(deflated, squeezed(t, rows)),
		"deflated and padded":               raw(deflated, squeezed(t, rows), []byte{0}),
		"odd length before":                 raw(explicitLittle, bytesOf(0x0008, 0x0060, "CS", 1, "C"), rows),
		"private VR before":                 raw(explicitLittle, bytesOf(0x0009, 0x1001, "ZZ", 2, "CT"), rows),
		"delimiter in a sequence of length": raw(explicitLittle, bytesOf(0x0008, 0x1140, "SQ", 0, uint32(8), 0xFFFE, 0xE0DD, uint32(0)), rows),
	} {
		f, err := Parse(data, Limits{})
		if err != nil || f.Set.Int(0x00280010, -1) != 7 {
			t.Errorf("%s: Parse = %v, want 7 rows", name, err)
		}
	}
}

func TestUnknownSequencesAreRead(t *testing.T) {
	item := bytesOf(0xFFFE, 0xE000, uint32(undefined), 0x0028, 0x0010, uint32(2), 7, 0xFFFE, 0xE00D, uint32(0))
	end := bytesOf(0xFFFE, 0xE0DD, uint32(0))
	for name, data := range map[string][]byte{
		"UN without length (CP-246)": raw(explicitLittle, bytesOf(0x0009, 0x1001, "UN", 0, uint32(undefined)), item, end),
		"UN of a known sequence":     raw(explicitLittle, bytesOf(0x0008, 0x1140, "UN", 0, uint32(len(item))), item),
		"implicit, private":          raw(implicitLittle, bytesOf(0x0009, 0x1001, uint32(undefined)), item, end),
		"implicit in explicit":       raw(explicitLittle, bytesOf(0x0008, 0x1140, "SQ", 0, uint32(undefined)), item, end),
	} {
		f := parsed(t, data)
		e := f.Set.Elements[0]
		if len(e.Items) != 1 || e.Items[0].Int(0x00280010, -1) != 7 {
			t.Errorf("%s: items = %v, want one with 7 rows", name, e.Items)
		}
		if again := parsed(t, written(t, f)); !equal(f.Set, again.Set) {
			t.Errorf("%s: the set changed by writing", name)
		}
	}
	data := raw(explicitLittle, bytesOf(0x0008, 0x1140, "UN", 0, uint32(8), "nonsense"))
	if e := parsed(t, data).Set.Elements[0]; string(e.Value) != "nonsense" || e.VR != "UN" {
		t.Errorf("UN of a known sequence that is none = %v, want its bytes", e)
	}
}

func TestOtherFormatsAreNotDICOM(t *testing.T) {
	for _, head := range []string{
		"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01", "II*\x00\x08\x00\x00\x00\x0b\x00",
		"MM\x00*\x00\x00\x00\x08", "GIF89a", "BM", "RIFF\x00\x00\x00\x00WEBP", "{\"a\": 1}", "", "DICM", "\x00\x00\x01\x00",
		"\x08\x00\x01\x00", "\x02\x00\x00\x00", "\x08\x00\x60\x00CS\x02\x00CT",
	} {
		data := append([]byte(head), make([]byte, 300)...)
		if Is(data) || Is([]byte(head)) {
			t.Errorf("Is(%q…) = true", head)
		}
	}
}

// Law: what Parse allocates is bounded by the bytes that exist.
func TestForgedLengthsAllocateNothing(t *testing.T) {
	for name, head := range map[string][]byte{
		"value":     bytesOf(0x7FE0, 0x0010, "OW", 0, uint32(undefined-1)),
		"fragments": bytesOf(0x7FE0, 0x0010, "OB", 0, uint32(undefined), 0xFFFE, 0xE000, uint32(undefined-1)),
		"items":     bytesOf(0x0008, 0x1140, "SQ", 0, uint32(undefined-1), 0xFFFE, 0xE000, uint32(undefined-1)),
		"elements":  bytes.Repeat(bytesOf(0x0009, 0x1001, "LO", 0), 100),
		"sequences": bytes.Repeat(bytesOf(0x0008, 0x1140, "SQ", 0, uint32(undefined), 0xFFFE, 0xE000, uint32(undefined)), 40),
	} {
		data := raw(explicitLittle, head, make([]byte, 1024-len(head)%1024))
		if n := allocated(func() { Parse(data, Limits{}) }); n > 32<<10 {
			t.Errorf("%s: Parse of %d bytes allocates %d", name, len(data), n)
		}
	}
}

// Law: with default limits Parse allocates at most four times its input, beside
// the constant that Limits state.
func TestManyElementsAllocateInProportion(t *testing.T) {
	const constant = 12 << 20
	for name, unit := range map[string][]byte{
		"elements": bytesOf(0x0009, 0x1001, "LO", 0),
		"items":    bytesOf(0x0008, 0x1140, "SQ", 0, uint32(8), 0xFFFE, 0xE000, uint32(0)),
		"pixels":   bytesOf(0x7FE0, 0x0010, "OW", 0, uint32(100_000), strings.Repeat("x", 100_000)),
	} {
		data := raw(explicitLittle, bytes.Repeat(unit, 4<<20/len(unit)))
		if n := allocated(func() { Parse(data, Limits{}) }); n > 4*uint64(len(data))+constant {
			t.Errorf("%s: Parse of %d bytes allocates %d", name, len(data), n)
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestSetInAnotherOrderIsNotWritten(t *testing.T) {
	s := set(short(0x00280010, 1))
	s.Order = binary.BigEndian
	if _, err := (&File{Syntax: explicitLittle, Set: s}).Bytes(); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Bytes = %v, want %v", err, ErrUnsupported)
	}
}

func TestNumbersAreReadByVR(t *testing.T) {
	f := parsed(t, raw(explicitLittle,
		bytesOf(0x0018, 0x6020, "SL", 4, uint32(0xFFFFFFFE)),
		bytesOf(0x0028, 0x0009, "AT", 4, 0x0018, 0x1063),
		bytesOf(0x0028, 0x0010, "US", 4, 1, 65535),
		bytesOf(0x0028, 0x0008, "IS", 6, "2 \\ 3 "),
		bytesOf(0x0028, 0x1050, "DS", 8, "1.5\\-2e1"),
		bytesOf(0x0028, 0x1051, "DS", 4, "abc "),
		bytesOf(0x0028, 0x1052, "DS", 4, "NaN "),
		bytesOf(0x0028, 0x1053, "FL", 4, uint32(0x40200000)),
		bytesOf(0x0028, 0x0103, "US", 1, "x"),
	))
	ints := func(t Tag) any { v, _ := f.Set.Ints(t); return v }
	floats := func(t Tag) any { v, _ := f.Set.Floats(t); return v }
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"SL", ints(0x00186020), []int{-2}},
		{"AT", ints(0x00280009), []int{0x00181063}},
		{"US", ints(0x00280010), []int{1, 65535}},
		{"IS", ints(0x00280008), []int{2, 3}},
		{"DS that is not whole", ints(0x00281050), []int(nil)},
		{"DS", floats(0x00281050), []float64{1.5, -20}},
		{"DS of letters", floats(0x00281051), []float64(nil)},
		{"DS of NaN", floats(0x00281052), []float64(nil)},
		{"FL", floats(0x00281053), []float64{2.5}},
		{"US as floats", floats(0x00280010), []float64{1, 65535}},
		{"US of one byte", ints(0x00280103), []int(nil)},
		{"absent", floats(0x00280101), []float64(nil)},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestSignOfPaddingFollowsPixelRepresentation(t *testing.T) {
	for representation, want := range map[int]int{0: 65534, 1: -2} {
		f := parsed(t, raw(implicitLittle,
			bytesOf(0x0028, 0x0103, uint32(2), representation), bytesOf(0x0028, 0x0120, uint32(2), 65534)))
		if got := f.Set.Int(0x00280120, 0); got != want {
			t.Errorf("padding in representation %d = %d, want %d", representation, got, want)
		}
	}
}

func TestKeywordsAndTagsCorrespond(t *testing.T) {
	for i, a := range dictionary {
		tag, ok := TagOf(a.keyword)
		if !ok || tag != a.tag || Keyword(a.tag) != a.keyword {
			t.Errorf("TagOf(%q) = %v, %v, Keyword = %q", a.keyword, tag, ok, Keyword(a.tag))
		}
		if i > 0 && a.tag <= dictionary[i-1].tag {
			t.Errorf("%v is out of order", a.tag)
		}
	}
	if tag, ok := TagOf("NoSuchKeyword"); ok || Keyword(0x00090001) != "" {
		t.Errorf("an unknown keyword has tag %v", tag)
	}
}
