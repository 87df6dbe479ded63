package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/cmd/nearcase/phantom"
	"nearcase/embed/onnx/onnxtest"
)

// asProgram makes the test binary behave as nearcase, so that tests can start
// and kill a real process.
const asProgram = "RUN_TEST_BINARY_AS_NEARCASE"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program returns a command that runs nearcase in its own process.
func program(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, self, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// nearcase runs a command line in this process and returns what it prints.
func nearcase(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// succeed is nearcase that must succeed.
func succeed(t testing.TB, args ...string) string {
	t.Helper()
	code, stdout, stderr := nearcase(t, args...)
	if code != 0 {
		t.Fatalf("nearcase %s: exit status %d: %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// phantoms writes a folder with phantoms and their labels.csv and returns the
// path of that.
func phantoms(t testing.TB, patients int) string {
	t.Helper()
	onnxtest.Require(t)
	dir := t.TempDir()
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"file", "patient_id", "study_id", phantom.Finding, phantom.Devices}}
	for p := range phantom.All(1, patients) {
		rows = append(rows, []string{p.Name, p.Patient, p.Study, p.Labels[phantom.Finding][0], strings.Join(p.Labels[phantom.Devices], "|") + "|"})
		if err := os.WriteFile(filepath.Join(dir, p.Name), p.PNG, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "labels.csv")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
