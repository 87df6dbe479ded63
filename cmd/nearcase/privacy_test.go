package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/cmd/nearcase/phantom"
	"nearcase/embed/onnx/onnxtest"
)

// jane is a data directory with an image of Jane, her patient given in a CSV,
// and one of another patient.
func jane(t *testing.T) (data string, in func(args ...string) []string) {
	t.Helper()
	onnxtest.Require(t)
	data = filepath.Join(t.TempDir(), "data")
	in = func(args ...string) []string { return append([]string{"--data", data}, args...) }
	files, n := map[string][]byte{}, 0
	for p := range phantom.All(3, 3) {
		if n++; n > 3 {
			break
		}
		files[string(rune('a'+n-1))+".png"] = p.PNG
	}
	files["labels.csv"] = []byte("file,patient_id,view\na.png,MRN-12345,ap\nb.png, MRN-12345 ,ap\nc.png,MRN-9,pa\n")
	succeed(t, in("ingest", filepath.Join(lay(t, t.TempDir(), files), "labels.csv"))...)
	return data, in
}

func TestTheKeyOfPatientsIsMadeOnce(t *testing.T) {
	data, in := jane(t)
	path := filepath.Join(data, "patient.key")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("patient.key: %v, %v, want a file of mode 0600", info, err)
	}
	made, err := os.ReadFile(path)
	if err != nil || !regexp.MustCompile(`^[0-9a-f]{64}\n$`).Match(made) {
		t.Fatalf("patient.key holds %q, %v", made, err)
	}
	succeed(t, in("ingest", "-c", "other", file(t, "x.png", onePhantom()))...)
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, made) {
		t.Errorf("patient.key: now %q, %v, was %q", again, err, made)
	}
	out := succeed(t, in("ingest", file(t, "x.dcm", apitest.DICOM(t, apitest.Jane, 10)))...)
	if !strings.Contains(out, "1 created") {
		t.Errorf("ingest of a DICOM file printed %q", out)
	}
	if other, _ := jane(t); bytes.Equal(must(t, filepath.Join(other, "patient.key")), made) {
		t.Error("two data directories have the same key")
	}
}

func must(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Patients are shown, and written, by their pseudonyms; a query may name them
// either way.
func TestPatientsOfACSVHavePseudonyms(t *testing.T) {
	data, in := jane(t)
	query := file(t, "x.png", onePhantom())
	all := answered[api.Similar](t, in("similar", query)...)
	called := map[string]int{}
	for _, c := range all.Cases {
		called[c.Patient]++
	}
	pseudonym := ""
	for p, n := range called {
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(p) {
			t.Errorf("patient %q, want a pseudonym", p)
		}
		if n == 2 {
			pseudonym = p
		}
	}
	if len(called) != 2 || pseudonym == "" {
		t.Fatalf("patients %v, want one with two images and one with one", called)
	}
	dicom := file(t, "y.dcm", apitest.DICOM(t, apitest.Jane, 10))
	for _, args := range [][]string{{"--patient", "MRN-12345", query}, {"--patient", pseudonym, query}, {dicom}} {
		got := answered[api.Similar](t, in(append([]string{"similar"}, args...)...)...)
		if len(got.Cases) != 1 || got.Query.Excluded != 2 || got.Cases[0].Patient == pseudonym {
			t.Errorf("similar %q: got %+v, want the other patient's image alone", args, got)
		}
	}
	for _, args := range [][]string{{"similar", query}, {"--json", "classify", query}, {"--json", "collections", "show", "default"}} {
		apitest.HoldsNone(t, args[0], []byte(succeed(t, in(args...)...)))
	}
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			apitest.HoldsNone(t, path, must(t, path))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A key that is missing, another or none is told of, is not replaced where it is
// needed, and changes nothing.
func TestAKeyThatIsNotTheirsIsRefused(t *testing.T) {
	data, in := jane(t)
	path := filepath.Join(data, "patient.key")
	made := must(t, path)
	with := func(keyFile string) []string {
		return []string{"--config", file(t, "c.yaml", []byte("privacy: {key_file: "+keyFile+"}"))}
	}
	before := kept(t, data, in)
	image, dicom := file(t, "x.png", onePhantom()), file(t, "x.dcm", apitest.DICOM(t, apitest.Jane, 10))
	none, odd := filepath.Join(t.TempDir(), "none"), file(t, "odd.key", []byte("correct horse battery staple"))
	short, other := file(t, "short.key", made[:32]), file(t, "other.key", bytes.Repeat([]byte("0f"), 32))
	for _, c := range []struct {
		fact  string
		lost  bool // the data directory's own key
		flags []string
		want  string
	}{
		{"another key", false, with(other), "patient key does not fit: its patients are called by key"},
		{"a key file that is not there", false, with(none), "no such file"},
		{"a key file that is none", false, with(odd), "does not hold 32 bytes in hex"},
		{"a key that is too short", false, with(short), "does not hold 32 bytes in hex"},
		{"the key lost", true, nil, "here is none; restore that key"},
	} {
		if c.lost {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{{"ingest", image}, {"ingest", dicom}, {"similar", "--patient", "MRN-12345", image}, {"similar", dicom}} {
			code, out, errs := nearcase(t, in(append(c.flags, args...)...)...)
			if code != 1 || !strings.Contains(errs, c.want) {
				t.Errorf("%s: %s: exit status %d, printed %q, want an error with %q", c.fact, args[0], code, out+errs, c.want)
			}
			apitest.HoldsNone(t, c.fact, []byte(out+errs))
		}
		if _, err := os.Stat(path); c.lost == (err == nil) {
			t.Errorf("%s: a key is there: %v", c.fact, err == nil)
		}
		if after := kept(t, data, in); after != before {
			t.Errorf("%s: the store was\n%s\nand is\n%s", c.fact, before, after)
		}
	}
	// What names no patient can still be asked, and a key that is back is as before.
	got := answered[api.Similar](t, in("similar", image)...)
	if len(got.Cases) != 3 {
		t.Errorf("similar without the key: got %d cases, want 3", len(got.Cases))
	}
	if err := os.WriteFile(path, made, 0o600); err != nil {
		t.Fatal(err)
	}
	succeed(t, in("ingest", image)...)
}

// A key file of one's own serves several data directories, in which a patient
// has one pseudonym.
func TestAKeyFileServesSeveralDirectories(t *testing.T) {
	onnxtest.Require(t)
	config := file(t, "c.yaml", []byte("privacy: {key_file: "+file(t, "own.key", bytes.Repeat([]byte("a5"), 32))+"}"))
	var called []string
	for range 2 {
		data := filepath.Join(t.TempDir(), "data")
		in := func(args ...string) []string { return append([]string{"--config", config, "--data", data}, args...) }
		succeed(t, in("ingest", file(t, "x.dcm", apitest.DICOM(t, apitest.Jane, 10)))...)
		got := answered[api.Similar](t, in("similar", file(t, "x.png", onePhantom()))...)
		called = append(called, got.Cases[0].Patient)
		if _, err := os.Stat(filepath.Join(data, "patient.key")); err == nil {
			t.Error("a key was made beside the one that is named")
		}
	}
	if called[0] != called[1] || len(called[0]) != 32 {
		t.Errorf("the patient is called %q", called)
	}
}
