package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nearcase/cmd/nearcase/phantom"
)

// hugeHeader is a PNG that claims 100,000 × 100,000 pixels.
func hugeHeader() []byte {
	header := binary.BigEndian.AppendUint32([]byte("IHDR"), 100_000)
	header = binary.BigEndian.AppendUint32(header, 100_000)
	header = append(header, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	b = append(b, header...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(header))
}

func file(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// onePhantom returns the PNG of a phantom.
func onePhantom() []byte {
	for p := range phantom.All(7, 10) {
		return p.PNG
	}
	return nil
}

// Each wrong input has its own error, which names what is wrong, and leaves
// the store as it was.
func TestWrongInputsAreRefusedAndChangeNothing(t *testing.T) {
	labels := phantoms(t, 10)
	data := filepath.Join(t.TempDir(), "data")
	in := func(args ...string) []string { return append([]string{"--data", data}, args...) }
	succeed(t, in("ingest", labels)...)
	before := succeed(t, in("--json", "collections", "show", "default")...)
	png := onePhantom()
	rows, err := os.ReadFile(labels)
	if err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(filepath.Dir(labels), "odd.csv")
	if err := os.WriteFile(odd, bytes.Replace(rows, []byte(",haze,"), []byte(",hazy,"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	row := 1 + strings.Count(string(rows[:bytes.Index(rows, []byte(",haze,"))]), "\n")
	for _, c := range []struct {
		fact string
		args []string
		want string
	}{
		{"not an image", in("ingest", file(t, "x.png", []byte("hello, world"))), "not an image"},
		{"a truncated image", in("ingest", file(t, "x.png", png[:len(png)/2])), "truncated"},
		{"a header of 100,000 × 100,000 pixels", in("ingest", file(t, "x.png", hugeHeader())), "100000 x 100000"},
		{"an empty file", in("ingest", file(t, "x.png", nil)), "empty"},
		{"an image over the limit", in("--config", file(t, "c.yaml", []byte("limits: {image_bytes: 1024}")), "ingest", file(t, "x.png", png)), "1024"},
		{"another model", in("ingest", "--model", "resnet18-layer3", file(t, "x.png", png)), "it is of model scatter"},
		{"an unknown model", in("ingest", "-c", "new", "--model", "none", file(t, "x.png", png)), "no such model"},
		{"an unknown collection", in("classify", "-c", "cxr", file(t, "x.png", png)), `collection "cxr": no such collection: there are default`},
		{"an unknown class in a row", in("ingest", odd), "row " + strconv.Itoa(row) + `: class "hazy"`},
		{"an unknown class in a label", in("label", firstID(t, data), "finding=hazy"), "--new-classes"},
		{"an evaluation of no task of two", in("evaluate"), "name the task, one of"},
		{"an index engine of an existing collection", in("ingest", "--engine", "coder", file(t, "x.png", png)), "nearcase reindex"},
		{"an unknown task", in("evaluate", "--task", "x"), `task "x": no such task`},
		{"an evaluation by folds and a split", in("evaluate", "--folds", "3", "--split", "x"), "exclude each other"},
		{"an evaluation of a side without a split", in("evaluate", "--test", "x"), "--split"},
		{"an evaluation by an unknown method", in("evaluate", "--task", "finding", "--method", "magic"), "magic"},
		{"a report where something is", in("evaluate", "--task", "finding", "--report", file(t, "r.html", nil)), "--force"},
		{"cases labelled with nothing", in("similar", "--labelled", "finding=", file(t, "x.png", png)), "TASK=CLASS"},
		{"cases of an unknown class", in("similar", "--labelled", "finding=x", file(t, "x.png", png)), `class "x"`},
		{"a minimal recall of nothing", in("reindex", "--min-recall", "0"), "--min-recall is 0"},
		{"a bench through a server", []string{"--server", "http://127.0.0.1:1", "bench", "index"}, "not on --server"},
		{"a bench of an unknown engine", in("bench", "index", "--engine", "magic"), "magic"},
		{"an unknown instance", in("similar", "--instance", "x"), "no such instance"},
		{"a missing directory", in("ingest", filepath.Join(t.TempDir(), "none")), "no such file"},
		{"a folder without images", in("ingest", t.TempDir()), "no images in"},
		{"a missing ONNX Runtime library", in("--onnxruntime", "/none.so", "classify", file(t, "x.png", png)), "make setup"},
		{"an ONNX Runtime library that is none", in("--onnxruntime", file(t, "x.so", []byte("hello")), "classify", file(t, "x.png", png)), "ONNX Runtime library"},
		{"an unknown configuration key", in("--config", file(t, "c.yaml", []byte("colour: red")), "collections"), "field colour not found"},
		{"a missing configuration file", in("--config", "/none.yaml", "collections"), "/none.yaml"},
		{"an unknown flag", in("ingest", "--frobnicate", "x"), "--frobnicate"},
		{"a stray argument", in("collections", "list", "stray"), "stray"},
		{"a data directory and a server", in("--server", "http://127.0.0.1:1", "collections"), "--server"},
		{"no data directory", []string{"--data", filepath.Join(t.TempDir(), "typo"), "collections"}, "typo"},
		{"no server", []string{"--server", "http://127.0.0.1:1", "collections"}, "nearcase serve"},
		{"an address beyond loopback", in("serve", "--listen", "0.0.0.0:0"), "loopback"},
		{"a collection dropped without its name twice", in("collections", "drop", "default"), "--confirm default"},
	} {
		code, stdout, stderr := nearcase(t, c.args...)
		if code == 0 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit status %d, printed %q, want an error with %q", c.fact, code, stderr+stdout, c.want)
		}
		if len(stderr) > 1500 && code != 2 {
			t.Errorf("%s: an error of %d bytes", c.fact, len(stderr))
		}
		if after := succeed(t, in("--json", "collections", "show", "default")...); after != before {
			t.Errorf("%s: the collection was\n%s\nand is\n%s", c.fact, before, after)
		}
	}
	if entries, _ := filepath.Glob(filepath.Join(data, "originals", "*", ".new-*")); len(entries) > 0 {
		t.Errorf("left behind: %q", entries)
	}
}

func firstID(t *testing.T, data string) string {
	t.Helper()
	_, after, _ := strings.Cut(succeed(t, "--data", data, "--json", "similar", file(t, "x.png", onePhantom())), `"cases": [`)
	_, after, _ = strings.Cut(after, `"id": "`)
	id, _, _ := strings.Cut(after, `"`)
	return id
}

// One process at a time has a data directory; the second is told of the first.
func TestSecondProcessIsRefused(t *testing.T) {
	labels := phantoms(t, 10)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", labels)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	startServer(ctx, t, data)
	code, _, stderr := nearcase(t, "--data", data, "ingest", labels)
	if code != 1 || !strings.Contains(stderr, "in use by another process (process ") || !strings.Contains(stderr, "--server") {
		t.Errorf("ingest beside a server: exit status %d, printed %q", code, stderr)
	}
}

// A changed model is noticed before it mixes vectors.
func TestChangedModelIsRefused(t *testing.T) {
	if os.Getenv("NEARCASE_TESTDATA") == "" {
		t.Skip("NEARCASE_TESTDATA is not set")
	}
	models := modelFolders(t)
	data := filepath.Join(t.TempDir(), "data")
	in := func(args ...string) []string {
		return append([]string{"--data", data, "--models-dir", models}, args...)
	}
	image := file(t, "x.png", onePhantom())
	succeed(t, in("ingest", "-c", "c", "--model", "resnet18-layer3", image)...)
	manifest := filepath.Join(models, "resnet18-layer3", "manifest.yaml")
	b, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, bytes.Replace(b, []byte("bilinear"), []byte("bicubic"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := nearcase(t, in("similar", "-c", "c", file(t, "y.png", hugeHeader()))...)
	if code != 1 || !strings.Contains(stderr, "embedded by another model or preprocessing") {
		t.Errorf("similar with another interpolation: exit status %d, printed %q", code, stderr)
	}
}

// modelFolders lays out the networks of the test data with the manifests of
// docs/models.
func modelFolders(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	manifests, err := filepath.Glob("../../docs/models/*/manifest.yaml")
	if err != nil || len(manifests) == 0 {
		t.Fatalf("manifests: %v, %v", manifests, err)
	}
	for _, m := range manifests {
		b, err := os.ReadFile(m)
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(root, filepath.Base(filepath.Dir(m)))
		_, after, _ := strings.Cut(string(b), "\nfile: ")
		name, _, _ := strings.Cut(after, "\n")
		graph, err := os.ReadFile(filepath.Join(os.Getenv("NEARCASE_TESTDATA"), "models", name))
		if err != nil {
			t.Fatal(err)
		}
		for path, data := range map[string][]byte{"manifest.yaml": b, name: graph} {
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, path), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}
