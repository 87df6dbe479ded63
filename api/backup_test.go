package api_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/store/backup"
	"nearcase/store/local"
)

// inFolder is a service that makes backups in a folder.
func inFolder(t *testing.T, b api.Backups) *api.Service {
	t.Helper()
	s, catalog := newService(t, false)
	put(t, catalog, longNames(patientsOf(emptied(t, s, finding), 12, 1))...)
	s.Backups = b
	s.Backups.Folder = filepath.Join(t.TempDir(), "backups")
	return s
}

func TestReceiptsNameTheBackupsThereAre(t *testing.T) {
	w := inFolder(t, api.Backups{Keep: 1})
	ctx := t.Context()
	made := func(q api.BackupRequest) api.BackupRecord {
		t.Helper()
		r, err := w.BackupTo(ctx, w.Backups.Folder, q, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	named := func(patient string) []string {
		t.Helper()
		r, err := w.Erase(ctx, "c", patient, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.Backups
	}
	old := made(api.BackupRequest{})
	first := made(api.BackupRequest{}) // of which one stays
	second := made(api.BackupRequest{Incremental: true})
	if second.Base != first.ID {
		t.Errorf("incremental on %s, want %s", second.Base, first.ID)
	}
	if got := named("pseudonym-p1"); !slices.Equal(got, []string{first.ID, second.ID}) {
		t.Errorf("receipt names %q, want the two that are there and not %s", got, old.ID)
	}
	if err := w.ForgetBackup(ctx, second.ID); err != nil {
		t.Fatal(err)
	}
	if got := named("pseudonym-p2"); !slices.Equal(got, []string{first.ID}) {
		t.Errorf("receipt names %q, want the one that is not forgotten", got)
	}
	if err := w.ForgetBackup(ctx, second.ID); !errors.Is(err, api.ErrNoBackup) {
		t.Errorf("ForgetBackup twice = %v, want ErrNoBackup", err)
	}
	if _, err := w.Backup(ctx, io.Discard, api.BackupRequest{Since: second.ID}, nil); !errors.Is(err, api.ErrNoBackup) {
		t.Errorf("Backup since what is forgotten = %v, want ErrNoBackup", err)
	}
}

func TestABackupThatFailsIsNotKnown(t *testing.T) {
	w := inFolder(t, api.Backups{})
	out, in := io.Pipe()
	failed := errors.New("no room")
	_ = out.CloseWithError(failed)
	if _, err := w.Backup(t.Context(), in, api.BackupRequest{}, nil); !errors.Is(err, failed) {
		t.Errorf("Backup = %v, want what was wrong", err)
	}
	if all, err := w.ListBackups(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("ListBackups = %v, %v, want none", all, err)
	}
}

// A manifest is in no backup: what is restored begins a chain of its own.
func TestManifestsAreInNoBackup(t *testing.T) {
	w := inFolder(t, api.Backups{})
	for range 2 {
		var out bytes.Buffer
		if _, err := w.Backup(t.Context(), &out, api.BackupRequest{}, nil); err != nil {
			t.Fatal(err)
		}
		m, err := backup.Verify(&out, backup.Identities{})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range m.Documents {
			if filepath.Base(filepath.Dir(d.Name)) == "manifest" {
				t.Errorf("the backup has %s", d.Name)
			}
		}
	}
}

// Law: what is restored answers as what was backed up, with the version of the probes
// that was rolled back to.
func TestARestoredServiceAnswersAsTheOneBackedUp(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	put(t, catalog, longNames(patientsOf(fingerprint, 30, 1))...)
	first := retrain(t, s)
	put(t, catalog, longNames(patientsOf(fingerprint, 40, 2))[60:]...)
	retrain(t, s)
	if _, err := s.Rollback(t.Context(), "c", "finding", first.Version); err != nil {
		t.Fatal(err)
	}
	want := answersOf(t, s, fingerprint)
	var out bytes.Buffer
	if _, err := s.Backup(t.Context(), &out, api.BackupRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source := local.Source{Open: func() (io.ReadCloser, error) { return io.NopCloser(&out), nil }}
	restored, err := local.Restore(t.Context(), dir, []local.Source{source}, local.RestoreOptions{Recorded: api.RecordOf})
	if err != nil {
		t.Fatal(err)
	}
	again, err := local.Open(dir, local.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	other := api.New(api.Options{Catalog: again, OpenModel: apitest.OpenModel, Models: apitest.Models})
	defer func() {
		if err := errors.Join(other.Close(), again.Close()); err != nil {
			t.Error(err)
		}
	}()
	if err := alike(answersOf(t, other, fingerprint), want, "answers"); err != nil {
		t.Error(err)
	}
	if all, err := other.ListBackups(t.Context()); err != nil || len(all) != 1 || all[0].ID != restored.ID || all[0].Ended.IsZero() {
		t.Errorf("ListBackups of what was restored = %+v, %v, want the one it is from", all, err)
	}
	if _, err := other.Backup(t.Context(), io.Discard, api.BackupRequest{Since: restored.ID}, nil); !errors.Is(err, api.ErrNoBackup) {
		t.Errorf("Backup since the one it is from = %v, want ErrNoBackup: a full one comes first", err)
	}
}

func TestBackupsAreMadeWhenTheyAreDue(t *testing.T) {
	s := inFolder(t, api.Backups{Every: time.Hour, FullEvery: 4 * time.Hour, Keep: 2})
	ctx, now := t.Context(), time.Now()
	if is := s.BackupState(ctx, now); is != "ok" {
		t.Errorf("BackupState at the start = %s, want ok", is)
	}
	if is := s.BackupState(ctx, now.Add(3*time.Hour)); is != "degraded: there is none yet" {
		t.Errorf("BackupState without a backup = %s, want degraded", is)
	}
	made := func(want int) (last backup.Kept) {
		t.Helper()
		all, err := backup.Folder{Path: s.Backups.Folder}.List()
		if err != nil || len(all) != want {
			t.Fatalf("backups: %d, %v, want %d", len(all), err, want)
		}
		return all[want-1]
	}
	for i, c := range []struct {
		at   time.Duration
		want int
		full bool
	}{{0, 1, true}, {30 * time.Minute, 1, true}, {2 * time.Hour, 2, false}, {5 * time.Hour, 3, true}} {
		if err := s.BackUpIfDue(ctx, now.Add(c.at)); err != nil {
			t.Fatal(err)
		}
		if last := made(c.want); last.IsFull() != c.full {
			t.Errorf("step %d: full %v, want %v", i, last.IsFull(), c.full)
		}
	}
	if is := s.BackupState(ctx, time.Now()); is != "ok" {
		t.Errorf("BackupState = %s, want ok", is)
	}
	if is := s.BackupState(ctx, time.Now().Add(150*time.Minute)); is != "degraded: the last one is 2h30m0s old" {
		t.Errorf("BackupState later = %s, want degraded", is)
	}
}

// A record or a manifest of an old backup that is damaged stops no other.
func TestBackupsGoOnWhereOnesRecordIsDamaged(t *testing.T) {
	s := inFolder(t, api.Backups{Every: time.Hour, FullEvery: 4 * time.Hour})
	ctx := t.Context()
	s.Catalog = rotten{s.Catalog}
	if err := s.BackUpIfDue(ctx, time.Now()); err != nil {
		t.Fatalf("BackUpIfDue = %v", err)
	}
	if r, err := s.Backup(ctx, io.Discard, api.BackupRequest{Incremental: true}, nil); err != nil || r.IsFull() {
		t.Errorf("Backup = %+v, %v, want one on the one before", r, err)
	}
	if is := s.BackupState(ctx, time.Now()); is != "ok" {
		t.Errorf("BackupState = %s, want ok", is)
	}
}
