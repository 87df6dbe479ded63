package jpeg

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// reference is what testdata/dicom.py found.
type reference struct {
	Files []struct {
		Name   string
		Frames []string
	}
	Images []sample
}

func references(t testing.TB) reference {
	t.Helper()
	data, err := os.ReadFile("testdata/dicom.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// digestOf returns the digest of values as 16 bits, little endian.
func digestOf(values []uint16) string {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint16(out, v)
	}
	return digest(out)
}

// frames returns the JPEG streams of a DICOM file: the fragments of its pixel
// data (PS3.5, A.4), joined up to the next that starts an image.
func frames(t testing.TB, name string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := max(bytes.Index(data, []byte("\xe0\x7f\x10\x00")), 0)
	at += max(bytes.Index(data[at:], []byte("\xfe\xff\x00\xe0")), 0)
	var all [][]byte
	for at+8 <= len(data) && bytes.HasPrefix(data[at:], []byte("\xfe\xff\x00\xe0")) {
		size := int(binary.LittleEndian.Uint32(data[at+4:]))
		fragment := data[at+8 : at+8+size]
		switch {
		case bytes.HasPrefix(fragment, []byte("\xff\xd8")):
			all = append(all, bytes.Clone(fragment))
		case len(all) > 0:
			all[len(all)-1] = append(all[len(all)-1], fragment...)
		}
		at += 8 + size
	}
	return all
}

func TestSamplesOfDICOMFilesAreTheReference(t *testing.T) {
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is unset: no DICOM files")
	}
	for _, f := range references(t).Files {
		all := frames(t, filepath.Join(root, "dicom", f.Name))
		if len(all) != len(f.Frames) {
			t.Errorf("%s: %d frames, want %d", f.Name, len(all), len(f.Frames))
			continue
		}
		for i, want := range f.Frames {
			s, err := DecodeSamples(all[i], 1<<20, true)
			if err != nil {
				t.Errorf("DecodeSamples(%s, frame %d): %v", f.Name, i, err)
			} else if got := digestOf(s.Values); got != want {
				t.Errorf("DecodeSamples(%s, frame %d): samples %.8s, want %.8s", f.Name, i, got, want)
			}
		}
	}
}

func TestSamplesOfOtherProcessesAreTheReference(t *testing.T) {
	for _, c := range references(t).Images {
		s, err := DecodeSamples(c.Data, 1<<20, true)
		if err != nil {
			t.Errorf("DecodeSamples(%s): %v", c.Name, err)
		} else if got := digestOf(s.Values); got != c.SHA256 {
			t.Errorf("DecodeSamples(%s): samples %.8s, want %.8s", c.Name, got, c.SHA256)
		}
	}
}

// Law: of 8 bits, samples that are not raw are Decode's.
func TestConvertedSamplesAreDecodes(t *testing.T) {
	for _, c := range samples(t) {
		want, err := Decode(c.Data, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeSamples(c.Data, math.MaxInt64, false)
		if err != nil {
			t.Fatalf("DecodeSamples(%s): %v", c.Name, err)
		}
		if got.Precision != 8 || got.Width != want.Width || got.Height != want.Height || got.Components != want.Components {
			t.Errorf("DecodeSamples(%s) = %d x %d x %d of %d bits", c.Name, got.Width, got.Height, got.Components, got.Precision)
		}
		for i, v := range got.Values {
			if v != uint16(want.Pix[i]) {
				t.Fatalf("DecodeSamples(%s): value %d is %d, want %d", c.Name, i, v, want.Pix[i])
			}
		}
	}
}

// Law: raw samples, converted, are Decode's.
func TestRawSamplesAreThoseStored(t *testing.T) {
	for _, c := range samples(t) {
		want, err := Decode(c.Data, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeSamples(c.Data, math.MaxInt64, true)
		if err != nil {
			t.Fatalf("DecodeSamples(%s, raw): %v", c.Name, err)
		}
		n := got.Components
		for i := 0; i < len(got.Values); i += n {
			pixel, planes := make([]byte, n), [4][]byte{}
			for k := range n {
				planes[k] = []byte{byte(got.Values[i+k])}
			}
			convert := stored(n)
			switch {
			case n == 4:
				convert = inks
				if i := bytes.Index(c.Data, []byte("Adobe")); i > 0 && c.Data[i+11] != 0 {
					convert = inksOfYCCK
				}
			case got.YCbCr:
				convert = colour
			}
			if convert(pixel, planes); !bytes.Equal(pixel, want.Pix[i:i+n]) {
				t.Fatalf("DecodeSamples(%s, raw): pixel %d is %v, which is %v; want %v", c.Name, i/n, got.Values[i:i+n], pixel, want.Pix[i:i+n])
			}
		}
	}
}

// Law: lossless YCbCr of 8 bits becomes the RGB of T.871, unless raw.
func TestLosslessColourIsConverted(t *testing.T) {
	o := original{width: 7, height: 5, components: 3, precision: 8, predictor: 1}
	o.fill(3, 0)
	data := slices.Insert(o.encode(), 2, []byte("\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")...)
	raw, err := DecodeSamples(data, 100, true)
	if err != nil || !raw.YCbCr || !slices.Equal(raw.Values, o.values) {
		t.Fatalf("DecodeSamples(raw) = %+v, %v; want YCbCr %v", raw, err, o.values)
	}
	got, err := DecodeSamples(data, 100, false)
	if err != nil || !got.YCbCr {
		t.Fatalf("DecodeSamples = %+v, %v", got, err)
	}
	for i := 0; i < len(o.values); i += 3 {
		want := make([]byte, 3)
		colour(want, [4][]byte{{byte(o.values[i])}, {byte(o.values[i+1])}, {byte(o.values[i+2])}})
		for k, v := range want {
			if got.Values[i+k] != uint16(v) {
				t.Fatalf("DecodeSamples: pixel %d is %v, want %v", i/3, got.Values[i:i+3], want)
			}
		}
	}
}

// Law: the transform to 12 bits is within one level of the exact one.
func TestWideInverseIsTheCosineTransform(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawn(t)
		for i := range b.at {
			b.at[i] *= rapid.Int32Range(-16, 16).Draw(t, "scale")
		}
		at, got := b.at, make([]uint16, 64)
		b.inverseWide(got, 8)
		for i := range got {
			want := min(max(plainSum(&at, i%8, i/8)+2048, 0), 4095)
			if math.Abs(float64(got[i])-want) > 1.01 {
				t.Fatalf("inverseWide(%v) at (%d, %d) = %d, want %.3f", at, i%8, i/8, got[i], want)
			}
		}
		if b.at != [64]int32{} || b.set != 0 {
			t.Fatalf("inverseWide(%v) leaves %v, %x", at, b.at, b.set)
		}
	})
}

// Law: samples of 12 bits are upsampled as those of 8 are.
func TestWideUpsamplingIsUpsampling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := component{
			stretch: rapid.IntRange(1, 4).Draw(t, "stretch"), drop: rapid.IntRange(1, 4).Draw(t, "drop"),
			width: rapid.IntRange(1, 12).Draw(t, "width"), height: rapid.IntRange(1, 12).Draw(t, "height"),
		}
		c.plane = newPlane(2, 2, 2, true)
		c.wide = wide{pix: make([]uint16, len(c.plane.pix)), stride: c.plane.stride, scratch: make([]uint16, c.width*c.stretch)}
		c.scratch = make([]byte, c.width*c.stretch)
		for i := range c.plane.pix {
			c.plane.pix[i] = rapid.Byte().Draw(t, "sample")
			c.wide.pix[i] = uint16(c.plane.pix[i])
		}
		for y := range c.height * c.drop {
			want, got := c.upsampled(y), c.upsampledWide(y)
			for x, v := range got {
				if len(got) != len(want) || v != uint16(want[x]) {
					t.Fatalf("row %d of %d x %d: %v, want %v", y, c.stretch, c.drop, got, want)
				}
			}
		}
	})
}

// allKinds are images of every process, coded.
func allKinds(t testing.TB) [][]byte {
	all := kinds(t)
	for _, c := range references(t).Images {
		all = append(all, c.Data)
	}
	o := original{width: 5, height: 4, components: 3, precision: 11, predictor: 6, restart: 2, steep: true}
	o.fill(1, 2)
	return append(all, o.encode(), withSamples(t, "7x9 2x2"), withSamples(t, "deep refinement"))
}

// withSamples returns a sample's data with 12 bits in its frame header: other
// coefficients of no meaning, but valid.
func withSamples(t testing.TB, start string) []byte {
	data := named(t, start)
	for at := 2; ; at += 2 + int(binary.BigEndian.Uint16(data[at+2:])) {
		if m := data[at+1]; m >= markSOF0 && m <= markSOF2 {
			data[at+4] = 12
			return data
		}
	}
}

// A subsampled image in colour of 12 bits has as many values as its header
// says, whether sequential or progressive.
func TestColourOf12BitsIsUpsampled(t *testing.T) {
	for _, start := range []string{"7x9 2x2", "40x3 2x2", "deep refinement"} {
		small, err := DecodeSamples(named(t, start), 1<<20, true)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeSamples(withSamples(t, start), 1<<20, true)
		if err != nil {
			t.Fatalf("DecodeSamples(%s of 12 bits): %v", start, err)
		}
		for i, v := range got.Values {
			// The same coefficients reach as far from the middle.
			if want := int(small.Values[i]) - 128; math.Abs(float64(int(v)-2048-want)) > 2 && want > -128 && want < 127 {
				t.Fatalf("DecodeSamples(%s of 12 bits): value %d is %d from the middle, want %d", start, i, int(v)-2048, want)
			}
		}
	}
}

// checkSamples fails unless DecodeSamples keeps its promises for data.
func checkSamples(t interface{ Fatalf(string, ...any) }, data []byte, raw bool) {
	const limit = 1 << 16
	s, err := DecodeSamples(data, limit, raw)
	if err != nil {
		if s != nil || !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("DecodeSamples(%q) = %v, %v, which is none of the errors promised", data, s, err)
		}
		return
	}
	if s.Width*s.Height > limit || len(s.Values) != s.Components*s.Width*s.Height {
		t.Fatalf("DecodeSamples(%q) = %d values of %d x %d x %d", data, len(s.Values), s.Width, s.Height, s.Components)
	}
	for i, v := range s.Values {
		if int(v)>>s.Precision != 0 {
			t.Fatalf("DecodeSamples(%q): value %d is %d of %d bits", data, i, v, s.Precision)
		}
	}
}

// Law: whatever happens to an image's bytes, DecodeSamples returns values as its
// header says or one of its errors.
func TestDamagedSamplesGiveAnImageOrAnError(t *testing.T) {
	images := allKinds(t)
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Clone(rapid.SampledFrom(images).Draw(t, "image"))
		for range rapid.IntRange(1, 8).Draw(t, "damages") {
			data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		checkSamples(t, data, rapid.Bool().Draw(t, "raw"))
	})
}

// Law: DecodeSamples keeps its promises.
func FuzzDecodeSamples(f *testing.F) {
	for _, data := range allKinds(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkSamples(t, data, true)
		checkSamples(t, data, false)
	})
}
