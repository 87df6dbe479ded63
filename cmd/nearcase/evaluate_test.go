package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
)

func TestEvaluateWritesAReport(t *testing.T) {
	data, dir := filepath.Join(t.TempDir(), "data"), t.TempDir()
	succeed(t, "--data", data, "ingest", "-c", "c", phantoms(t, 14))
	page, table := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.csv")
	args := []string{"--data", data, "evaluate", "-c", "c", "--task", "finding", "--rounds", "100", "--method", "votes", "--method", "ridge", "--report", page, "--csv", table}
	out := succeed(t, args...)
	for _, want := range []string{"in 5 patient-grouped folds", "20-NN", "ridge", "BALANCED ACCURACY", "best AUC: ", "divided without regard to patients", "written to " + page, "written to " + table} {
		if !strings.Contains(out, want) {
			t.Errorf("evaluate prints no %q:\n%s", want, out)
		}
	}
	for path, want := range map[string]string{page: "nearcase " + version, table: "c,ridge,,auc_macro,"} {
		content, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(content), want) {
			t.Errorf("%s: %v, no %q in %.100s", path, err, want, content)
		}
	}
	if code, _, stderr := nearcase(t, args...); code != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("over files that are there: status %d, %s", code, stderr)
	}
	var e api.Evaluation
	if err := json.Unmarshal([]byte(succeed(t, append(args, "--force", "--json")...)), &e); err != nil || len(e.Results) != 2 {
		t.Errorf("--json: %v, %d results", err, len(e.Results))
	}
}
