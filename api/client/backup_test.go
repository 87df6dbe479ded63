package client_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
	"nearcase/store/backup"
)

func TestABackupOfAServerIsWhole(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants"}); err != nil {
		t.Fatal(err)
	}
	ingested(t, c.Ingest(t.Context(), "cases", pictures(t, 3), api.IngestOptions{}))
	var out bytes.Buffer
	r, err := c.Backup(t.Context(), &out, api.BackupRequest{}, nil)
	if err != nil || r.Size != int64(out.Len()) {
		t.Fatalf("Backup = %+v, %v, want %d bytes", r, err, out.Len())
	}
	if m, err := backup.Verify(&out, backup.Identities{}); err != nil || m.ID != r.ID {
		t.Errorf("Verify = %s, %v, want %s", m.ID, err, r.ID)
	}
	if again, err := c.Backup(t.Context(), io.Discard, api.BackupRequest{Since: r.ID}, nil); err != nil || again.Base != r.ID {
		t.Errorf("Backup since %s = %+v, %v", r.ID, again, err)
	}
	if all, err := c.ListBackups(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("ListBackups = %v, %v", all, err)
	}
	if err := c.ForgetBackup(t.Context(), r.ID); err != nil {
		t.Error(err)
	}
	if _, err := c.DescribeBackup(t.Context(), r.ID); !errors.Is(err, api.ErrNoBackup) {
		t.Errorf("DescribeBackup of what is forgotten = %v, want ErrNoBackup", err)
	}
	if _, err := c.BackupFolder(t.Context(), true); !errors.Is(err, api.ErrNoFolder) || !strings.Contains(err.Error(), "folder") {
		t.Errorf("BackupFolder without one = %v, want ErrNoFolder", err)
	}
}
