package local

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"nearcase/store"
)

func TestExamineTellsWhatADirectoryHolds(t *testing.T) {
	dir := t.TempDir()
	if _, err := Examine(dir, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Examine of an empty directory: got %v, want fs.ErrNotExist", err)
	}
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	describedBy(t, l)
	putOne(t, l, "x")
	if err := l.Delete(t.Context(), "c", "x"); err != nil {
		t.Fatal(err)
	}
	putOne(t, l, "y")
	if _, err := Examine(dir, nil); !errors.Is(err, store.ErrLocked) {
		t.Errorf("Examine of one that is open: got %v, want ErrLocked", err)
	}
	if got := Owner(dir); !strings.HasPrefix(got, "process ") {
		t.Errorf("Owner of one that is open: got %q, want a process", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := Examine(dir, nil)
	if err != nil || len(e.Collections) != 1 || e.Collections[0].Name != "c" || time.Since(e.Newest).Abs() > time.Minute {
		t.Errorf("Examine: got %+v, %v, want collection c with an entry made just now", e, err)
	}
}
