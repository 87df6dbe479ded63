package dicomweb

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nearcase/embed/dicom/dataset"
)

// shared returns the DICOM files of the test data by name.
func shared(t testing.TB) map[string][]byte {
	t.Helper()
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is not set")
	}
	files := map[string][]byte{}
	root = filepath.Join(root, "dicom")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err == nil {
			files[filepath.ToSlash(name)], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", root, err)
	}
	return files
}

// seeds are small files of many kinds, with those of the test data if they are
// there.
func seeds(f *testing.F) (all [][]byte) {
	for _, who := range []dataset.Element{element(0x00100010, "PN", "Doe^Jane"), sequence(0x00082218, setOf(element(0x00080100, "SH", "x")))} {
		file := dataset.File{Syntax: "1.2.840.10008.1.2.1", Meta: &dataset.Set{}, Set: setOf(who, element(0x00080018, "UI", "1.2"))}
		data, err := file.Bytes()
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, data)
	}
	if os.Getenv("NEARCASE_TESTDATA") != "" {
		for _, data := range shared(f) {
			if len(data) < 4000 {
				all = append(all, data)
			}
		}
	}
	return all
}

// DCMTK says the same of every file that both can read, save where it knows
// private attributes that are unknown here, does not convert characters within
// sequences, or keeps the padding of the file.
func TestTheModelIsThatOfDCMTK(t *testing.T) {
	if _, err := exec.LookPath("dcm2json"); err != nil {
		t.Skip("dcm2json is not installed (Debian: dcmtk)")
	}
	compared := 0
	for name, data := range shared(t) {
		parsed, err := dataset.Parse(data, dataset.Limits{})
		if err != nil {
			continue
		}
		theirs, ok := dcm2json(t, data)
		if !ok {
			continue
		}
		compared++
		var ours map[string]any
		if err := json.Unmarshal([]byte(marshal(t, Model(parsed.Set, at))), &ours); err != nil {
			t.Fatal(err)
		}
		for _, d := range differences(ours, theirs, "") {
			t.Errorf("%s: %s", name, d)
		}
	}
	if compared < 100 {
		t.Errorf("%d files were compared, want 100 or more", compared)
	}
}

func dcm2json(t testing.TB, data []byte) (o map[string]any, ok bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.dcm")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "dcm2json", "-q", "+fc", path).Output()
	if err != nil {
		return nil, false
	}
	return o, json.Unmarshal(out, &o) == nil
}

// differences compares two objects where both know an attribute's VR and have its
// value in the model.
func differences(ours, theirs map[string]any, within string) (all []string) {
	for tag, v := range theirs {
		if tag == "FFFCFFFC" || tag == "00080005" {
			continue
		}
		their, _ := v.(map[string]any)
		our, isThere := ours[tag].(map[string]any)
		if !isThere {
			all = append(all, fmt.Sprintf("%s%s is missing", within, tag))
			continue
		}
		all = append(all, difference(our, their, within+tag)...)
	}
	return all
}

func difference(our, their map[string]any, path string) []string {
	_, bulk := our["BulkDataURI"]
	if bulk || our["vr"] == "UN" || their["vr"] == "UN" || their["InlineBinary"] != nil {
		return nil
	}
	if our["vr"] != their["vr"] {
		return []string{fmt.Sprintf("%s has VR %v, DCMTK says %v", path, our["vr"], their["vr"])}
	}
	a, _ := our["Value"].([]any)
	b, _ := their["Value"].([]any)
	if our["vr"] == "SQ" && len(a) == len(b) {
		var all []string
		for i := range a {
			x, _ := a[i].(map[string]any)
			y, _ := b[i].(map[string]any)
			all = append(all, differences(x, y, path+".")...)
		}
		return all
	}
	if text := fmt.Sprint(b); within(path) && strings.ContainsAny(text, "\x1b\ufffd") {
		return nil
	}
	if !same(a, b, our["vr"] == "FL") {
		return []string{fmt.Sprintf("%s of VR %v is %v, DCMTK says %v", path, our["vr"], a, b)}
	}
	return nil
}

// within reports whether a path is within a sequence.
func within(path string) bool { return len(path) > 8 }

// same compares values: texts without the space around them, names without empty
// components at their end, single numbers as a float32 has them, and others to nine
// digits.
func same(a, b []any, single bool) bool {
	a, b = plain(a), plain(b)
	return slices.EqualFunc(a, b, func(x, y any) bool {
		p, isNumber := x.(float64)
		q, areNumbers := y.(float64)
		near := math.Abs(p-q) <= 1e-8*math.Abs(q) || single && float32(p) == float32(q)
		return isNumber && areNumbers && near || reflect.DeepEqual(x, y)
	})
}

func plain(values []any) (out []any) {
	for _, v := range values {
		switch value := v.(type) {
		case string:
			if v = strings.Trim(value, " \x00"); v == "" {
				v = nil
			}
		case map[string]any:
			value = maps.Clone(value)
			name, _ := value["Alphabetic"].(string)
			if value["Alphabetic"] = strings.TrimRight(name, "^"); value["Alphabetic"] == "" {
				delete(value, "Alphabetic")
			}
			if v = value; len(value) == 0 {
				v = nil
			}
		}
		out = append(out, v)
	}
	if len(out) == 1 && out[0] == nil {
		return nil
	}
	return out
}
