package embed

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const clipManifest = `
name: clip-vit-b-32
description: CLIP's image tower
file: weights/visual.onnx
sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
input: pixel_values
output: image_embeds
dimension: 512
resize: {mode: shorter, size: 224, interpolation: bicubic}
crop: 224
mean: [0.48145466, 0.4578275, 0.40821073]
std: [0.26862954, 0.26130258, 0.27577711]
licence: MIT
training_data: 400 million pairs
source: https://example.org
citation: Radford 2021
`

func clip512() Manifest {
	return Manifest{
		Name: "clip-vit-b-32", Description: "CLIP's image tower", File: "weights/visual.onnx",
		SHA256: strings.Repeat("0123456789abcdef", 4),
		Input:  "pixel_values", Output: "image_embeds", Dimension: 512,
		Resize: Resize{Shorter, 224, Bicubic}, Crop: 224, CropOffset: Round, Levels: LevelsWindow, Scale: 1.0 / 255,
		Mean: [3]float64{0.48145466, 0.4578275, 0.40821073}, Std: [3]float64{0.26862954, 0.26130258, 0.27577711},
		Channels: RGB, Layout: NCHW, Pooling: PoolNone,
		Licence: "MIT", TrainingData: "400 million pairs", Source: "https://example.org", Citation: "Radford 2021",
	}
}

func TestParseManifestReadsEveryField(t *testing.T) {
	got, err := ParseManifest([]byte(clipManifest))
	if err != nil {
		t.Fatalf("ParseManifest: %v", err)
	}
	if d := cmp.Diff(clip512(), got); d != "" {
		t.Errorf("ParseManifest (-want +got):\n%s", d)
	}
	if got.InputLen() != 3*224*224 {
		t.Errorf("InputLen() = %d, want %d", got.InputLen(), 3*224*224)
	}
}

func TestManifestSurvivesYAML(t *testing.T) {
	for _, m := range append(networks(), clip512()) {
		data, err := yaml.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseManifest(data)
		if d := cmp.Diff(m.withDefaults(), got); err != nil || d != "" {
			t.Errorf("ParseManifest(Marshal(%s)): %v (-want +got):\n%s", m.Name, err, d)
		}
	}
}

func TestBadManifestsNameTheField(t *testing.T) {
	for _, c := range []struct{ old, new, says string }{
		{"name: clip-vit-b-32", "name: ../clip", "name: "},
		{"name: clip-vit-b-32", "name: " + strings.Repeat("x", 65), "name: "},
		{"name: clip-vit-b-32", "name: .hidden", "name: "},
		{"name: clip-vit-b-32", "", "name: "},
		{"file: weights", "file: /weights", "file: "},
		{"file: weights", "file: ../weights", "file: "},
		{"file: weights/visual.onnx", `file: weights\visual.onnx`, "file: "},
		{"sha256: 01", "sha256: 0", "sha256: "},
		{"sha256: 01", "sha256: 0Z", "sha256: "},
		{"input: pixel_values", "", "input: missing"},
		{"output: image_embeds", "", "output: missing"},
		{"dimension: 512", "dimension: 0", "dimension: 0 is not between 1 and 65536"},
		{"dimension: 512", "dimension: 65537", "dimension: "},
		{"mode: shorter", "mode: longer", `resize.mode: "longer" is none of shorter, fixed, longest-pad`},
		{"size: 224", "size: 2049", "resize.size: 2049 is not between 1 and 2048"},
		{"size: 224", "size: -1", "resize.size: "},
		{"interpolation: bicubic", "interpolation: cubic", "resize.interpolation: "},
		{"crop: 224", "crop: 2049", "crop: 2049 is not between 0 and 2048"},
		{"mode: shorter, size: 224", "mode: longest-pad, size: 200", "crop: 224 is not between 0 and 200"},
		{"resize: {mode: shorter, size", "resize: {mode: keep, size", "resize: size and interpolation have no meaning with mode keep"},
		{"crop: 224", "crop_offset: floor", "crop: required with resize.mode shorter"},
		{"licence: MIT", "crop_offset: ceil", `crop_offset: "ceil" is none of round, floor`},
		{"licence: MIT", "fill: [0, 256, 0]", "fill[1]: 256 is not between 0 and 255"},
		{"licence: MIT", "fill: [0, 0]", "want 3 elements"},
		{"licence: MIT", "levels: auto", `levels: "auto" is none of window, full, percentile, clip`},
		{"licence: MIT", "window: -1", "window: -1 is not between"},
		{"licence: MIT", "levels: full\nwindow: 1", "window: 1 without levels window"},
		{"licence: MIT", "percentiles: [1, 99]", "percentiles: [1 99] without levels percentile"},
		{"licence: MIT", "levels: percentile\npercentiles: [99, 1]", "percentiles: [99 1] are not"},
		{"licence: MIT", "levels: percentile\npercentiles: [.nan, 1]", "percentiles: [NaN 1] are not"},
		{"licence: MIT", "skip: 1", "skip: 1 without pooling mean-tokens"},
		{"licence: MIT", "pooling: mean-tokens\nskip: -1", "skip: -1 is not between 0 and 1024"},
		{"licence: MIT", "base: preprocessor_config.json", "base: preprocessor_config.json is not at hand"},
		{"licence: MIT", "text: {}", `text.file: "" is no path`},
		{"licence: MIT", textSection("tokenizer: t.json", "tokenizer: ../t.json"), `text.tokenizer: "../t.json" is no path`},
		{"licence: MIT", textSection("length: 77", "length: 0"), "text.length: 0 is not between 1 and 8192"},
		{"licence: MIT", textSection("ids: input_ids, ", ""), "text.ids: missing"},
		{"licence: MIT", textSection("mask: mask", "mask: input_ids"), `text.mask: "input_ids" is ids too`},
		{"licence: MIT", textSection("output: text_embeds", "output: ''"), "text.output: missing"},
		{"licence: MIT", textSection("logit_scale: 20", "logit_scale: -1"), "text.logit_scale: -1 is not above 0"},
		{"licence: MIT", textSection("logit_scale: 20", "logit_bias: .nan"), "text.logit_bias: NaN"},
		{"licence: MIT", textSection("logit_scale: 20", "activation: relu"), `text.activation: "relu" is none of softmax, sigmoid`},
		{"licence: MIT", textSection("logit_scale: 20", "prompts: [a photo]"), `text.prompts[0]: "a photo" has not one {}`},
		{"crop: 224", "crop: -1", "crop: "},
		{"crop: 224", "", "crop: required with resize.mode shorter"},
		{"mean: [0.48145466", "mean: [.nan", "mean[0]: "},
		{"mean: [0.48145466", "mean: [.inf", "mean[0]: "},
		{"0.26130258", "0", "std[1]: "},
		{"0.26130258", "-1", "std[1]: "},
		{"0.26130258, ", "", "want 3 elements"},
		{"licence: MIT", "scale: -1", "scale: "},
		{"licence: MIT", "scale: .nan", "scale: "},
		{"licence: MIT", "channels: grey", "channels: "},
		{"licence: MIT", "layout: chw", "layout: "},
		{"licence: MIT", "pooling: max", "pooling: "},
		{"licence: MIT", "license: MIT", "field license not found"},
		{"dimension: 512", "dimension: many", "line "},
		{"citation: Radford 2021", "---\nname: another", "more than one document"},
		{clipManifest, "", "empty"},
		{clipManifest, "[]", "!!seq"},
		{clipManifest, "a: &a [*a]", ""},
		{clipManifest, strings.Repeat("#", maxManifest+1), "the limit is 1048576"},
	} {
		text := strings.Replace(clipManifest, c.old, c.new, 1)
		_, err := ParseManifest([]byte(text))
		if !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("ParseManifest with %.40q for %.40q: %v, want %v saying %q", c.new, c.old, err, ErrManifest, c.says)
		}
	}
}

// textSection is a manifest's text section with one part replaced.
func textSection(old, new string) string {
	return strings.Replace("text: {file: t.onnx, tokenizer: t.json, length: 77, ids: input_ids, mask: mask, "+
		"output: text_embeds, logit_scale: 20}", old, new, 1)
}

func TestManifestsOfEveryFieldSurviveYAML(t *testing.T) {
	m := clip512()
	m.Resize, m.Crop, m.CropOffset, m.Fill = Resize{Mode: Keep}, 100, Floor, Colour{1, 2, 3}
	m.Levels, m.Percentiles = LevelsPercentile, Percentiles{1, 99}
	m.Pooling, m.Skip = PoolTokens, 5
	m.Text = &Text{
		File: "t.onnx", SHA256: m.SHA256, Tokenizer: "t.json", Length: 64, IDs: "ids", Mask: "mask", Output: "y",
		LogitScale: 117, LogitBias: -12, Activation: Sigmoid, Prompts: []string{"{}", "a photo of {}"},
	}
	data, err := yaml.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseManifest(data)
	if d := cmp.Diff(m, got); err != nil || d != "" {
		t.Errorf("ParseManifest(%s): %v (-want +got):\n%s", data, err, d)
	}
	if got.View() != (View{Levels: LevelsPercentile, Low: 1, High: 99}) {
		t.Errorf("View() = %+v", got.View())
	}
}

func TestLevelsHaveTheirDefaults(t *testing.T) {
	m := Manifest{}
	if got := m.View(); got != (View{Levels: LevelsWindow}) {
		t.Errorf("View() = %+v, want the window", got)
	}
	m.Levels = LevelsPercentile
	if got := m.View(); got != (View{Levels: LevelsPercentile, Low: 0.5, High: 99.5}) {
		t.Errorf("View() = %+v, want percentiles 0.5 and 99.5", got)
	}
}

func TestEveryBadFieldIsNamedAtOnce(t *testing.T) {
	err := Manifest{}.Validate()
	for _, field := range []string{"name:", "input:", "output:", "dimension:", "resize.mode:", "resize.size:", "resize.interpolation:", "std[0]:", "std[2]:"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("Manifest{}.Validate() = %v, want it to name %s", err, field)
		}
	}
}

// plain returns a manifest that keeps pixel values, of the given geometry.
func plain(mode string, size, crop int) Manifest {
	return Manifest{
		Name: "plain", Input: "x", Output: "y", Dimension: 3, Scale: 1, Std: [3]float64{1, 1, 1},
		Resize: Resize{mode, size, Nearest}, Crop: crop,
	}
}

func TestPreprocessOrdersAndNormalises(t *testing.T) {
	p := &Picture{Width: 2, Height: 1, Pix: []byte{10, 20, 30, 40, 50, 60}}
	for _, c := range []struct {
		name   string
		change func(*Manifest)
		want   []float32
	}{
		{"planes, padded with black below", func(*Manifest) {}, []float32{10, 40, 0, 0, 20, 50, 0, 0, 30, 60, 0, 0}},
		{"nhwc", func(m *Manifest) { m.Layout = NHWC }, []float32{10, 20, 30, 40, 50, 60, 0, 0, 0, 0, 0, 0}},
		{"bgr", func(m *Manifest) { m.Channels = BGR }, []float32{30, 60, 0, 0, 20, 50, 0, 0, 10, 40, 0, 0}},
		{"bgr, nhwc", func(m *Manifest) { m.Channels, m.Layout = BGR, NHWC }, []float32{30, 20, 10, 60, 50, 40, 0, 0, 0, 0, 0, 0}},
		{"mean and std per channel, of black too",
			func(m *Manifest) { m.Mean, m.Std = [3]float64{10, 20, 0}, [3]float64{1, 10, 2} },
			[]float32{0, 30, -10, -10, 0, 3, -2, -2, 15, 30, 0, 0}},
		{"mean in the order of the channels",
			func(m *Manifest) { m.Channels, m.Mean = BGR, [3]float64{30, 0, 0} },
			[]float32{0, 30, -30, -30, 20, 50, 0, 0, 10, 40, 0, 0}},
		{"scale before mean", func(m *Manifest) { m.Scale, m.Mean[0] = 0.5, 5 }, []float32{0, 15, -5, -5, 10, 25, 0, 0, 15, 30, 0, 0}},
		{"255 levels by default", func(m *Manifest) { m.Scale = 0 },
			[]float32{10. / 255, 40. / 255, 0, 0, 20. / 255, 50. / 255, 0, 0, 30. / 255, 60. / 255, 0, 0}},
	} {
		m := plain(LongestPad, 2, 0)
		c.change(&m)
		got := make([]float32, m.InputLen())
		for i := range got {
			got[i] = float32(math.NaN()) // every value must be written
		}
		if err := m.Preprocess(p, got); err != nil {
			t.Fatalf("%s: Preprocess: %v", c.name, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: Preprocess (-want +got):\n%s", c.name, d)
		}
	}
}

func TestPreprocessRefusesWhatDoesNotFit(t *testing.T) {
	m := plain(Fixed, 4, 0)
	p := noise(3, 3, 1)
	for _, c := range []struct {
		name string
		m    Manifest
		p    *Picture
		room int
		says string
	}{
		{"no picture", m, nil, 48, "no picture"},
		{"an empty picture", m, &Picture{}, 48, "0 x 0 pixels"},
		{"too few bytes", m, &Picture{Width: 3, Height: 3, Pix: p.Pix[:26]}, 48, "3 x 3 pixels has 26 bytes"},
		{"too little room", m, p, 47, "room for 47 floats, want 48"},
		{"a bad manifest", plain(Fixed, 0, 0), p, 0, "resize.size"},
	} {
		if err := c.m.Preprocess(c.p, make([]float32, c.room)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: Preprocess: %v, want an error saying %q", c.name, err, c.says)
		}
	}
}

func TestAManifestIsRenamedAndStaysAsItIs(t *testing.T) {
	for _, c := range []struct{ data, name, want string }{
		{"name: a # mine\nlicence: MIT\n", "b", "name: b # mine\nlicence: MIT\n"},
		{"# mine\nbase: x\nmean: [1, 2, 3]\n", "b", "name: b\n# mine\nbase: x\nmean: [1, 2, 3]\n"},
		{"{name: a, base: x}", "b", "{name: b, base: x}\n"},
		{"name:   a", "a", "name:   a"},
		{"name: a\n", "123", "name: \"123\"\n"},
	} {
		got, err := NameManifest([]byte(c.data), c.name)
		if err != nil || string(got) != c.want || ManifestName(got) != c.name {
			t.Errorf("NameManifest(%q, %s) = %q, %v, want %q", c.data, c.name, got, err, c.want)
		}
	}
	for _, data := range []string{"", "colour: red", "[", "a", "null"} {
		if got, err := NameManifest([]byte(data), "b"); !errors.Is(err, ErrManifest) || ManifestName([]byte(data)) != "" {
			t.Errorf("NameManifest(%q) = %q, %v, want %v", data, got, err, ErrManifest)
		}
	}
}

func TestOnlyVariantsNeedAManifest(t *testing.T) {
	for _, c := range []struct{ name, graphs, files, want string }{
		{"the usual graph", "onnx/model.onnx", processorName, ""},
		{"a manifest of its own", "x.onnx", manifestName + " " + processorName, ""},
		{"no configuration", "x.onnx", "", ""},
		{"no graph", "", processorName, ""},
		{"a variant", "onnx/model_fp16.onnx", configName + " " + processorName, "name: m\nbase: preprocessor_config.json\nfile: onnx/model_fp16.onnx\n"},
		{"timm's", "x.onnx", configName, "name: m\nbase: config.json\nfile: x.onnx\n"},
		{"two towers", "v.onnx t.onnx", openCLIPName + " " + tokenizerName, "name: m\nbase: open_clip_config.json\nfile: v.onnx\ntext:\n  file: t.onnx\n"},
		{"two towers without a tokenizer", "v.onnx t.onnx", openCLIPName, "name: m\nbase: open_clip_config.json\nfile: v.onnx\n"},
	} {
		if got := ManifestFor("m", strings.Fields(c.graphs), strings.Fields(c.files)); string(got) != c.want {
			t.Errorf("%s: ManifestFor = %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPathsWithinAFolderAreClean(t *testing.T) {
	for _, name := range []string{"a/../b", "./a", "a//b", "a/", "../a", "/a", `a\b`, "a:b", ""} {
		if localFile(name) {
			t.Errorf("localFile(%q)", name)
		}
	}
	if !localFile("a/b.onnx") {
		t.Error("localFile(a/b.onnx) = false")
	}
}

// Law: a manifest has the name that it was given, or it was none.
func FuzzNameManifest(f *testing.F) {
	f.Add([]byte(clipManifest))
	f.Add([]byte("&a {base: x, text: {prompts: [&b '{}', *b]}} # y"))
	f.Add([]byte("%YAML 1.2\n---\nname: !!str x\n..."))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := NameManifest(data, "m")
		if err != nil && !errors.Is(err, ErrManifest) || err == nil && ManifestName(got) != "m" {
			t.Errorf("NameManifest(%q) = %q, %v", data, got, err)
		}
	})
}
