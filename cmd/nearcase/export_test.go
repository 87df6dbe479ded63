package main

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/embed/onnx/onnxtest"
)

func TestAnExportAppearsWhole(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	succeed(t, "--data", data, "ingest", phantoms(t, 6))
	var sizes []int64
	for _, name := range []string{"x.npz", "x.jsonl", "x.parquet"} {
		path := filepath.Join(dir, name)
		if out := succeed(t, "--data", data, "export", "-o", path); !strings.Contains(out, "images of default") {
			t.Errorf("export: got %q, want what was exported", out)
		}
		found, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if found.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %v, want its owner's alone", name, found.Mode())
		}
		sizes = append(sizes, found.Size())
	}
	path := filepath.Join(dir, "x.npz")
	if code, _, stderr := nearcase(t, "--data", data, "export", "-o", path, "--without-vectors"); code != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("export to a file that is there: got %d %q, want it refused", code, stderr)
	}
	var e api.Exported
	out := succeed(t, "--data", data, "--json", "export", "-o", path, "--without-vectors", "--force", "-t", "finding")
	if err := json.Unmarshal([]byte(out), &e); err != nil || e.Format != api.NPZ || e.Instances == 0 {
		t.Errorf("export --json: got %s, %v", out, err)
	}
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		if f.Name == "vectors.npy" {
			t.Errorf("export --without-vectors: got them")
		}
	}
	if out := succeed(t, "--data", data, "export", "-o", "-", "--format", "jsonl"); int64(len(out)) != sizes[1] || strings.Count(out, "\n") != e.Instances {
		t.Errorf("export to the standard output: got %d bytes, want the %d of the file", len(out), sizes[1])
	}
	left, err := filepath.Glob(filepath.Join(dir, ".export-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("files left over: got %v, %v", left, err)
	}
}

func TestExportsThatAreRefusedLeaveNothing(t *testing.T) {
	onnxtest.Require(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	succeed(t, "--data", data, "collections", "create", "default")
	if err := os.Mkdir(filepath.Join(dir, "folder.npz"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"no format":           {"-o", filepath.Join(dir, "x.csv")},
		"no format of stdout": {"-o", "-"},
		"an unknown format":   {"-o", filepath.Join(dir, "x.npz"), "--format", "pickle"},
		"an unknown task":     {"-o", filepath.Join(dir, "x.npz"), "-t", "age"},
		"no collection":       {"-o", filepath.Join(dir, "x.npz"), "-c", "none"},
		"a folder":            {"-o", filepath.Join(dir, "folder.npz"), "--force"},
		"a bad filter":        {"-o", filepath.Join(dir, "x.npz"), "--where", "Modality"},
		"no folder":           {"-o", filepath.Join(dir, "none", "x.npz")},
	} {
		if code, stdout, stderr := nearcase(t, append([]string{"--data", data, "export"}, args...)...); code != 1 || stdout != "" || stderr == "" {
			t.Errorf("export with %s: got %d %q %q, want it refused", name, code, stdout, stderr)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("after refusals: got %v, %v, want the data and the folder alone", entries, err)
	}
}
