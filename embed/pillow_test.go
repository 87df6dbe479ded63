package embed

import (
	"fmt"
	"testing"
)

// pillow is what Pillow made of small images; testdata/pillow.py wrote it.
type pillow struct {
	Decode []struct {
		Name          string
		Width, Height int
		Data          []byte
		SHA256        string // of the pixels
		RGB           []byte // the pixels, where ours may differ
		Within        int    // by as much as another decoder's arithmetic explains
	}
	Resize []struct {
		Width, Height       int
		Mode, Interpolation string
		Size, Crop          int
		SHA256              string
	}
}

func TestDecodeIsPillows(t *testing.T) {
	var golden pillow
	unmarshal(t, file(t, "testdata/pillow.json"), &golden)
	for _, c := range golden.Decode {
		p, err := Decode(c.Data, Limits{})
		if err != nil {
			t.Errorf("Decode(%s): %v", c.Name, err)
			continue
		}
		if p.Width != c.Width || p.Height != c.Height {
			t.Errorf("Decode(%s): %d x %d, want %d x %d", c.Name, p.Width, p.Height, c.Width, c.Height)
			continue
		}
		if c.Within == 0 {
			if got := digest(p.Pix); got != c.SHA256 {
				t.Errorf("Decode(%s): pixels %.8s, want Pillow's %.8s", c.Name, got, c.SHA256)
			}
			continue
		}
		if worst, mean := drift(p.Pix, c.RGB); worst > c.Within {
			t.Errorf("Decode(%s): off by up to %d (%.3f on average), want at most %d", c.Name, worst, mean, c.Within)
		}
	}
}

// The picture is read back from a tensor that keeps the pixel values.
func TestPreprocessIsPillows(t *testing.T) {
	var golden pillow
	unmarshal(t, file(t, "testdata/pillow.json"), &golden)
	for _, c := range golden.Resize {
		m := Manifest{
			Name: "plain", Input: "x", Output: "y", Dimension: 1, Scale: 1, Std: [3]float64{1, 1, 1}, Layout: NHWC,
			Resize: Resize{c.Mode, c.Size, c.Interpolation}, Crop: c.Crop,
		}
		call := fmt.Sprintf("Preprocess(%d x %d, %s %d %s, crop %d)", c.Width, c.Height, c.Mode, c.Size, c.Interpolation, c.Crop)
		dst := make([]float32, m.InputLen())
		if err := m.Preprocess(noise(c.Width, c.Height, uint32(c.Width*1000+c.Height)), dst); err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		pix := make([]byte, len(dst))
		for i, v := range dst {
			pix[i] = byte(v)
		}
		if got := digest(pix); got != c.SHA256 {
			t.Errorf("%s: pixels %.8s, want Pillow's %.8s", call, got, c.SHA256)
		}
	}
}
