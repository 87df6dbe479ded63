package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearcase/api/apitest"
	"nearcase/embed"
	"nearcase/embed/hub"
	"nearcase/embed/onnx/onnxtest"
)

const bitProcessor = `{"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 8}, "crop_size": {"height": 8, "width": 8}}`

// dino is a model as exports of DINOv2 are laid out: variants of a graph, one with its
// data outside.
func dino() map[string][]byte {
	return map[string][]byte{
		"config.json": []byte(`{"model_type": "dinov2"}`), "preprocessor_config.json": []byte(bitProcessor),
		"onnx/model.onnx": productGraph("weights"), "onnx/weights": ones(),
		"onnx/model_fp16.onnx": productGraph("half.bin"), "onnx/half.bin": ones(), "onnx/model_fp16.onnx_data": []byte("not needed"),
		"README.md": []byte("# not needed"),
	}
}

// ones are the data of productGraph: 1, 2, 1.
func ones() []byte { return []byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 128, 63} }

// clip is a model of two towers, as exports of CLIP are laid out.
func clip(t *testing.T) map[string][]byte {
	t.Helper()
	folder := t.TempDir()
	if err := apitest.TwoTowers(folder); err != nil {
		t.Fatal(err)
	}
	return contents(t, folder)
}

func contents(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, f := range filesOf(folder) {
		content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(f.Path)))
		if err != nil {
			t.Fatal(err)
		}
		files[f.Path] = content
	}
	return files
}

// examples are the command lines of help and documentation that fetch or add.
func examples(t *testing.T) (lines []string) {
	t.Helper()
	texts := []string{modelsCommand{}.Help(), modelsPull{}.Help(), modelsAdd{}.Help()}
	for _, path := range []string{"../../docs/models.md", "../../README.md"} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(content))
	}
	for line := range strings.Lines(strings.Join(texts, "\n")) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimPrefix(strings.TrimSpace(line), "bin/")
		if strings.HasPrefix(line, "nearcase models pull ") || strings.HasPrefix(line, "nearcase models add ") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// What help and documentation tell to do does it: the model is there and runs.
func TestEveryExampleOfTheDocumentationWorks(t *testing.T) {
	onnxtest.Require(t)
	work := t.TempDir()
	lay(t, filepath.Join(work, "mirror", "onnx-community", "dinov2-base"), dino())
	lay(t, filepath.Join(work, "downloads", "my-model"), dino())
	lay(t, filepath.Join(work, "downloads", "clip-vit-base-patch32"), clip(t))
	url, certificate := hubOfAll(t, map[string]map[string][]byte{
		"Xenova/clip-vit-base-patch32": clip(t), "onnx-community/dinov2-small": dino(),
		"": {"resnet18.onnx": waves(t, "x")["model.onnx"]},
	})
	manifest := file(t, "resnet18.yaml", bytes.ReplaceAll(waves(t, "resnet18")["manifest.yaml"], []byte("model.onnx"), []byte("resnet18.onnx")))
	here := strings.NewReplacer("~/downloads", filepath.Join(work, "downloads"), "/mnt/mirror", filepath.Join(work, "mirror"),
		"https://models.example.org", url, "resnet18.yaml", manifest, "docs/models/", "../../docs/models/",
		"resnet18_layer3_gap256.onnx", filepath.Join(os.Getenv("NEARCASE_TESTDATA"), "models", "resnet18_layer3_gap256.onnx"))
	lines := examples(t)
	if len(lines) < 7 {
		t.Errorf("the documentation has the examples %q only", lines)
	}
	for _, line := range lines {
		if strings.Contains(line, "gap256") && os.Getenv("NEARCASE_TESTDATA") == "" {
			continue // its network is of the test data
		}
		args := strings.Fields(here.Replace(line))[1:]
		if !strings.Contains(line, "--endpoint") && args[1] == "pull" {
			args = append(args, "--endpoint", url)
		}
		folder := t.TempDir()
		if out, err := trusting(t, certificate, append([]string{"--models-dir", folder}, args...)...); err != nil {
			t.Errorf("%s: %v, printed %s", line, err, out)
			continue
		}
		names, err := models{config: config{Models: folder}}.names()
		if err != nil || len(names) != 1 {
			t.Errorf("%s: made the models %q, %v", line, names, err)
			continue
		}
		for _, result := range []string{"recorded", "unchanged"} {
			if out := succeed(t, "--models-dir", folder, "models", "verify", names[0]); !strings.Contains(out, result) {
				t.Errorf("%s: verify printed %q, want %s", line, out, result)
			}
		}
	}
}

// A graph that no folder is looked through for comes with a manifest that names it,
// and its text graph with it.
func TestVariantsComeWithAManifestThatNamesThem(t *testing.T) {
	onnxtest.Require(t)
	alone, towers := dino(), clip(t)
	delete(alone, "onnx/model.onnx")
	for _, f := range []string{"vision", "text"} {
		towers["onnx/"+f+"_model_fp16.onnx"] = towers["onnx/"+f+"_model.onnx"]
	}
	own := dino()
	own["manifest.yaml"] = []byte("base: preprocessor_config.json\nfile: onnx/model_fp16.onnx\nlicence: MIT # as told\n")
	url, certificate := hubOfAll(t, map[string]map[string][]byte{"org/small": dino(), "org/alone": alone, "org/towers": towers, "org/own": own})
	for _, c := range []struct {
		args                       []string
		name, file, text, manifest string
	}{
		{[]string{"org/small", "--file", "onnx/model_fp16.onnx"}, "small", "onnx/model_fp16.onnx", "", "name: small\nbase: preprocessor_config.json\nfile: onnx/model_fp16.onnx\n"},
		{[]string{"org/small", "--file", "onnx/model_fp16.onnx", "--name", "half"}, "half", "onnx/model_fp16.onnx", "", "name: half\nbase: preprocessor_config.json\nfile: onnx/model_fp16.onnx\n"},
		{[]string{"org/small"}, "small", "onnx/model.onnx", "", ""},
		{[]string{"org/alone"}, "alone", "onnx/model_fp16.onnx", "", "name: alone\nbase: preprocessor_config.json\nfile: onnx/model_fp16.onnx\n"},
		{[]string{"org/towers", "--file", "onnx/vision_model_fp16.onnx", "--unchecked"}, "towers", "onnx/vision_model_fp16.onnx", "onnx/text_model_fp16.onnx",
			"name: towers\nbase: preprocessor_config.json\nfile: onnx/vision_model_fp16.onnx\ntext:\n  file: onnx/text_model_fp16.onnx\n"},
		{[]string{"org/own", "--file", "onnx/model_fp16.onnx"}, "own", "onnx/model_fp16.onnx", "", "name: own\nbase: preprocessor_config.json\nfile: onnx/model_fp16.onnx\nlicence: MIT # as told\n"},
	} {
		folder := t.TempDir()
		out, err := trusting(t, certificate, append([]string{"--models-dir", folder, "models", "pull", "--endpoint", url}, c.args...)...)
		if err != nil {
			t.Errorf("pull %q: %v, printed %s", c.args, err, out)
			continue
		}
		if manifest, _ := os.ReadFile(filepath.Join(folder, c.name, manifestName)); string(manifest) != c.manifest {
			t.Errorf("pull %q placed the manifest %q, want %q", c.args, manifest, c.manifest)
		}
		if _, err := os.Stat(filepath.Join(folder, c.name, "onnx", "model_fp16.onnx_data")); err == nil {
			t.Errorf("pull %q brought data that no graph names", c.args)
		}
		model, err := models{config: config{Models: folder}}.open(c.name)
		if err != nil {
			t.Errorf("pull %q: %v", c.args, err)
			continue
		}
		if m := model.Manifest(); m.Name != c.name || m.File != c.file || model.HasText() != (c.text != "") || model.HasText() && m.Text.File != c.text {
			t.Errorf("pull %q made %+v", c.args, m)
		}
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	}
}

// An added model is called as asked, or as its manifest or its folder is called, and
// the manifest that is given goes before the folder's configuration.
func TestAddedModelsAreNamed(t *testing.T) {
	onnxtest.Require(t)
	with := func(manifest string) map[string][]byte {
		files := waves(t, "tides")
		switch manifest {
		case "own":
		case "":
			delete(files, "manifest.yaml")
		default:
			files["manifest.yaml"] = []byte(manifest)
		}
		return files
	}
	based := dino()
	based["manifest.yaml"] = []byte("base: preprocessor_config.json\ndescription: mine\n")
	stated := file(t, "m.yaml", []byte("name: other\nbase: preprocessor_config.json\n"))
	whole := file(t, "m.yaml", with("own")["manifest.yaml"])
	flat := dino()
	flat["model.onnx"], flat["weights"] = flat["onnx/model.onnx"], ones()
	for _, c := range []struct {
		fact  string
		files map[string][]byte
		args  []string
		path  string
		want  string
	}{
		{"a manifest's name", with("own"), nil, "", "tides"},
		{"another name than the manifest's", with("own"), []string{"--name", "r2"}, "", "r2"},
		{"no name on a base", based, nil, "", "folder"},
		{"a name on a base", based, []string{"--name", "r2"}, "", "r2"},
		{"a manifest with a base beside", dino(), []string{"--manifest", stated}, "", "other"},
		{"both names", dino(), []string{"--manifest", stated, "--name", "r2"}, "", "r2"},
		{"no configuration but the manifest that is given", with(""), []string{"--manifest", whole}, "", "tides"},
		{"a file with a base beside it", flat, []string{"--manifest", stated}, "model.onnx", "other"},
		{"a file by its manifest", with(""), []string{"--manifest", whole, "--name", "r2"}, "model.onnx", "r2"},
	} {
		folder := t.TempDir()
		source := lay(t, filepath.Join(t.TempDir(), "folder"), c.files)
		args := append([]string{"--models-dir", folder, "models", "add", filepath.Join(source, c.path)}, c.args...)
		if code, _, errs := nearcase(t, args...); code != 0 {
			t.Errorf("%s: add: %s", c.fact, errs)
			continue
		}
		f, err := models{config: config{Models: folder}}.folder(c.want)
		if err != nil || f.Manifest.Name != c.want {
			t.Errorf("%s: %+v, %v", c.fact, f, err)
		}
		if out := succeed(t, "--models-dir", folder, "models", "inspect", c.want); strings.Contains(out, "pulled") || !strings.Contains(out, "added ") {
			t.Errorf("%s: inspect printed %q", c.fact, out)
		}
	}
	source := lay(t, filepath.Join(t.TempDir(), "folder"), dino())
	for _, c := range [][]string{{"--name", "scatter", source}, {"--manifest", file(t, "m.yaml", []byte("name: scatter\nbase: preprocessor_config.json\n")), source}} {
		if code, _, errs := nearcase(t, append([]string{"--models-dir", t.TempDir(), "models", "add"}, c...)...); code != 1 || !strings.Contains(errs, "built-in") {
			t.Errorf("add %q: exit status %d, printed %q", c, code, errs)
		}
	}
}

// What lies around a lone file is not looked at.
func TestALoneFileIsAddedFromACrowdedFolder(t *testing.T) {
	onnxtest.Require(t)
	source := lay(t, filepath.Join(t.TempDir(), "downloads"), map[string][]byte{"y.onnx": productGraph("w.bin"), "w.bin": ones(), "config.json": []byte("{")})
	closed := filepath.Join(source, "closed")
	crowd := filepath.Join(source, "crowd")
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		lay(t, filepath.Join(crowd, fmt.Sprint(i%20)), map[string][]byte{fmt.Sprint(i): nil})
	}
	folder := t.TempDir()
	manifest := file(t, "m.yaml", []byte(strings.Replace(zeroManifest, "model.onnx", "y.onnx", 1)))
	succeed(t, "--models-dir", folder, "models", "add", "--manifest", manifest, filepath.Join(source, "y.onnx"))
	var names []string
	for _, f := range filesOf(filepath.Join(folder, "waves")) {
		names = append(names, f.Path)
	}
	if want := []string{"manifest.yaml", "source.json", "w.bin", "y.onnx"}; !slices.Equal(names, want) {
		t.Errorf("add took %q, want %q", names, want)
	}
}

// A tokenizer in a folder of its own comes with the configuration beside it.
func TestATokenizerComesWithItsConfiguration(t *testing.T) {
	onnxtest.Require(t)
	files := clip(t)
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json"} {
		files["words/"+name] = files[name]
		delete(files, name)
	}
	files["manifest.yaml"] = []byte("base: preprocessor_config.json\ntext: {tokenizer: words/tokenizer.json}\n")
	source, folder := lay(t, filepath.Join(t.TempDir(), "towers"), files), t.TempDir()
	succeed(t, "--models-dir", folder, "models", "add", source)
	if got := contents(t, filepath.Join(folder, "towers")); !bytes.Equal(got["words/tokenizer_config.json"], files["words/tokenizer_config.json"]) {
		t.Errorf("add took %d files without the configuration", len(got))
	}
	for _, path := range []string{source, filepath.Join(folder, "towers")} {
		f, err := embed.OpenFolder(path, inspect)
		if err != nil {
			t.Fatal(err)
		}
		if k, _, err := tokenizer(f); err != nil || k.Length() != apitest.TowerLength {
			t.Errorf("tokenizer of %s: %+v, %v, want the length that its configuration says", path, k, err)
		}
	}
}

// Recorded vectors outlive a replacement, and come along with an added folder.
func TestGoldenVectorsAreKept(t *testing.T) {
	onnxtest.Require(t)
	folder := t.TempDir()
	in := func(args ...string) []string { return append([]string{"--models-dir", folder, "models"}, args...) }
	files := waves(t, "waves")
	source := lay(t, filepath.Join(t.TempDir(), "waves"), files)
	succeed(t, in("add", source)...)
	succeed(t, in("verify", "waves")...)
	succeed(t, in("add", "--force", source)...)
	if out := succeed(t, in("verify", "waves")...); !strings.Contains(out, "unchanged") {
		t.Errorf("verify after add --force printed %q", out)
	}
	changed := bytes.Replace(files["manifest.yaml"], []byte("mean: ["), []byte("mean: [0.1, 0, 0] #"), 1)
	if bytes.Equal(changed, files["manifest.yaml"]) {
		t.Fatalf("the manifest has no mean:\n%s", changed)
	}
	url, certificate := hubOf(t, map[string][]byte{"manifest.yaml": changed, "model.onnx": files["model.onnx"]})
	if out, err := trusting(t, certificate, in("pull", "--force", "--endpoint", url, "org/waves")...); err != nil {
		t.Fatalf("pull --force: %v, printed %s", err, out)
	}
	if code, out, _ := nearcase(t, in("verify", "waves")...); code != 1 || !strings.Contains(out, "changed") {
		t.Errorf("verify after pull --force of another model: exit status %d, printed %q", code, out)
	}
	succeed(t, in("add", "--name", "w2", filepath.Join(folder, "waves"))...)
	if code, out, _ := nearcase(t, in("verify", "w2")...); code != 1 || !strings.Contains(out, "changed") {
		t.Errorf("verify of a copy: exit status %d, printed %q", code, out)
	}
	succeed(t, in("verify", "scatter")...)
	if out := succeed(t, in("inspect", "scatter")...); strings.Contains(out, "not recorded") {
		t.Errorf("inspect after verify printed %q", out)
	}
}

func TestTheCatalogueFitsTheWindow(t *testing.T) {
	out := succeed(t, "--models-dir", t.TempDir(), "models", "list", "--available")
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 140 {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
	for _, e := range hub.Catalogue() {
		if !strings.Contains(out, e.Licence) || !strings.Contains(out, e.TrainingData) || !strings.Contains(out, e.Page) {
			t.Errorf("%s is not told in full", e.Name)
		}
	}
}

func TestAModelThatIsNotThereIsOneSentence(t *testing.T) {
	folder := t.TempDir()
	want := fmt.Sprintf("nearcase: model nosuch: no such model in %s; nearcase models lists those there are\n", folder)
	_, _, errs := nearcase(t, "--data", filepath.Join(t.TempDir(), "data"), "--models-dir", folder, "ingest", "--model", "nosuch", file(t, "x.png", onePhantom()))
	if errs != want {
		t.Errorf("ingest printed %q, want %q", errs, want)
	}
}
