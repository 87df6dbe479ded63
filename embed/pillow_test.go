package embed

import (
	"errors"
	"fmt"
	"testing"
)

// pillow is what Pillow made of small images; testdata/pillow.py wrote it.
type pillow struct {
	Decode []struct {
		Name          string
		Width, Height int
		Frame         int
		Levels        string
		Low, High     float64
		Data          []byte
		SHA256        string // of the pixels
	}
	Resize []struct {
		Width, Height       int
		Mode, Interpolation string
		Size, Crop          int
		SHA256              string
	}
}

// refused are the images that Pillow shows and this package does not.
func refused() map[string]string {
	return map[string]string{
		"tiff 16-bit signed":       "what is black in signed samples is for DICOM to say",
		"tiff floating point":      "what is black in floating point is for nobody to say",
		"tiff 12 bits":             "samples that are no whole bytes are rare beyond bilevel",
		"tiff fax with runs alone": "compression 2 has no decoder in golang.org/x/image/ccitt",
	}
}

func TestDecodeIsPillows(t *testing.T) {
	var golden pillow
	unmarshal(t, file(t, "testdata/pillow.json"), &golden)
	for _, c := range golden.Decode {
		p, err := picture(c.Data, c.Frame, View{Levels: c.Levels, Low: c.Low, High: c.High})
		if why, ok := refused()[c.Name]; ok {
			if !errors.Is(err, ErrUnsupported) {
				t.Errorf("Picture(%s): %v, want %v: %s", c.Name, err, ErrUnsupported, why)
			}
			continue
		}
		if err != nil {
			t.Errorf("Picture(%s): %v", c.Name, err)
			continue
		}
		if p.Width != c.Width || p.Height != c.Height {
			t.Errorf("Picture(%s): %d x %d, want %d x %d", c.Name, p.Width, p.Height, c.Width, c.Height)
			continue
		}
		if got := digest(p.Pix); got != c.SHA256 {
			t.Errorf("Picture(%s): pixels %.8s, want Pillow's %.8s", c.Name, got, c.SHA256)
		}
	}
}

func picture(data []byte, frame int, v View) (*Picture, error) {
	i, err := Open(data, Limits{})
	if err != nil {
		return nil, err
	}
	return i.Picture(frame, v)
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
