package embed

import (
	"cmp"
	"errors"
	"fmt"
	"math"
)

// timm is config.json of PyTorch Image Models: the fields of pretrained_cfg,
// which older files have at the top level.
type timm struct {
	Input         []int     `json:"input_size"` // channels, height, width
	Interpolation string    `json:"interpolation"`
	CropPct       float64   `json:"crop_pct"`
	CropMode      string    `json:"crop_mode"`
	Mean          *channels `json:"mean"`
	Std           *channels `json:"std"`
}

// readTimm returns the preprocessing of timm's transforms_imagenet_eval. The
// defaults are those of its resolve_data_config.
func readTimm(data []byte) (Manifest, error) {
	var c struct {
		Pretrained *timm  `json:"pretrained_cfg"`
		Type       string `json:"model_type"` // transformers'
		timm
	}
	if err := decodeJSON(data, &c); err != nil {
		return Manifest{}, err
	}
	if c.Pretrained != nil {
		return c.Pretrained.manifest()
	}
	if c.Type != "" && len(c.Input) == 0 {
		return Manifest{}, fmt.Errorf("model_type: %s is of transformers, whose preprocessing is in %s, which is missing", c.Type, processorName)
	}
	return c.manifest()
}

func (t timm) manifest() (m Manifest, err error) {
	side, err := t.side()
	if err != nil {
		return m, err
	}
	m = Manifest{Mean: or(t.Mean, imageNetMean()), Std: or(t.Std, imageNetStd()), Crop: side}
	if m.Resize.Size, err = ratio("crop_pct", side, cmp.Or(t.CropPct, 0.875)); err != nil {
		return m, err
	}
	m.Resize.Interpolation = cmp.Or(t.Interpolation, Bicubic)
	switch cmp.Or(t.CropMode, "center") {
	case "center":
		m.Resize.Mode = Shorter
	case "squash":
		m.Resize.Mode = Fixed
	case "border":
		m.Resize.Mode = Longest
		for c, v := range m.Mean {
			m.Fill[c] = int(math.RoundToEven(255 * min(max(v, -1), 2)))
		}
	default:
		return m, fmt.Errorf("crop_mode: %q is none of center, squash, border", t.CropMode)
	}
	return m, nil
}

func (t timm) side() (int, error) {
	switch {
	case len(t.Input) == 0:
		return 0, errors.New("input_size: missing, in pretrained_cfg and outside")
	case len(t.Input) != 3 || t.Input[0] != 3:
		return 0, fmt.Errorf("input_size: %v is not [3, height, width]", t.Input)
	case t.Input[1] != t.Input[2]:
		return 0, fmt.Errorf("input_size: %v is not square, which alone is supported", t.Input)
	}
	return t.Input[1], nil
}
