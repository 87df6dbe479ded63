package embed

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

func FuzzDecode(f *testing.F) {
	for _, name := range append(formats(), "png palette", "jpeg cmyk", "jpeg progressive", "tiff packbits rgb", "webp orientation 6") {
		f.Add(example(f, name))
	}
	f.Add(forgedPNG(100_000, 100_000))
	f.Add([]byte("not an image"))
	f.Fuzz(func(t *testing.T, data []byte) { checkDecode(t, data) })
}

// Law: every frame of an image that opens is a picture or an error, for four
// times the input's bytes, what the limit of pixels allows and a constant.
func FuzzOpen(f *testing.F) {
	for _, name := range append(formats(), "tiff pages", "tiff fax", "gif interlaced", "webp orientation 6", "png 16-bit grey", "tiff planar rgb", "bmp runs of 8 bits", "bmp runs of 4 bits", "bmp 16 bits") {
		f.Add(example(f, name))
	}
	f.Add([]byte("GIF89a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const pixels, perPixel, always = 1 << 16, 30, 4 << 20
		start := time.Now()
		var i *Image
		var err error
		got := allocated(func() {
			if i, err = Open(data, Limits{Pixels: pixels}); err == nil {
				i.Picture(0, View{})
			}
		})
		most := uint64(4*len(data) + perPixel*pixels + always)
		if MediaType(data) == "image/webp" {
			// A lossless one may name up to 65,536 groups of five codes, for which
			// golang.org/x/image makes room at once: see Limits.
			most += 200 << 20
		}
		if got > most || time.Since(start) > 5*time.Second {
			t.Fatalf("Open(%q): %d bytes and %v, want at most %d and 5s", data, got, time.Since(start), most)
		}
		if err != nil {
			return
		}
		if i.Frames() < 1 || i.Frames() > len(data) || i.MediaType() != MediaType(data) {
			t.Fatalf("Open(%q): %d frames of %q", data, i.Frames(), i.MediaType())
		}
		for frame := range min(i.Frames(), 3) {
			for _, levels := range []string{LevelsFull, LevelsPercentile, LevelsClip} {
				p, err := i.Picture(frame, View{Levels: levels})
				if err == nil && (p.valid() != nil || p.Width*p.Height > pixels) {
					t.Fatalf("Open(%q).Picture(%d, %s): %d x %d", data, frame, levels, p.Width, p.Height)
				}
			}
		}
	})
}

func FuzzEXIF(f *testing.F) {
	f.Add(exifOf(binary.LittleEndian, 274, typeShort, 1, 6, 0, 0, 0))
	f.Add(exifOf(binary.BigEndian, 274, typeLong, 1<<30, 0, 0, 0, 8))
	f.Add(example(f, "jpeg orientation 6"))
	f.Add(example(f, "png orientation 6"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, got := range []int{orientationEXIF(data), orientationPNG(data), orientationJPEG(data)} {
			if got < 1 || got > 8 {
				t.Fatalf("orientation of %q = %d", data, got)
			}
		}
	})
}

// Law: a manifest that parses is valid, stays valid and has an input.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(clipManifest))
	f.Add([]byte("name: x\nresize: {mode: fixed, size: 1e9}\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("ParseManifest(%q): %v, want %v", data, err, ErrManifest)
			}
			return
		}
		if err := m.Validate(); err != nil || m.InputLen() < 3 || m.InputLen() > 3*maxSize*maxSize {
			t.Fatalf("ParseManifest(%q): input of %d floats, %v", data, m.InputLen(), err)
		}
	})
}
