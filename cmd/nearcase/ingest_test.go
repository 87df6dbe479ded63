package main

import (
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api/apitest"
	"nearcase/embed/onnx/onnxtest"
)

// Files of an export that hold no image are counted apart and said in one line,
// from a folder and an archive, here and through a server. They fail only where
// there is nothing else, or somebody named them.
func TestIngestPassesOverFilesWithoutAnImage(t *testing.T) {
	onnxtest.Require(t)
	report := apitest.Bad(t)["a DICOM file without pixels"]
	files := map[string][]byte{"DICOMDIR": report, "plan": report, "report.dcm": report, "image": apitest.DICOM(t, apitest.Jane, 10)}
	export := t.TempDir()
	lay(t, export, files)
	zipped := file(t, "export.zip", apitest.Zip(t, files, "DICOMDIR", "plan", "image"))
	reports := t.TempDir()
	lay(t, reports, map[string][]byte{"DICOMDIR": report, "plan": report})
	data := filepath.Join(t.TempDir(), "data")
	url, _, stop := serving(t, "--data", filepath.Join(t.TempDir(), "served"), "serve", "--listen", "127.0.0.1:0")
	defer stop()
	for _, face := range [][]string{{"--data", data}, {"--server", url}} {
		for _, c := range []struct {
			fact, path, out, errs string
			code                  int
		}{
			{"a folder", export, "1 image into collection default in ", "DICOMDIR and 2 more: ", 0},
			{"an archive", zipped, "1 unchanged 2 without an image", "DICOMDIR and 1 more: ", 0},
			{"nothing but reports", reports, "0 images into", "nothing was stored", 1},
			{"a report by itself", filepath.Join(export, "plan"), "1 failed", "plan: ", 1},
		} {
			code, out, errs := nearcase(t, append(append([]string{}, face...), "ingest", c.path)...)
			if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) || strings.Contains(errs, "plan: ") != (c.fact == "a report by itself") {
				t.Errorf("%s ingest %s: exit status %d, printed %q and %q, want status %d, %q and %q", face[0], c.fact, code, out, errs, c.code, c.out, c.errs)
			}
		}
		code, out, _ := nearcase(t, append(append([]string{}, face...), "--json", "ingest", export)...)
		if code != 0 || strings.Count(out, `"status":"without_image"`) != 3 || !strings.Contains(out, `"counts":{"unchanged":1,"without_image":3}`) {
			t.Errorf("%s --json ingest: exit status %d, printed %q, want three files without an image", face[0], code, out)
		}
	}
}

// The instances are told where there are more of them than images.
func TestIngestTellsOfInstances(t *testing.T) {
	onnxtest.Require(t)
	data := filepath.Join(t.TempDir(), "data")
	frames := file(t, "x.dcm", apitest.DICOM(t, apitest.Jane, 10, 60, 110))
	if out := succeed(t, "--data", data, "ingest", frames); !strings.HasPrefix(out, "1 image, 3 instances into collection default in ") {
		t.Errorf("ingest of three frames printed %q", out)
	}
	if out := succeed(t, "--data", data, "ingest", file(t, "x.png", onePhantom())); !strings.HasPrefix(out, "1 image into collection default in ") {
		t.Errorf("ingest of one picture printed %q", out)
	}
}

// An image under an ID that another has is refused with the flag that allows it.
func TestIngestOfAnotherImageNamesTheFlag(t *testing.T) {
	onnxtest.Require(t)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", file(t, "x.dcm", apitest.DICOM(t, apitest.Jane, 10)))
	other := file(t, "x.dcm", apitest.DICOM(t, apitest.Jane, 200))
	code, _, errs := nearcase(t, "--data", data, "ingest", other)
	if code != 1 || !strings.Contains(errs, "already stored with other content") || !strings.Contains(errs, "--replace") {
		t.Errorf("ingest of another image: exit status %d, printed %q, want --replace in it", code, errs)
	}
	if out := succeed(t, "--data", data, "ingest", "--replace", other); !strings.Contains(out, "1 replaced") {
		t.Errorf("ingest --replace printed %q", out)
	}
}
