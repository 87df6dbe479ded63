package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

// incoming makes a folder of n images and things that are none, of which one leads
// out of it.
func incoming(t testing.TB, n int) string {
	t.Helper()
	dir, outside := filepath.Join(t.TempDir(), "incoming"), t.TempDir()
	write := func(name string, data []byte) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		write(fmt.Sprintf("day/%03d.png", i), picture(t, uint64(1000+i)))
	}
	write("bad.png", []byte("no image at all, just text"))
	write("notes.txt", []byte("see the images"))
	for name, to := range map[string]string{"out": outside, "passwd.png": "/etc/passwd", "in.png": "bad.png"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAFolderIsImported(t *testing.T) {
	w := open(t, api.Options{Folders: map[string]string{"incoming": incoming(t, 5)}}, rest.Options{})
	w.fill(0)
	for _, status := range []string{"created", "unchanged"} {
		got := decoded[api.Imported](w.json(http.MethodPost, at+"/imports", `{"folder":"incoming","recursive":true,"patient":"p","labels":{"finding":["dark"]}}`).want(200))
		if got.Images != 6 || got.Counts[status] != 5 || got.Counts["failed"] != 1 || len(got.Failed) != 1 || got.Failed[0].Name != "bad.png" {
			t.Errorf("got %+v, want five %s and one failed", got, status)
		}
	}
	if s := decoded[api.Collection](w.get(at).want(200)).Status; s.Instances != 5 || s.Patients != 1 || s.Labelled["finding"]["dark"] != 5 {
		t.Errorf("stored: got %+v", s)
	}
	for body, want := range map[string]struct {
		status int
		code   problem.Code
	}{
		`{"folder":"other"}`:                              {422, "folder_not_allowed"},
		`{"folder":"/etc"}`:                               {422, "folder_not_allowed"},
		`{"folder":"incoming","path":"../x"}`:             {422, "folder_not_allowed"},
		`{"folder":"incoming","path":"/etc/passwd"}`:      {422, "folder_not_allowed"},
		`{"folder":"incoming","path":"out"}`:              {422, "folder_not_allowed"},
		`{"folder":"incoming","path":"passwd.png"}`:       {422, "folder_not_allowed"},
		`{"folder":"incoming","path":"in.png"}`:           {422, "folder_not_allowed"},
		`{"folder":"incoming","path":"out/secret.png"}`:   {422, "folder_not_allowed"},
		`{"folder":"incoming","path":"day/none.png"}`:     {422, "source_invalid"},
		`{"folder":"incoming","file":"a.png"}`:            {400, problem.JSONInvalid},
		`{"path":"a.png"}`:                                {400, problem.JSONInvalid},
		`{"folder":"incoming","path":"notes.txt\u0000x"}`: {422, "folder_not_allowed"},
	} {
		p := w.json(http.MethodPost, at+"/imports", body).problem(want.status, want.code)
		if strings.Contains(p.Detail, os.TempDir()) {
			t.Errorf("%s: got %q, which tells where the folder is", body, p.Detail)
		}
	}
	w.json(http.MethodPost, "/v1/collections/none/imports", `{"folder":"incoming"}`).problem(404, "collection_not_found")
}

func TestALargeImportIsAJob(t *testing.T) {
	w := open(t, api.Options{Folders: map[string]string{"incoming": incoming(t, 120)}}, rest.Options{})
	w.fill(0)
	a := w.json(http.MethodPost, at+"/imports", `{"folder":"incoming","path":"day"}`).want(202)
	ended := w.awaited(decoded[problem.Job](a).ID)
	var got api.Imported
	if err := json.Unmarshal(ended.Result, &got); err != nil || got.Counts["created"] != 120 {
		t.Errorf("the job: got %+v with %s, %v, want 120 images", ended.Job, ended.Result, err)
	}
	if b := w.json(http.MethodPost, at+"/imports?background=true", `{"folder":"incoming","path":"day/000.png"}`).want(202); decoded[problem.Job](b).Kind != "import" {
		t.Errorf("in the background: got %s", b.body)
	}
}
