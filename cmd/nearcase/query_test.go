package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/embed/onnx/onnxtest"
)

// A table has the columns that any of its cases has something for.
func TestTableHasNoEmptyColumns(t *testing.T) {
	chest := map[string]string{"Modality": "CR", "BodyPartExamined": "CHEST", "ViewPosition": "PA", "ImageLaterality": "L", "Laterality": "L",
		"PatientSex": "F", "PatientAge": "056Y", "AcquisitionDate": "20260103", "Manufacturer": "any"}
	for _, c := range []struct {
		fact, level, want string
		cases             []api.Case
	}{
		{"DICOM", "instance", "SCORE   PATIENT  METADATA                          ID\n" +
			"0.9000  p1       CR CHEST PA L F 056Y 20260103     1.2\n0.8000                                             1.3\n",
			[]api.Case{{ID: "1.2", Score: .9, Patient: "p1", Metadata: chest}, {ID: "1.3", Score: .8}}},
		{"frames", "instance", "SCORE   FRAME  ID\n0.9000  7      1.2:7\n", []api.Case{{ID: "1.2:7", Score: .9, Frame: 7}}},
		{"labelled files", "instance", "SCORE   CASE   LABELS  ID\n0.9000  a.png  f=x     1\n",
			[]api.Case{{ID: "1", Score: .9, Name: "a.png", Labels: map[string][]string{"f": {"x"}}}}},
		{"studies", "study", "SCORE   IMAGES  METADATA                     STUDY\n0.9000  2       CR CHEST F 056Y 20260103     1.2\n",
			[]api.Case{{ID: "1", Score: .9, Instances: []string{"1", "2"}, Study: "1.2", Series: "1.2.1", Metadata: chest}}},
		{"series", "series", "SCORE   IMAGES  STUDY  SERIES\n0.9000  2       1.2    1.2.1\n",
			[]api.Case{{ID: "1", Score: .9, Instances: []string{"1", "2"}, Study: "1.2", Series: "1.2.1"}}},
		{"no case", "instance", "", nil},
	} {
		var b strings.Builder
		printCases(&b, c.cases, c.level)
		if words(b.String()) != words(c.want) {
			t.Errorf("%s: printed\n%s\nwant\n%s", c.fact, b.String(), c.want)
		}
	}
}

// words is a table however wide its columns are.
func words(table string) string {
	var lines []string
	for line := range strings.Lines(table) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

// An answer without a case names what none has passed, and what was left out.
func TestQueryWithoutAnAnswerNamesItsFilters(t *testing.T) {
	onnxtest.Require(t)
	folder, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	other := apitest.Who{Patient: "MRN-2", Study: "1.2", Series: "1.2.1", Instance: "1.2.1.1", Modality: "CT"}
	lay(t, folder, map[string][]byte{"a": apitest.DICOM(t, apitest.Jane, 40), "b": apitest.DICOM(t, other, 90)})
	in := func(args ...string) []string { return append([]string{"--data", data}, args...) }
	succeed(t, in("ingest", folder)...)
	succeed(t, in("label", apitest.Jane.Instance, "finding=a", "--new-classes")...)
	for args, want := range map[string]string{
		"similar --where Modality=MR|DX --where PatientSex=F": "no case beside the query's own passes --filter {\"all\":[{\"field\":\"Modality\",\"in\":[\"MR\",\"DX\"]},{\"field\":\"PatientSex\",\"in\":[\"F\"]}]}",
		"similar --min-score 0.99999":                         "no case beside the query's own passes --min-score 0.99999",
		"similar --labelled finding=a":                        "no case beside the query's own passes --filter {\"task\":\"finding\",\"has\":[\"a\"]}",
		"similar --labelled finding":                          "no case beside the query's own passes --filter {\"task\":\"finding\",\"labelled\":true}\n",
		"similar --patient MRN-2":                             "no case beside the query's own\n",
		"classify --where Modality=MR":                        "finding: no labelled case beside the query's own passes --filter {\"field\":\"Modality\",\"in\":[\"MR\"]}",
		"classify":                                            "finding: no labelled case beside the query's own\n",
		"similar":                                             "left out as the query's own patient: 1",
		"similar --same-patient":                              "left out as the query's own: 1",
	} {
		words := strings.Fields(args)
		out := succeed(t, in(append([]string{words[0], "--instance", apitest.Jane.Instance}, words[1:]...)...)...)
		if !strings.Contains(out, want) {
			t.Errorf("%s: printed %q, want %q in it", args, out, want)
		}
	}
	out := succeed(t, in("similar", "--instance", apitest.Jane.Instance)...)
	if !strings.Contains(out, "CT F 056Y 20260103") || strings.Contains(out, "CASE") {
		t.Errorf("similar printed %q, want metadata and no column of names", out)
	}
}

// A file that is not there is called what the system calls it.
func TestQueryOfAMissingFileSaysSo(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.dcm")
	data := filepath.Join(t.TempDir(), "data")
	onnxtest.Require(t)
	succeed(t, "--data", data, "collections", "create", "default")
	for _, command := range []string{"similar", "classify", "ingest", "bench embed"} {
		code, _, stderr := nearcase(t, append([]string{"--data", data}, append(strings.Fields(command), missing)...)...)
		verb := map[string]string{"similar": "open", "classify": "open"}[command]
		if verb == "" {
			verb = "stat"
		}
		if want := fmt.Sprintf("nearcase: %s %s: no such file or directory\n", verb, missing); code != 1 || stderr != want {
			t.Errorf("%s: exit status %d, printed %q, want %q", command, code, stderr, want)
		}
	}
}
