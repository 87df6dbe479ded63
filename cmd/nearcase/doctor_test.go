package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearcase/api/apitest"
	"nearcase/embed/onnx/onnxtest"
	"nearcase/store"
	"nearcase/store/local"
)

// examined is what doctor finds, by check, and its exit status.
func examined(t *testing.T, args ...string) (map[string]finding, int) {
	t.Helper()
	code, stdout, stderr := nearcase(t, append([]string{"doctor", "--json"}, args...)...)
	var findings []finding
	if err := json.Unmarshal([]byte(stdout), &findings); err != nil {
		t.Fatalf("nearcase doctor --json %s: %v: %s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	by := map[string]finding{}
	for _, f := range findings {
		by[f.Check] = f
		if (f.Status == dubious || f.Status == failed) != (f.Advice != "") {
			t.Errorf("finding %+v: advice is for what is not right", f)
		}
	}
	return by, code
}

// elsewhere makes the configuration listen where nobody does.
func elsewhere(t *testing.T) {
	t.Helper()
	t.Setenv("NEARCASE_LISTEN", fmt.Sprintf("127.0.0.1:%d", apitest.FreePorts(t, 1)[0]))
	t.Setenv("NEARCASE_LIMITS_DISK_FREE_BYTES", "0")
}

func TestDoctorFindsNothingWrongWithAWellDirectory(t *testing.T) {
	onnxtest.Require(t)
	elsewhere(t)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", file(t, "x.png", onePhantom()))
	by, code := examined(t, "--data", data)
	if code != 0 {
		t.Errorf("nearcase doctor: got status %d, want 0: %+v", code, by)
	}
	for check, want := range map[string]string{
		"configuration": "defaults", "data directory": "1 collection", "permissions": "0700", "patient key": "keep a backup",
		"newest entry": "made at", "address": "is free", "onnx runtime": "version 1.", "model scatter": "fingerprint",
	} {
		if f := by[check]; f.Status == failed || f.Status == skipped || !strings.Contains(f.Found, want) {
			t.Errorf("check %s: got %+v, want %q", check, f, want)
		}
	}
	for _, check := range []string{"processor", "memory", "descriptors", "clock", "disk", "sync"} {
		if by[check].Found == "" {
			t.Errorf("check %s: got nothing found", check)
		}
	}
	text := succeed(t, "doctor", "--data", data)
	if !strings.Contains(text, "data directory") {
		t.Errorf("nearcase doctor: got %s, want a table", text)
	}
}

func TestDoctorSaysWhatToDo(t *testing.T) {
	onnxtest.Require(t)
	elsewhere(t)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", file(t, "x.png", onePhantom()))
	key := filepath.Join(data, "patient.key")
	for _, c := range []struct {
		fact, check, advice string
		arrange, restore    func() error
	}{
		{"others can look into the directory", "permissions", "chmod 700", func() error { return os.Chmod(data, 0o755) }, func() error { return os.Chmod(data, 0o700) }},
		{"others can read the key", "patient key", "chmod 600", func() error { return os.Chmod(key, 0o644) }, func() error { return os.Chmod(key, 0o600) }},
		{"the key is missing", "patient key", "backup", func() error { return os.Rename(key, key+".gone") }, func() error { return os.Rename(key+".gone", key) }},
		{"the disk is nearly full", "disk", "make room", func() error { return os.Setenv("NEARCASE_LIMITS_DISK_FREE_BYTES", "1125899906842624") },
			func() error { return os.Setenv("NEARCASE_LIMITS_DISK_FREE_BYTES", "0") }},
		{"the configuration is wrong", "configuration", "config check", func() error { return os.Setenv("NEARCASE_BATCH", "many") }, func() error { return os.Unsetenv("NEARCASE_BATCH") }},
	} {
		if err := c.arrange(); err != nil {
			t.Fatal(err)
		}
		by, code := examined(t, "--data", data)
		if f := by[c.check]; code != 1 || f.Status != failed || !strings.Contains(f.Advice, c.advice) {
			t.Errorf("%s: got status %d and %+v, want 1 and %q", c.fact, code, f, c.advice)
		}
		if err := c.restore(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDoctorFindsTheRuntimeMissing(t *testing.T) {
	elsewhere(t)
	by, code := examined(t, "--data", filepath.Join(t.TempDir(), "none"), "--onnxruntime", "/nowhere/lib.so")
	if f := by["onnx runtime"]; code != 1 || f.Status != failed || !strings.Contains(f.Advice, "make setup") {
		t.Errorf("without a library: got status %d and %+v, want 1 and what to do", code, f)
	}
	if f := by["data directory"]; f.Status != skipped {
		t.Errorf("without a data directory: got %+v, want it skipped", f)
	}
}

// A clock that is behind what is stored would give entries times out of order.
func TestDoctorComparesTheClockWithTheLog(t *testing.T) {
	elsewhere(t)
	data := filepath.Join(t.TempDir(), "data")
	l, err := local.Open(data, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = l.Create(t.Context(), store.Collection{Name: "c", Model: "m", Fingerprint: "f", Dimension: 1, Tasks: []store.Task{{Name: "finding", Classes: []string{"a"}}}})
	if err != nil {
		t.Fatal(err)
	}
	tomorrow := time.Now().Add(24 * time.Hour).UTC()
	_, err = l.Put(t.Context(), "c", []store.Record{{Instance: store.Instance{ID: "x"}, Vector: []float32{1}, Fingerprint: "f",
		Labels: []store.Label{{Task: "finding", Classes: []string{"a"}, Time: tomorrow}}}})
	if err != nil {
		t.Fatal(err)
	}
	d := &doctor{c: defaults(), s: &session{}}
	d.c.Data = data
	if f := d.content(); f.Status != skipped || !strings.Contains(f.Found, "process") {
		t.Errorf("a directory that is open: got %+v, want who has it", f)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if f := d.content(); f.Status != fine {
		t.Errorf("a directory that nobody has open: got %+v, want ok", f)
	}
	if f := d.newest(); f.Status != failed || !strings.Contains(f.Advice, "clock") {
		t.Errorf("an entry of tomorrow: got %+v, want that the clock is wrong", f)
	}
}

func TestDoctorTellsServersFromOtherPrograms(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	d := &doctor{c: defaults(), s: &session{}}
	d.c.Listen = other.Listener.Addr().String()
	if f := d.address(t.Context()); f.Status != failed || !strings.Contains(f.Found, "another program") {
		t.Errorf("an address that another program has: got %+v, want that", f)
	}
	onnxtest.Require(t)
	url, _, stop := serving(t, "--data", filepath.Join(t.TempDir(), "data"), "serve", "--listen", "127.0.0.1:0")
	d.c.Listen = strings.TrimPrefix(url, "http://")
	if f := d.address(t.Context()); f.Status != fine || !strings.Contains(f.Found, "answers") {
		t.Errorf("an address that nearcase has: got %+v, want that it answers", f)
	}
	if by, code := examined(t, "--server", url); code != 0 || by["server"].Status != fine {
		t.Errorf("nearcase doctor --server: got status %d and %+v, want 0", code, by["server"])
	}
	stop()
}
