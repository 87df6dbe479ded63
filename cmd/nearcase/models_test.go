package main

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"nearcase/api/apitest"
	"nearcase/embed/onnx/onnxtest"
	"nearcase/embed/scatter"
)

// waves is the built-in network as a model folder of that name.
func waves(t *testing.T, name string) map[string][]byte {
	t.Helper()
	m := scatter.Manifest()
	m.Name, m.File, m.Licence = name, "model.onnx", ""
	manifest, err := yaml.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"manifest.yaml": manifest, "model.onnx": scatter.Graph()}
}

func lay(t *testing.T, folder string, files map[string][]byte) string {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// hubOf serves files as the repository org/waves, as hubOfAll does.
func hubOf(t *testing.T, files map[string][]byte) (url, certificate string) {
	t.Helper()
	return hubOfAll(t, map[string]map[string][]byte{"org/waves": files})
}

// hubOfAll serves the files of repositories, and those of "" by their names alone. It
// trusts nobody but itself: certificate is a file with what it proves itself by.
func hubOfAll(t *testing.T, repositories map[string]map[string][]byte) (url, certificate string) {
	t.Helper()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	mux := http.NewServeMux()
	for name, content := range repositories[""] {
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
	}
	delete(repositories, "")
	for repository, files := range repositories {
		for name, content := range files {
			mux.HandleFunc("/"+repository+"/resolve/"+commit+"/"+name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
		}
		mux.HandleFunc("/api/models/"+repository+"/revision/main", func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "gated": false, "tags": []string{"license:mit"}, "siblings": siblings(files)})
		})
	}
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	return server.URL, file(t, "ca.pem", pem.EncodeToMemory(block))
}

// siblings lists files as the hub does.
func siblings(files map[string][]byte) (all []any) {
	for name, content := range files {
		sum, blob := sha256.Sum256(content), sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...))
		s := map[string]any{"rfilename": name, "size": len(content), "blobId": hex.EncodeToString(blob[:])}
		if strings.HasSuffix(name, ".onnx") {
			s["lfs"] = map[string]any{"sha256": hex.EncodeToString(sum[:]), "size": len(content)}
		}
		all = append(all, s)
	}
	return all
}

// trusting runs nearcase in a process that trusts the certificate.
func trusting(t *testing.T, certificate string, args ...string) (string, error) {
	t.Helper()
	c := program(t.Context(), t, args...)
	c.Env = append(c.Env, "SSL_CERT_FILE="+certificate)
	out, err := c.CombinedOutput()
	return string(out), err
}

// A model's life: pulled, listed, inspected, verified, used.
func TestAPulledModelIsUsed(t *testing.T) {
	onnxtest.Require(t)
	folder := t.TempDir()
	url, certificate := hubOf(t, waves(t, "waves"))
	in := func(args ...string) []string { return append([]string{"--models-dir", folder}, args...) }
	out, err := trusting(t, certificate, in("models", "pull", "--endpoint", url, "org/waves")...)
	if err != nil || !strings.Contains(out, "licence  mit") || !strings.Contains(out, "--model waves") {
		t.Fatalf("models pull: %v, printed %q", err, out)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{in("models"), "waves"},
		{in("models", "inspect", "waves"), "0123456789abcdef0123456789abcdef01234567"},
		{in("models", "inspect", filepath.Join(folder, "waves")), "manifest.yaml"},
		{in("models", "inspect", "scatter"), "built in"},
		{in("models", "verify", "waves"), "recorded"},
		{in("models", "verify", "waves"), "unchanged"},
		{in("models", "verify"), "scatter"},
		{in("models", "list", "--available"), "clip-vit-b32"},
		{in("--data", filepath.Join(t.TempDir(), "data"), "ingest", "--model", "waves", file(t, "x.png", onePhantom())), "1 created"},
	} {
		if out := succeed(t, c.args...); !strings.Contains(out, c.want) {
			t.Errorf("nearcase %s printed %q, want %q in it", strings.Join(c.args, " "), out, c.want)
		}
	}
	var shown inspected
	if err := json.Unmarshal([]byte(succeed(t, in("--json", "models", "inspect", "waves")...)), &shown); err != nil {
		t.Fatal(err)
	}
	model, err := models{config: config{Models: folder}}.open("waves")
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	if shown.Fingerprint != model.Fingerprint() || !shown.Recorded || shown.Source == nil || len(shown.Files) != 4 {
		t.Errorf("inspect says %+v, want the fingerprint %s", shown, model.Fingerprint())
	}
}

// A model that gives other vectors is noticed, and recorded anew only if asked.
func TestAChangedModelIsNoticedByItsGoldenVectors(t *testing.T) {
	onnxtest.Require(t)
	folder := t.TempDir()
	files := waves(t, "waves")
	lay(t, filepath.Join(folder, "waves"), files)
	in := func(args ...string) []string { return append([]string{"--models-dir", folder, "models"}, args...) }
	succeed(t, in("verify", "waves")...)
	files["manifest.yaml"] = bytes.Replace(files["manifest.yaml"], []byte("interpolation: "+scatter.Manifest().Resize.Interpolation), []byte("interpolation: nearest"), 1)
	lay(t, filepath.Join(folder, "waves"), files)
	if code, out, errs := nearcase(t, in("verify", "waves")...); code != 1 || !strings.Contains(out, "changed") || !strings.Contains(errs, "fingerprint") {
		t.Errorf("verify of a changed model: exit status %d, printed %q and %q", code, out, errs)
	}
	if code, out, errs := nearcase(t, in("verify", "--update", "waves")...); code != 0 || !strings.Contains(out, "recorded anew") || !strings.Contains(errs, "warning") {
		t.Errorf("verify --update: exit status %d, printed %q and %q", code, out, errs)
	}
	succeed(t, in("verify", "waves")...)
	lay(t, filepath.Join(folder, "waves"), map[string][]byte{goldenName: []byte("{")})
	if code, _, errs := nearcase(t, in("verify", "waves")...); code != 1 || !strings.Contains(errs, "remove it") {
		t.Errorf("verify with a damaged record: exit status %d, printed %q", code, errs)
	}
}

func TestAModelOfThisMachineIsAdded(t *testing.T) {
	onnxtest.Require(t)
	files := waves(t, "waves")
	source := lay(t, filepath.Join(t.TempDir(), "waves"), files)
	manifest := file(t, "manifest.yaml", files["manifest.yaml"])
	for _, args := range [][]string{
		{source},
		{"--manifest", manifest, filepath.Join(source, "model.onnx")},
		{"--unchecked", source},
	} {
		folder := t.TempDir()
		in := append([]string{"--models-dir", folder, "models", "add"}, args...)
		succeed(t, in...)
		succeed(t, "--models-dir", folder, "models", "verify", "waves")
		if code, _, errs := nearcase(t, in...); code != 1 || !strings.Contains(errs, "--force") {
			t.Errorf("nearcase %s a second time: exit status %d, printed %q", strings.Join(in, " "), code, errs)
		}
		succeed(t, append(in, "--force")...)
		if entries, _ := os.ReadDir(folder); len(entries) != 1 {
			t.Errorf("nearcase %s left %v", strings.Join(in, " "), entries)
		}
	}
}

// A folder with a model of text answers texts, and one with data outside of its
// graph takes the data along.
func TestTextTowersAndOutsideDataAreTakenAlong(t *testing.T) {
	onnxtest.Require(t)
	folder, sources := t.TempDir(), t.TempDir()
	in := func(args ...string) []string { return append([]string{"--models-dir", folder}, args...) }
	if err := apitest.TwoTowers(filepath.Join(sources, "towers")); err != nil {
		t.Fatal(err)
	}
	succeed(t, in("models", "add", filepath.Join(sources, "towers"))...)
	var shown inspected
	if err := json.Unmarshal([]byte(succeed(t, in("--json", "models", "inspect", "towers")...)), &shown); err != nil {
		t.Fatal(err)
	}
	model, err := models{config: config{Models: folder}}.open("towers")
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	if shown.Text == nil || !model.HasText() || shown.TextFingerprint != model.TextFingerprint() {
		t.Errorf("inspect says %+v, want the text fingerprint %s", shown, model.TextFingerprint())
	}
	outside := lay(t, filepath.Join(sources, "outside"), map[string][]byte{
		"manifest.yaml": []byte(strings.Replace(zeroManifest, "waves", "outside", 1)),
		"model.onnx":    productGraph("weights.bin"), "weights.bin": {0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 128, 63}, // 1, 2, 1
	})
	for _, args := range [][]string{{outside}, {"--force", "--manifest", filepath.Join(outside, "manifest.yaml"), filepath.Join(outside, "model.onnx")}} {
		succeed(t, in(append([]string{"models", "add"}, args...)...)...)
		if _, err := os.Stat(filepath.Join(folder, "outside", "weights.bin")); err != nil {
			t.Error(err)
		}
	}
	if out := succeed(t, in("models", "inspect", "outside")...); !strings.Contains(out, "weights.bin, at least 12 bytes") {
		t.Errorf("inspect printed %q", out)
	}
	if out := succeed(t, in("models", "verify", "towers", "outside")...); strings.Count(out, "recorded ") != 2 {
		t.Errorf("verify printed %q", out)
	}
}

// Each fault of a model has its own error, and the model that was there stays.
func TestModelsThatCannotBeUsedAreRefused(t *testing.T) {
	onnxtest.Require(t)
	good := waves(t, "waves")
	with := func(old, replacement string) map[string][]byte {
		files := maps.Clone(good)
		files["manifest.yaml"] = bytes.Replace(good["manifest.yaml"], []byte(old), []byte(replacement), 1)
		if bytes.Equal(files["manifest.yaml"], good["manifest.yaml"]) {
			t.Fatalf("the manifest has no %q:\n%s", old, good["manifest.yaml"])
		}
		return files
	}
	m := scatter.Manifest()
	folder := t.TempDir()
	lay(t, filepath.Join(folder, "waves"), good)
	lay(t, folder, nil)
	bare := file(t, "bare.onnx", scatter.Graph())
	add := func(files map[string][]byte) []string {
		return []string{"models", "add", "--force", lay(t, filepath.Join(t.TempDir(), "waves"), files)}
	}
	url, certificate := hubOf(t, good)
	for _, c := range []struct {
		fact string
		args []string
		want string
	}{
		{"a wrong digest in the manifest", add(with("file: model.onnx", "file: model.onnx\nsha256: "+strings.Repeat("0", 64))), "the manifest says " + strings.Repeat("0", 64)},
		{"a wrong digest on the command line", []string{"models", "pull", "--force", "--endpoint", url, "--sha256", strings.Repeat("0", 64), "org/waves"}, "wrong digest"},
		{"an output that is no vector", add(map[string][]byte{"manifest.yaml": []byte(zeroManifest), "model.onnx": zeroGraph()}), "no vector"},
		{"a manifest of another dimension", add(with(fmt.Sprintf("dimension: %d", m.Dimension), "dimension: 7")), "dimension: 7"},
		{"a manifest of another input", add(with("input: "+m.Input, "input: image")), `the graph has no "image"`},
		{"a manifest that is none", add(map[string][]byte{"manifest.yaml": []byte("colour: red"), "model.onnx": good["model.onnx"]}), "colour"},
		{"a damaged graph", add(map[string][]byte{"manifest.yaml": good["manifest.yaml"], "model.onnx": good["model.onnx"][:1000]}), "model.onnx"},
		{"a missing graph", add(map[string][]byte{"manifest.yaml": good["manifest.yaml"]}), "no such file"},
		{"a graph without manifest", []string{"models", "add", bare}, "mean: [0.485"},
		{"an address without manifest", []string{"models", "pull", "https://example.com/model.onnx"}, "--manifest"},
		{"the built-in model's name", []string{"models", "add", "--name", "scatter", bare}, "built-in"},
		{"no repository of the hub", []string{"models", "pull", "--endpoint", url, "org/tides"}, "not found"},
		{"no name of the catalogue", []string{"models", "pull", "resnet-152"}, "--available"},
		{"a model that is not there", []string{"models", "verify", "tides"}, "model tides: no such model in "},
		{"a folder that is not there", []string{"models", "inspect", "tides"}, "there is no model folder"},
		{"a server", []string{"--server", "http://127.0.0.1:1", "models", "pull", "resnet50"}, "not on --server"},
	} {
		out, err := trusting(t, certificate, append([]string{"--models-dir", folder}, c.args...)...)
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v, printed %q, want an error with %q", c.fact, err, out, c.want)
		}
		entries, _ := os.ReadDir(filepath.Join(folder, "waves"))
		manifest, _ := os.ReadFile(filepath.Join(folder, "waves", "manifest.yaml"))
		if len(entries) != 2 || !bytes.Equal(manifest, good["manifest.yaml"]) {
			t.Errorf("%s: the model that was there has become %v", c.fact, entries)
		}
	}
}

// What is wrong with a folder is listed and does not hide the others.
func TestABrokenFolderIsListedWithItsProblem(t *testing.T) {
	folder := t.TempDir()
	lay(t, filepath.Join(folder, "bad"), map[string][]byte{"manifest.yaml": []byte("colour: red")})
	lay(t, filepath.Join(folder, "waves"), waves(t, "waves"))
	lay(t, filepath.Join(folder, ".pull-x"), map[string][]byte{"manifest.yaml": nil})
	lay(t, filepath.Join(folder, "empty"), nil)
	infos, err := models{config: config{Models: folder}}.list()
	var names []string
	for _, i := range infos {
		names = append(names, i.Name)
	}
	if want := []string{"scatter", "bad", "waves"}; err != nil || !slices.Equal(names, want) || !strings.Contains(infos[1].Problem, "colour") || infos[2].Problem != "" {
		t.Errorf("list() = %+v, %v, want %q", infos, err, want)
	}
	if strings.Contains(infos[1].Problem, folder) {
		t.Errorf("the problem tells where models are: %s", infos[1].Problem)
	}
}

const zeroManifest = `name: waves
file: model.onnx
input: x
output: y
dimension: 3
resize: {mode: fixed, size: 8, interpolation: nearest}
mean: [0, 0, 0]
std: [1, 1, 1]
pooling: average
`

// zeroGraph is an ONNX graph whose output y = x - x is zero: of the right shape, and
// no direction.
func zeroGraph() []byte { return graphOf3("Sub", "x", nil) }

// productGraph is an ONNX graph of y = x·w, where w lies in a file beside it.
func productGraph(file string) []byte {
	location := slices.Concat(proto(1, []byte("location")), proto(2, []byte(file)))
	w := slices.Concat([]byte{1 << 3, 3, 1 << 3, 1, 1 << 3, 1, 2 << 3, 1}, proto(8, []byte("w")), proto(13, location), []byte{14 << 3, 1})
	return graphOf3("Mul", "w", proto(5, w))
}

// graphOf3 is a graph of one operator on x and another, for pictures of 8 × 8. The
// numbers are those of onnx.proto.
func graphOf3(operator, other string, constant []byte) []byte {
	shape := slices.Concat(proto(1, proto(2, []byte("N"))), size(3), size(8), size(8))
	tensor := func(name string) []byte {
		kind := proto(2, proto(1, slices.Concat([]byte{1 << 3, 1}, proto(2, shape))))
		return slices.Concat(proto(1, []byte(name)), kind)
	}
	node := slices.Concat(proto(1, []byte("x")), proto(1, []byte(other)), proto(2, []byte("y")), proto(4, []byte(operator)))
	graph := slices.Concat(proto(1, node), proto(2, []byte("g")), constant, proto(11, tensor("x")), proto(12, tensor("y")))
	return slices.Concat([]byte{1 << 3, 8}, proto(7, graph), proto(8, []byte{2 << 3, 13}))
}

func proto(field int, body []byte) []byte {
	b := binary.AppendUvarint(nil, uint64(field<<3|2))
	return append(binary.AppendUvarint(b, uint64(len(body))), body...)
}

func size(n byte) []byte { return proto(1, []byte{1 << 3, n}) }
