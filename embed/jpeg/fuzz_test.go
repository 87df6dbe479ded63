package jpeg

import (
	"bytes"
	"image/jpeg"
	"testing"
)

// Law: Decode keeps its promises, and Go's decoder sees the same size.
func FuzzDecode(f *testing.F) {
	for _, data := range kinds(f) {
		f.Add(data)
	}
	f.Add(manyScans())
	f.Add(forged(markSOF2, 2000, 2000, 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		img := checkDecode(t, data)
		if img == nil {
			return
		}
		other, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		if b := other.Bounds(); b.Dx() != img.Width || b.Dy() != img.Height {
			t.Fatalf("Decode(%q): %d x %d, Go's decoder has %d x %d", data, img.Width, img.Height, b.Dx(), b.Dy())
		}
	})
}
