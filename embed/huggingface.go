package embed

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// processor is preprocessor_config.json of Hugging Face's transformers. What
// is absent has the default of its class.
type processor struct {
	Type          string    `json:"image_processor_type"`
	Extractor     string    `json:"feature_extractor_type"` // its name before release 4.25
	DoResize      *bool     `json:"do_resize"`
	Size          extent    `json:"size"`
	Resample      *int      `json:"resample"`
	DoCenterCrop  *bool     `json:"do_center_crop"`
	CropSize      extent    `json:"crop_size"`
	CropPct       *float64  `json:"crop_pct"`
	DoRescale     *bool     `json:"do_rescale"`
	RescaleFactor *float64  `json:"rescale_factor"`
	DoNormalize   *bool     `json:"do_normalize"`
	Mean          *channels `json:"image_mean"`
	Std           *channels `json:"image_std"`
	DoPad         *bool     `json:"do_pad"`
}

// readProcessor returns the preprocessing of a class of image processors:
//
//	CLIP, Bit     shorter side (or height and width) to size, centre crop
//	ViT, Siglip   height and width to size
//	ConvNext      below 384 shorter side to size/crop_pct and centre crop to
//	              size, else height and width to size
//
// then value·rescale_factor, less image_mean, by image_std. The variants Fast
// and Pil, and the feature extractors of old, stand for the same. do_convert_rgb
// makes no difference: a Picture is RGB. Where no class is named, it is the one
// that transformers has for the architecture.
func readProcessor(data []byte, architecture string) (Manifest, error) {
	var p processor
	if err := decodeJSON(data, &p); err != nil {
		return Manifest{}, err
	}
	p.Type = cmp.Or(p.Type, p.Extractor, processorOf(architecture))
	if or(p.DoPad, false) {
		return Manifest{}, errors.New("do_pad: true is not supported")
	}
	var m Manifest
	var err error
	switch p.class() {
	case "CLIP", "Bit":
		m, err = p.cropped()
	case "ViT":
		m, err = p.squared(2, halves(), halves())
	case "Siglip":
		m, err = p.squared(3, halves(), halves())
	case "ConvNext":
		m, err = p.convNext()
	default:
		return m, fmt.Errorf("image_processor_type: %q is none of CLIPImageProcessor, ViTImageProcessor, "+
			"BitImageProcessor, SiglipImageProcessor, ConvNextImageProcessor: write %s", p.Type, manifestName)
	}
	return m, err
}

// processorOf returns the class that transformers has for an architecture, ""
// if it is none of those that are read here.
func processorOf(architecture string) string {
	switch architecture {
	case "clip":
		return "CLIPImageProcessor"
	case "dinov2", "bit":
		return "BitImageProcessor"
	case "vit":
		return "ViTImageProcessor"
	case "siglip":
		return "SiglipImageProcessor"
	case "convnext", "convnextv2", "resnet":
		return "ConvNextImageProcessor"
	}
	return ""
}

// class returns what the type's name begins with, "" if it is not of the form.
func (p processor) class() string {
	name := strings.TrimSuffix(strings.TrimSuffix(p.Type, "Fast"), "Pil")
	for _, suffix := range []string{"ImageProcessor", "FeatureExtractor"} {
		if class, ok := strings.CutSuffix(name, suffix); ok {
			return class
		}
	}
	return ""
}

// cropped reads what CLIPImageProcessor and BitImageProcessor take.
func (p processor) cropped() (Manifest, error) {
	m, err := p.values(3, clipMean(), clipStd())
	if err != nil {
		return m, err
	}
	size := p.Size
	if !size.given() {
		size.Shortest = 224
	}
	switch {
	case !or(p.DoResize, true):
		m.Resize = Resize{Mode: Keep}
	case size.Longest != 0:
		return m, fmt.Errorf("size: %s is not supported", size.text)
	case size.Shortest != 0 || size.Side != 0:
		m.Resize.Mode, m.Resize.Size = Shorter, cmp.Or(size.Shortest, size.Side)
	default:
		m.Resize.Mode = Fixed
		if m.Resize.Size, err = size.square("size"); err != nil {
			return m, err
		}
	}
	if !or(p.DoCenterCrop, true) {
		if m.Resize.Mode != Fixed {
			return m, errors.New("do_center_crop: false leaves pictures of all proportions, a network takes one")
		}
		return m, nil
	}
	crop := p.CropSize
	if !crop.given() {
		crop.Side = 224
	}
	m.CropOffset = Floor
	m.Crop, err = crop.square("crop_size")
	return m, err
}

// squared reads what ViTImageProcessor and SiglipImageProcessor take.
func (p processor) squared(resample int, mean, std channels) (Manifest, error) {
	m, err := p.values(resample, mean, std)
	if err != nil {
		return m, err
	}
	if !or(p.DoResize, true) {
		return m, errors.New("do_resize: false leaves pictures of all sizes, a network takes one")
	}
	size := p.Size
	if !size.given() {
		size.Side = 224
	}
	m.Resize.Mode = Fixed
	m.Resize.Size, err = size.square("size")
	return m, err
}

// convNext reads what ConvNextImageProcessor takes. Its releases differ in the
// default of resample.
func (p processor) convNext() (Manifest, error) {
	if p.Resample == nil {
		return Manifest{}, errors.New("resample: missing")
	}
	m, err := p.values(*p.Resample, halves(), halves())
	if err != nil {
		return m, err
	}
	if !or(p.DoResize, true) {
		return m, errors.New("do_resize: false leaves pictures of all sizes, a network takes one")
	}
	side := cmp.Or(p.Size.Shortest, p.Size.Side)
	if !p.Size.given() {
		side = 384
	}
	if side == 0 {
		return m, fmt.Errorf("size: %s has no shortest_edge", p.Size.text)
	}
	if side >= 384 {
		m.Resize.Mode, m.Resize.Size = Fixed, side
		return m, nil
	}
	m.Resize.Mode, m.Crop, m.CropOffset = Shorter, side, Floor
	m.Resize.Size, err = ratio("crop_pct", side, or(p.CropPct, 224.0/256))
	return m, err
}

// values reads resampling, scale, mean and standard deviation.
func (p processor) values(resample int, mean, std channels) (m Manifest, err error) {
	m.Resize.Interpolation, err = resampling(or(p.Resample, resample))
	m.Scale = or(p.RescaleFactor, 1.0/255)
	if !or(p.DoRescale, true) {
		m.Scale = 1
	}
	if m.Scale == 0 {
		return m, errors.New("rescale_factor: 0 leaves nothing of a picture")
	}
	m.Mean, m.Std = or(p.Mean, mean), or(p.Std, std)
	if !or(p.DoNormalize, true) {
		m.Mean, m.Std = channels{}, channels{1, 1, 1}
	}
	return m, err
}

// resampling returns the interpolation that Pillow's enumeration numbers so.
func resampling(number int) (string, error) {
	names := []string{Nearest, Lanczos, Bilinear, Bicubic, Box}
	if number < 0 || number >= len(names) {
		return "", fmt.Errorf("resample: %d is none of 0 (nearest), 1 (lanczos), 2 (bilinear), 3 (bicubic), 4 (box)", number)
	}
	return names[number], nil
}
