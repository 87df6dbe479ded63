package embed

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// inspectJSON reads a Graph that a test has written where an ONNX file would be.
func inspectJSON(path string) (g Graph, err error) {
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &g)
	}
	return g, err
}

// graphJSON writes a Graph for inspectJSON: input, outputs of the shapes given.
func graphJSON(t *testing.T, side int, outputs ...Tensor) string {
	t.Helper()
	return jsonOf(t, Graph{Inputs: []Tensor{{"pixel_values", []int{-1, 3, side, side}}}, Outputs: outputs})
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// laid writes the files of a folder called model and returns its path.
func laid(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	return dir
}

func TestFoldersOfHuggingFaceWorkAsTheyAre(t *testing.T) {
	hidden, pooled := Tensor{"last_hidden_state", []int{-1, -1, 768}}, Tensor{"pooler_output", []int{-1, 768}}
	for _, c := range []struct {
		name                  string
		files                 map[string]string
		outputs               []Tensor
		from, file, out, pool string
		dimension             int
	}{
		{"clip's image tower", map[string]string{processorName: clipProcessor, "onnx/vision_model.onnx": "", "onnx/model.onnx": ""},
			[]Tensor{hidden, {"image_embeds", []int{-1, 512}}}, processorName, "onnx/vision_model.onnx", "image_embeds", PoolNone, 512},
		{"dinov2 with a pooled output", map[string]string{processorName: dinov2Processor, "onnx/model.onnx": "", configName: `{"model_type": "dinov2"}`},
			[]Tensor{hidden, pooled}, processorName, "onnx/model.onnx", "pooler_output", PoolNone, 768},
		{"dinov2 without", map[string]string{processorName: dinov2Processor, "model.onnx": "", configName: `{"model_type": "dinov2"}`},
			[]Tensor{hidden}, processorName, "model.onnx", "last_hidden_state", PoolCLS, 768},
		{"tokens of open length and width", map[string]string{processorName: vitProcessor, "model.onnx": "", configName: `{"model_type": "vit", "hidden_size": 192}`},
			[]Tensor{{"last_hidden_state", []int{-1, -1, -1}}}, processorName, "model.onnx", "last_hidden_state", PoolCLS, 192},
		{"a processor that names no class", map[string]string{processorName: `{"size": 224, "do_resize": true}`, "model.onnx": "", configName: `{"model_type": "vit"}`},
			[]Tensor{hidden, pooled}, processorName, "model.onnx", "pooler_output", PoolNone, 768},
		{"siglip", map[string]string{processorName: strings.ReplaceAll(siglipProcessor, "448", "224"), "onnx/vision_model.onnx": ""},
			[]Tensor{hidden, pooled}, processorName, "onnx/vision_model.onnx", "pooler_output", PoolNone, 768},
		{"convnext's map", map[string]string{processorName: convNextProcessor, "model.onnx": ""},
			[]Tensor{{"last_hidden_state", []int{-1, 768, 7, 7}}}, processorName, "model.onnx", "last_hidden_state", PoolAverage, 768},
		{"resnet's pooled map", map[string]string{processorName: convNextProcessor, "model.onnx": "", configName: `{"model_type": "resnet", "hidden_sizes": [256, 2048]}`},
			[]Tensor{{"last_hidden_state", []int{-1, 2048, 7, 7}}, {"pooler_output", []int{-1, 2048, 1, 1}}}, processorName, "model.onnx", "pooler_output", PoolNone, 2048},
		{"open_clip", map[string]string{openCLIPName: openCLIPConfig, "model.onnx": ""},
			[]Tensor{{"image_embeds", []int{-1, -1}}}, openCLIPName, "model.onnx", "image_embeds", PoolNone, 512},
		{"timm", map[string]string{configName: resNet50Config, "model.onnx": ""},
			[]Tensor{{"features", []int{-1, 2048}}}, configName, "model.onnx", "features", PoolNone, 2048},
		{"timm of open width", map[string]string{configName: resNet50Config, "model.onnx": ""},
			[]Tensor{{"features", []int{-1, -1}}}, configName, "model.onnx", "features", PoolNone, 2048},
		{"a variant that the manifest names", map[string]string{processorName: clipProcessor, "onnx/model.onnx": "", "onnx/model_fp16.onnx": "",
			manifestName: "{name: model, base: preprocessor_config.json, file: onnx/model_fp16.onnx, licence: MIT}"},
			[]Tensor{{"image_embeds", []int{-1, 512}}}, processorName, "onnx/model_fp16.onnx", "image_embeds", PoolNone, 512},
		{"a pooling that the manifest names", map[string]string{processorName: vitProcessor, "model.onnx": "",
			manifestName: "{name: model, base: preprocessor_config.json, output: last_hidden_state, pooling: mean-tokens, skip: 1}"},
			[]Tensor{hidden, pooled}, processorName, "model.onnx", "last_hidden_state", PoolTokens, 768},
	} {
		for name := range c.files {
			if strings.HasSuffix(name, ".onnx") {
				c.files[name] = graphJSON(t, 224, c.outputs...)
			}
		}
		f, err := OpenFolder(laid(t, c.files), inspectJSON)
		m := f.Manifest
		if err != nil || f.From != c.from || m.Name != "model" || m.File != c.file || m.Input != "pixel_values" ||
			m.Output != c.out || m.Pooling != c.pool || m.Dimension != c.dimension || m.Side() != 224 || m.Text != nil {
			t.Errorf("%s: OpenFolder = %+v, %v", c.name, f, err)
		}
	}
}

func TestCompleteManifestIsReadAsItIs(t *testing.T) {
	dir := laid(t, map[string]string{manifestName: clipManifest, "weights/visual.onnx": graphJSON(t, 224, Tensor{"image_embeds", []int{-1, 512}})})
	f, err := OpenFolder(dir, inspectJSON)
	if d := cmp.Diff(clip512(), f.Manifest); err != nil || d != "" || f.From != manifestName {
		t.Errorf("OpenFolder = from %s, %v (-want +got):\n%s", f.From, err, d)
	}
	if got, want := f.Path("weights/visual.onnx"), filepath.Join(dir, "weights", "visual.onnx"); got != want {
		t.Errorf("Path = %s, want %s", got, want)
	}
}

// The same preprocessing gives the same fingerprint, whoever wrote it down.
func TestManifestOnABaseIsTheBase(t *testing.T) {
	files := map[string]string{processorName: clipProcessor, "model.onnx": graphJSON(t, 224, Tensor{"image_embeds", []int{-1, 512}})}
	plain, err := OpenFolder(laid(t, files), inspectJSON)
	if err != nil {
		t.Fatal(err)
	}
	files[manifestName] = "{name: other, base: preprocessor_config.json, crop_offset: floor}"
	based, err := OpenFolder(laid(t, files), inspectJSON)
	if err != nil || based.Manifest.fingerprint("") != plain.Manifest.fingerprint("") || based.Manifest.Name != "other" {
		t.Errorf("OpenFolder with base = %+v, %v; want the fingerprint of %+v", based, err, plain)
	}
}

func TestFoldersThatDoNotFitTogetherSaySo(t *testing.T) {
	embeds := Tensor{"image_embeds", []int{-1, 512}}
	good := graphJSON(t, 224, embeds)
	base := "{name: model, base: preprocessor_config.json, "
	for _, c := range []struct {
		name  string
		files map[string]string
		want  error
		says  string
	}{
		{"nothing", map[string]string{"README.md": "x"}, fs.ErrNotExist, "none of manifest.yaml, preprocessor_config.json"},
		{"no graph", map[string]string{processorName: clipProcessor}, fs.ErrNotExist, "none of onnx/vision_model.onnx"},
		{"variants only", map[string]string{processorName: clipProcessor, "onnx/model_fp16.onnx": good, "onnx/model_int8.onnx": good}, ErrManifest,
			"write manifest.yaml with base: preprocessor_config.json and file: one of onnx/model_fp16.onnx, onnx/model_int8.onnx"},
		{"an empty graph", map[string]string{processorName: clipProcessor, "model.onnx": ""}, ErrManifest, "model.onnx is empty"},
		{"a folder for a graph", map[string]string{processorName: clipProcessor, "model.onnx/x": "x"}, ErrManifest, "model.onnx is no regular file"},
		{"a manifest without a graph", map[string]string{manifestName: strings.Replace(clipManifest, "file:", "# file:", 1)}, ErrManifest, "file: missing"},
		{"a manifest of a graph that is missing", map[string]string{manifestName: clipManifest}, fs.ErrNotExist, "visual.onnx"},
		{"a bad manifest", map[string]string{manifestName: "name: x"}, ErrManifest, "dimension: 0"},
		{"a graph that cannot be inspected", map[string]string{processorName: clipProcessor, "model.onnx": "x"}, nil, "inspect model.onnx"},
		{"pictures of another size", map[string]string{processorName: clipProcessor, "model.onnx": graphJSON(t, 336, embeds)}, ErrManifest,
			`the graph takes "pixel_values" [? 3 336 336], the preprocessing makes "pixel_values" [? 3 224 224]`},
		{"no input for pictures", map[string]string{processorName: clipProcessor, "model.onnx": jsonOf(t, Graph{Inputs: []Tensor{{"a", []int{-1}}, {"b", []int{-1}}}})}, ErrManifest,
			`not clear among "a" [?], "b" [?]`},
		{"two outputs alike", map[string]string{processorName: clipProcessor, "model.onnx": graphJSON(t, 224, Tensor{"a", []int{-1, 8}}, Tensor{"b", []int{-1, 9}})}, ErrManifest,
			`output: which is the embedding is not clear among "a" [? 8], "b" [? 9]: write manifest.yaml`},
		{"logits alone", map[string]string{processorName: clipProcessor, "model.onnx": graphJSON(t, 224, Tensor{"logits", []int{-1, 1000}})}, ErrManifest, `"logits" [? 1000]`},
		{"tokens of an unknown architecture", map[string]string{processorName: clipProcessor, "model.onnx": graphJSON(t, 224, Tensor{"y", []int{-1, 197, 8}}), configName: `{"model_type": "siglip"}`}, ErrManifest,
			`pooling: whether output "y" [? 197 8] of model_type "siglip" has a class token`},
		{"a dimension that nothing tells", map[string]string{processorName: clipProcessor, "model.onnx": graphJSON(t, 224, Tensor{"y", []int{-1, -1}})}, ErrManifest, "dimension: output"},
		{"another dimension", map[string]string{processorName: clipProcessor, "model.onnx": good, manifestName: base + "dimension: 768}"}, ErrManifest, `dimension: 768, but the output is "image_embeds" [? 512]`},
		{"another output", map[string]string{processorName: clipProcessor, "model.onnx": good, manifestName: base + "output: y}"}, ErrManifest, `output: the graph has no "y", only "image_embeds" [? 512]`},
		{"another input", map[string]string{processorName: clipProcessor, "model.onnx": good, manifestName: base + "input: x}"}, ErrManifest, `input: the graph has no "x"`},
		{"another rank", map[string]string{processorName: clipProcessor, "model.onnx": good, manifestName: base + "pooling: cls}"}, ErrManifest, "pooling: cls takes rank 3"},
		{"another layout", map[string]string{processorName: clipProcessor, "model.onnx": good, manifestName: base + "layout: nhwc}"}, ErrManifest, `the preprocessing makes "pixel_values" [? 224 224 3]`},
		{"a base that is no configuration", map[string]string{"model.onnx": good, manifestName: "{name: model, base: ../x.json}"}, ErrManifest, `base: "../x.json" is none of`},
		{"a base that is missing", map[string]string{"model.onnx": good, manifestName: "{name: model, base: config.json}"}, fs.ErrNotExist, "config.json"},
		{"a file outside", map[string]string{processorName: clipProcessor, "model.onnx": good, manifestName: base + "file: ../model.onnx}"}, ErrManifest, `"../model.onnx" is no path`},
		{"data outside", map[string]string{processorName: clipProcessor, "model.onnx": jsonOf(t, Graph{External: []string{"../weights"}})}, ErrManifest, `its data is in "../weights"`},
		{"data that is missing", map[string]string{processorName: clipProcessor, "onnx/model.onnx": jsonOf(t, Graph{External: []string{"model.onnx_data"}})}, fs.ErrNotExist, "onnx/model.onnx_data"},
		{"a damaged config.json", map[string]string{processorName: clipProcessor, "model.onnx": good, configName: "{"}, ErrManifest, "config.json: unexpected end"},
		{"a complete manifest against its graph", map[string]string{"weights/visual.onnx": graphJSON(t, 336, embeds), manifestName: clipManifest}, ErrManifest, "the graph takes"},
	} {
		_, err := OpenFolder(laid(t, c.files), inspectJSON)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: OpenFolder: %v, want %v saying %q", c.name, err, c.want, c.says)
		}
	}
	if _, err := OpenFolder(filepath.Join(t.TempDir(), "none"), inspectJSON); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenFolder of nothing: %v, want %v", err, fs.ErrNotExist)
	}
}

func TestLinksOutOfAFolderAreNotFollowed(t *testing.T) {
	dir := laid(t, map[string]string{processorName: clipProcessor})
	write(t, filepath.Join(dir, "../outside.onnx"), graphJSON(t, 224, Tensor{"image_embeds", []int{-1, 512}}))
	if err := os.Symlink("../outside.onnx", filepath.Join(dir, "model.onnx")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(dir, inspectJSON); err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Errorf("OpenFolder: %v, want an error that the path escapes", err)
	}
}

func TestChannelsLastIsSeen(t *testing.T) {
	g := Graph{Inputs: []Tensor{{"images", []int{1, 224, 224, 3}}}, Outputs: []Tensor{{"y", []int{1, 8}}}}
	f, err := OpenFolder(laid(t, map[string]string{processorName: clipProcessor, "model.onnx": jsonOf(t, g)}), inspectJSON)
	if err != nil || f.Manifest.Layout != NHWC || f.Manifest.Input != "images" {
		t.Errorf("OpenFolder = %+v, %v; want layout nhwc", f, err)
	}
}

func TestTextTowersAreFound(t *testing.T) {
	image := graphJSON(t, 224, Tensor{"image_embeds", []int{-1, 512}})
	text := func(length int, inputs ...string) string {
		g := Graph{Outputs: []Tensor{{"last_hidden_state", []int{-1, length, 512}}, {"text_embeds", []int{-1, 512}}}}
		for _, name := range inputs {
			g.Inputs = append(g.Inputs, Tensor{name, []int{-1, length}})
		}
		return jsonOf(t, g)
	}
	joint := jsonOf(t, Graph{
		Inputs:  []Tensor{{"input_ids", []int{-1, -1}}, {"pixel_values", []int{-1, 3, -1, -1}}, {"attention_mask", []int{-1, -1}}},
		Outputs: []Tensor{{"logits_per_image", []int{-1, -1}}, {"text_embeds", []int{-1, 512}}, {"image_embeds", []int{-1, 512}}},
	})
	config := `{"model_type": "clip", "text_config": {"max_position_embeddings": 77}}`
	want := Text{File: "onnx/text_model.onnx", Tokenizer: tokenizerName, Length: 77, IDs: "input_ids", Mask: "attention_mask", Output: "text_embeds"}.withDefaults()
	with := func(change func(*Text)) Text { t := want; change(&t); return t }
	for _, c := range []struct {
		name  string
		files map[string]string
		want  Text
	}{
		{"towers apart", map[string]string{"onnx/text_model.onnx": text(-1, "input_ids", "attention_mask"), configName: config}, want},
		{"without mask", map[string]string{"onnx/text_model.onnx": text(-1, "input_ids"), configName: config}, with(func(t *Text) { t.Mask = "" })},
		{"a tokenizer that cuts earlier", map[string]string{"onnx/text_model.onnx": text(-1, "input_ids"), configName: config, tokenizerConfigName: `{"model_max_length": 64}`},
			with(func(t *Text) { t.Mask, t.Length = "", 64 })},
		{"a tokenizer that cuts nowhere", map[string]string{"onnx/text_model.onnx": text(-1, "input_ids"), configName: config, tokenizerConfigName: `{"model_max_length": 1000000000000000019884624838656}`},
			with(func(t *Text) { t.Mask = "" })},
		{"a length that the graph alone tells", map[string]string{"text_model.onnx": text(16, "input_ids")}, with(func(t *Text) { t.File, t.Mask, t.Length = "text_model.onnx", "", 16 })},
		{"one graph for both", map[string]string{"onnx/model.onnx": joint, "onnx/vision_model.onnx": "", configName: config}, with(func(t *Text) { t.File = "onnx/model.onnx" })},
		{"a manifest with prompts", map[string]string{"onnx/text_model.onnx": text(-1, "input_ids"), configName: config,
			manifestName: "{name: model, base: preprocessor_config.json, text: {prompts: ['a {}', '{}'], activation: sigmoid, logit_scale: 117, logit_bias: -13}}"},
			with(func(t *Text) {
				t.Mask, t.Prompts, t.Activation, t.LogitScale, t.LogitBias = "", []string{"a {}", "{}"}, Sigmoid, 117, -13
			})},
	} {
		for name, content := range map[string]string{processorName: clipProcessor, tokenizerName: "{}", "onnx/vision_model.onnx": image} {
			if _, ok := c.files[name]; !ok {
				c.files[name] = content
			}
		}
		if c.files["onnx/vision_model.onnx"] == "" {
			delete(c.files, "onnx/vision_model.onnx")
		}
		f, err := OpenFolder(laid(t, c.files), inspectJSON)
		if err != nil || f.Manifest.Text == nil {
			t.Errorf("%s: OpenFolder = %+v, %v; want a text tower", c.name, f, err)
			continue
		}
		if d := cmp.Diff(c.want, *f.Manifest.Text); d != "" {
			t.Errorf("%s: text (-want +got):\n%s", c.name, d)
		}
		sum := digest([]byte("{}"))
		if config, ok := c.files[tokenizerConfigName]; ok {
			sum = digest([]byte(sum + "\n" + config))
		}
		if content, config, got, err := f.Tokenizer(); string(content) != "{}" || string(config) != c.files[tokenizerConfigName] || got != sum || err != nil {
			t.Errorf("%s: Tokenizer() = %q, %q, %s, %v; want the digest %s", c.name, content, config, got, err, sum)
		}
	}
}

func TestTextTowersThatDoNotFitSaySo(t *testing.T) {
	image := graphJSON(t, 224, Tensor{"image_embeds", []int{-1, 512}})
	ids := Tensor{"input_ids", []int{-1, 77}}
	embeds := Tensor{"text_embeds", []int{-1, 512}}
	for _, c := range []struct {
		name     string
		text     Graph
		manifest string
		says     string
	}{
		{"no ids", Graph{Inputs: []Tensor{{"x", nil}}, Outputs: []Tensor{embeds}}, "", `text.ids: the graph has no "input_ids", only "x"`},
		{"another dimension", Graph{Inputs: []Tensor{ids}, Outputs: []Tensor{{"text_embeds", []int{-1, 768}}}}, "", `text.output: "text_embeds" [? 768] is not of dimension 512`},
		{"no output", Graph{Inputs: []Tensor{ids}, Outputs: []Tensor{{"a", []int{-1, 5, 512}}}}, "", "text.output:"},
		{"another output", Graph{Inputs: []Tensor{ids}, Outputs: []Tensor{embeds}}, "text: {output: y}", `text.output: "y" is not to be found`},
		{"another mask", Graph{Inputs: []Tensor{ids}, Outputs: []Tensor{embeds}}, "text: {mask: y}", `text.mask: the graph has no "y"`},
		{"another length", Graph{Inputs: []Tensor{ids}, Outputs: []Tensor{embeds}}, "text: {length: 64}", "text.length: 64, but the graph takes"},
		{"no length", Graph{Inputs: []Tensor{{"input_ids", nil}}, Outputs: []Tensor{embeds}}, "", "text.length: 0"},
		{"no tokenizer", Graph{Inputs: []Tensor{ids}, Outputs: []Tensor{embeds}}, "text: {tokenizer: x.json}", "x.json"},
		{"no graph", Graph{}, "text: {file: x.onnx}", "x.onnx"},
	} {
		files := map[string]string{processorName: clipProcessor, tokenizerName: "{}", "onnx/vision_model.onnx": image, "onnx/text_model.onnx": jsonOf(t, c.text)}
		if c.manifest != "" {
			files[manifestName] = "{name: model, base: preprocessor_config.json, " + c.manifest + "}"
		}
		if _, err := OpenFolder(laid(t, files), inspectJSON); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: OpenFolder: %v, want an error saying %q", c.name, err, c.says)
		}
	}
	f, err := OpenFolder(laid(t, map[string]string{processorName: clipProcessor, "model.onnx": image}), inspectJSON)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := f.Tokenizer(); !errors.Is(err, ErrNoText) {
		t.Errorf("Tokenizer(): %v, want %v", err, ErrNoText)
	}
}

// A complete manifest says which texts there are: without text there are none, and
// what its text leaves out is completed as on a base.
func TestTheTextOfACompleteManifestIsCompleted(t *testing.T) {
	image := graphJSON(t, 224, Tensor{"image_embeds", []int{-1, 512}})
	text := func(length int, inputs ...string) string {
		g := Graph{Outputs: []Tensor{{"text_embeds", []int{-1, 512}}}}
		for _, name := range inputs {
			g.Inputs = append(g.Inputs, Tensor{name, []int{-1, length}})
		}
		return jsonOf(t, g)
	}
	open := text(-1, "input_ids", "attention_mask")
	config := `{"text_config": {"max_position_embeddings": 77}}`
	want := Text{File: "onnx/text_model.onnx", Tokenizer: tokenizerName, Length: 77, IDs: "input_ids", Mask: "attention_mask", Output: "text_embeds"}.withDefaults()
	with := func(change func(*Text)) *Text { t := want; change(&t); return &t }
	for _, c := range []struct {
		name, said string
		files      map[string]string
		want       *Text
	}{
		{"nothing", "", map[string]string{"onnx/text_model.onnx": open, configName: config}, nil},
		{"a scale", "text: {logit_scale: 50}", map[string]string{"onnx/text_model.onnx": open, configName: config}, with(func(t *Text) { t.LogitScale = 50 })},
		{"the ids and not the mask", "text: {ids: tokens}", map[string]string{"onnx/text_model.onnx": text(-1, "tokens", "attention_mask"), configName: config}, with(func(t *Text) { t.IDs = "tokens" })},
		{"ids without a mask", "text: {ids: tokens}", map[string]string{"onnx/text_model.onnx": text(-1, "tokens"), configName: config}, with(func(t *Text) { t.IDs, t.Mask = "tokens", "" })},
		{"a length of the graph before that of the configuration", "text: {logit_scale: 100}", map[string]string{"onnx/text_model.onnx": text(16, "input_ids", "attention_mask"), configName: config}, with(func(t *Text) { t.Length = 16 })},
		{"a tokenizer elsewhere, with its own configuration", "text: {tokenizer: words/t.json}",
			map[string]string{"onnx/text_model.onnx": open, configName: config, "words/t.json": "{}", "words/" + tokenizerConfigName: `{"model_max_length": 64}`, tokenizerConfigName: `{"model_max_length": 8}`},
			with(func(t *Text) { t.Tokenizer, t.Length = "words/t.json", 64 })},
	} {
		c.files[manifestName] = clipManifest + c.said + "\n"
		c.files["weights/visual.onnx"], c.files[tokenizerName] = image, "{}"
		f, err := OpenFolder(laid(t, c.files), inspectJSON)
		if d := cmp.Diff(c.want, f.Manifest.Text); err != nil || d != "" {
			t.Errorf("%s: OpenFolder: %v, text (-want +got):\n%s", c.name, err, d)
		}
	}
	for said, says := range map[string]string{
		"text: {logit_scale: -1}":                 "text.logit_scale: -1",
		"text: {prompts: [a]}":                    "text.prompts[0]",
		"text: {activation: relu}":                "text.activation",
		"text: {tokenizer: ../t.json}":            "no path within",
		"text: {file: x/../y.onnx}":               "no path within",
		"text: {output: y}":                       `"y" is not to be found`,
		"text: {mask: y}":                         `mask: the graph has no "y"`,
		"text: {sha256: abc}":                     "text.sha256",
		"text: {ids: input_ids, mask: input_ids}": "is ids too",
	} {
		files := map[string]string{manifestName: clipManifest + said + "\n", "weights/visual.onnx": image, "onnx/text_model.onnx": open, tokenizerName: "{}", configName: config}
		if _, err := OpenFolder(laid(t, files), inspectJSON); !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: OpenFolder: %v, want %v saying %q", said, err, ErrManifest, says)
		}
	}
	files := map[string]string{manifestName: clipManifest + "text: {logit_scale: 9}\n", "weights/visual.onnx": image, tokenizerName: "{}"}
	if _, err := OpenFolder(laid(t, files), inspectJSON); err == nil || !strings.Contains(err.Error(), "text.file: missing, and there is none of onnx/text_model.onnx") {
		t.Errorf("OpenFolder without a text graph: %v", err)
	}
}

// Vectors of two towers can be compared only where both come out of the projection
// into one space, or both are what SigLIP compares.
func TestTowersOfAnotherSpaceArePairedByTheManifestAlone(t *testing.T) {
	ids := []Tensor{{"input_ids", []int{-1, 77}}}
	for _, c := range []struct {
		pictures, texts, said string
		want                  string // the output, or what the error says
	}{
		{"image_embeds", "text_embeds pooler_output", "", "text_embeds"},
		{"pooler_output", "text_embeds pooler_output", "", "pooler_output"},
		{"image_embeds", "pooler_output", "", `the pictures' "image_embeds" is not clear among "pooler_output" [? 768]: write manifest.yaml with text.output`},
		{"pooler_output", "text_embeds", "", "write manifest.yaml with text.output"},
		{"image_embeds", "features", "", "write manifest.yaml with text.output"},
		{"features", "text_embeds", "", "write manifest.yaml with text.output"},
		{"image_embeds", "pooler_output", "text: {output: pooler_output}", "pooler_output"},
		{"features", "features", "text: {output: features}", "features"},
	} {
		g := Graph{Inputs: ids}
		for _, name := range strings.Fields(c.texts) {
			g.Outputs = append(g.Outputs, Tensor{name, []int{-1, 768}})
		}
		files := map[string]string{processorName: clipProcessor, tokenizerName: "{}", "onnx/text_model.onnx": jsonOf(t, g),
			"onnx/vision_model.onnx": graphJSON(t, 224, Tensor{c.pictures, []int{-1, 768}})}
		if c.said != "" {
			files[manifestName] = "base: preprocessor_config.json\n" + c.said
		}
		f, err := OpenFolder(laid(t, files), inspectJSON)
		if err == nil && f.Manifest.Text.Output != c.want || err != nil && (!errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.want)) || err == nil == strings.Contains(c.want, " ") {
			t.Errorf("%s with %s, %q: %+v, %v, want %s", c.pictures, c.texts, c.said, f.Manifest.Text, err, c.want)
		}
	}
}

// A folder is read as it would be with another manifest or name.
func TestAFolderIsReadWithAnotherManifest(t *testing.T) {
	graph := graphJSON(t, 224, Tensor{"image_embeds", []int{-1, 512}})
	for _, c := range []struct {
		name  string
		files map[string]string
		as    As
		want  string
	}{
		{"after the folder", map[string]string{processorName: clipProcessor, "model.onnx": graph}, As{}, "model"},
		{"a base without a name", map[string]string{processorName: clipProcessor, "model.onnx": graph, manifestName: "base: preprocessor_config.json"}, As{}, "model"},
		{"a complete manifest without a name", map[string]string{"weights/visual.onnx": graph, manifestName: strings.Replace(clipManifest, "name:", "# name:", 1)}, As{}, "model"},
		{"a manifest where there is nothing", map[string]string{"weights/visual.onnx": graph}, As{Manifest: []byte(clipManifest)}, "clip-vit-b-32"},
		{"a manifest in place of another", map[string]string{processorName: clipProcessor, "model.onnx": graph, manifestName: "name: x"}, As{Manifest: []byte("{name: y, base: preprocessor_config.json}")}, "y"},
		{"a name in place of the manifest's", map[string]string{processorName: clipProcessor, "model.onnx": graph, manifestName: "{name: x, base: preprocessor_config.json}"}, As{Name: "y"}, "y"},
	} {
		f, err := OpenFolderAs(laid(t, c.files), c.as, inspectJSON)
		if err != nil || f.Manifest.Name != c.want {
			t.Errorf("%s: OpenFolderAs = %+v, %v, want the name %s", c.name, f, err, c.want)
		}
	}
}

func TestAFolderTellsItsFiles(t *testing.T) {
	files := map[string]string{processorName: clipProcessor, configName: "{}", tokenizerName: "{}", tokenizerConfigName: "{}", "README.md": "x",
		"onnx/vision_model.onnx": graphJSON(t, 224, Tensor{"image_embeds", []int{-1, 512}}),
		"onnx/text_model.onnx":   jsonOf(t, Graph{Inputs: []Tensor{{"input_ids", []int{-1, 8}}}, Outputs: []Tensor{{"text_embeds", []int{-1, 512}}}})}
	f, err := OpenFolder(laid(t, files), inspectJSON)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{configName, "onnx/text_model.onnx", "onnx/vision_model.onnx", processorName, tokenizerName, tokenizerConfigName}
	if d := cmp.Diff(want, f.Files()); d != "" {
		t.Errorf("Files() (-want +got):\n%s", d)
	}
}
