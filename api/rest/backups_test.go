package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/rest"
	"nearcase/store/backup"
)

func TestABackupIsDownloadedAndKnown(t *testing.T) {
	w := cases(t, 4)
	first := w.get("/v1/backup")
	m, err := backup.Verify(bytes.NewReader(first.body), backup.Identities{})
	if first.status != 200 || err != nil || m.Originals != 4 || m.ID != first.header.Get("Nearcase-Backup") {
		t.Fatalf("Verify = %+v, %v", m, err)
	}
	var known struct{ Backups []api.BackupRecord }
	if err := json.Unmarshal(w.get("/v1/backups").want(200).body, &known); err != nil || len(known.Backups) != 1 || known.Backups[0].Size != int64(len(first.body)) {
		t.Errorf("GET /v1/backups = %+v, %v", known, err)
	}
	second := w.get("/v1/backup?since=" + m.ID)
	if second.status != 200 || len(second.body) >= len(first.body) || !strings.Contains(second.header.Get("Content-Disposition"), "incremental") {
		t.Errorf("incremental: %d bytes after %d, %s", len(second.body), len(first.body), second.header)
	}
	w.get("/v1/backups/" + m.ID).want(200)
	if gone := w.send(http.MethodDelete, "/v1/backups/"+m.ID, "", ""); gone.status != 204 {
		t.Errorf("DELETE: %d %s", gone.status, gone.body)
	}
	w.get("/v1/backups/"+m.ID).problem(404, "backup_not_found")
	w.get("/v1/backup?since="+m.ID).problem(404, "backup_not_found")
	w.get("/v1/backup?recipients=age1nonsense").want(422)
}

func TestTheServerMakesBackupsInItsFolderAlone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "backups")
	w := open(t, api.Options{Backups: api.Backups{Folder: folder}}, rest.Options{})
	w.fill(2)
	for i, body := range []string{`{}`, `{"incremental":true}`} {
		var j api.Job
		if err := json.Unmarshal(w.json(http.MethodPost, "/v1/backups", body).want(202).body, &j); err != nil {
			t.Fatal(err)
		}
		if ended, err := w.service.Await(t.Context(), j.ID); err != nil || ended.Err != nil {
			t.Fatalf("job: %v, %v", ended.Err, err)
		}
		all, err := backup.Folder{Path: folder}.List()
		if err != nil || len(all) != i+1 || all[i].IsFull() != (i == 0) {
			t.Errorf("after %s: %+v, %v", body, all, err)
		}
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 4 {
		t.Errorf("folder: %v, %v; want two backups with their manifests", fmt.Sprint(entries), err)
	}
	bare := open(t, api.Options{}, rest.Options{})
	bare.json(http.MethodPost, "/v1/backups", `{}`).problem(409, "backup_folder_missing")
}
