package embed

import (
	"cmp"
	"fmt"
)

// openCLIP is open_clip_config.json. preprocess_cfg may leave all out.
type openCLIP struct {
	Model struct {
		Vision struct {
			Size extent `json:"image_size"`
		} `json:"vision_cfg"`
	} `json:"model_cfg"`
	Preprocess *struct {
		Size          extent    `json:"size"`
		Mode          string    `json:"mode"`
		Mean          *channels `json:"mean"`
		Std           *channels `json:"std"`
		Interpolation string    `json:"interpolation"`
		ResizeMode    string    `json:"resize_mode"`
		Fill          int       `json:"fill_color"`
	} `json:"preprocess_cfg"`
}

// readOpenCLIP returns the preprocessing of open_clip's image_transform for
// inference. Its size is the tower's, which preprocess_cfg may repeat.
func readOpenCLIP(data []byte) (Manifest, error) {
	var c openCLIP
	if err := decodeJSON(data, &c); err != nil {
		return Manifest{}, err
	}
	p := c.Preprocess
	if p == nil {
		return Manifest{}, fmt.Errorf("preprocess_cfg: missing")
	}
	if p.Mode != "" && p.Mode != "RGB" {
		return Manifest{}, fmt.Errorf("preprocess_cfg.mode: %q is not RGB", p.Mode)
	}
	size, err := c.side()
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Mean: or(p.Mean, clipMean()), Std: or(p.Std, clipStd()), Resize: Resize{Size: size}}
	switch p.Interpolation {
	case "", Bicubic, "random": // random means training's, and bicubic otherwise
		m.Resize.Interpolation = Bicubic
	case Bilinear:
		m.Resize.Interpolation = Bilinear
	default:
		return m, fmt.Errorf("preprocess_cfg.interpolation: %q is none of bicubic, bilinear, random", p.Interpolation)
	}
	switch cmp.Or(p.ResizeMode, "shortest") {
	case "shortest":
		m.Resize.Mode, m.Crop = Shorter, size
	case "longest":
		m.Resize.Mode, m.Crop, m.Fill = Longest, size, Colour{p.Fill, p.Fill, p.Fill}
	case "squash":
		m.Resize.Mode = Fixed
	default:
		return m, fmt.Errorf("preprocess_cfg.resize_mode: %q is none of shortest, longest, squash", p.ResizeMode)
	}
	return m, nil
}

// side returns the side of the input, 224 if it is not told.
func (c openCLIP) side() (int, error) {
	told, tower := c.Preprocess.Size, c.Model.Vision.Size
	side := 224
	var err error
	if tower.given() {
		if side, err = tower.square("model_cfg.vision_cfg.image_size"); err != nil {
			return 0, err
		}
	}
	if !told.given() {
		return side, nil
	}
	own, err := told.square("preprocess_cfg.size")
	if err == nil && tower.given() && own != side {
		err = fmt.Errorf("preprocess_cfg.size: %s, but model_cfg.vision_cfg.image_size: %s", told.text, tower.text)
	}
	return own, err
}
