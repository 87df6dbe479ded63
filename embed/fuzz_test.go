package embed

import (
	"encoding/binary"
	"errors"
	"testing"
)

func FuzzDecode(f *testing.F) {
	for _, name := range append(formats(), "png palette", "jpeg cmyk", "jpeg progressive", "tiff packbits rgb", "webp orientation 6") {
		f.Add(example(f, name))
	}
	f.Add(forgedPNG(100_000, 100_000))
	f.Add([]byte("not an image"))
	f.Fuzz(func(t *testing.T, data []byte) { checkDecode(t, data) })
}

func FuzzEXIF(f *testing.F) {
	f.Add(exifOf(binary.LittleEndian, 274, typeShort, 1, 6, 0, 0, 0))
	f.Add(exifOf(binary.BigEndian, 274, typeLong, 1<<30, 0, 0, 0, 8))
	f.Add(example(f, "jpeg orientation 6"))
	f.Add(example(f, "png orientation 6"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, got := range []int{orientation(data), orientationPNG(data), orientationJPEG(data)} {
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
