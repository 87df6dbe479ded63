package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/embed/onnx/onnxtest"
	"nearcase/store"
)

// Verify finds nothing wrong where nothing is, in a data directory and on a server,
// and names an original that has rotted, with status 1.
func TestVerifyByCommand(t *testing.T) {
	labels := phantoms(t, 6)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served, data := filepath.Join(t.TempDir(), "served"), filepath.Join(t.TempDir(), "data")
	url, kill := startServer(ctx, t, served)
	defer kill()
	for flag, place := range map[string]string{"--data": data, "--server": url} {
		at := func(args ...string) []string { return on(flag, place, args, "") }
		succeed(t, at("ingest", "-c", "c", labels)...)
		v := fromJSON[api.Verified](t, succeed(t, at("verify", "--json")...))
		if !v.IsWhole() || v.Found != 0 || v.Embedded == 0 || v.Probes == 0 || v.Read[store.OfOriginal] == 0 {
			t.Errorf("verify %s: got %+v, want nothing found, and all of it looked at", flag, v)
		}
	}
	for flag, place := range map[string]string{"--data": data, "--server": url} {
		rotten := anOriginal(t, map[string]string{"--data": data, "--server": served}[flag])
		whole, err := os.ReadFile(rotten)
		if err != nil {
			t.Fatal(err)
		}
		whole[len(whole)/2] ^= 1
		if err := os.WriteFile(rotten, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, said := nearcase(t, on(flag, place, []string{"verify", "--json", "--sample", "0"}, "")...)
		if out == "" {
			t.Fatalf("verify %s: got status %d and %s", flag, code, said)
		}
		v := fromJSON[api.Verified](t, out)
		if code != 1 || v.Found != 1 || v.Findings[0].What != store.OfOriginal || v.IsWhole() {
			t.Errorf("verify %s of a store with an original that has rotted: got status %d and %+v, want 1 and the original", flag, code, v.Findings)
		}
	}
}

// Nobody has to ask: a server reads again what it has, and tells what has rotted.
func TestAServerVerifiesByItself(t *testing.T) {
	onnxtest.Require(t)
	c := defaults()
	c.Data, c.Listen, c.Maintenance.VerifyEvery = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0", 100*time.Millisecond
	succeed(t, "--data", c.Data, "ingest", "-c", "c", phantoms(t, 6))
	rotten := anOriginal(t, c.Data)
	if err := os.Truncate(rotten, 100); err != nil {
		t.Fatal(err)
	}
	log, release, stop := inProcess(t, c)
	release()
	url := "http://" + strings.Fields(addressIn(t, log, "msg=listening address="))[0]
	until(t, "the verification is told of", func() bool {
		_, body := status(t, url+"/readyz")
		return strings.Contains(body, `"verification":"degraded: one has found what is wrong (1)`)
	})
	if code, _ := status(t, url+"/readyz"); code != 200 || !strings.Contains(log.text(), "the verification has found what is wrong") {
		t.Errorf("/readyz = %d, want 200, and in the log what was found: %s", code, log.text())
	}
	if err := stop(); err != nil {
		t.Errorf("serve: %v", err)
	}
}

// anOriginal returns the path of one in a data directory.
func anOriginal(t *testing.T, data string) (found string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(data, "originals"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = path
		}
		return err
	})
	if err != nil || found == "" {
		t.Fatalf("no original in %s: %v", data, err)
	}
	return found
}
