package dicom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nearcase/embed/dicom/dataset"
)

// soi is the start of a JPEG stream of two bytes more.
func soi(n byte) []byte { return []byte{0xff, 0xd8, 0xff, n} }

func offsets(v ...uint32) []byte {
	var out []byte
	for _, v := range v {
		out = binary.LittleEndian.AppendUint32(out, v)
	}
	return out
}

func ov(tag dataset.Tag, v ...uint64) dataset.Element {
	e := dataset.Element{Tag: tag, VR: "OV"}
	for _, v := range v {
		e.Value = binary.LittleEndian.AppendUint64(e.Value, v)
	}
	return e
}

func TestFragmentsAreDividedAmongFrames(t *testing.T) {
	a, b, c := soi(1), []byte{2, 2}, soi(3)
	for _, test := range []struct {
		name      string
		extended  []dataset.Element
		fragments [][]byte
		frames    int
		want      []string // each frame's bytes
	}{
		{"one each", nil, [][]byte{nil, a, c}, 2, []string{string(a), string(c)}},
		{"one each, whatever the table says", nil, [][]byte{offsets(7, 9), a, b}, 2, []string{string(a), string(b)}},
		{"one frame has all", nil, [][]byte{nil, a, b, c}, 1, []string{string(a) + string(b) + string(c)}},
		{"by the basic offset table", nil, [][]byte{offsets(0, 12), a, b, b}, 2, []string{string(a), string(b) + string(b)}},
		{"by marks", nil, [][]byte{nil, a, b, c}, 2, []string{string(a) + string(b), string(c)}},
		{"by marks, too few", nil, [][]byte{nil, a, b, c}, 5, []string{string(a) + string(b), string(c)}},
		{"by the extended offset table", []dataset.Element{ov(tagOffsets, 0, 12), ov(tagLengths, 3, 2)}, [][]byte{nil, a, b}, 2,
			[]string{string(a[:3]), string(b)}},
		{"no fragments", nil, [][]byte{nil}, 2, nil},
	} {
		got, err := split(setOf(test.extended), test.fragments, test.frames, true)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		var frames []string
		for _, parts := range got {
			frames = append(frames, string(joined(parts)))
		}
		if !slices.Equal(frames, test.want) {
			t.Errorf("%s: %q, want %q", test.name, frames, test.want)
		}
	}
}

func TestOffsetTablesThatContradictAreCorrupt(t *testing.T) {
	a, b := soi(1), []byte{2, 2}
	for _, test := range []struct {
		name      string
		extended  []dataset.Element
		fragments [][]byte
	}{
		{"between fragments", nil, [][]byte{offsets(0, 13), a, b, b}},
		{"not from the first", nil, [][]byte{offsets(12, 22), a, b, b}},
		{"beyond the end", nil, [][]byte{offsets(0, 1<<31), a, b, b}},
		{"backwards", nil, [][]byte{offsets(0, 22, 12), a, b, b, b}},
		{"extended, of other fragments", []dataset.Element{ov(tagOffsets, 0, 12)}, [][]byte{nil, a, b, b}},
		{"extended, of too few frames", []dataset.Element{ov(tagOffsets, 0)}, [][]byte{nil, a}},
		{"extended, frames too long", []dataset.Element{ov(tagOffsets, 0, 12), ov(tagLengths, 4, 3)}, [][]byte{nil, a, b}},
	} {
		if got, err := split(setOf(test.extended), test.fragments, 2, true); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %q, %v, want %v", test.name, got, err, ErrCorrupt)
		}
	}
}

// packBits makes runs of what is three times the same, and literals of the rest.
func packBits(src []byte) []byte {
	var out []byte
	literal := 0 // where the last literal's control byte is, 0 for none
	for len(src) > 0 {
		n := 1
		for n < len(src) && n < 128 && src[n] == src[0] {
			n++
		}
		switch {
		case n >= 3:
			out, literal = append(out, byte(1-n), src[0]), 0
		case literal > 0 && out[literal-1] < 127:
			n = 1
			out[literal-1]++
			out = append(out, src[0])
		default:
			n = 1
			out = append(out, 0, src[0])
			literal = len(out) - 1
		}
		src = src[n:]
	}
	return out
}

// encodeRLE makes an RLE frame of planes.
func encodeRLE(planes ...[]byte) []byte {
	out := make([]byte, rleHeader)
	binary.LittleEndian.PutUint32(out, uint32(len(planes)))
	for i, plane := range planes {
		binary.LittleEndian.PutUint32(out[4+4*i:], uint32(len(out)))
		out = append(out, packBits(plane)...)
		if len(out)%2 == 1 {
			out = append(out, 0)
		}
	}
	return out
}

// Law: what an encoder made of values comes back, for every depth and number of
// samples.
func TestRLEComesBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		depth := rapid.SampledFrom([]int{8, 16, 32}).Draw(r, "bits")
		m := format{rows: 1, columns: rapid.IntRange(1, 300).Draw(r, "columns"), samples: rapid.SampledFrom([]int{1, 3}).Draw(r, "samples"),
			allocated: depth, stored: depth, high: depth - 1, signed: true}
		want := make([]int32, m.values())
		for i := range want {
			want[i] = int32(rapid.IntRange(-2, 2).Draw(r, "value"))
		}
		planes := make([][]byte, m.samples*depth/8)
		for s := range m.samples {
			for b := range depth / 8 {
				for p := range m.columns {
					planes[s*depth/8+b] = append(planes[s*depth/8+b], byte(want[p*m.samples+s]>>(depth-8-8*b)))
				}
			}
		}
		got, err := decodeRLE(&m, encodeRLE(planes...))
		if err != nil || !slices.Equal(got.Values, want) {
			r.Fatalf("decodeRLE: %v, %v, want %v", got, err, want)
		}
	})
}

func TestRLESegments(t *testing.T) {
	for _, c := range []struct {
		name string
		src  []byte
		want []byte // nil for an error
	}{
		{"a literal and a run", []byte{1, 7, 8, 0xfe, 9}, []byte{7, 8, 9, 9, 9}},
		{"a control byte without meaning", []byte{0x80, 4, 1, 2, 3, 4, 5}, []byte{1, 2, 3, 4, 5}},
		{"bytes beyond", []byte{0xf0, 3, 0, 0}, []byte{3, 3, 3, 3, 3}},
		{"a literal cut short", []byte{4, 1, 2, 3, 4}, nil},
		{"a run without its byte", []byte{1, 7, 8, 0xfe}, nil},
		{"nothing", nil, nil},
	} {
		got := make([]byte, 5)
		err := unpackRLE(got, c.src)
		if c.want == nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v, want %v", c.name, err, ErrCorrupt)
			}
		} else if err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestRLEHeadersAreChecked(t *testing.T) {
	m := &format{rows: 1, columns: 2, samples: 1, allocated: 16, stored: 16, high: 15}
	good := encodeRLE([]byte{1, 2}, []byte{3, 4})
	forge := func(at int, v uint32) []byte {
		out := slices.Clone(good)
		binary.LittleEndian.PutUint32(out[at:], v)
		return out
	}
	for name, data := range map[string][]byte{
		"shorter than a header": good[:63], "three segments": forge(0, 3), "2^32-1 segments": forge(0, 1<<32-1),
		"a segment in the header": forge(4, 0), "a segment beyond the end": forge(8, uint32(len(good)+1)), "segments backwards": forge(4, uint32(len(good))),
	} {
		if _, err := decodeRLE(m, data); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want %v", name, err, ErrCorrupt)
		}
	}
	if s, err := decodeRLE(m, good); err != nil || !slices.Equal(s.Values, []int32{0x103, 0x204}) {
		t.Errorf("decodeRLE: %v, %v", s, err)
	}
}

func TestFramesDeclaredButAbsentAreCorrupt(t *testing.T) {
	ten := str(tagFrames, "IS", "10")
	frame := encodeRLE([]byte{1, 2, 3, 4})
	for name, data := range map[string][]byte{
		"native":              encode(t, explicitLittle, append(module(2, 2, ten), ow(tagPixels, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9))...),
		"encapsulated":        encode(t, rle, append(module(2, 2, ten), fragments(offsets(0, uint32(len(frame)+8)), frame, frame))...),
		"RLE without offsets": encode(t, rle, append(module(2, 2, ten), fragments(nil, frame, frame))...),
		"uncompressed, encapsulated without offsets": encode(t, encapsulated, append(module(2, 2, ten), fragments(nil, []byte{1, 2, 3, 4}, []byte{1, 2, 3, 4}))...),
	} {
		f := open(t, data)
		if f.Frames() != 2 {
			t.Errorf("%s: %d frames, want 2", name, f.Frames())
		}
		if f.Declared() != 10 {
			t.Errorf("%s: %d frames declared, want 10", name, f.Declared())
		}
		pictureOf(t, f, 1)
		for _, frame := range []int{-1, 2, 9, 10} {
			if _, err := f.Render(frame, View{}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: Render(%d): %v, want %v", name, frame, err, ErrCorrupt)
			}
		}
	}
}

// A JPEG 2000 header is found in a codestream and in a JP2 file alike.
func TestHeaders(t *testing.T) {
	siz := append([]byte{0xff, 0x4f, 0xff, 0x51, 0, 41, 0, 0}, make([]byte, 37)...)
	binary.BigEndian.PutUint32(siz[8:], 300)
	binary.BigEndian.PutUint32(siz[12:], 200)
	binary.BigEndian.PutUint32(siz[16:], 100)
	siz[41], siz[42] = 1, 0x80|11
	jp2 := append([]byte(jp2Signature+"\x00\x00\x00\x00jp2c"), siz...)
	for name, data := range map[string][]byte{"codestream": siz, "JP2": jp2} {
		h, err := jpeg2000Header(data)
		if want := (header{width: 200, height: 200, components: 1, precision: 12}); err != nil || h != want {
			t.Errorf("%s: %+v, %v, want %+v", name, h, err, want)
		}
		for i := range data[:len(data)-5] {
			if _, err := jpeg2000Header(data[:i]); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s cut at %d: %v, want %v", name, i, err, ErrCorrupt)
			}
		}
	}
	for name, colour := range map[string]string{"\xff\xee\x00\x0eAdobe\x00d\x00\x00\x00\x00\x00": rgb, "\xff\xee\x00\x0eAdobe\x00d\x00\x00\x00\x00\x01": ybrFull,
		"\xff\xee\x00\x0cAdobe\x00\x00\x00\x00\x00": "", "": ""} {
		h, err := jpegHeader([]byte("\xff\xd8" + name + "\xff\xff\xc0\x00\x11\x08\x00\x02\x00\x03\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00"))
		if want := (header{3, 2, 3, 8, colour}); err != nil || h != want {
			t.Errorf("jpegHeader(%q): %+v, %v, want %+v", name, h, err, want)
		}
	}
	if h, err := jpegHeader([]byte("\xff\xd8\xff\xc0\x00\x11\x08\x00\x02\x00\x03\x03R\x11\x00G\x11\x00B\x11\x00")); err != nil || h.colour != rgb {
		t.Errorf("jpegHeader of components R, G, B: %+v, %v", h, err)
	}
}
