package dicomweb

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/embed/dicom/dataset"
	"nearcase/probe"
	"nearcase/store"
)

// answered is an answer about Jane's image for two tasks, one of them refused.
func answered(t testing.TB) Report {
	t.Helper()
	share := 0.75
	return Report{
		Answer: api.Classification{
			Provenance: api.Provenance{Collection: "cases", Model: "resnet", Fingerprint: strings.Repeat("ab", 32), Index: "graph", Head: 41}, Watermark: 40,
			Tasks: []api.TaskAnswer{{
				Task: "finding", Default: "ridge", Prediction: []string{"pneumonia"}, Vote: []string{"pneumonia"},
				Probabilities: []api.Probability{{Class: "pneumonia", Probability: 0.875}, {Class: "normal", Probability: 0.125}},
				Votes:         []probe.Vote{{Class: "pneumonia", Share: &share}, {Class: "normal"}},
				Neighbours:    []api.Voter{{ID: "1.2.9", Score: 0.98, Label: []string{"pneumonia"}}},
				Counts:        api.Counts{Neighbours: 20, Patients: 18, Examples: 300},
			}, {Task: "marks", Multi: true, Refused: "too few labels", Reasons: []string{"2 of 10"}, Default: "ridge"}},
		},
		Image: api.DICOMFile{Instance: store.Instance{
			ID: apitest.Jane.Instance, Patient: "pseudonym", Study: apitest.Jane.Study, Series: apitest.Jane.Series,
		}},
		Kept: changed(t, []dataset.Element{element(0x00100010, "PN", ""), element(0x00200010, "SH", "")}),
		At:   time.Date(2026, 11, 26, 1, 2, 3, 0, time.UTC), Software: "1.0",
	}
}

func structured(t testing.TB, r Report) []byte {
	t.Helper()
	data, err := r.StructuredReport()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTheReportIsOfTheImage(t *testing.T) {
	data := structured(t, answered(t))
	f, err := dataset.Parse(data, dataset.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[dataset.Tag]string{
		tagClass: comprehensive, tagStudy: apitest.Jane.Study, tagPatientID: "pseudonym", 0x0040A493: "UNVERIFIED", 0x0040A491: "PARTIAL", 0x00080060: "SR", 0x00080023: "20261126",
	} {
		if got := f.Set.Text(tag); got != want {
			t.Errorf("%v is %q, want %q", tag, got, want)
		}
	}
	evidence := f.Set.Sequence(0x0040A375)[0].Sequence(0x00081115)[0].Sequence(tagReferences)[0]
	if evidence.Text(tagRefInstance) != apitest.Jane.Instance || evidence.Text(tagRefClass) != "1.2.840.10008.5.1.4.1.1.7" {
		t.Errorf("the evidence is %v", evidence.Elements)
	}
	text := marshal(t, Model(f.Set, at))
	for _, want := range []string{
		"Not a diagnosis", "label watermark=40", "model fingerprint=abab", "model=resnet", "probe=ridge", "Certainty of Finding", "pneumonia", "87.5", "12.5",
		"75", "too few labels", "2 of 10", "similarity 0.9800", "99NEARCASE", `"1500"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if f.Set.Text(0x0020000E) == apitest.Jane.Series || f.Set.Text(tagInstance) == apitest.Jane.Instance {
		t.Error("the report is in the image's series, or is the image")
	}
}

func TestEqualReportsAreEqualFiles(t *testing.T) {
	r := answered(t)
	a, b := structured(t, r), structured(t, answered(t))
	if !bytes.Equal(a, b) {
		t.Error("two reports of the same answer differ")
	}
	r.At = r.At.Add(time.Nanosecond)
	if uid := func(data []byte) string {
		f, err := dataset.Parse(data, dataset.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return f.Set.Text(tagInstance)
	}; uid(a) == uid(structured(t, r)) {
		t.Error("two reports of different times have one UID")
	}
}

// Programs that are not ours find nothing wrong with it.
func TestTheReportIsValidElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sr.dcm")
	many := answered(t)
	many.Image.Frame = 3
	many.Kept = changed(t, []dataset.Element{element(tagClass, "UI", "1.2.840.10008.5.1.4.1.1.7.2"), element(0x00100010, "PN", "")})
	many.Answer.Tasks[0].Task = strings.Repeat("Ä", 31) + `\`
	for name, r := range map[string]Report{"a report": answered(t), "of a frame and a long name": many} {
		if err := os.WriteFile(path, structured(t, r), 0o600); err != nil {
			t.Fatal(err)
		}
		for program, bad := range map[string]string{"dsrdump": "", "dsr2xml": "E:", "dciodvfy": "Error"} {
			if _, err := exec.LookPath(program); err != nil {
				t.Logf("%s is not installed (Debian: dcmtk, dicom3tools)", program)
				continue
			}
			out, err := exec.CommandContext(t.Context(), program, path).CombinedOutput()
			if err != nil || bad != "" && strings.Contains(string(out), bad) {
				t.Errorf("%s, %s: %v, %s", name, program, err, out)
			}
		}
	}
}

func TestTheModelOfAReportIsJSON(t *testing.T) {
	f, err := dataset.Parse(structured(t, answered(t)), dataset.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var back Object
	if err := json.Unmarshal([]byte(marshal(t, Model(f.Set, at))), &back); err != nil || back[Key(tagClass)].Value[0] != comprehensive {
		t.Errorf("the model through JSON: %v, %v", back[Key(tagClass)], err)
	}
}
