package embed

import (
	"math"
	"path"
	"testing"
)

// PNG sources give Pillow's pixels exactly. The radiographs are grey JPEGs,
// whose pixels already differ by one level here and there: Go's and libjpeg's
// inverse cosine transforms round differently. Lanczos overshoots, so enlarging
// can make two levels of one.
func TestResizeOfRealImagesIsPillows(t *testing.T) {
	pipelines := map[string]Manifest{
		"clip_bicubic_224_crop224":         {Resize: Resize{Shorter, 224, Bicubic}, Crop: 224},
		"torchvision_bilinear_256_crop224": {Resize: Resize{Shorter, 256, Bilinear}, Crop: 224},
		"bicubic_128_crop128":              {Resize: Resize{Shorter, 128, Bicubic}, Crop: 128},
		"lanczos_448_crop448":              {Resize: Resize{Shorter, 448, Lanczos}, Crop: 448},
	}
	var golden struct {
		Cases []struct {
			Image, Pipeline, File string
			Width, Height         int
		}
	}
	unmarshal(t, shared(t, "golden/resize.json"), &golden)
	if len(golden.Cases) != 24 {
		t.Fatalf("golden/resize.json has %d cases, want 24", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		m := pipelines[c.Pipeline]
		p := decoded(t, shared(t, c.Image))
		f := m.frame(p.Width, p.Height)
		got := resize(p, f.width, f.height, f.visible, m.Resize.Interpolation)
		if got.Width != c.Width || got.Height != c.Height {
			t.Fatalf("%s %s: %d x %d, want %d x %d", c.Image, c.Pipeline, got.Width, got.Height, c.Width, c.Height)
		}
		worst, mean := drift(got.Pix, shared(t, c.File))
		allowed, average := 0, 0.0
		if path.Ext(c.Image) == ".jpeg" {
			allowed, average = 2, 0.04
		}
		if worst > allowed || mean > average {
			t.Errorf("%s %s: off by up to %d (%.4f on average), want at most %d (%.4f)",
				c.Image, c.Pipeline, worst, mean, allowed, average)
		}
	}
}

// Both networks take the same preprocessing. One level of the source is at most
// 1/(255·0.224) apart on the input.
func TestTensorsOfRealImagesAreTheReference(t *testing.T) {
	var golden struct{ Images []string }
	unmarshal(t, shared(t, "golden/golden.json"), &golden)
	want := floats(shared(t, "golden/input_first2_2x3x224x224.f32le"))
	for _, m := range networks() {
		for i, name := range golden.Images[:2] {
			got := make([]float32, m.InputLen())
			if err := m.Preprocess(decoded(t, shared(t, name)), got); err != nil {
				t.Fatalf("Preprocess(%s): %v", name, err)
			}
			worst, off := difference(got, want[i*m.InputLen():])
			if limit := 1 / (255 * 0.224); worst > limit+1e-5 || off > 0.02 {
				t.Errorf("%s Preprocess(%s): off by up to %g in %.4f of the values, want at most %g in 0.02",
					m.Name, name, worst, off, limit)
			}
		}
	}
}

// difference returns the largest difference and the share of values that
// differ by more than rounding.
func difference(got, want []float32) (worst, share float64) {
	for i, v := range got {
		d := math.Abs(float64(v) - float64(want[i]))
		if worst = max(worst, d); d > 1e-5 {
			share++
		}
	}
	return worst, share / float64(len(got))
}
