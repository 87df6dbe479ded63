package api_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nearcase/api"
	"nearcase/store"
)

// sheet is a collection, what is stored in it, and labels for that from a CSV.
func sheet(t testing.TB, csv string, o api.SheetOptions, newClasses bool) ([]api.LabelRequest, []store.Task, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "labels.csv")
	if err := os.WriteFile(path, []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := api.OpenLabelSheet(path, o)
	if err != nil {
		return nil, nil, err
	}
	stored := api.NewStored()
	for _, i := range []store.Instance{
		{ID: "i0", Name: "film 0.png"}, {ID: "i1", Name: "film 1.png"}, {ID: "i2", Name: "twin.png"}, {ID: "i3", Name: "twin.png"},
		{ID: "f:1", File: "f", Frame: 1, Name: "loop.dcm"}, {ID: "f:2", File: "f", Frame: 2, Name: "loop.dcm"},
	} {
		stored.Add(api.Instance{Instance: i})
	}
	return l.Labels(store.Collection{Name: "c", Tasks: []store.Task{finding, devices}}, stored, newClasses)
}

func TestACSVOfLabelsIsReadInEachForm(t *testing.T) {
	day := time.Date(2024, 2, 3, 0, 0, 0, 0, time.UTC)
	for fact, c := range map[string]struct {
		csv  string
		o    api.SheetOptions
		want []api.LabelRequest
	}{
		"a column for each task": {"\ufeffinstance,devices,finding\ni0,line|?tube,a\ni1,|,\n", api.SheetOptions{Source: "csv"}, []api.LabelRequest{
			{Instance: "i0", Task: "devices", Classes: []string{"line"}, Uncertain: []string{"tube"}, Source: "csv"},
			{Instance: "i0", Task: "finding", Classes: []string{"a"}, Source: "csv"},
			{Instance: "i1", Task: "devices", Source: "csv"},
		}},
		"a label in each row": {"name,task,classes,reader,confidence,time,source\nfilm 1.png,devices,!line,anna,0.5,2024-02-03,pacs\nloop.dcm,finding,b,,,2024-02-03T00:00:00Z,\n",
			api.SheetOptions{Reader: "bert", Confidence: 1}, []api.LabelRequest{
				{Instance: "i1", Task: "devices", Absent: []string{"line"}, Partial: true, Reader: "anna", Confidence: 0.5, Time: day, Source: "pacs"},
				{Instance: "f", Task: "finding", Classes: []string{"b"}, Reader: "bert", Confidence: 1, Time: day},
			}},
		"the CSV of an ingest": {"file,patient_id,study_id,finding\nfilm 0.png,P1,S1,c\n", api.SheetOptions{}, []api.LabelRequest{{Instance: "i0", Task: "finding", Classes: []string{"c"}}}},
		"CheXpert's": {"Path,Sex,Age,Frontal/Lateral,AP/PA,line,pacemaker,tube\nfilm 0.png,F,60,Frontal,AP,1.0,-1.0,\nfilm 1.png,M,61,Lateral,,,0.0,\ni3,M,61,Lateral,,,,\n",
			api.SheetOptions{CheXpert: "devices"}, nil}, // i3 is no name
		"findings": {"instance,line,pacemaker,tube\ni0,1,-1,\ni1,,0,\ni3,,,\n", api.SheetOptions{CheXpert: "devices"}, []api.LabelRequest{
			{Instance: "i0", Task: "devices", Classes: []string{"line"}, Uncertain: []string{"pacemaker"}, Partial: true},
			{Instance: "i1", Task: "devices", Absent: []string{"pacemaker"}, Partial: true},
		}},
	} {
		got, _, err := sheet(t, c.csv, c.o, false)
		if diff := cmp.Diff(c.want, got); diff != "" || (err != nil) != (c.want == nil) {
			t.Errorf("%s: %v (-want +got):\n%s", fact, err, diff)
		}
	}
}

func TestNewClassesOfACSVAreDeclared(t *testing.T) {
	_, declare, err := sheet(t, "instance,view,marks,finding\ni0,pa,x|?y,d\ni1,ap,,a\n", api.SheetOptions{}, true)
	want := []store.Task{{Name: "finding", Classes: []string{"d", "a"}}, {Name: "marks", Multi: true, Classes: []string{"x", "y"}}, {Name: "view", Classes: []string{"pa", "ap"}}}
	if diff := cmp.Diff(want, declare); diff != "" || err != nil {
		t.Errorf("declared: %v (-want +got):\n%s", err, diff)
	}
	if _, declare, err = sheet(t, "instance,Edema,Effusion\ni0,1,0\n", api.SheetOptions{CheXpert: "findings"}, true); err != nil || !declare[0].Multi || !slices.Equal(declare[0].Classes, []string{"Edema", "Effusion"}) {
		t.Errorf("declared for CheXpert: got %+v, %v", declare, err)
	}
}

func TestRowsOfACSVThatCannotBeStoredAreNamed(t *testing.T) {
	long := "instance,task,classes,reader,confidence,time\n"
	for fact, c := range map[string]struct {
		csv  string
		o    api.SheetOptions
		is   error
		says string
	}{
		"no such instance":        {"instance,finding\ni0,a\ni9,a\n", api.SheetOptions{}, store.ErrInstance, `row 3: instance "i9"`},
		"no such name":            {"name,finding\nx.png,a\n", api.SheetOptions{}, store.ErrInstance, `row 2: name "x.png"`},
		"a name of several":       {"name,finding\ntwin.png,a\n", api.SheetOptions{}, store.ErrInvalid, "several images have it"},
		"nothing to go by":        {"instance,name,finding\n,,a\n", api.SheetOptions{}, nil, "row 2: neither"},
		"an unknown class":        {"instance,finding\ni0,x\n", api.SheetOptions{}, store.ErrClass, `row 2: class "x"`},
		"an unknown task":         {"instance,x\ni0,a\n", api.SheetOptions{}, store.ErrTask, `row 2: task "x"`},
		"two classes of one":      {"instance,finding\ni0,a|b\n", api.SheetOptions{}, store.ErrInvalid, "exactly one class"},
		"an uncertain single":     {"instance,finding\ni0,?a\n", api.SheetOptions{}, store.ErrInvalid, "takes one class"},
		"no class after a mark":   {"instance,devices\ni0,line|?\n", api.SheetOptions{}, store.ErrInvalid, "no class after"},
		"both present and absent": {"instance,devices\ni0,line|!line\n", api.SheetOptions{}, store.ErrInvalid, "contradicting"},
		"rows that contradict":    {"instance,finding\ni0,a\ni1,a\ni0,b\n", api.SheetOptions{}, store.ErrInvalid, "row 4: not valid: contradicting row 2"},
		"no confidence":           {long + "i0,finding,a,anna,0,\n", api.SheetOptions{}, store.ErrInvalid, `row 2: confidence "0"`},
		"no time":                 {long + "i0,finding,a,anna,,yesterday\n", api.SheetOptions{}, store.ErrInvalid, `row 2: time "yesterday"`},
		"a time to come":          {long + "i0,finding,a,anna,,2999-01-01\n", api.SheetOptions{}, store.ErrInvalid, "future"},
		"a finding of 2":          {"instance,line\ni0,2\n", api.SheetOptions{CheXpert: "devices"}, store.ErrInvalid, `row 2: column line: "2"`},
		"no column to go by":      {"image,finding\ni0,a\n", api.SheetOptions{}, api.ErrSource, "no column named instance or name"},
		"no column with labels":   {"instance,reader\ni0,anna\n", api.SheetOptions{}, api.ErrSource, "no column has labels"},
		"a column too many":       {"instance,task,classes,x\ni0,finding,a,b\n", api.SheetOptions{}, api.ErrSource, `column "x"`},
		"the same column twice":   {"instance,instance_id,finding\ni0,i0,a\n", api.SheetOptions{}, api.ErrSource, "two columns"},
		"a row that is short":     {"instance,finding\ni0\n", api.SheetOptions{}, api.ErrSource, "line 2"},
		"no rows":                 {"instance,finding\n", api.SheetOptions{}, api.ErrSource, "no rows"},
		"nothing":                 {"", api.SheetOptions{}, api.ErrSource, "header"},
	} {
		labels, _, err := sheet(t, c.csv, c.o, false)
		if err == nil || labels != nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %v with %q", fact, err, c.is, c.says)
		}
	}
	_, _, err := sheet(t, "instance,finding\n"+strings.Repeat("i9,a\n", 50), api.SheetOptions{}, false)
	if err == nil || !strings.Contains(err.Error(), "row 21:") || strings.Contains(err.Error(), "row 22:") || !strings.Contains(err.Error(), "perhaps more") {
		t.Errorf("50 bad rows: got %v, want 20 of them", err)
	}
}

// A class that begins with a mark itself is meant where the task has it.
func TestMarksOfClassesAreRead(t *testing.T) {
	c := store.Collection{Tasks: []store.Task{{Name: "m", Multi: true, Classes: []string{"?", "!odd", "odd"}}}}
	r, err := api.ReadClasses(c, "m", "?|!odd| ? odd ")
	if err != nil || !slices.Equal(r.Classes, []string{"?", "!odd"}) || !slices.Equal(r.Uncertain, []string{"odd"}) || r.Partial {
		t.Errorf("ReadClasses: got %+v, %v", r, err)
	}
}
