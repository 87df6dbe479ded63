package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
)

// asked sends JSON to a server and decodes what it answers.
func asked[T any](t testing.TB, method, url, body string) (v T) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode > 299 || json.Unmarshal(data, &v) != nil {
		t.Fatalf("%s %s: got %s %s, %v", method, url, a.Status, data, err)
	}
	return v
}

// A server that is killed while it imports goes on after the next start, and
// stores every image once.
func TestAnImportOutlivesAKill(t *testing.T) {
	folder := filepath.Dir(phantoms(t, 40))
	t.Setenv("NEARCASE_FOLDERS_ALLOW", folder)
	images, err := filepath.Glob(filepath.Join(folder, "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(folder, "labels.csv")); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "collections", "create", "cxr")
	url, kill := startServer(t.Context(), t, data)
	body, err := json.Marshal(api.ImportRequest{Folder: filepath.Base(folder)})
	if err != nil {
		t.Fatal(err)
	}
	j := asked[api.Job](t, http.MethodPost, url+"/v1/collections/cxr/imports?background=true", string(body))
	for n := 0; n == 0; {
		n = asked[api.Collection](t, http.MethodGet, url+"/v1/collections/cxr", "").Status.Instances
	}
	kill()
	url, kill = startServer(t.Context(), t, data)
	defer kill()
	out := succeed(t, "--json", "--server", url, "jobs", "wait", j.ID)
	var done api.Job
	if err := json.NewDecoder(bytes.NewReader([]byte(out))).Decode(&done); err != nil || done.State != api.JobDone || done.Attempts != 2 {
		t.Errorf("jobs wait: printed %s, %v, want it done at the second attempt", out, err)
	}
	status := asked[api.Collection](t, http.MethodGet, url+"/v1/collections/cxr", "").Status
	if status.Instances != len(images) || int(status.Head) != len(images) {
		t.Errorf("stored: got %d instances in %d entries, want %d, each once", status.Instances, status.Head, len(images))
	}
	var imported api.Imported
	if err := json.Unmarshal(done.Result, &imported); err != nil || imported.Images != len(images) || len(imported.Failed) != 0 {
		t.Errorf("result: got %s, %v", done.Result, err)
	}
}
