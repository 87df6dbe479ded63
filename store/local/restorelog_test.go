package local_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// What was erased between a backup and an incremental one on it is in no file of the log
// that is restored from both, nor is what was in a collection that was dropped.
func TestARestoredLogHasNothingOfWhatWasErasedSinceTheBase(t *testing.T) {
	for what, remove := range map[string]func(l *local.Catalog) error{
		"erased":  func(l *local.Catalog) error { _, err := l.Erase(t.Context(), "a", "somebody-known"); return err },
		"deleted": func(l *local.Catalog) error { return l.Delete(t.Context(), "a", "unmistakable-instance") },
		"dropped": func(l *local.Catalog) error { return l.Drop(t.Context(), "a") },
	} {
		l, err := local.Open(t.TempDir(), local.Options{})
		must(t, err)
		must(t, l.Create(t.Context(), storetest.Collection("a")))
		must(t, l.Create(t.Context(), storetest.Collection("b")))
		put(t, l, "a", storetest.Records(0, 20))
		r := storetest.Record(5000)
		r.Instance.ID, r.Instance.Patient = "unmistakable-instance", "somebody-known"
		put(t, l, "a", []store.Record{r})
		first, base := backedUp(t, l, nil)
		must(t, remove(l))
		if what != "dropped" {
			_, err := l.Compact(t.Context(), nil)
			must(t, err)
		}
		second, _ := backedUp(t, l, &base)
		want := all(t, l, "job")
		must(t, l.Close())
		if !isInFiles(t, restoredLog(t, first), "somebody-known") {
			t.Fatal("the log of the full backup does not show the patient, so this test shows nothing")
		}
		dir := restoredLog(t, first, second)
		if isInFiles(t, dir, "somebody-known") || isInFiles(t, dir, "unmistakable-instance") {
			t.Errorf("%s: the restored log still names the patient", what)
		}
		again, err := local.Open(filepath.Dir(dir), local.Options{MustExist: true})
		must(t, err)
		mustEqual(t, what, all(t, again, "job"), want)
		must(t, again.Close())
	}
}

// restoredLog restores backups and returns the folder of the log.
func restoredLog(t *testing.T, all ...[]byte) string {
	t.Helper()
	dir := t.TempDir()
	_, err := local.Restore(t.Context(), dir, sources(all...), beside)
	must(t, err)
	return filepath.Join(dir, "log")
}

func isInFiles(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found = found || bytes.Contains(data, []byte(text))
		return err
	}))
	return found
}
