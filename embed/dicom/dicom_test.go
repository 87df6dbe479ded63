package dicom

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"nearcase/embed/dicom/dataset"
)

func TestBadFiles(t *testing.T) {
	pixels := ow(tagPixels, 1, 2, 3, 4)
	file := func(extra ...dataset.Element) []byte {
		return encode(t, explicitLittle, append(module(2, 2, pixels), extra...)...)
	}
	jpeg := func(v string) []byte {
		return encode(t, jpegBaseline, append(module(2, 2), fragments(nil, []byte(v)))...)
	}
	whole := file()
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, ErrNotDICOM},
		{"a text", []byte(strings.Repeat("not DICOM", 50)), ErrNotDICOM},
		{"truncated", whole[:len(whole)-1], ErrCorrupt},
		{"no pixel data", encode(t, explicitLittle, module(2, 2)...), ErrNoImage},
		{"a report", encode(t, explicitLittle, str(tagClass, "UI", "1.2.840.10008.5.1.4.1.1.88.11")), ErrNoImage},
		{"fewer pixels than rows and columns", file(us(tagRows, 3)), ErrCorrupt},
		{"no rows", file(us(tagRows, 0)), ErrCorrupt},
		{"no bits allocated", file(us(tagAllocated)), ErrCorrupt},
		{"12 bits allocated", file(us(tagAllocated, 12)), ErrUnsupported},
		{"more bits stored than allocated", file(us(tagBitsStored, 9), us(tagHighBit, 8)), ErrCorrupt},
		{"a high bit below the bits stored", file(us(tagHighBit, 6)), ErrCorrupt},
		{"no photometric interpretation", file(cs(tagPhotometric, "")), ErrCorrupt},
		{"inks", file(cs(tagPhotometric, "CMYK"), us(tagSamples, 4)), ErrUnsupported},
		{"grey of 3 samples", file(us(tagSamples, 3)), ErrCorrupt},
		{"RGB of 1 sample", file(cs(tagPhotometric, rgb)), ErrCorrupt},
		{"signed RGB", file(cs(tagPhotometric, rgb), us(tagSamples, 3), us(tagRows, 1), us(tagColumns, 1), us(tagRepresentation, 1)), ErrUnsupported},
		{"uncompressed YBR_RCT", file(cs(tagPhotometric, ybrRCT), us(tagSamples, 3)), ErrUnsupported},
		{"4:2:2 of odd width", file(cs(tagPhotometric, ybrFull422), us(tagSamples, 3), us(tagColumns, 1)), ErrCorrupt},
		{"a number of frames that is none", file(str(tagFrames, "IS", "1A")), ErrCorrupt},
		{"a number of frames that is not whole", file(ds(tagFrames, "1.5")), ErrCorrupt},
		{"more rows than their VR has room for", file(dataset.Element{Tag: tagRows, VR: "UL", Value: []byte{0, 0, 1, 0}}), ErrCorrupt},
		{"a negative number of frames", file(str(tagFrames, "IS", "-1")), ErrCorrupt},
		{"a palette without tables", file(cs(tagPhotometric, palette)), ErrCorrupt},
		{"a slope that is no number", file(ds(tagSlope, "one")), ErrCorrupt},
		{"a slope of 0", file(ds(tagSlope, "0")), ErrCorrupt},
		{"a VOI LUT without data", file(sq(tagVOILUTs, []dataset.Element{us(tagDescriptor, 2, 0, 8)})), ErrCorrupt},
		{"floating-point pixels", file(dataset.Element{Tag: tagFloatPixels, VR: "OF", Value: make([]byte, 16)}), ErrUnsupported},
		{"MPEG", encode(t, "1.2.840.10008.1.2.4.100", append(module(2, 2), fragments(nil, make([]byte, 8)))...), ErrUnsupported},
		{"JPEG that is not encapsulated", encode(t, jpegBaseline, module(2, 2, pixels)...), ErrCorrupt},
		{"JPEG without fragments", encode(t, jpegBaseline, append(module(2, 2), fragments(nil))...), ErrCorrupt},
		{"JPEG that is none", jpeg("not JPEG"), ErrCorrupt},
		{"JPEG of another size", jpeg("\xff\xd8\xff\xc0\x00\x0b\x08\x00\x02\x00\x03\x01\x01\x11\x00\x00"), ErrCorrupt},
		{"JPEG of 3 components in a grey file", jpeg("\xff\xd8\xff\xc0\x00\x11\x08\x00\x02\x00\x02\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00\x00"), ErrCorrupt},
		{"JPEG that ends", jpeg("\xff\xd8\xff\xc0\x00\x0b\x08\x00\x02\x00\x02\x01\x01\x11\x00\x00"), ErrCorrupt},
		{"RLE that ends", encode(t, rle, append(module(2, 2), fragments(nil, encodeRLE([]byte{1, 2})))...), ErrCorrupt},
	} {
		f, err := Open(c.data, Limits{})
		if err == nil {
			_, err = f.Render(0, View{})
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestErrNoImageNamesTheClass(t *testing.T) {
	f := open(t, encode(t, explicitLittle, str(tagClass, "UI", "1.2.840.10008.5.1.4.1.1.88.11")))
	_, err := f.Stored(0)
	if err == nil || !strings.Contains(err.Error(), "1.2.840.10008.5.1.4.1.1.88.11 (structured report)") {
		t.Errorf("Stored of a report: %v", err)
	}
	if f.Frames() != 0 || f.Width() != 0 || f.Height() != 0 {
		t.Errorf("a report has %d frames of %d x %d", f.Frames(), f.Width(), f.Height())
	}
}

func TestLimits(t *testing.T) {
	data := encode(t, explicitLittle, append(module(2, 3), ow(tagPixels, 1, 2, 3, 4, 5, 6))...)
	for _, l := range []Limits{{Pixels: 5}, {Bytes: int64(len(data)) - 1}} {
		if _, err := Open(data, l); !errors.Is(err, ErrTooLarge) {
			t.Errorf("Open within %+v: %v, want %v", l, err, ErrTooLarge)
		}
	}
	if _, err := Open(data, Limits{Pixels: 6, Bytes: int64(len(data))}); err != nil {
		t.Errorf("Open just within limits: %v", err)
	}
}

func TestFramesAreLimited(t *testing.T) {
	bit := func(declared string, bytes int) []dataset.Element {
		extra := append(bits(1, 1, 0, 0), str(tagFrames, "IS", declared), ow(tagPixels, make([]byte, bytes)...))
		return module(1, 1, extra...)
	}
	for _, c := range []struct {
		name             string
		data             []byte
		limit            int
		want             error
		frames, declared int
	}{
		{"more than are allowed", encode(t, explicitLittle, bit("16", 2)...), 15, ErrTooLarge, 0, 0},
		{"as many as are allowed", encode(t, explicitLittle, bit("16", 2)...), 16, nil, 16, 16},
		{"more declared", encode(t, explicitLittle, bit("17", 2)...), 16, ErrTooLarge, 0, 0},
		{"more held than declared", encode(t, explicitLittle, bit("1", 4)...), 16, ErrTooLarge, 0, 0},
		{"more than by default", encode(t, explicitLittle, bit("10001", 1252)...), 0, ErrTooLarge, 0, 0},
		{"as many as by default", encode(t, explicitLittle, bit("10000", 1250)...), 0, nil, 10000, 10000},
		{"fewer than declared", encode(t, explicitLittle, bit("100", 2)...), 0, nil, 16, 100},
		{"a number that is not stated", encode(t, explicitLittle, bit("", 2)...), 0, nil, 1, 1},
		{"no pixel data", encode(t, explicitLittle, str(tagFrames, "IS", "5")), 0, nil, 0, 0},
	} {
		f, err := Open(c.data, Limits{Frames: c.limit})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: Open: %v, want %v", c.name, err, c.want)
		} else if err == nil && (f.Frames() != c.frames || f.Declared() != c.declared) {
			t.Errorf("%s: %d frames of %d, want %d of %d", c.name, f.Frames(), f.Declared(), c.frames, c.declared)
		}
	}
}

func TestBurnedInAnnotationIsTold(t *testing.T) {
	for _, c := range []struct {
		e    dataset.Element
		want bool
	}{
		{cs(tagBurnedIn, "YES"), true}, {str(tagBurnedIn, "LO", "yes"), true}, {cs(tagBurnedIn, "NO"), false}, {cs(tagModality, "MG"), false},
	} {
		if got := open(t, encode(t, explicitLittle, c.e)).BurnedIn(); got != c.want {
			t.Errorf("BurnedIn of %q: %v, want %v", c.e.Value, got, c.want)
		}
	}
}

// A small file that declares a large frame costs next to no memory.
func TestForgedSizesAllocateNothing(t *testing.T) {
	large := module(9000, 9000, bits(32, 32, 31, 0)...)
	frame := encodeRLE([]byte{1}, []byte{1}, []byte{1}, []byte{1})
	jpeg := []byte("\xff\xd8\xff\xc1\x00\x0b\x08\x23\x28\x23\x28\x01\x01\x11\x00\x00")
	lookup := sq(tagVOILUTs, []dataset.Element{us(tagDescriptor, 0, 0, 16), ow(tagLUTData, 1, 2)})
	for name, data := range map[string][]byte{
		"native":  encode(t, explicitLittle, append(large, ow(tagPixels, 1, 2))...),
		"RLE":     encode(t, rle, append(large, fragments(nil, frame))...),
		"JPEG":    encode(t, jpegBaseline, append(large, fragments(nil, jpeg))...),
		"frames":  encode(t, explicitLittle, module(1, 1, str(tagFrames, "IS", "2147483647"), ow(tagPixels, 1, 2))...),
		"a table": encode(t, explicitLittle, module(1, 1, lookup, ow(tagPixels, 1, 2))...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if f, err := Open(data, Limits{}); err == nil {
			_, err = f.Render(0, View{})
			if err == nil && name != "frames" {
				t.Errorf("%s: no error", name)
			}
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, n, len(data))
		}
	}
}

// GE's private syntax keeps big endian pixels in a little endian file.
func TestMixedEndianPixels(t *testing.T) {
	e := append(module(1, 1, bits(16, 16, 15, 0)...), ow(tagPixels, 1, 2))
	f := open(t, encode(t, implicitMixed, e...))
	if got := storedOf(t, f, 0)[0]; got != int32(binary.BigEndian.Uint16([]byte{1, 2})) {
		t.Errorf("stored %#x, want 0x102", got)
	}
}
