package embed

import (
	"bytes"
	"math"
	"testing"
)

// Bit for bit, of PNG and JPEG files.
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
		if want := shared(t, c.File); !bytes.Equal(got.Pix, want) {
			worst, mean := drift(got.Pix, want)
			t.Errorf("%s %s: off by up to %d (%.4f on average), want none", c.Image, c.Pipeline, worst, mean)
		}
	}
}

// Both networks take the same preprocessing. Of the same pixels, only the
// rounding of float32 can differ.
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
			if worst := difference(got, want[i*m.InputLen():]); worst > 1e-6 {
				t.Errorf("%s Preprocess(%s): off by up to %g, want at most %g", m.Name, name, worst, 1e-6)
			}
		}
	}
}

func difference(got, want []float32) (worst float64) {
	for i, v := range got {
		worst = max(worst, math.Abs(float64(v)-float64(want[i])))
	}
	return worst
}
