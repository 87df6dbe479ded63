package embed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"runtime"
	"strings"
	"testing"

	xtiff "golang.org/x/image/tiff"
	"pgregory.net/rapid"
)

// Law: however a picture is laid out in a TIFF file, it is the same picture.
func TestTIFFLayoutDoesNotChangeThePicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := noise(rapid.IntRange(1, 70).Draw(t, "width"), rapid.IntRange(1, 70).Draw(t, "height"), 5)
		f := tiffOf(p)
		f.deflate = rapid.Bool().Draw(t, "deflate")
		f.planar = rapid.Bool().Draw(t, "planar")
		f.tile = 16 * rapid.IntRange(0, 3).Draw(t, "tile")
		f.strip = rapid.IntRange(0, 80).Draw(t, "strip")
		if rapid.Bool().Draw(t, "big-endian") {
			f.order = binary.BigEndian
		}
		if rapid.Bool().Draw(t, "16 bits") {
			f.bits = 16
			value := f.value
			f.value = func(x, y, c int) int { return value(x, y, c)<<8 | (x*7+y*31+c)&0xff }
		}
		got, err := Decode(f.bytes(), Limits{})
		if err != nil {
			t.Fatalf("Decode: %v", err)
		}
		if got.Width != p.Width || got.Height != p.Height || !bytes.Equal(got.Pix, p.Pix) {
			t.Fatalf("Decode: %d x %d with other pixels, want the %d x %d written", got.Width, got.Height, p.Width, p.Height)
		}
	})
}

// Law: golang.org/x/image/tiff reads the same pixels where it reads them right,
// which is in files that its own encoder wrote.
func TestTIFFIsWhatAnotherDecoderReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := noise(rapid.IntRange(1, 40).Draw(t, "width"), rapid.IntRange(1, 40).Draw(t, "height"), 9)
		img := image.NewNRGBA(image.Rect(0, 0, p.Width, p.Height))
		for i := range p.Width * p.Height {
			copy(img.Pix[4*i:], p.Pix[3*i:3*i+3])
			img.Pix[4*i+3] = byte(i)
		}
		how := &xtiff.Options{Predictor: rapid.Bool().Draw(t, "predictor")}
		if rapid.Bool().Draw(t, "deflate") {
			how.Compression = xtiff.Deflate
		}
		var out bytes.Buffer
		if err := xtiff.Encode(&out, img, how); err != nil {
			t.Fatal(err)
		}
		theirs, err := xtiff.Decode(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(out.Bytes(), Limits{})
		if err != nil {
			t.Fatalf("Decode: %v", err)
		}
		if !bytes.Equal(got.Pix, rgb(theirs).Pix) {
			t.Fatalf("Decode: other pixels than x/image/tiff reads")
		}
	})
}

func TestTIFFSamplesBecomeRGB(t *testing.T) {
	one := func(bits, samples, photometric int, set map[uint16][]uint32, values ...int) []byte {
		f := tiffFile{order: binary.LittleEndian, width: len(values) / samples, height: 1, bits: bits, samples: samples,
			photometric: photometric, set: set}
		f.value = func(x, _, c int) int { return values[x*samples+c] }
		return f.bytes()
	}
	alpha := func(kind uint32) map[uint16][]uint32 { return map[uint16][]uint32{tagExtraSamples: {kind}} }
	colours := map[uint16][]uint32{tagColorMap: {0x1200, 0x34ff, 0x5600, 0x7800, 0x9a00, 0xbc00}}
	for _, c := range []struct {
		name string
		data []byte
		want []byte
	}{
		{"one bit is black or white", one(1, 1, blackIsZero, nil, 0, 1), []byte{0, 0, 0, 255, 255, 255}},
		{"two bits spread over the range", one(2, 1, blackIsZero, nil, 1, 2), []byte{85, 85, 85, 170, 170, 170}},
		{"four bits spread over the range", one(4, 1, blackIsZero, nil, 1, 15), []byte{17, 17, 17, 255, 255, 255}},
		{"white is zero", one(8, 1, whiteIsZero, nil, 0, 200), []byte{255, 255, 255, 55, 55, 55}},
		{"white is zero in 16 bits", one(16, 1, whiteIsZero, nil, 0x1234, 0xffff), []byte{0xed, 0xed, 0xed, 0, 0, 0}},
		{"alpha of grey is dropped", one(8, 2, blackIsZero, alpha(2), 9, 0, 8, 255), []byte{9, 9, 9, 8, 8, 8}},
		{"alpha is dropped, not blended", one(8, 4, trueColour, alpha(2), 1, 2, 3, 0), []byte{1, 2, 3}},
		{"associated alpha is divided out", one(8, 4, trueColour, alpha(1), 10, 20, 30, 128), []byte{19, 39, 59}},
		{"nothing is left of a transparent colour", one(8, 4, trueColour, alpha(1), 10, 20, 30, 0), []byte{0, 0, 0}},
		{"a palette keeps its upper bits", one(1, 1, paletteColour, colours, 0, 1), []byte{0x12, 0x56, 0x9a, 0x34, 0x78, 0xbc}},
		{"an index beyond the palette is black", one(8, 1, paletteColour, colours, 2), []byte{0, 0, 0}},
		{"inks take light away", one(8, 4, inks, nil, 255, 0, 0, 0, 0, 0, 0, 255), []byte{0, 255, 255, 0, 0, 0}},
	} {
		if got := decoded(t, c.data).Pix; !bytes.Equal(got, c.want) {
			t.Errorf("%s: Decode gives %v, want %v", c.name, got, c.want)
		}
	}
}

func TestForgedTIFFIsRefusedWithoutItsMemory(t *testing.T) {
	set := func(tags map[uint16][]uint32) []byte {
		f := tiffOf(noise(8, 8, 1))
		f.deflate, f.set = true, tags
		return f.bytes()
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
		says string
	}{
		{"more pixels than the limit", set(map[uint16][]uint32{tagWidth: {100_000}, tagHeight: {100_000}}), ErrTooLarge, "100000 x 100000"},
		{"a side beyond any picture", set(map[uint16][]uint32{tagWidth: {1 << 31}, tagHeight: {1}}), ErrTooLarge, "2147483648 x 1"},
		{"pixels that the bytes cannot hold", set(map[uint16][]uint32{tagWidth: {9000}, tagHeight: {9000}, tagRowsPerStrip: {9000}}), ErrCorrupt, "for 243000000 of pixels"},
		{"strips without limit", set(map[uint16][]uint32{tagRowsPerStrip: {1<<32 - 1}, tagHeight: {1 << 16}}), ErrCorrupt, "of pixels"},
		{"tiles without limit", set(map[uint16][]uint32{tagTileWidth: {1 << 31}, tagTileHeight: {1 << 31}}), ErrTooLarge, "tiles"},
		{"fewer strips than rows need", set(map[uint16][]uint32{tagRowsPerStrip: {1}}), ErrCorrupt, "8 blocks lists 1 offsets"},
		{"a strip beyond the end", set(map[uint16][]uint32{tagStripOffsets: {1 << 30}}), ErrCorrupt, "ends at byte"},
		{"a strip as long as the address space", set(map[uint16][]uint32{tagStripCounts: {1<<32 - 1}}), ErrCorrupt, "ends at byte"},
		{"no rows", set(map[uint16][]uint32{tagHeight: {0}}), ErrCorrupt, "8 x 0 pixels"},
		{"compression that nobody decodes", set(map[uint16][]uint32{tagCompression: {6}}), ErrUnsupported, "compression 6"},
		{"a JPEG that is none", set(map[uint16][]uint32{tagCompression: {jpegCompressed}}), ErrCorrupt, "block 1 of 1"},
		{"fax codes that are none", fax(8, 8, "\x00\x00\x00"), ErrCorrupt, "block 1 of 1"},
		{"a page without end", fax(100_000, 1000, "\xff\xff"), ErrCorrupt, "2 bytes for 12500000 of pixels"},
		{"fax codes in two dimensions", set(map[uint16][]uint32{tagCompression: {fax3}, tagFax3Options: {1}}), ErrUnsupported, "fax options 1"},
		{"strips that are the same bytes", sameStrips(), ErrCorrupt, "TIFF blocks of"},
		{"floating point", set(map[uint16][]uint32{tagSampleFormat: {3}}), ErrUnsupported, "sample format 3"},
		{"twelve bits", set(map[uint16][]uint32{tagBits: {12, 12, 12}}), ErrUnsupported, "12 bits"},
		{"unequal bits", set(map[uint16][]uint32{tagBits: {8, 8, 16}}), ErrUnsupported, "8 and 16 bits"},
		{"a BigTIFF header of another size", []byte("II+\x00\x10\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00"), ErrCorrupt, "does not say 8"},
		{"a BigTIFF directory beyond any file", []byte("II+\x00\x08\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"), ErrCorrupt, "a directory at byte"},
		{"a BigTIFF directory without end", []byte("II+\x00\x08\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"), ErrCorrupt, "18446744073709551615 directory entries"},
		{"directories in a circle", chained(set(nil), 0), ErrCorrupt, "form a circle"},
		{"a next directory beyond the end", chained(set(nil), 1<<30), ErrCorrupt, "directory at byte 1073741824"},
		{"no image", []byte("II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"), ErrCorrupt, "without an image"},
		{"a directory beyond the end", []byte("MM\x00*\xff\xff\xff\xff"), ErrCorrupt, "directory at byte 4294967295"},
		{"a directory longer than the file", []byte("MM\x00*\x00\x00\x00\x08\xff\xff"), ErrCorrupt, "65535 directory entries"},
		{"a damaged stream", bytes.Replace(set(nil), []byte{0x78, 0x9c}, []byte{0x78, 0x9d}, 1), ErrCorrupt, "block 1 of 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			if got := allocated(func() { _, err = Decode(c.data, Limits{}) }); got > 1<<20 {
				t.Errorf("Decode allocated %d bytes for a file of %d", got, len(c.data))
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Decode: %v, want %v saying %q", err, c.want, c.says)
			}
		})
	}
}

// fax returns a TIFF file whose one strip has the given T.6 codes.
func fax(width, height int, codes string) []byte {
	f := tiffFile{order: binary.LittleEndian, width: 1, height: 1, bits: 1, samples: 1, value: func(int, int, int) int { return 0 }}
	f.set = map[uint16][]uint32{
		tagWidth: {uint32(width)}, tagHeight: {uint32(height)}, tagRowsPerStrip: {uint32(height)},
		tagCompression: {fax4}, tagStripOffsets: {8}, tagStripCounts: {uint32(len(codes))},
	}
	f.raw = []byte(codes)
	return f.bytes()
}

// sameStrips returns a TIFF file whose thousand strips are all of its bytes.
func sameStrips() []byte {
	f := tiffOf(noise(1, 1000, 1))
	f.strip = 1
	offsets, counts := make([]uint32, 1000), make([]uint32, 1000)
	for i := range counts {
		counts[i] = 3000
	}
	f.set = map[uint16][]uint32{tagStripOffsets: offsets, tagStripCounts: counts}
	return f.bytes()
}

// chained returns a TIFF file whose last directory is said to be followed by
// that at next, 0 meaning itself.
func chained(data []byte, next uint32) []byte {
	if next == 0 {
		next = binary.LittleEndian.Uint32(data[4:])
	}
	binary.LittleEndian.PutUint32(data[len(data)-4:], next)
	return data
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
