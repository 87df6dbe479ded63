package dicomweb

import (
	"errors"
	"iter"
	"net/url"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/embed/dicom/dataset"
	"nearcase/store"
)

// Matching is that of PS3.4, C.2.2.2.
func TestKeysMatch(t *testing.T) {
	for _, c := range []struct {
		keyword, key, value string
		want                bool
	}{
		{"Modality", "CR", "CR", true},
		{"Modality", "CR", "DX", false},
		{"Modality", "CR", "", false},
		{"Modality", "", "", true},
		{"Modality", "*", "", true},
		{"Modality", "C?", "CR", true},
		{"Modality", "C?", "C", false},
		{"Modality", "c*", "CR", false},
		{"Modality", "CR,DX", "DX", true},
		{"Modality", `CR\DX`, "DX", true},
		{"ModalitiesInStudy", "MG,DX", "DX", true},
		{"StudyInstanceUID", "1.2", "1.2", true},
		{"StudyInstanceUID", "1.2", "1.2.3", false},
		{"StudyInstanceUID", "1.2,1.3", "1.3", true},
		{"StudyInstanceUID", "1.*", "1.2", false},
		{"PatientName", "doe^jane", "Doe^Jane", true},
		{"PatientName", "*jane*", "Doe^Jane", true},
		{"PatientName", "d?e*", "Doe^Jane", true},
		{"StudyDescription", "*chest*", "a chest film", true},
		{"StudyDescription", "chest", "a chest film", false},
		{"StudyDescription", "**a*a**a*", "banana", true},
		{"StudyDescription", "*a*a*a*a*", "banana", false},
		{"StudyDescription", "ch?st", "ch\u00e4st", true},
		{"AcquisitionDate", "20260103", "20260103", true},
		{"AcquisitionDate", "20260103", "20260104", false},
		{"AcquisitionDate", "20260101-20260131", "20260131", true},
		{"AcquisitionDate", "20260101-20260131", "20260201", false},
		{"AcquisitionDate", "-20260131", "19990101", true},
		{"AcquisitionDate", "20260101-", "20260101", true},
		{"AcquisitionDate", "20260101-", "", false},
		{"AcquisitionTime", "10-11", "115959.5", true},
		{"AcquisitionTime", "1000-1100", "110100", false},
		{"AcquisitionDateTime", "20260101", "20260101093000", true},
		{"InstanceNumber", "7", "07", true},
		{"InstanceNumber", "7", "8", false},
		{"Rows", "512", "512", true},
	} {
		tag, ok := dataset.TagOf(c.keyword)
		if !ok {
			t.Fatalf("no keyword %s", c.keyword)
		}
		k, err := parseKey(tag, c.key)
		if err != nil {
			t.Errorf("%s=%s: %v", c.keyword, c.key, err)
			continue
		}
		values := []string{c.value}
		if c.value == "" {
			values = nil
		}
		if got := k.matches(values); got != c.want {
			t.Errorf("%s=%q of %q: got %t, want %t", c.keyword, c.key, c.value, got, c.want)
		}
	}
}

func TestKeysThatCannotBeAreErrors(t *testing.T) {
	for query, says := range map[string]string{
		"PatientNam=x":                                   `"PatientNam"`,
		"AcquisitionDate=2026":                           "AcquisitionDate",
		"AcquisitionDate=-":                              "AcquisitionDate",
		"AcquisitionDate=20260101-x":                     "AcquisitionDate",
		"InstanceNumber=x":                               "InstanceNumber",
		"PatientName=" + strings.Repeat("*a", 600):       "1200",
		"limit=-1":                                       "limit",
		"limit=1&limit=2":                                "limit",
		"offset=x":                                       "offset",
		"fuzzymatching=perhaps":                          "fuzzymatching",
		"includefield=PatientNam":                        `"PatientNam"`,
		"Modality=CR&00080060=DX":                        "00080060",
		"RequestAttributesSequence.AccessionNumber=1":    "sequences",
		"StudyInstanceUID=" + strings.Repeat("1,", 1001): "1001",
	} {
		given, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = ParseQuery(Studies, "", "", given); !errors.Is(err, ErrSyntax) || !strings.Contains(err.Error(), says) && !strings.Contains(err.Error(), "Modality") {
			t.Errorf("%.60s: %v, want %v saying %s", query, err, ErrSyntax, says)
		}
	}
}

// library is two studies of three series and five files.
func library() []api.DICOMFile {
	file := func(patient, study, series, id, modality string) api.DICOMFile {
		return api.DICOMFile{Instance: store.Instance{
			ID: id, Patient: patient, Study: study, Series: series, Metadata: map[string]string{"Modality": modality, "BodyPartExamined": "CHEST"},
		}}
	}
	return []api.DICOMFile{
		file("p", "1", "1.1", "1.1.1", "CR"), file("q", "2", "2.1", "2.1.1", "MG"), file("p", "1", "1.2", "1.2.1", "DX"),
		file("p", "1", "1.1", "1.1.2", "CR"), file("q", "2", "2.1", "2.1.2", "MG"),
	}
}

func all(files []api.DICOMFile) iter.Seq2[api.DICOMFile, error] {
	return func(yield func(api.DICOMFile, error) bool) {
		for _, f := range files {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func TestSearchFindsAtEachLevel(t *testing.T) {
	for _, c := range []struct {
		level         Level
		study, series string
		query         string
		want          string // the first files of what is found
		more          int
	}{
		{Studies, "", "", "", "1.1.1 2.1.1", 0},
		{Studies, "", "", "Modality=DX", "1.2.1", 0},
		{Studies, "", "", "ModalitiesInStudy=DX", "1.1.1", 0},
		{Studies, "", "", "ModalitiesInStudy=DX&PatientID=q", "", 0},
		{Studies, "", "", "PatientID=q", "2.1.1", 0},
		{Studies, "", "", "00100020=called q", "2.1.1", 0},
		{Studies, "", "", "PatientName=Doe*", "", 0},
		{Studies, "", "", "PatientName=*", "1.1.1 2.1.1", 0},
		{Studies, "", "", "StudyInstanceUID=2", "2.1.1", 0},
		{Studies, "", "", "limit=1", "1.1.1", 1},
		{Studies, "", "", "offset=1&limit=5", "2.1.1", 0},
		{Studies, "", "", "offset=7", "", 0},
		{Series, "", "", "", "1.1.1 2.1.1 1.2.1", 0},
		{Series, "1", "", "", "1.1.1 1.2.1", 0},
		{Series, "1", "", "Modality=DX", "1.2.1", 0},
		{Instances, "", "", "", "1.1.1 2.1.1 1.2.1 1.1.2 2.1.2", 0},
		{Instances, "", "", "limit=2", "1.1.1 2.1.1", 3},
		{Instances, "1", "1.1", "", "1.1.1 1.1.2", 0},
		{Instances, "2", "", "BodyPartExamined=CHEST&offset=1&limit=1", "2.1.2", 0},
		{Instances, "", "", "ModalitiesInStudy=MG&limit=1", "2.1.1", 1},
		{Instances, "", "", "limit=0", "", 5},
	} {
		given, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		q, err := ParseQuery(c.level, c.study, c.series, given)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		for _, p := range q.Patients() {
			q.AddPatient(strings.TrimPrefix(p, "called "))
		}
		found, more, err := Search(q, all(library()))
		var ids []string
		for _, f := range found {
			ids = append(ids, f.File.ID)
		}
		if got := strings.Join(ids, " "); err != nil || got != c.want || more != c.more {
			t.Errorf("%s of %q?%s: got %q and %d more, %v, want %q and %d", c.level, c.study, c.query, got, more, err, c.want, c.more)
		}
	}
}

func TestFoundStudiesAreCounted(t *testing.T) {
	q, err := ParseQuery(Studies, "", "", url.Values{"includefield": {"BodyPartExamined,Rows"}, "Modality": {"DX"}})
	if err != nil {
		t.Fatal(err)
	}
	found, _, err := Search(q, all(library()))
	if err != nil || len(found) != 1 {
		t.Fatalf("found %d, %v", len(found), err)
	}
	o, err := q.Describe(found[0], nil, "http://x/dicomweb")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},"00080056":{"vr":"CS","Value":["ONLINE"]},"00080061":{"vr":"CS","Value":["CR","DX"]},` +
		`"00081190":{"vr":"UR","Value":["http://x/dicomweb/studies/1"]},"00100020":{"vr":"LO","Value":["p"]},"00180015":{"vr":"CS","Value":["CHEST"]},` +
		`"0020000D":{"vr":"UI","Value":["1"]},"00201206":{"vr":"IS","Value":[2]},"00201208":{"vr":"IS","Value":[3]}}`
	if got := marshal(t, o); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	q.Level, q.inStudy = Series, true
	if o, err = q.Describe(Found{File: library()[0], Level: Series, SeriesInstances: 2}, nil, "http://x/dicomweb"); err != nil {
		t.Fatal(err)
	}
	if _, isThere := o["00201206"]; isThere || len(o["00201209"].Value) != 1 || o["00081190"].Value[0] != "http://x/dicomweb/studies/1/series/1.1" {
		t.Errorf("a series of a study is described by %v", o)
	}
}

func TestAnErrorEndsASearch(t *testing.T) {
	broken := errors.New("broken")
	files := func(yield func(api.DICOMFile, error) bool) { yield(api.DICOMFile{}, broken) }
	if _, _, err := Search(Query{Limit: 1}, files); !errors.Is(err, broken) {
		t.Errorf("Search: %v, want %v", err, broken)
	}
}

// No query panics, and none finds more than there is.
func FuzzQuery(f *testing.F) {
	f.Add("PatientName=*a*b?c*&limit=3", "aXbYc")
	f.Add("StudyDate=20200101-20210101&includefield=all", "20200505")
	f.Fuzz(func(t *testing.T, query, value string) {
		given, err := url.ParseQuery(query)
		if err != nil || len(query) > 1000 || len(value) > 1000 {
			return
		}
		q, err := ParseQuery(Instances, "", "", given)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Errorf("ParseQuery(%q): %v", query, err)
			}
			return
		}
		for _, k := range q.keys {
			k.matches([]string{value})
		}
		found, more, err := Search(q, all(library()))
		if err != nil || len(found) > q.Limit || len(found)+more > 5 {
			t.Errorf("Search(%q): %d and %d more, %v", query, len(found), more, err)
		}
		if v := []rune(value); !wild(v, v) || !wild([]rune("*"+value), v) || !wild([]rune(value+"*"), []rune(value+"x")) {
			t.Errorf("%q does not match itself", value)
		}
	})
}
