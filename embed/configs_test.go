package embed

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	// openai/clip-vit-base-patch32, in the words of before transformers 4.25
	clipProcessor = `{"crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
		"feature_extractor_type": "CLIPFeatureExtractor",
		"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
		"resample": 3, "size": 224}`
	// facebook/dinov2-base
	dinov2Processor = `{"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_convert_rgb": true,
		"do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406],
		"image_processor_type": "BitImageProcessor", "image_std": [0.229, 0.224, 0.225], "resample": 3,
		"rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 256}}`
	vitProcessor = `{"do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5],
		"image_processor_type": "ViTImageProcessor", "image_std": [0.5, 0.5, 0.5], "resample": 2,
		"rescale_factor": 0.00392156862745098, "size": {"height": 224, "width": 224}}`
	siglipProcessor = `{"do_convert_rgb": null, "do_normalize": true, "do_rescale": true, "do_resize": true,
		"image_mean": [0.5, 0.5, 0.5], "image_processor_type": "SiglipImageProcessor", "image_std": [0.5, 0.5, 0.5],
		"processor_class": "SiglipProcessor", "resample": 3, "rescale_factor": 0.00392156862745098,
		"size": {"height": 448, "width": 448}}`
	convNextProcessor = `{"crop_pct": 0.875, "do_normalize": true, "do_resize": true,
		"feature_extractor_type": "ConvNextFeatureExtractor", "image_mean": [0.485, 0.456, 0.406],
		"image_std": [0.229, 0.224, 0.225], "resample": 3, "size": 224}`
	openCLIPConfig = `{"model_cfg": {"embed_dim": 512, "vision_cfg": {"timm_model_name": "vit_base_patch16_224", "image_size": 224},
		"text_cfg": {"context_length": 256}},
		"preprocess_cfg": {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}}`
	resNet50Config = `{"architecture": "resnet50", "num_classes": 1000, "num_features": 2048, "pretrained_cfg": {"tag": "a1_in1k",
		"input_size": [3, 224, 224], "test_input_size": [3, 288, 288], "interpolation": "bicubic", "crop_pct": 0.95,
		"crop_mode": "center", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}`
)

func TestConfigurationsAreDerivedExactly(t *testing.T) {
	clip := Manifest{Mean: clipMean(), Std: clipStd(), Scale: 1.0 / 255, CropOffset: Floor, Crop: 224, Resize: Resize{Shorter, 224, Bicubic}}
	with := func(m Manifest, change func(*Manifest)) Manifest { change(&m); return m }
	half := Manifest{Mean: halves(), Std: halves(), Scale: 1.0 / 255, Resize: Resize{Fixed, 224, Bilinear}}
	convNext := with(clip, func(m *Manifest) { m.Resize.Size, m.Mean, m.Std = 256, imageNetMean(), imageNetStd() })
	open := Manifest{Mean: clipMean(), Std: clipStd(), Crop: 224, Resize: Resize{Shorter, 224, Bicubic}}
	resNet := Manifest{Mean: imageNetMean(), Std: imageNetStd(), Crop: 224, Resize: Resize{Shorter, 235, Bicubic}}
	for _, c := range []struct {
		file, config, old, new string
		want                   Manifest
	}{
		{processorName, clipProcessor, "", "", clip},
		{processorName, clipProcessor, "CLIPFeatureExtractor", "CLIPImageProcessorFast", clip},
		{processorName, `{"image_processor_type": "CLIPImageProcessor"}`, "", "", clip},
		{processorName, clipProcessor, `"do_resize": true`, `"do_resize": false`, with(clip, func(m *Manifest) { m.Resize = Resize{Mode: Keep} })},
		{processorName, clipProcessor, `"size": 224}`, `"size": {"height": 300, "width": 300}}`, with(clip, func(m *Manifest) { m.Resize = Resize{Fixed, 300, Bicubic} })},
		{processorName, strings.Replace(clipProcessor, `"size": 224}`, `"size": {"height": 300, "width": 300}}`, 1), `"do_center_crop": true`, `"do_center_crop": false`,
			with(clip, func(m *Manifest) { m.Resize, m.Crop, m.CropOffset = Resize{Fixed, 300, Bicubic}, 0, "" })},
		{processorName, clipProcessor, `"resample": 3`, `"resample": 1`, with(clip, func(m *Manifest) { m.Resize.Interpolation = Lanczos })},
		{processorName, clipProcessor, `"do_normalize": true`, `"do_normalize": false`, with(clip, func(m *Manifest) { m.Mean, m.Std = channels{}, channels{1, 1, 1} })},
		{processorName, clipProcessor, `"resample": 3`, `"do_rescale": false`, with(clip, func(m *Manifest) { m.Scale = 1 })},
		{processorName, clipProcessor, `"resample": 3`, `"rescale_factor": 0.5, "resample": null`, with(clip, func(m *Manifest) { m.Scale = 0.5 })},
		{processorName, clipProcessor, `"crop_size": 224`, `"crop_size": {"height": 256, "width": 256}`, with(clip, func(m *Manifest) { m.Crop = 256 })},
		{processorName, dinov2Processor, "", "", convNext},
		{processorName, vitProcessor, "", "", half},
		{processorName, vitProcessor, `"size": {"height": 224, "width": 224}`, `"size": 384`, with(half, func(m *Manifest) { m.Resize.Size = 384 })},
		{processorName, `{"feature_extractor_type": "ViTFeatureExtractor"}`, "", "", half},
		{processorName, siglipProcessor, "", "", with(half, func(m *Manifest) { m.Resize = Resize{Fixed, 448, Bicubic} })},
		{processorName, convNextProcessor, "", "", convNext},
		{processorName, convNextProcessor, `"size": 224`, `"size": {"shortest_edge": 384}`, with(convNext, func(m *Manifest) {
			m.Resize, m.Crop, m.CropOffset = Resize{Fixed, 384, Bicubic}, 0, ""
		})},
		{processorName, convNextProcessor, `0.875`, `0.95`, with(convNext, func(m *Manifest) { m.Resize.Size = 235 })},
		{openCLIPName, openCLIPConfig, "", "", open},
		{openCLIPName, `{"preprocess_cfg": {}}`, "", "", open},
		{openCLIPName, openCLIPConfig, `"preprocess_cfg": {`, `"preprocess_cfg": {"size": [224, 224], "mode": "RGB", "interpolation": "bilinear", "resize_mode": "squash", "fill_color": 0, `,
			with(open, func(m *Manifest) { m.Resize, m.Crop = Resize{Fixed, 224, Bilinear}, 0 })},
		{openCLIPName, openCLIPConfig, `"preprocess_cfg": {`, `"preprocess_cfg": {"resize_mode": "longest", "fill_color": 127, `,
			with(open, func(m *Manifest) { m.Resize.Mode, m.Fill = Longest, Colour{127, 127, 127} })},
		{configName, resNet50Config, "", "", resNet},
		{configName, `{"architecture": "x", "input_size": [3, 224, 224], "crop_pct": null}`, "", "", with(resNet, func(m *Manifest) { m.Resize.Size = 256 })},
		{configName, resNet50Config, `"center"`, `"squash"`, with(resNet, func(m *Manifest) { m.Resize.Mode = Fixed })},
		{configName, resNet50Config, `"center"`, `"border"`, with(resNet, func(m *Manifest) { m.Resize.Mode, m.Fill = Longest, Colour{124, 116, 104} })},
	} {
		got, err := derive(c.file, []byte(strings.Replace(c.config, c.old, c.new, 1)), "")
		if d := cmp.Diff(c.want, got); err != nil || d != "" {
			t.Errorf("%s with %s: %v (-want +got):\n%s", c.file, c.new, err, d)
		}
	}
}

func TestConfigurationsThatCannotBeExpressedAreRefused(t *testing.T) {
	for _, c := range []struct{ file, config, old, new, says string }{
		{processorName, clipProcessor, "CLIPFeatureExtractor", "DetrFeatureExtractor", `image_processor_type: "DetrFeatureExtractor" is none of CLIPImageProcessor`},
		{processorName, clipProcessor, "CLIPFeatureExtractor", "", `image_processor_type: "" is none of`},
		{processorName, clipProcessor, `"do_center_crop": true`, `"do_center_crop": false`, "do_center_crop: false leaves pictures of all proportions"},
		{processorName, clipProcessor, `"crop_size": 224`, `"crop_size": {"height": 224, "width": 336}`, `crop_size: {"height": 224, "width": 336} is not square`},
		{processorName, clipProcessor, `"size": 224`, `"size": {"longest_edge": 224}`, `size: {"longest_edge": 224} is not supported`},
		{processorName, clipProcessor, `"size": 224`, `"size": {"height": 224, "width": 448}`, "is not square"},
		{processorName, clipProcessor, `"size": 224`, `"size": -1`, "resize.size: -1"},
		{processorName, clipProcessor, `"size": 224`, `"size": {}`, "size: {} has no height and width"},
		{processorName, clipProcessor, `"size": 224`, `"size": [1]`, "size [1] is not height and width"},
		{processorName, clipProcessor, `"resample": 3`, `"resample": 5`, "resample: 5 is none of"},
		{processorName, clipProcessor, `"resample": 3`, `"rescale_factor": 0`, "rescale_factor: 0"},
		{processorName, clipProcessor, `"resample": 3`, `"do_pad": true`, "do_pad: true"},
		{processorName, clipProcessor, "[0.26862954, ", "[0, ", "std[0]: 0"},
		{processorName, clipProcessor, "[0.26862954, ", "[", "is not of 3 channels"},
		{processorName, vitProcessor, `{"height": 224, "width": 224}`, `{"shortest_edge": 224}`, "has no height and width"},
		{processorName, vitProcessor, `"do_resize": true`, `"do_resize": false`, "do_resize: false"},
		{processorName, convNextProcessor, `"do_resize": true`, `"do_resize": false`, "do_resize: false"},
		{processorName, convNextProcessor, `"resample": 3, `, ``, "resample: missing"},
		{processorName, convNextProcessor, `"size": 224`, `"size": {"height": 1}`, `has no shortest_edge`},
		{processorName, convNextProcessor, `0.875`, `0`, "crop_pct: 0 of a side of 224"},
		{processorName, convNextProcessor, `0.875`, `1e-9`, "crop_pct: 1e-09 of a side of 224"},
		{processorName, `[]`, "", "", "not a JSON object"},
		{processorName, ``, "", "", "not a JSON object"},
		{processorName, `{"size": `, "", "", "unexpected end"},
		{processorName, `{}` + strings.Repeat(" ", maxManifest), "", "", "the limit is 1048576"},
		{openCLIPName, `{}`, "", "", "preprocess_cfg: missing"},
		{openCLIPName, openCLIPConfig, `"preprocess_cfg": {`, `"preprocess_cfg": {"size": 256, `, "preprocess_cfg.size: 256, but model_cfg.vision_cfg.image_size: 224"},
		{openCLIPName, openCLIPConfig, `"preprocess_cfg": {`, `"preprocess_cfg": {"mode": "L", `, `preprocess_cfg.mode: "L"`},
		{openCLIPName, openCLIPConfig, `"preprocess_cfg": {`, `"preprocess_cfg": {"interpolation": "lanczos", `, `preprocess_cfg.interpolation: "lanczos"`},
		{openCLIPName, openCLIPConfig, `"preprocess_cfg": {`, `"preprocess_cfg": {"resize_mode": "crop", `, `preprocess_cfg.resize_mode: "crop"`},
		{openCLIPName, openCLIPConfig, `"preprocess_cfg": {`, `"preprocess_cfg": {"resize_mode": "longest", "fill_color": 256, `, "fill[0]: 256"},
		{openCLIPName, openCLIPConfig, `"image_size": 224`, `"image_size": [224, 448]`, "[224, 448] is not square"},
		{configName, `{"model_type": "vit"}`, "", "", "preprocessor_config.json, which is missing"},
		{configName, `{"architecture": "resnet50"}`, "", "", "input_size: missing"},
		{configName, resNet50Config, `[3, 224, 224]`, `[1, 224, 224]`, "input_size: [1 224 224] is not [3, height, width]"},
		{configName, resNet50Config, `[3, 224, 224]`, `[3, 224, 448]`, "is not square"},
		{configName, resNet50Config, `"center"`, `"corner"`, `crop_mode: "corner"`},
		{configName, resNet50Config, `"bicubic"`, `"random"`, `resize.interpolation: "random"`},
		{configName, resNet50Config, `0.95`, `-1`, "crop_pct: -1"},
		{"x.json", `{}`, "", "", `base: "x.json" is none of`},
	} {
		_, err := derive(c.file, []byte(strings.Replace(c.config, c.old, c.new, 1)), "")
		if !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.file) {
			t.Errorf("%s with %s: %v, want %v naming the file and saying %q", c.file, c.new, err, ErrManifest, c.says)
		}
	}
}

// Law: what a configuration gives is a valid manifest once its ends are known.
func FuzzFolder(f *testing.F) {
	files := configurations()[1:]
	for _, config := range []string{clipProcessor, dinov2Processor, vitProcessor, siglipProcessor, convNextProcessor, openCLIPConfig, resNet50Config} {
		for i := range files {
			f.Add(byte(i), []byte(config))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		name := files[int(kind)%len(files)]
		var a architecture
		known := decodeJSON(data, &a) == nil
		m, err := derive(name, data, a.Type)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("derive(%s, %q): %v, want %v", name, data, err, ErrManifest)
			}
			return
		}
		m.Name, m.Input, m.Output, m.Dimension = "x", "x", "y", 1
		if err := m.Validate(); err != nil || m.InputLen() < 3 || m.InputLen() > 3*maxSize*maxSize {
			t.Fatalf("derive(%s, %q): input of %d floats, %v", name, data, m.InputLen(), err)
		}
		if side := m.Side(); known {
			tokens := Tensor{"y", []int{-1, side, -1}}
			m.Output, m.Dimension = "", 0
			if err := m.complete(Graph{Inputs: []Tensor{{"x", nil}}, Outputs: []Tensor{tokens}}, a); err == nil && m.Dimension < 1 {
				t.Fatalf("complete(%q): dimension %d", data, m.Dimension)
			}
		}
	})
}
