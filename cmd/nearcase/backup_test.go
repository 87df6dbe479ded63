package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"nearcase/api"
	"nearcase/store"
)

// The drill: what a server has is backed up under its clients' hands, encrypted,
// restored into an empty folder, verified, and answers as before.
func TestABackupIsRestoredByTheProgram(t *testing.T) {
	labels, place := phantoms(t, 6), t.TempDir()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identity := file(t, "identity.txt", []byte(key.String()+"\n"))
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	stranger := file(t, "other.txt", []byte(other.String()+"\n"))
	data, folder, restored := filepath.Join(place, "data"), filepath.Join(place, "backups"), filepath.Join(place, "restored")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url, kill := startServer(ctx, t, data)
	succeed(t, "--server", url, "ingest", "-c", "c", labels)
	first := fromJSON[api.BackupRecord](t, succeed(t, "--server", url, "backup", "--to", folder, "--recipient", key.Recipient().String(), "--json"))
	query := []string{"similar", "-c", "c", "--json", file(t, "y.png", onePhantom())}
	want := succeed(t, append([]string{"--server", url}, query...)...)
	second := fromJSON[api.BackupRecord](t, succeed(t, "--server", url, "backup", "--to", folder, "-i", "-r", key.Recipient().String(), "--json"))
	if second.Base != first.ID || !second.Encrypted || second.Size > first.Size {
		t.Errorf("incremental backup: %+v, want it on %s, encrypted and smaller", second, first.ID)
	}
	kill()
	if out := succeed(t, "backup", "list", folder); !strings.Contains(out, first.ID) || !strings.Contains(out, "incremental, on "+first.ID) {
		t.Errorf("backup list: %s", out)
	}
	if out := succeed(t, "backup", "verify", folder, "--identity", identity); strings.Count(out, "whole") != 2 {
		t.Errorf("backup verify: %s", out)
	}
	for _, ids := range [][]string{nil, {"--identity", stranger}} {
		args := append([]string{"restore", folder, "--data", restored}, ids...)
		if code, _, err := nearcase(t, args...); code != 1 || !strings.Contains(err, "encrypted") {
			t.Errorf("nearcase %v: status %d, %s; want it refused", args, code, err)
		}
	}
	succeed(t, "restore", folder, "--identity", identity, "--data", restored)
	if code, _, err := nearcase(t, "restore", folder, "--identity", identity, "--data", restored); code != 1 || !strings.Contains(err, "empty folder") {
		t.Errorf("restore into what is not empty: status %d, %s", code, err)
	}
	if got := succeed(t, append([]string{"--data", restored}, query...)...); stable(t, got) != stable(t, want) {
		t.Errorf("the restored directory answers\n%s\nwant\n%s", got, want)
	}
	if out := succeed(t, "--data", restored, "audit", "verify"); !strings.Contains(out, "as it was written") {
		t.Errorf("audit verify: %s", out)
	}
	if out := succeed(t, "--data", restored, "backup", "list"); !strings.Contains(out, first.ID) || !strings.Contains(out, second.ID) {
		t.Errorf("the restored directory knows %s, want the backups it is from", out)
	}
	third := fromJSON[api.BackupRecord](t, succeed(t, "--data", restored, "backup", "--to", folder, "-i", "-r", key.Recipient().String(), "--json"))
	if !third.IsFull() {
		t.Errorf("the first backup after a restore is on %s, want a full one", third.Base)
	}
	succeed(t, "--data", restored, "restore", folder, "--identity", identity, "--collection", "c", "--as", "before")
	all := fromJSON[[]store.Collection](t, succeed(t, "--data", restored, "collections", "--json"))
	if len(all) != 2 {
		t.Errorf("collections: %+v, want c and before", all)
	}
}

// A backup goes to a file or to the standard output, and a damaged image is told of by
// the exit status.
func TestABackupOfADamagedImageSaysSo(t *testing.T) {
	labels, data := phantoms(t, 4), filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", "-c", "c", labels)
	to := filepath.Join(t.TempDir(), "one.tar.zst")
	succeed(t, "--data", data, "backup", "--to", to)
	if code, _, err := nearcase(t, "--data", data, "backup", "--to", to); code != 1 || !strings.Contains(err, "--force") {
		t.Errorf("backup to a file that is there: status %d, %s", code, err)
	}
	images, err := filepath.Glob(filepath.Join(data, "originals", "*", "*"))
	if err != nil || len(images) == 0 {
		t.Fatalf("originals: %v, %v", images, err)
	}
	if err := os.WriteFile(images[0], []byte("rotten"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, told := nearcase(t, "--data", data, "backup", "--to", "-")
	if code != 1 || !strings.Contains(told, "original") || !strings.Contains(told, "nearcase verify") {
		t.Errorf("backup: status %d, %s; want it to name the image and fail", code, told)
	}
	stream := file(t, "stream.tar.zst", []byte(out))
	if out := succeed(t, "backup", "verify", stream); !strings.Contains(out, "whole") || !strings.Contains(out, "1 thing could not be read") {
		t.Errorf("backup verify: %s", out)
	}
	if err := os.WriteFile(stream, []byte(out)[:len(out)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, told := nearcase(t, "backup", "verify", stream); code != 1 || !strings.Contains(told, "cannot be used") {
		t.Errorf("backup verify of half of it: status %d, %s", code, told)
	}
}
