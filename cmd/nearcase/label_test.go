package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/cmd/nearcase/phantom"
)

// labelled is a data directory with phantoms of six patients in collection c; the
// flags for it, the path of their CSV and the ID of one.
func labelled(t *testing.T) (in func(args ...string) []string, sheet, id string) {
	t.Helper()
	sheet = phantoms(t, 6)
	data := filepath.Join(t.TempDir(), "data")
	in = func(args ...string) []string { return append([]string{"--data", data}, args...) }
	succeed(t, in("ingest", "-c", "c", sheet)...)
	return in, sheet, firstIn(t, data)
}

// csvRows reads a CSV.
func csvRows(t *testing.T, path string) [][]string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestLabelsOfReadersAndTheirHistory(t *testing.T) {
	in, _, id := labelled(t)
	succeed(t, in("label", "-c", "c", id, "signs=x|?y|z", "--new-classes")...)
	succeed(t, in("label", "-c", "c", "--reader", "anna", "--confidence", "0.5", "--source", "review", id, "signs=x|?y|!z")...)
	succeed(t, in("label", "-c", "c", "--partial", "--reader", "bert", id, "signs=y")...)
	succeed(t, in("label", "-c", "c", "--remove", "--reader", "bert", id, "signs")...)
	succeed(t, in("label", "-c", "c", id, "signs=")...)
	out := succeed(t, in("label", "-c", "c", "--history", id)...)
	for _, want := range []string{
		`signs +x\|z\|\?y +command line`, `signs +x\|\?y\|!z \(others not mentioned\) +anna +0.5 +review`,
		`signs +y \(others not mentioned\) +bert`, `signs +withdrawn +bert`, `signs +none +command line`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("history: got\n%s\nwant %s", out, want)
		}
	}
	var history []api.LabelEntry
	if err := json.Unmarshal([]byte(succeed(t, in("label", "-c", "c", "--json", "--history", id)...)), &history); err != nil || len(history) < 5 {
		t.Errorf("history as JSON: got %d entries, %v, want at least 5", len(history), err)
	}
}

func TestLabelRefusesWhatMakesNoSense(t *testing.T) {
	in, sheet, id := labelled(t)
	for want, args := range map[string][]string{
		"name an instance with its labels":         {"label"},
		"or --csv FILE":                            {"label", id},
		"or --history ID":                          {"label", id, "finding=haze", "--history", id},
		"--chexpert says how":                      {"label", id, "finding=haze", "--chexpert", "finding"},
		"--remove is for an instance":              {"label", "--remove", "--csv", sheet},
		"withdraws a label whole":                  {"label", "--remove", "--partial", id, "finding"},
		"--confidence 0":                           {"label", "--confidence", "0", id, "finding=haze"},
		"use TASK=CLASS":                           {"label", id, "finding"},
		"declare it with --new-classes":            {"label", id, "signs=?x|y"},
		"exactly one class":                        {"label", id, "finding=haze|nodules"},
		"which takes one class":                    {"label", id, "finding=?haze"},
		"contradicting: class line is two of":      {"label", id, "devices=line|!line"},
		"contradicting: both are for task":         {"label", id, "finding=haze", "finding=nodules"},
		"no such instance":                         {"label", "--history", "x"},
		`label reader: not valid`:                  {"label", "--reader", "a|b", id, "finding=haze"},
		"no such file":                             {"label", "--csv", filepath.Join(t.TempDir(), "none.csv")},
		`row 2: class "x": no such class`:          {"label", "--csv", file(t, "a.csv", []byte("instance,finding\n"+id+",x\n"))},
		"row 3: not valid: contradicting row 2":    {"label", "--csv", file(t, "b.csv", []byte("instance,finding\n"+id+",haze\n"+id+",nodules\n"))},
		`row 2: name "x.png": no such instance`:    {"label", "--csv", file(t, "c.csv", []byte("name,finding\nx.png,haze\n"))},
		"declared both single-label and multi":     {"label", "--chexpert", "finding", "--new-classes", "--csv", file(t, "d.csv", []byte("instance,haze\n"+id+",1\n"))},
		`row 2: column line: "yes": not valid`:     {"label", "--chexpert", "devices", "--csv", file(t, "e.csv", []byte("instance,line\n"+id+",yes\n"))},
		"no column named instance or name among x": {"label", "--csv", file(t, "f.csv", []byte("x,finding\na,haze\n"))},
	} {
		args = append([]string{args[0], "-c", "c"}, args[1:]...)
		code, _, stderr := nearcase(t, in(args...)...)
		if code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("nearcase %s: exit status %d, printed %q, want %q", strings.Join(args, " "), code, stderr, want)
		}
	}
	if out := succeed(t, in("label", "-c", "c", "--history", id)...); strings.Count(out, "\n") > 3 {
		t.Errorf("after refusals: got\n%s\nwant what the ingest said", out)
	}
}

// A CSV of labels says how many are new, and again that none is.
func TestLabelsOfACSVAreCounted(t *testing.T) {
	in, sheet, id := labelled(t)
	rows := csvRows(t, sheet)
	n := len(rows) - 1
	got := func(args ...string) (sum sheetStored) {
		t.Helper()
		out := succeed(t, in(append([]string{"label", "-c", "c", "--json", "--csv"}, args...)...)...)
		if err := json.Unmarshal([]byte(out), &sum); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		return sum
	}
	if sum := got(sheet); sum.Rows != n || sum.Labels != 2*n || sum.Unchanged != 2*n {
		t.Errorf("the CSV of the ingest: got %+v, want all of %d rows unchanged", sum, n)
	}
	second := file(t, "second.csv", []byte("name,"+phantom.Finding+",reader\n"+rows[1][0]+",clear,anna\n"+rows[2][0]+","+rows[2][3]+",\n"))
	if sum := got(second); sum.New != 1 || sum.Unchanged != 1 {
		t.Errorf("a second reader: got %+v, want one new and one unchanged", sum)
	}
	findings := file(t, "findings.csv", []byte("instance,Edema,Effusion,Fracture\n"+id+",1.0,-1.0,\n"))
	if sum := got(findings, "--chexpert", "findings", "--new-classes", "--reader", "labeller"); sum.New != 1 {
		t.Errorf("findings: got %+v, want one new", sum)
	}
	out := succeed(t, in("label", "-c", "c", "--history", id)...)
	if !regexp.MustCompile(`findings +Edema\|\?Effusion \(others not mentioned\) +labeller +csv`).MatchString(out) {
		t.Errorf("history: got\n%s\nwant the findings", out)
	}
	out = succeed(t, in("label", "-c", "c", "--csv", second)...)
	if !strings.Contains(out, "2 labels from 2 rows") || !strings.Contains(out, "0 new, 0 changed, 2 unchanged") {
		t.Errorf("again: printed %q", out)
	}
	history := succeed(t, in("label", "-c", "c", "--history", id)...)
	url, _, stop := serving(t, in("serve", "--listen", "127.0.0.1:0")...)
	if again := succeed(t, "--server", url, "label", "-c", "c", "--csv", second); again != out[:strings.LastIndex(out, " ")+1]+again[strings.LastIndex(again, " ")+1:] {
		t.Errorf("through a server: printed %q, want %q", again, out)
	}
	if again := succeed(t, "--server", url, "label", "-c", "c", "--history", id); again != history {
		t.Errorf("history through a server: got\n%s\nwant\n%s", again, history)
	}
	stop()
}
