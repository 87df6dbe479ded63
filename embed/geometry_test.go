package embed

import (
	"image"
	"testing"

	"pgregory.net/rapid"
)

// The rules of torchvision's and timm's center_crop, and of Hugging Face's,
// written out as those libraries do, pad and crop apart.
func centreCrop(offset string, length, crop int) (before, from int) {
	if offset == Floor {
		if top := floorHalf(length - crop); top >= 0 {
			return 0, top
		}
		padded := max(crop, length)
		before = (padded - length + 1) / 2
		return before, max(0, floorHalf(length-crop)+before)
	}
	if crop > length {
		return (crop - length) / 2, 0
	}
	return 0, evenHalf(length - crop)
}

func floorHalf(n int) int {
	if n < 0 {
		return -(-n + 1) / 2
	}
	return n / 2
}

// Law: what is seen of a picture, and where, is what padding and then cropping
// by the rules leaves.
func TestCropsAreTheirLibraries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := plain(Keep, 0, rapid.IntRange(1, 40).Draw(t, "crop"))
		m.Resize.Interpolation = ""
		m.CropOffset = rapid.SampledFrom([]string{Round, Floor}).Draw(t, "offset")
		w, h := rapid.IntRange(1, 40).Draw(t, "width"), rapid.IntRange(1, 40).Draw(t, "height")
		f := m.frame(w, h)
		for _, axis := range []struct{ length, from, to, at int }{
			{w, f.visible.Min.X, f.visible.Max.X, f.at.X}, {h, f.visible.Min.Y, f.visible.Max.Y, f.at.Y},
		} {
			before, from := centreCrop(m.CropOffset, axis.length, m.Crop)
			// Position p of the crop shows from+p-before of the picture.
			first := max(0, before-from)
			want := image.Rect(max(0, from-before), 0, min(axis.length, from-before+m.Crop), 0)
			if axis.at != first || axis.from != want.Min.X || axis.to != want.Max.X {
				t.Fatalf("%s crop %d of %d shows [%d, %d) at %d, want [%d, %d) at %d", m.CropOffset, m.Crop, axis.length,
					axis.from, axis.to, axis.at, want.Min.X, want.Max.X, first)
			}
		}
	})
}

func TestSizesAreTheirLibraries(t *testing.T) {
	for _, c := range []struct {
		mode                string
		size, width, height int
		want                image.Point
	}{
		{Longest, 224, 640, 480, image.Pt(224, 168)},
		{Longest, 224, 480, 640, image.Pt(168, 224)},
		{Longest, 224, 1000, 1, image.Pt(224, 1)},
		{Longest, 5, 10, 5, image.Pt(5, 2)},  // 2.5 to even
		{Longest, 5, 10, 15, image.Pt(3, 5)}, // 3.33
		{Longest, 100, 50, 50, image.Pt(100, 100)},
		{Keep, 0, 31, 77, image.Pt(31, 77)},
	} {
		m := plain(c.mode, c.size, 4)
		if w, h := m.resized(c.width, c.height); image.Pt(w, h) != c.want {
			t.Errorf("%s %d of %d x %d = %d x %d, want %v", c.mode, c.size, c.width, c.height, w, h, c.want)
		}
	}
}

func TestFillSurroundsThePicture(t *testing.T) {
	p := &Picture{Width: 2, Height: 1, Pix: []byte{10, 20, 30, 40, 50, 60}}
	for _, c := range []struct {
		name   string
		change func(*Manifest)
		want   []float32
	}{
		{"longest-pad", func(*Manifest) {}, []float32{10, 40, 7, 7, 20, 50, 8, 8, 30, 60, 9, 9}},
		{"bgr", func(m *Manifest) { m.Channels = BGR }, []float32{30, 60, 9, 9, 20, 50, 8, 8, 10, 40, 7, 7}},
		{"kept and cropped", func(m *Manifest) { m.Resize, m.Crop = Resize{Mode: Keep}, 2 }, []float32{10, 40, 7, 7, 20, 50, 8, 8, 30, 60, 9, 9}},
		{"kept and cropped by floor", func(m *Manifest) { m.Resize, m.Crop, m.CropOffset = Resize{Mode: Keep}, 2, Floor },
			[]float32{7, 7, 10, 40, 8, 8, 20, 50, 9, 9, 30, 60}},
		{"longest and cropped", func(m *Manifest) { m.Resize.Mode, m.Crop = Longest, 1 }, []float32{10, 20, 30}},
	} {
		m := plain(LongestPad, 2, 0)
		m.Fill = Colour{7, 8, 9}
		c.change(&m)
		got := make([]float32, m.InputLen())
		if err := m.Preprocess(p, got); err != nil || difference(got, c.want) != 0 {
			t.Errorf("%s: Preprocess = %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}
