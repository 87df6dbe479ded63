package dicom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nearcase/embed/dicom/dataset"
	"nearcase/embed/jpeg"
	"nearcase/embed/native"
)

// Law: a cell's value is that of its stored bits, whatever the others hold, and
// signed values come back.
func TestCellsAreSignExtended(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		stored := rapid.IntRange(1, 16).Draw(r, "stored")
		high := rapid.IntRange(stored-1, 15).Draw(r, "high")
		m := format{stored: stored, high: high, signed: rapid.Bool().Draw(r, "signed")}
		want := rapid.Int32Range(0, 1<<stored-1).Draw(r, "value")
		if m.signed {
			want -= 1 << (stored - 1)
		}
		shift := high + 1 - stored
		mask := uint32(1<<stored-1) << shift
		raw := uint32(want)<<shift&mask | rapid.Uint32().Draw(r, "others")&^mask
		if got := m.cell(raw); got != want {
			r.Fatalf("cell(%#x) of %+v = %d, want %d", raw, m, got, want)
		}
	})
}

func TestNativeCells(t *testing.T) {
	for _, c := range []struct {
		name   string
		layout []dataset.Element
		data   []byte
		want   []int32
	}{
		{"8 bits", bits(8, 8, 7, 0), []byte{0, 128, 255, 9}, []int32{0, 128, 255}},
		{"8 bits signed", bits(8, 8, 7, 1), []byte{0, 128, 255, 9}, []int32{0, -128, -1}},
		{"10 bits", bits(16, 10, 9, 0), words(0xffff, 0x0400, 0x0201), []int32{1023, 0, 0x201}},
		{"12 bits signed", bits(16, 12, 11, 1), words(0x0fff, 0x0800, 0x07ff), []int32{-1, -2048, 2047}},
		{"12 bits at the top", bits(16, 12, 15, 0), words(0xfff0, 0x1234, 0x000f), []int32{0xfff, 0x123, 0}},
		{"12 bits signed at the top", bits(16, 12, 15, 1), words(0xfff0, 0x8004, 0x7ff0), []int32{-1, -2048, 2047}},
		{"16 bits signed", bits(16, 16, 15, 1), words(-1, -32768, 32767), []int32{-1, -32768, 32767}},
		{"32 bits signed", bits(32, 32, 31, 1), append(words(-1, -1, 0, -32768), 1, 0, 0, 0), []int32{-1, -1 << 31, 1}},
		{"1 bit", bits(1, 1, 0, 0), []byte{0b101, 0}, []int32{1, 0, 1}},
	} {
		elements := append(module(1, 3, c.layout...), ow(tagPixels, c.data...))
		for _, syntax := range []string{implicitLittle, explicitLittle} {
			f := open(t, encode(t, syntax, elements...))
			if got := storedOf(t, f, 0); f.Frames() != 1 || !slices.Equal(got, c.want) {
				t.Errorf("%s in %s: %v in %d frames, want %v", c.name, syntax, got, f.Frames(), c.want)
			}
		}
		elements[len(elements)-1] = fragments(nil, c.data)
		if got := storedOf(t, open(t, encode(t, encapsulated, elements...)), 0); !slices.Equal(got, c.want) {
			t.Errorf("%s encapsulated: %v, want %v", c.name, got, c.want)
		}
	}
}

// Big endian words swap pairs of bytes: of two cells of 8 bits, and of one of
// 16.
func TestBigEndianCells(t *testing.T) {
	for _, c := range []struct {
		name, vr string
		layout   []dataset.Element
		data     []byte
		want     []int32
	}{
		{"8 bits in words", "OW", bits(8, 8, 7, 0), []byte{2, 1, 4, 3}, []int32{1, 2, 3}},
		{"8 bits in bytes", "OB", bits(8, 8, 7, 0), []byte{1, 2, 3, 0}, []int32{1, 2, 3}},
		{"16 bits", "OW", bits(16, 16, 15, 0), []byte{1, 2, 3, 4, 5, 6}, []int32{0x102, 0x304, 0x506}},
		{"1 bit in words", "OW", bits(1, 1, 0, 0), []byte{0, 5}, []int32{1, 0, 1}},
	} {
		set := setOf(append(module(1, 3, c.layout...), dataset.Element{Tag: tagPixels, VR: c.vr, Value: c.data}))
		set.Order = binary.BigEndian
		for i := range set.Elements {
			if e := &set.Elements[i]; e.VR == "US" {
				e.Value = binary.BigEndian.AppendUint16(nil, binary.LittleEndian.Uint16(e.Value))
			}
		}
		data, err := (&dataset.File{Syntax: explicitBig, Meta: &dataset.Set{}, Set: set}).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if got := storedOf(t, open(t, data), 0); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Frames of an odd number of bits or bytes follow each other without padding.
func TestFramesFollowEachOther(t *testing.T) {
	three := str(tagFrames, "IS", "3")
	for _, c := range []struct {
		name   string
		layout []dataset.Element
		data   []byte
	}{
		{"bits", bits(1, 1, 0, 0), []byte{0b11_010_001, 0b0}},
		{"bytes", bits(8, 8, 7, 0), []byte{1, 0, 0, 0, 1, 0, 0, 1, 1, 0}},
	} {
		f := open(t, encode(t, explicitLittle, append(module(1, 3, c.layout...), three, ow(tagPixels, c.data...))...))
		for i, want := range [][]int32{{1, 0, 0}, {0, 1, 0}} {
			if got := storedOf(t, f, i); !slices.Equal(got, want) {
				t.Errorf("%s, frame %d: %v, want %v", c.name, i, got, want)
			}
		}
	}
}

// colour returns the module of an 8-bit colour image.
func colourModule(rows, columns int, photometric string, planar int, extra ...dataset.Element) []dataset.Element {
	return append(module(rows, columns, us(tagSamples, 3), us(tagPlanar, planar), cs(tagPhotometric, photometric)), extra...)
}

func TestColours(t *testing.T) {
	for _, c := range []struct {
		name   string
		module []dataset.Element
		data   []byte
		want   []byte
	}{
		{"RGB by pixel", colourModule(1, 2, rgb, 0), []byte{1, 2, 3, 4, 5, 6}, []byte{1, 2, 3, 4, 5, 6}},
		{"RGB by plane", colourModule(1, 2, rgb, 1), []byte{1, 4, 2, 5, 3, 6}, []byte{1, 2, 3, 4, 5, 6}},
		{"RGB of 16 bits", colourModule(1, 1, rgb, 0, bits(16, 16, 15, 0)...), words(65535, 257*7, 129), []byte{255, 7, 1}},
		{"RGB of 12 bits", colourModule(1, 1, rgb, 0, bits(16, 12, 11, 0)...), words(4095, 8, 9), []byte{255, 0, 1}},
		{"RGB of 32 bits", colourModule(1, 1, rgb, 0, bits(32, 32, 31, 0)...), words(-1, -1, 0, 0, 0, -32768), []byte{255, 0, 128}},
		{"YBR by pixel", colourModule(1, 2, ybrFull, 0), []byte{100, 128, 128, 76, 85, 255}, []byte{100, 100, 100, 254, 0, 0}},
		{"YBR by plane", colourModule(1, 2, ybrFull, 1), []byte{100, 76, 128, 85, 128, 255}, []byte{100, 100, 100, 254, 0, 0}},
		{"YBR 4:2:2", colourModule(1, 4, ybrFull422, 0), []byte{10, 76, 128, 128, 76, 0, 85, 255}, []byte{10, 10, 10, 76, 76, 76, 254, 0, 0, 178, 0, 0}},
	} {
		if len(c.data)%2 == 1 {
			c.data = append(c.data, 0)
		}
		f := open(t, encode(t, explicitLittle, append(c.module, ow(tagPixels, c.data...))...))
		if got := pictureOf(t, f, 0).Pix; !bytes.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Law: colours are within one level of the equations of PS3.3 C.7.6.3.1.2.
func TestYBRIsTheStandards(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := &Stored{Bits: 8}
		y, cb, cr := rapid.Byte().Draw(r, "y"), rapid.Byte().Draw(r, "cb"), rapid.Byte().Draw(r, "cr")
		red, green, blue := s.toRGB(int64(y), int64(cb), int64(cr))
		b, c := float64(cb)-128, float64(cr)-128
		for i, want := range []float64{float64(y) + 1.402*c, float64(y) - 0.344136*b - 0.714136*c, float64(y) + 1.772*b} {
			got := float64([]int64{red, green, blue}[i])
			if d := got - min(max(want, 0), 255); d > 0.51 || d < -0.51 {
				r.Fatalf("toRGB(%d, %d, %d)[%d] = %v, want %v", y, cb, cr, i, got, want)
			}
		}
	})
}

func TestExtractingFromStreamsOfOtherPrecision(t *testing.T) {
	for _, c := range []struct {
		name              string
		precision, stored int
		high              int
		signed            bool
		in, want          int32
		bits              int
	}{
		{"the same", 12, 12, 11, true, 0xfff, -1, 12},
		{"whole cells, sign-extended", 16, 12, 11, true, 0xffff, -1, 12},
		{"whole cells, stored at the top", 16, 12, 15, false, 0xfff0, 0xfff, 12},
		{"stored at the top, coded at the bottom", 12, 12, 15, false, 0xfff, 0xfff, 12},
		{"fewer bits than the file says", 8, 12, 11, false, 0xff, 0xff, 8},
		{"fewer bits than the file says, signed", 8, 12, 11, true, 0xff, -1, 8},
	} {
		m := format{rows: 1, columns: 1, samples: 1, stored: c.stored, high: c.high, signed: c.signed}
		s, err := m.decoded(header{precision: c.precision}, []int32{c.in})
		if err != nil || s.Values[0] != c.want || s.Bits != c.bits {
			t.Errorf("%s: %v, %v, want %d in %d bits", c.name, s, err, c.want, c.bits)
		}
	}
}

func TestDecodersErrorsAreOurs(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{jpegError(jpeg.ErrTooLarge), ErrTooLarge},
		{jpegError(jpeg.ErrUnsupported), ErrUnsupported},
		{jpegError(jpeg.ErrFormat), ErrCorrupt},
		{nativeError(native.ErrLibrary), ErrLibrary},
		{nativeError(native.ErrTooLarge), ErrTooLarge},
		{nativeError(native.ErrUnsupported), ErrUnsupported},
		{nativeError(native.ErrCorrupt), ErrCorrupt},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%v, want %v", c.err, c.want)
		}
	}
}
