package embed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

// joined returns a TIFF file of the pages of several, all little-endian: their
// positions are moved by what stands before them.
func joined(files ...[]byte) []byte {
	out := []byte("II*\x00")
	link := 4
	out = append(out, 0, 0, 0, 0)
	order := binary.LittleEndian
	for _, f := range files {
		base := uint32(len(out))
		f = bytes.Clone(f)
		at := order.Uint32(f[4:])
		order.PutUint32(out[link:], base+at)
		n := int(order.Uint16(f[at:]))
		for i := range n {
			entry := f[int(at)+2+12*i:]
			if tag := order.Uint16(entry); order.Uint32(entry[4:]) > 1 || tag == tagStripOffsets {
				order.PutUint32(entry[8:], order.Uint32(entry[8:])+base)
			}
		}
		link = len(out) + int(at) + 2 + 12*n
		out = append(out, f...)
	}
	return out
}

func TestThumbnailsAndMasksAreNoFrames(t *testing.T) {
	page := func(width int, kind uint32) []byte {
		f := tiffOf(noise(width, 3, uint32(width)))
		f.set = map[uint16][]uint32{tagSubfile: {kind}}
		return f.bytes()
	}
	i, err := Open(joined(page(9, 0), page(2, subfileReduced), page(3, subfileMask), page(5, 2)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if i.Frames() != 2 {
		t.Fatalf("Frames() = %d, want the 2 that are pages", i.Frames())
	}
	for frame, width := range []int{9, 5} {
		p, err := i.Picture(frame, View{})
		if want := noise(width, 3, uint32(width)); err != nil || !bytes.Equal(p.Pix, want.Pix) {
			t.Errorf("Picture(%d): not the page %d wide (%v)", frame, width, err)
		}
	}
	if alone, err := Open(page(2, subfileReduced), Limits{}); err != nil || alone.Frames() != 1 {
		t.Errorf("Open(a thumbnail alone): %v, want one frame", err)
	}
}

// A page beyond the limit does not take the others with it.
func TestLimitsAreForEachPage(t *testing.T) {
	large := tiffOf(noise(8, 8, 1))
	large.set = map[uint16][]uint32{tagWidth: {100_000}, tagHeight: {100_000}}
	i, err := Open(joined(large.bytes(), tiffOf(noise(4, 4, 2)).bytes()), Limits{Pixels: 16})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Picture(0, View{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Picture(0): %v, want %v", err, ErrTooLarge)
	}
	if _, err := i.Picture(1, View{}); err != nil {
		t.Errorf("Picture(1): %v", err)
	}
}

// Bombs: small files that say they are large. None may take more memory than
// four times its bytes and what its pixels take, nor five seconds.
func TestBombsAreBounded(t *testing.T) {
	const pixels, perPixel = 1 << 22, 30
	frames := bytes.Repeat([]byte(",\x00\x00\x00\x00\x00\x08\x00\x08\x00\x08\x00"), 10_000)
	var pages [][]byte
	for range 200 {
		f := tiffFile{order: binary.LittleEndian, width: 1, height: 1, bits: 1, samples: 1, value: func(int, int, int) int { return 0 }}
		f.set = map[uint16][]uint32{
			tagWidth: {2048}, tagHeight: {2048}, tagRowsPerStrip: {2048},
			tagCompression: {fax4}, tagStripOffsets: {8}, tagStripCounts: {2048 / 8},
		}
		f.raw = bytes.Repeat([]byte{0xff}, 2048/8)
		pages = append(pages, f.bytes())
	}
	for name, data := range map[string][]byte{
		"a GIF of many frames":     append([]byte("GIF89a\x00\x08\x00\x08\x00\x00\x00"), frames...),
		"a TIFF of many pages":     joined(pages...),
		"an animated WebP":         forgedWebP(chunk("VP8X", "\x02\x00\x00\x00\xff\x07\x00\xff\x07\x00"), chunk("ANMF", "\x00\x00\x00\x00\x00\x00\xff\x07\x00\xff\x07\x00\x00\x00\x00\x00"+chunk("VP8L", "\x2f\xff\xc7\xff\x01\x00\x00\x00"))),
		"an APNG of many frames":   apngBomb(t),
		"a GIF of empty codes":     append([]byte("GIF89a\x00\x08\x00\x08\x00\x00\x00,\x00\x00\x00\x00\x00\x08\x00\x08\x00\x08"), bytes.Repeat(append([]byte{255}, bytes.Repeat([]byte{0x00, 0x01}, 128)[:255]...), 5000)...),
		"a WebP of nested frames":  forgedWebP(chunk("VP8X", "\x02\x00\x00\x00\xff\x07\x00\xff\x07\x00"), nestedFrames(1000)),
		"a TIFF of shared blocks":  sameStrips(),
		"a TIFF of a looped chain": chained(tiffOf(noise(8, 8, 1)).bytes(), 0),
	} {
		start := time.Now()
		got := allocated(func() {
			i, err := Open(data, Limits{Pixels: pixels})
			if err != nil {
				return
			}
			i.Picture(0, View{})
		})
		if most := uint64(4*len(data) + perPixel*pixels); got > most {
			t.Errorf("%s of %d bytes: %d allocated, want at most %d", name, len(data), got, most)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s of %d bytes took %v", name, len(data), took)
		}
	}
}

func nestedFrames(n int) string {
	inner := ""
	for range n {
		inner = chunk("ANMF", "\x00\x00\x00\x00\x00\x00\xff\x07\x00\xff\x07\x00\x00\x00\x00\x00"+inner)
	}
	return inner
}

// apngBomb returns a PNG with many frames behind its picture.
func apngBomb(t *testing.T) []byte {
	data := example(t, "png animated")
	end := bytes.Index(data, []byte("IEND")) - 4
	at := bytes.Index(data, []byte("fdAT")) - 4
	next := at + 12 + int(binary.BigEndian.Uint32(data[at:]))
	return append(append(bytes.Clone(data[:end]), bytes.Repeat(data[at:next], 10_000)...), data[end:]...)
}
