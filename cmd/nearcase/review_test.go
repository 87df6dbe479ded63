package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
)

func TestAWorklistTellsItsReasons(t *testing.T) {
	dir := t.TempDir()
	data, sheet := filepath.Join(dir, "data"), filepath.Join(dir, "list.csv")
	succeed(t, "--data", data, "ingest", phantoms(t, 30))
	out := succeed(t, "--data", data, "review", "-t", "finding", "-n", "4", "--csv", sheet)
	for _, want := range []string{"images of 30 patients", "Probable label errors: ", "images of other patients", "Near-duplicates: ", "Most uncertain: 4 of ",
		"the probe says ", "Most novel: 4 of ", "Most diverse: ", "correct a label: nearcase label --collection default "} {
		if !strings.Contains(out, want) {
			t.Errorf("review: printed %q, want %q in it", out, want)
		}
	}
	content, err := os.ReadFile(sheet)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
	if err != nil || len(rows) < 17 || rows[0][0] != "kind" || rows[1][0] != "label_errors" || rows[1][1] != "1" || rows[1][7] == "" || rows[1][14] == "" {
		t.Errorf("review --csv: got %q, %v", rows, err)
	}
	if code, _, stderr := nearcase(t, "--data", data, "review", "-t", "finding", "--csv", sheet); code != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("review --csv of a file that is there: got %d %q, want it refused", code, stderr)
	}
	if got := succeed(t, "--data", data, "review", "-t", "finding", "-n", "4", "--csv", "-"); got != string(content) {
		t.Errorf("review --csv -: got %q, want the file's %q", got, content)
	}
	var r api.Review
	if err := json.Unmarshal([]byte(succeed(t, "--data", data, "--json", "review", "-t", "devices", "-k", "label_errors,novel")), &r); err != nil || len(r.Lists) != 2 || r.Task != "devices" {
		t.Errorf("review --json: got %+v, %v, want two lists", r, err)
	}
}

func TestAWorklistWithoutATaskSaysWhatItNeeds(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", phantoms(t, 6))
	out := succeed(t, "--data", data, "review")
	if !strings.Contains(out, "cannot be listed: name the task, one of ") || !strings.Contains(out, "Near-duplicates: 0 groups") {
		t.Errorf("review: printed %q, want what needs a task and the rest", out)
	}
	for args, want := range map[string]string{
		"-k odd": "label_errors, duplicates", "-n 0": "use 1 or more", "-t age": "no such task", "-c none": "no such collection", "--where Modality": "FIELD=VALUE",
	} {
		if code, stdout, stderr := nearcase(t, append([]string{"--data", data, "review"}, strings.Fields(args)...)...); code != 1 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("review %s: got %d %q %q, want %q", args, code, stdout, stderr, want)
		}
	}
}

// Each image of a group has a row, and no cell is a formula.
func TestWorklistSheetsHaveARowForEachImage(t *testing.T) {
	image := func(id, class string) api.ReviewImage {
		return api.ReviewImage{ID: id, Name: "=1+1.png", Labels: map[string][]string{"f": {class}}}
	}
	half := 0.5
	var b strings.Builder
	err := writeReview(&b, api.Review{Task: "f", Lists: []api.ReviewList{
		{Items: []api.ReviewItem{{Kind: "duplicates", Rank: 1, Score: -1, ReviewImage: image("1", "x"), Group: []api.ReviewImage{image("1", "x"), image("2", "y")}}}},
		{Items: []api.ReviewItem{{Kind: "label_errors", Rank: 1, ReviewImage: image("3", "x"), Given: "x", Suggested: "y", Probability: &half, Reason: "a, b"}}},
	}})
	rows := strings.Split(b.String(), "\n")
	want := []string{"duplicates,1,1,'=1+1.png,,-1,true,x,,,,,,false,", "duplicates,1,2,'=1+1.png,,-1,true,y,,,,,,false,",
		`label_errors,1,3,'=1+1.png,,0,true,x,,x,y,0.5,,false,"a, b"`, ""}
	if err != nil || !slices.Equal(rows[1:], want) {
		t.Errorf("writeReview: got %q, %v, want %q", rows, err, want)
	}
}
