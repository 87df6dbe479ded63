package jpeg

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sample is a small image and the digest of Pillow's pixels of it, which
// testdata/pillow.py wrote.
type sample struct {
	Name   string
	Data   []byte
	SHA256 string
}

func samples(t testing.TB) []sample {
	t.Helper()
	data, err := os.ReadFile("testdata/pillow.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// named returns the data of the first sample whose name starts so.
func named(t testing.TB, start string) []byte {
	t.Helper()
	for _, s := range samples(t) {
		if strings.HasPrefix(s.Name, start) {
			return bytes.Clone(s.Data)
		}
	}
	t.Fatalf("no sample %q", start)
	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestDecodeIsPillows(t *testing.T) {
	for _, s := range samples(t) {
		img, err := Decode(s.Data, math.MaxInt64)
		if err != nil {
			t.Errorf("Decode(%s): %v", s.Name, err)
			continue
		}
		if got := digest(img.Pix); got != s.SHA256 {
			t.Errorf("Decode(%s): pixels %.8s, want Pillow's %.8s", s.Name, got, s.SHA256)
		}
		if w, h, err := Size(s.Data); err != nil || w != img.Width || h != img.Height || len(img.Pix) != w*h*img.Components {
			t.Errorf("Size(%s) = %d, %d, %v; want those of %d bytes of %d x %d", s.Name, w, h, err, len(img.Pix), img.Width, img.Height)
		}
	}
}

// The digests of the digests of the radiographs' pixels, by testdata/pillow.py:
// all 5,856, and every 40th where time is short.
func TestRadiographsArePillows(t *testing.T) {
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is unset: no radiographs")
	}
	step, want := 1, "4c5b2def415f0b35c45098aeaa6a51cf73ee0adc195c6e83ea7f37db14fef03c"
	if testing.Short() || raceEnabled {
		step, want = 40, "61173722acb7ed5987a2065601b64502bd48c2dcd37703cbef55c69ae3310476"
	}
	f, err := os.Open(filepath.Join(root, "cxr", "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	whole := sha256.New()
	for i := 1; i < len(rows); i += step {
		data, err := os.ReadFile(filepath.Join(root, "cxr", rows[i][0]))
		if err != nil {
			t.Fatal(err)
		}
		img, err := Decode(data, math.MaxInt64)
		if err != nil {
			t.Fatalf("Decode(%s): %v", rows[i][0], err)
		}
		sum := sha256.Sum256(img.Pix)
		whole.Write(sum[:])
	}
	if got := hex.EncodeToString(whole.Sum(nil)); got != want {
		t.Errorf("the pixels of every %dth of %d radiographs: %.8s, want Pillow's %.8s", step, len(rows)-1, got, want)
	}
}

// kinds are samples of every kind of scan.
func kinds(t testing.TB) [][]byte {
	var all [][]byte
	for _, start := range []string{"grey (2, 2) {}", "grey (5, 4) {'prog", "cmyk (15, 17) {}", "scans 0;1,2; r",
		"deep refinement", "7x9 2x2", "40x3 2x2", "3x40 2x2", "5x4 1x1"} {
		all = append(all, named(t, start))
	}
	return all
}

// Law: of an image cut short, Decode returns the whole image, where no bit of
// it is missing, or ErrFormat.
func TestTruncatedImagesAreRefused(t *testing.T) {
	for _, data := range kinds(t) {
		want, err := Decode(data, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		for n := range data {
			img, err := Decode(data[:n], math.MaxInt64)
			if err == nil && bytes.Equal(img.Pix, want.Pix) && n >= len(data)-4 {
				continue
			}
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("Decode(the first %d bytes of %d): %v, want %v", n, len(data), err, ErrFormat)
			}
		}
	}
}

// Law: whatever happens to an image's bytes, Decode returns an image as large
// as its header says or one of its errors.
func TestDamagedImagesGiveAnImageOrAnError(t *testing.T) {
	images := kinds(t)
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Clone(rapid.SampledFrom(images).Draw(t, "image"))
		for range rapid.IntRange(1, 8).Draw(t, "damages") {
			data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		checkDecode(t, data)
	})
}

// checkDecode fails unless Decode keeps its promises for data.
func checkDecode(t interface{ Fatalf(string, ...any) }, data []byte) *Image {
	const limit = 1 << 16
	img, err := Decode(data, limit)
	if err != nil {
		if img != nil || !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("Decode(%q) = %v, %v, which is none of the errors promised", data, img, err)
		}
		return nil
	}
	w, h, err := Size(data)
	if err != nil || w != img.Width || h != img.Height || w*h > limit || len(img.Pix) != img.Components*w*h {
		t.Fatalf("Decode(%q) = %d x %d of %d bytes; Size says %d x %d, %v", data, img.Width, img.Height, len(img.Pix), w, h, err)
	}
	return img
}

// What may surround the parts of an image without being damage.
func TestBytesWithoutMeaningAreSkipped(t *testing.T) {
	for _, start := range []string{"no marker", "7x9 2x2", "deep refinement"} {
		data := named(t, start)
		want, err := Decode(data, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		scan, end := bytes.Index(data, []byte{0xff, markSOS}), len(data)-2
		for name, changed := range map[string][]byte{
			"bytes after the end":     append(bytes.Clone(data), "trailing"...),
			"another image after it":  append(bytes.Clone(data), data...),
			"no EOI":                  data[:end],
			"a padded end":            inserted(data, end, "\x00\x00\x00"),
			"a filled end":            inserted(data, end, strings.Repeat("\xff", 1000)),
			"a stray restart":         inserted(data, end, "\xff\xd0"),
			"a filled marker":         inserted(data, scan, "\xff\xff\xff"),
			"padding before a marker": inserted(data, scan, "\x00\x00"),
			"a comment":               inserted(data, scan, "\xff\xfe\x00\x05abc"),
		} {
			img, err := Decode(changed, math.MaxInt64)
			if err != nil || !bytes.Equal(img.Pix, want.Pix) {
				t.Errorf("Decode(%s with %s): %v, want the same pixels", start, name, err)
			}
		}
	}
}

func inserted(data []byte, at int, s string) []byte {
	return bytes.Join([][]byte{data[:at], []byte(s), data[at:]}, nil)
}

// replaced changes the first old in data to new.
func replaced(t testing.TB, data []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(data, []byte(old)) {
		t.Fatalf("no %q to replace", old)
	}
	return bytes.Replace(data, []byte(old), []byte(new), 1)
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	grey := named(t, "grey (15, 17) {}")
	again := named(t, "deep refinement")
	restarts := named(t, "scans 0;1,2; r")
	sof := bytes.Index(grey, []byte{0xff, 0xc0})
	sos := bytes.Index(grey, []byte{0xff, 0xda})
	withFrame := func(at int, v byte) []byte {
		data := bytes.Clone(grey)
		data[sof+at] = v
		return data
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
		says string
	}{
		{"nothing", nil, ErrFormat, "no SOI"},
		{"no frame", []byte{0xff, 0xd8, 0xff, 0xd9}, ErrFormat, ""},
		{"a scan before the frame", append([]byte{0xff, 0xd8}, grey[sos:]...), ErrFormat, "before the frame"},
		{"a second frame", inserted(grey, sos, string(grey[sof:sof+13])), ErrFormat, "second frame"},
		{"a second SOI", inserted(grey, sos, "\xff\xd8"), ErrFormat, "second SOI"},
		{"a segment beyond the end", inserted(grey, sos, "\xff\xfe\xff\xff"), ErrFormat, "65535 bytes"},
		{"garbage before a marker", inserted(grey, sos, strings.Repeat("x", maxPadding+1)), ErrFormat, "no marker"},
		{"garbage after the scan", inserted(grey, len(grey)-2, strings.Repeat("x", maxPadding+1)), ErrFormat, "left over"},
		{"more rows than are coded", withFrame(6, 60), ErrFormat, "row 4 of 8"},
		{"fewer rows than are coded", withFrame(6, 1), ErrFormat, "left over"},
		{"no columns", withFrame(8, 0), ErrFormat, "width of 0"},
		{"rows that the scan defines", withFrame(6, 0), ErrUnsupported, "height"},
		{"12 bits", withFrame(4, 12), ErrUnsupported, "12 bits"},
		{"the lossless process", withFrame(1, 0xc3), ErrUnsupported, "0xc3"},
		{"arithmetic coding", withFrame(1, 0xc9), ErrUnsupported, "0xc9"},
		{"the hierarchical process", withFrame(1, 0xde), ErrUnsupported, "0xde"},
		{"JPEG-LS", withFrame(1, 0xf7), ErrUnsupported, "0xf7"},
		{"two components", append(bytes.Clone(grey[:sof]), "\xff\xc0\x00\x0e\x08\x00\x08\x00\x08\x02\x01\x11\x00\x02\x11\x00"...), ErrUnsupported, "2 components"},
		{"a sampling factor of 0", withFrame(11, 0x01), ErrFormat, "0 x 1"},
		{"an unknown quantisation table", withFrame(12, 3), ErrFormat, "table 3"},
		{"a component that is none", replaced(t, grey, "\xff\xda\x00\x08\x01\x01", "\xff\xda\x00\x08\x01\x09"), ErrFormat, "ID 9"},
		{"a missing Huffman table", replaced(t, grey, "\xff\xda\x00\x08\x01\x01\x00", "\xff\xda\x00\x08\x01\x01\x11"), ErrFormat, "missing"},
		{"fractional sampling", replaced(t, named(t, "no marker"), "\x03\x01\x11\x00\x02\x11", "\x03\x01\x31\x00\x02\x21"), ErrUnsupported, "2 x 1"},
		{"a scan twice", inserted(grey, len(grey)-2, string(grey[sos:len(grey)-2])), ErrFormat, "second time"},
		{"one scan of three", restarts[:bytes.LastIndex(restarts, []byte{0xff, 0xda})], ErrFormat, "component 2"},
		{"a refinement left out", withoutScan(again, 8), ErrFormat, "out of order"},
		{"a last refinement left out", withoutScan(again, 13), ErrFormat, "is complete"},
		{"restarts out of order", swapped(t, restarts), ErrFormat, "where restart 0"},
		{"a code of ones", replaced(t, grey, "\xff\xc4\x00", "\xff\xc4\x00\x15\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xc4\x00"), ErrFormat, "codes of 1 bits"},
		{"endless scans", manyScans(), ErrTooLarge, "500 scans"},
	} {
		t.Run(c.name, func(t *testing.T) {
			img, err := Decode(c.data, math.MaxInt64)
			if img != nil || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Decode = an image: %t, %v; want %v saying %q", img != nil, err, c.want, c.says)
			}
		})
	}
}

// withoutScan returns data less its scan i, from 0.
func withoutScan(data []byte, i int) []byte {
	parts := bytes.SplitAfter(data, []byte{0xff, 0xda})
	// Optimised images define a scan's tables after the scan before it.
	from := len(bytes.Join(parts[:i+1], nil)) - 2
	end := from + bytes.Index(data[from:], []byte{0xff, 0xc4})
	if eoi := from + bytes.Index(data[from:], []byte{0xff, 0xd9}); end < from || eoi < end {
		end = eoi
	}
	return append(bytes.Clone(data[:from]), data[end:]...)
}

// swapped exchanges the first two restart markers.
func swapped(t testing.TB, data []byte) []byte {
	data = replaced(t, data, "\xff\xd1", "\xff\xd9")
	data = replaced(t, data, "\xff\xd0", "\xff\xd1")
	return replaced(t, data, "\xff\xd9", "\xff\xd0")
}

// manyScans returns a valid grey image of 8 x 8 pixels that sends each bit of
// each coefficient in a scan of its own: 0 throughout.
func manyScans() []byte {
	out := []byte("\xff\xd8\xff\xdb\x00\x43\x00")
	out = append(out, bytes.Repeat([]byte{1}, 64)...)
	out = append(out, "\xff\xc2\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00"...)
	for _, class := range []byte{0x00, 0x10} { // one code of one bit, for 0
		out = append(out, 0xff, 0xc4, 0, 20, class, 1)
		out = append(out, make([]byte, 16)...)
	}
	for k := range byte(64) {
		for low := 13; low >= 0; low-- {
			high := low + 1
			if low == 13 {
				high = 0
			}
			out = append(out, 0xff, 0xda, 0, 8, 1, 1, 0, k, k, byte(high<<4|low), 0x7f)
		}
	}
	return append(out, 0xff, 0xd9)
}

// forged returns an image that ends after a header of 8 bits, with size bytes
// of zeros.
func forged(sof byte, width, height uint16, size int) []byte {
	out := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, sof, 0, 17, 8}, height)
	out = binary.BigEndian.AppendUint16(out, width)
	return append(append(out, "\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00"...), make([]byte, size)...)
}

// Sizes are refused before memory is taken for them.
func TestWhatBytesCannotHoldCostsNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		data  []byte
		limit int64
		want  error
		says  string
	}{
		{"more pixels than the limit", forged(0xc0, 100, 100, 1000), 9999, ErrTooLarge, "100 x 100 pixels, the limit is 9999"},
		{"the largest of all", forged(0xc0, 65535, 65535, 1000), 1 << 40, ErrFormat, "cannot hold 65535 x 65535"},
		{"the largest progressive", forged(0xc2, 65535, 65535, 1000), 1 << 40, ErrFormat, "cannot hold 65535 x 65535"},
		{"a size just out of reach", forged(0xc2, 8000, 8000, 100_000), 1 << 40, ErrFormat, "cannot hold 8000 x 8000"},
		{"no scan", forged(0xc2, 800, 800, 100_000), 1 << 40, ErrFormat, "no marker"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			if got := allocated(func() { _, err = Decode(c.data, c.limit) }); got > 1<<16 {
				t.Errorf("Decode allocated %d bytes", got)
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Decode: %v, want %v saying %q", err, c.want, c.says)
			}
		})
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
