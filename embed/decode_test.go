package embed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"pgregory.net/rapid"

	"nearcase/embed/jpeg"
)

// example returns one of the images that Pillow wrote.
func example(t testing.TB, name string) []byte {
	t.Helper()
	var golden pillow
	unmarshal(t, file(t, "testdata/pillow.json"), &golden)
	for _, c := range golden.Decode {
		if c.Name == name {
			return c.Data
		}
	}
	t.Fatalf("testdata/pillow.json has no %q", name)
	return nil
}

// formats are one image of each format.
func formats() []string {
	return []string{"png rgb", "jpeg 4:2:0", "tiff in strips of 5", "bmp rgb", "webp lossless", "webp lossy rgba", "gif", "webp animated", "png animated", "tiff jpeg rgb", "bigtiff rgb"}
}

func TestMediaTypeIsInTheFirstBytes(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{string(example(t, "png rgb")), "image/png"},
		{string(example(t, "jpeg grey")), "image/jpeg"},
		{string(example(t, "tiff raw rgb")), "image/tiff"},
		{string(example(t, "bmp rgb")), "image/bmp"},
		{string(example(t, "webp lossy")), "image/webp"},
		{"MM\x00*", "image/tiff"},
		{"II+\x00", "image/tiff"},
		{"", ""},
		{"\x89PN", ""},
		{"BMW is a car", ""},
		{"RIFF\x00\x00\x00\x00WAVE", ""},
		{"GIF89a", "image/gif"},
		{"GIF88a", ""},
	} {
		if got := MediaType([]byte(c.data)); got != c.want {
			t.Errorf("MediaType(%.12q) = %q, want %q", c.data, got, c.want)
		}
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	huge := forgedPNG(100_000, 100_000)
	for _, c := range []struct {
		name   string
		data   []byte
		limits Limits
		want   error
		says   string
	}{
		{"nothing", nil, Limits{}, ErrEmpty, ""},
		{"text", []byte("patient,finding\n1,normal\n"), Limits{}, ErrNotImage, "expected PNG, JPEG, TIFF, BMP, GIF"},
		{"more bytes than the limit", example(t, "png rgb"), Limits{Bytes: 100}, ErrTooLarge, "the limit is 100 bytes"},
		{"more pixels than the limit", example(t, "png rgb"), Limits{Pixels: 356}, ErrTooLarge, "21 x 17 pixels, the limit is 356 pixels"},
		{"a header that promises too much", huge, Limits{}, ErrTooLarge, "100000 x 100000 pixels, the limit is 100000000 pixels"},
		{"a header that the bytes cannot back", forgedPNG(9000, 9000), Limits{}, ErrCorrupt, "cannot hold 9000 x 9000"},
		{"no width", forgedPNG(0, 5), Limits{}, ErrCorrupt, "0 x 5"},
		{"only a signature", huge[:8], Limits{}, ErrCorrupt, "no IHDR"},
		{"a JPEG of 12 bits", forgedJPEG(12, 8, 8), Limits{}, ErrUnsupported, "precision"},
		{"a large empty JPEG", forgedJPEG(8, 9000, 9000), Limits{}, ErrCorrupt, "cannot hold 9000 x 9000"},
		{"a JPEG beyond the limit", forgedJPEG(8, 65535, 65535), Limits{}, ErrTooLarge, "65535 x 65535"},
		{"a JPEG that repeats itself", manyScans(t, 501), Limits{}, ErrCorrupt, "scan 2"},
		{"a BMP beyond its bytes", forgedBMP(t, 9000, 9000), Limits{}, ErrCorrupt, "its pixels alone take 243000000"},
		{"a BMP beyond the limit", forgedBMP(t, 1<<20, 1<<20), Limits{}, ErrTooLarge, "1048576 x 1048576"},
		{"a BMP of runs of 24 bits", at(forgedBMP(t, 2, 2), 30, 1), Limits{}, ErrUnsupported, "24 bits per pixel, compression 1"},
		{"a BMP header that nobody knows", at(forgedBMP(t, 2, 2), 14, 41), Limits{}, ErrUnsupported, "header of 41 bytes"},
		{"a BMP whose pixels are elsewhere", at(forgedBMP(t, 2, 2), 13, 1), Limits{}, ErrCorrupt, "pixels at byte 16777270"},
		{"a BMP that ends in its runs", example(t, "bmp runs of 8 bits")[:1100], Limits{}, ErrCorrupt, "it ends"},
		{"a BMP that ends in its palette", example(t, "bmp runs of 8 bits")[:900], Limits{}, ErrCorrupt, "palette of 256 colours"},
		{"an animated WebP without a frame", forgedWebP(chunk("VP8X", "\x02\x00\x00\x00\x07\x00\x00\x07\x00\x00")), Limits{}, ErrCorrupt, "no frame"},
		{"a WebP frame beyond its canvas", forgedWebP(chunk("VP8X", "\x02\x00\x00\x00\x07\x00\x00\x07\x00\x00"), chunk("ANMF", "\x04\x00\x00\x00\x00\x00\x07\x00\x00\x07\x00\x00\x00\x00\x00\x00")), Limits{}, ErrCorrupt, "(8,0)-(16,8)"},
		{"a WebP frame of two sizes", forgedWebP(chunk("VP8X", "\x02\x00\x00\x00\x07\x00\x00\x07\x00\x00"), chunk("ANMF", "\x00\x00\x00\x00\x00\x00\x07\x00\x00\x07\x00\x00\x00\x00\x00\x00"+chunk("VP8L", "\x2f\xff\xff\xff\x0f"))), Limits{}, ErrCorrupt, "both 8 x 8 and 16384 x 16384"},
		{"a short WebP frame", forgedWebP(chunk("ANMF", "123")), Limits{}, ErrCorrupt, "chunk of 3 bytes"},
		{"a GIF beyond the limit", []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x08\x00;"), Limits{}, ErrTooLarge, "65535 x 65535"},
		{"a GIF frame far beyond its canvas", []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00,\xff\xff\xff\xff\xff\xff\xff\xff\x00\x08\x00;"), Limits{}, ErrTooLarge, "131070 x 131070"},
		{"a GIF without a frame", []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), Limits{}, ErrCorrupt, "before its first frame"},
		{"a GIF frame without pixels", []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x08\x00;"), Limits{}, ErrCorrupt, "0 of 1 pixels"},
		{"a GIF that ends in its colours", []byte("GIF89a\x01\x00\x01\x00\x87\x00\x00,"), Limits{}, ErrCorrupt, "1 bytes for 256 colours"},
		{"a GIF that ends in an extension", []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00!\xf9\x04\x01"), Limits{}, ErrCorrupt, "in an extension"},
		{"a WebP canvas beyond the limit", forgedWebP(chunk("VP8X", "\x10\x00\x00\x00\xff\xff\xff\xff\xff\xff")), Limits{}, ErrTooLarge, "16777216 x 16777216"},
		{"a WebP picture beyond its canvas", forgedWebP(chunk("VP8X", "\x00\x00\x00\x00\x07\x00\x00\x07\x00\x00"), chunk("VP8L", "\x2f\xff\xff\xff\x0f")), Limits{}, ErrCorrupt, "both 8 x 8 and 16384 x 16384"},
		{"a WebP chunk beyond its end", forgedWebP("VP8L\xff\xff\xff\x7f\x2f\x00\x00\x00\x00"), Limits{}, ErrCorrupt, "chunk of 2147483647 bytes"},
		{"a WebP without a picture", forgedWebP(chunk("ICCP", "x")), Limits{}, ErrCorrupt, "0 x 0"},
		{"a short WebP header", forgedWebP(chunk("VP8 ", "123")), Limits{}, ErrCorrupt, "chunk of 3 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p *Picture
			var err error
			if got := allocated(func() { p, err = Decode(c.data, c.limits) }); got > 1<<20 {
				t.Errorf("Decode allocated %d bytes for a file of %d", got, len(c.data))
			}
			if p != nil || !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("Decode = %v, %v; want %v saying %q", p, err, c.want, c.says)
			}
		})
	}
}

// An image cut short anywhere past its signature is corrupt, unless what is
// missing is not needed, and then it is the same picture.
func TestTruncatedImagesAreCorrupt(t *testing.T) {
	for _, name := range formats() {
		data := example(t, name)
		whole := decoded(t, data)
		for n := 16; n < len(data); n++ {
			p, err := Decode(data[:n], Limits{})
			if err == nil && bytes.Equal(p.Pix, whole.Pix) && n > len(data)-16 {
				continue
			}
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("Decode(%s, the first %d of %d bytes): %v, want %v", name, n, len(data), err, ErrCorrupt)
				break
			}
		}
	}
}

// Law: whatever happens to an image's bytes, Decode returns either a whole
// picture or one of its errors.
func TestDamagedImagesGiveAPictureOrAnError(t *testing.T) {
	var images [][]byte
	for _, name := range formats() {
		images = append(images, example(t, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Clone(rapid.SampledFrom(images).Draw(t, "image"))
		for range rapid.IntRange(1, 8).Draw(t, "damages") {
			data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		checkDecode(t, data)
	})
}

// checkDecode fails unless Decode keeps its promises for data.
func checkDecode(t interface{ Fatalf(string, ...any) }, data []byte) {
	limits := Limits{Pixels: 1 << 20}
	p, err := Decode(data, limits)
	if err == nil {
		if err := p.valid(); err != nil || int64(p.Width*p.Height) > limits.Pixels {
			t.Fatalf("Decode(%q): a picture of %d x %d (%v)", data, p.Width, p.Height, err)
		}
		return
	}
	for _, known := range []error{ErrEmpty, ErrNotImage, ErrCorrupt, ErrTooLarge} {
		if errors.Is(err, known) {
			return
		}
	}
	t.Fatalf("Decode(%q): %v, which is none of the errors promised", data, err)
}

// Law: every image type has the colours that its own colour model gives. (Inks
// are rounded as Pillow does; its images test them.)
func TestConversionsAgreeWithTheColourModel(t *testing.T) {
	r := image.Rect(0, 0, 5, 3)
	palette := color.Palette{color.NRGBA{1, 2, 3, 255}, color.NRGBA{40, 50, 60, 0}, color.Gray{9}}
	for _, img := range []interface {
		image.Image
		Set(x, y int, c color.Color)
	}{
		image.NewGray(r), image.NewGray16(r), image.NewRGBA(r), image.NewNRGBA(r),
		image.NewRGBA64(r), image.NewNRGBA64(r), image.NewPaletted(r, palette),
	} {
		for i := range 15 {
			img.Set(i%5, i/5, color.NRGBA{byte(i * 17), byte(255 - i), byte(i * i), 255})
		}
		want := newPicture(5, 3)
		fillAny(want, img)
		if got := rgb(img); !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("rgb(%T) = %v, want %v", img, got.Pix, want.Pix)
		}
	}
}

// Law: the two steps of rounding give what one step of sixteenths gives, and
// quarters at the ends.
func TestChromaIsInterpolatedInSixteenths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "width")
		samples := rapid.SliceOfN(rapid.Byte(), (n+1)/2, (n+1)/2)
		near, far := samples.Draw(t, "near"), samples.Draw(t, "far")
		got := make([]byte, n)
		widen(got, near, far)
		for x, v := range got {
			i, beside := x/2, min(max(0, x/2-1+x%2*2), len(near)-1)
			want := (9*int(near[i]) + 3*int(near[beside]) + 3*int(far[i]) + int(far[beside]) + 8) / 16
			if int(v) != want {
				t.Fatalf("widen(%v, %v)[%d] = %d, want %d", near, far, x, v, want)
			}
		}
	})
}

// forgedPNG returns an 8-bit RGB PNG that ends after its header.
func forgedPNG(width, height uint32) []byte {
	body := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	body = append(binary.BigEndian.AppendUint32(body, height), 8, 2, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
}

// forgedJPEG returns a grey JPEG that ends after its frame header.
func forgedJPEG(bits byte, width, height uint16) []byte {
	out := []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xc0\x00\x0b")
	out = binary.BigEndian.AppendUint16(append(out, bits), height)
	return append(binary.BigEndian.AppendUint16(out, width), 1, 1, 0x11, 0)
}

// manyScans returns a JPEG that repeats its scan n times.
func manyScans(t testing.TB, n int) []byte {
	data := encodedJPEG(t, image.NewGray(image.Rect(0, 0, 8, 8)))
	start := bytes.Index(data, []byte{0xff, 0xda})
	scan := data[start : len(data)-2]
	return append(append(bytes.Clone(data[:start]), bytes.Repeat(scan, n)...), 0xff, 0xd9)
}

func forgedBMP(t testing.TB, width, height uint32) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := bmp.Encode(&out, image.NewRGBA(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	data := out.Bytes()
	binary.LittleEndian.PutUint16(data[28:], 24)
	binary.LittleEndian.PutUint32(data[18:], width)
	binary.LittleEndian.PutUint32(data[22:], height)
	return data
}

func at(data []byte, i int, v byte) []byte {
	data[i] = v
	return data
}

func chunk(name, body string) string {
	out := name + string(binary.LittleEndian.AppendUint32(nil, uint32(len(body)))) + body
	return out + strings.Repeat("\x00", len(body)%2)
}

func forgedWebP(chunks ...string) []byte {
	body := "WEBP" + strings.Join(chunks, "")
	return []byte("RIFF" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(body)))) + body)
}

// What another package's decoder refuses as unsupported is not called damaged.
func TestUnsupportedIsNotCorrupt(t *testing.T) {
	for _, err := range []error{png.UnsupportedError("x"), jpeg.ErrUnsupported} {
		if got := verdict(err); !errors.Is(got, ErrUnsupported) || !errors.Is(got, ErrNotImage) || errors.Is(got, ErrCorrupt) {
			t.Errorf("verdict(%v) = %v, want %v", err, got, ErrUnsupported)
		}
	}
	if got := verdict(jpeg.ErrTooLarge); !errors.Is(got, ErrTooLarge) || errors.Is(got, ErrCorrupt) {
		t.Errorf("verdict(%v) = %v, want %v", jpeg.ErrTooLarge, got, ErrTooLarge)
	}
}

func TestRunsOfABitmap(t *testing.T) {
	for _, c := range []struct {
		name    string
		nibbles bool
		codes   string
		want    []byte
	}{
		{"runs fill rows", false, "\x04\x07\x00\x00\x02\x01\x02\x03\x00\x01", []byte{7, 7, 7, 7, 1, 1, 3, 3}},
		{"rows may end early", false, "\x01\x07\x00\x00\x02\x01\x00\x01", []byte{7, 0, 0, 0, 1, 1, 0, 0}},
		{"pixels one by one are padded", false, "\x00\x03\x05\x06\x07\x00\x01\x09\x00\x01", []byte{5, 6, 7, 9, 0, 0, 0, 0}},
		{"nibbles one by one are padded", true, "\x00\x03\x56\x70\x01\x90\x00\x01", []byte{5, 6, 7, 9, 0, 0, 0, 0}},
		{"nibbles alternate", true, "\x03\x12\x00\x01", []byte{1, 2, 1, 0, 0, 0, 0, 0}},
		{"moves skip pixels", false, "\x00\x02\x01\x01\x02\x08\x00\x01", []byte{0, 0, 0, 0, 0, 8, 8, 0}},
		{"what is beyond the row is dropped", false, "\xff\x03\x00\x00\x01\x02\x00\x01", []byte{3, 3, 3, 3, 2, 0, 0, 0}},
		{"a move beyond the end ends it", false, "\x00\x02\xff\xff", make([]byte, 8)},
	} {
		got := make([]byte, 8)
		err := (&runReader{data: []byte(c.codes), nibbles: c.nibbles, width: 4}).fill(got)
		if err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s: fill(%q) = %v, %v; want %v", c.name, c.codes, got, err, c.want)
		}
	}
}

func TestAPanickingDecoderIsAnError(t *testing.T) {
	p, err := guarded(func(io.Reader) (*Picture, error) { panic("index out of range") }, []byte{1})
	if p != nil || !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("guarded = %v, %v; want %v saying why", p, err, ErrCorrupt)
	}
}
