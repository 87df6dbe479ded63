package native

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

const limit = 1 << 20

// reference is what testdata/native.py found.
type reference struct {
	Files []struct {
		Name, Format string
		Frames       []string // nil where no decoder decodes it
	}
	Images []coded
}

// coded is a small image and the digest of its samples.
type coded struct {
	Name, Format string
	Data         []byte
	Components   int
	Precision    int
	Signed       bool
	SHA256       string
}

func references(t testing.TB) reference {
	t.Helper()
	data, err := os.ReadFile("testdata/native.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// named returns the data of the first small image whose name starts so.
func named(t testing.TB, start string) []byte {
	t.Helper()
	for _, c := range references(t).Images {
		if strings.HasPrefix(c.Name, start) {
			return bytes.Clone(c.Data)
		}
	}
	t.Fatalf("no image %q", start)
	return nil
}

// needs skips a test where a library is missing.
func needs(t testing.TB, format string) {
	t.Helper()
	l := &charls
	if format == "JPEG 2000" {
		l = &openjpeg
	}
	if _, err := l.load(); err != nil {
		t.Skip(err)
	}
}

func decode(format string, data []byte, l Limits) (*Image, error) {
	if format == "JPEG-LS" {
		return DecodeJPEGLS(data, l)
	}
	return DecodeJPEG2000(data, l)
}

// digest returns the digest of the lower 16 bits of values, little endian.
func digest(values []int32) string {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint16(out, uint16(v))
	}
	sum := sha256.Sum256(out)
	return hex.EncodeToString(sum[:])
}

func TestSmallImagesAreTheReference(t *testing.T) {
	for _, c := range references(t).Images {
		t.Run(c.Format+" "+c.Name, func(t *testing.T) {
			needs(t, c.Format)
			img, err := decode(c.Format, c.Data, Limits{limit})
			if err != nil {
				t.Fatal(err)
			}
			if img.Width != 41 || img.Height != 35 || img.Components != c.Components || img.Precision != c.Precision || img.Signed != c.Signed {
				t.Errorf("%d x %d x %d of %d bits, signed %t; want 41 x 35 x %d of %d, %t", img.Width, img.Height,
					img.Components, img.Precision, img.Signed, c.Components, c.Precision, c.Signed)
			}
			if got := digest(img.Values); got != c.SHA256 {
				t.Errorf("samples %.8s, want %.8s", got, c.SHA256)
			}
		})
	}
}

// frames returns the streams of a DICOM file: the fragments of its pixel data
// (PS3.5, A.4), joined up to the next that starts an image.
func frames(t testing.TB, name string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := max(bytes.Index(data, []byte("\xe0\x7f\x10\x00")), 0)
	at += max(bytes.Index(data[at:], []byte("\xfe\xff\x00\xe0")), 0)
	var all [][]byte
	for first := true; at+8 <= len(data) && bytes.HasPrefix(data[at:], []byte("\xfe\xff\x00\xe0")); first = false {
		size := int(binary.LittleEndian.Uint32(data[at+4:]))
		fragment := data[at+8 : at+8+size]
		switch {
		case first: // the offset table
		case startsImage(fragment):
			all = append(all, bytes.Clone(fragment))
		case len(all) > 0:
			all[len(all)-1] = append(all[len(all)-1], fragment...)
		}
		at += 8 + size
	}
	return all
}

func startsImage(fragment []byte) bool {
	for _, start := range []string{"\xff\xd8\xff", "\xff\x4f\xff\x51", signature} {
		if bytes.HasPrefix(fragment, []byte(start)) {
			return true
		}
	}
	return false
}

func TestFramesOfDICOMFilesAreTheReference(t *testing.T) {
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is unset: no DICOM files")
	}
	for _, f := range references(t).Files {
		t.Run(filepath.Base(f.Name), func(t *testing.T) {
			needs(t, f.Format)
			all := frames(t, filepath.Join(root, "dicom", f.Name))
			if f.Frames == nil {
				if _, err := decode(f.Format, all[0], Limits{limit}); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%v, want %v as from every other decoder", err, ErrCorrupt)
				}
				return
			}
			if len(all) != len(f.Frames) {
				t.Fatalf("%d frames, want %d", len(all), len(f.Frames))
			}
			for i, want := range f.Frames {
				img, err := decode(f.Format, all[i], Limits{limit})
				if err != nil {
					t.Errorf("frame %d: %v", i, err)
				} else if got := digest(img.Values); got != want {
					t.Errorf("frame %d: samples %.8s, want %.8s", i, got, want)
				}
			}
		})
	}
}

// Law: of an image cut short, decoding returns the whole image, where nothing
// but its end marker is missing, or ErrCorrupt.
func TestTruncatedImagesAreRefused(t *testing.T) {
	for _, c := range references(t).Images {
		if c.Components*c.Precision > 36 {
			continue
		}
		t.Run(c.Format+" "+c.Name, func(t *testing.T) {
			needs(t, c.Format)
			for n := 0; n < len(c.Data); n += 1 + n/50 {
				img, err := decode(c.Format, c.Data[:n], Limits{limit})
				if err == nil && n >= len(c.Data)-4 && digest(img.Values) == c.SHA256 {
					continue
				}
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("the first %d bytes of %d: %v, want %v", n, len(c.Data), err, ErrCorrupt)
				}
			}
		})
	}
}

// What may follow an image without being damage.
func TestBytesAfterTheEndAreSkipped(t *testing.T) {
	for _, c := range references(t).Images {
		needs(t, c.Format)
		for _, after := range []string{"\x00", "\xff", "\x00\x00\x00\x00", "trailing"} {
			img, err := decode(c.Format, append(bytes.Clone(c.Data), after...), Limits{limit})
			if err != nil {
				t.Errorf("%s with %q after it: %v", c.Name, after, err)
			} else if got := digest(img.Values); got != c.SHA256 {
				t.Errorf("%s with %q after it: samples %.8s, want %.8s", c.Name, after, got, c.SHA256)
			}
		}
	}
}

func TestImagesAreDecodedAtTheSameTime(t *testing.T) {
	images := references(t).Images
	needs(t, "JPEG-LS")
	needs(t, "JPEG 2000")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for _, c := range images {
				if img, err := decode(c.Format, c.Data, Limits{limit}); err != nil || digest(img.Values) != c.SHA256 {
					t.Errorf("%s: %v, want its samples", c.Name, err)
				}
			}
		})
	}
	all.Wait()
}

func TestMoreSamplesThanTheLimitAreRefused(t *testing.T) {
	for _, c := range references(t).Images {
		needs(t, c.Format)
		samples := int64(41 * 35 * c.Components)
		if _, err := decode(c.Format, c.Data, Limits{samples}); err != nil {
			t.Errorf("%s of as many samples as the limit: %v", c.Name, err)
		}
		if _, err := decode(c.Format, c.Data, Limits{samples - 1}); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "41 x 35") {
			t.Errorf("%s of more samples than the limit: %v, want %v", c.Name, err, ErrTooLarge)
		}
		if _, err := decode(c.Format, c.Data, Limits{}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s by no limit: %v, want %v", c.Name, err, ErrTooLarge)
		}
	}
}

// check fails unless decoding keeps its promises for data.
func check(t interface{ Fatalf(string, ...any) }, format string, data []byte) {
	img, err := decode(format, data, Limits{limit})
	if err != nil {
		if img != nil || errors.Is(err, ErrLibrary) ||
			!errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrUnsupported) {
			t.Fatalf("%s of %q = %v, %v, which is none of the errors promised", format, data, img, err)
		}
		return
	}
	if n := img.Width * img.Height * img.Components; n > limit || len(img.Values) != n {
		t.Fatalf("%s of %q = %d values of %d x %d x %d", format, data, len(img.Values), img.Width, img.Height, img.Components)
	}
	low, high := int32(0), int32(1)<<img.Precision-1
	if img.Signed {
		low, high = -1<<(img.Precision-1), high>>1
	}
	for i, v := range img.Values {
		if v < low || v > high {
			t.Fatalf("%s of %q: value %d is %d, which is not of %d bits", format, data, i, v, img.Precision)
		}
	}
}

// Law: whatever happens to an image's bytes, decoding returns an image as its
// header says or one of its errors.
func TestDamagedImagesGiveAnImageOrAnError(t *testing.T) {
	images := references(t).Images
	needs(t, "JPEG-LS")
	needs(t, "JPEG 2000")
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(images).Draw(t, "image")
		data := bytes.Clone(c.Data)
		for range rapid.IntRange(1, 8).Draw(t, "damages") {
			data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		check(t, c.Format, data)
	})
}

func fuzz(f *testing.F, format string) {
	needs(f, format)
	for _, c := range references(f).Images {
		if c.Format == format {
			f.Add(c.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { check(t, format, data) })
}

// Law: DecodeJPEGLS keeps its promises.
func FuzzJPEGLS(f *testing.F) { fuzz(f, "JPEG-LS") }

// Law: DecodeJPEG2000 keeps its promises.
func FuzzJPEG2000(f *testing.F) { fuzz(f, "JPEG 2000") }

func BenchmarkDecode(b *testing.B) {
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		b.Skip("NEARCASE_TESTDATA is unset: no DICOM files")
	}
	for _, f := range references(b).Files {
		if !strings.HasPrefix(f.Name, "dcm_qa_ts") {
			continue
		}
		data := frames(b, filepath.Join(root, "dicom", f.Name))[0]
		b.Run(f.Format+" "+filepath.Base(f.Name), func(b *testing.B) {
			needs(b, f.Format)
			b.SetBytes(2 * 384 * 384)
			for b.Loop() {
				if _, err := decode(f.Format, data, Limits{limit}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
