package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nearcase/store/disk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func seal(t testing.TB) *Seal {
	t.Helper()
	s, err := NewSeal(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// patient is a delay that no test waits for.
var patient = Options{Delay: time.Hour}

func open(t testing.TB, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, seal(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func entry(i int) Entry {
	return Entry{
		Time: time.Date(2026, 1, 2, 3, 4, i, 0, time.UTC), Request: fmt.Sprint("r", i), Key: "abcdefgh", Operation: "similar",
		Collection: "cxr", Status: 200, Counts: map[string]int{"cases": i}, Subjects: []string{"s" + fmt.Sprint(i)},
	}
}

func commit(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := l.Commit(t.Context(), entry(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// written is a folder with a record of n entries.
func written(t testing.TB, n int, o Options) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "audit")
	l := open(t, dir, o)
	commit(t, l, 1, n)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// copied is a folder like another.
func copied(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func lines(t testing.TB, dir string) (all []Line) {
	t.Helper()
	for l, err := range Lines(dir) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// newest is the path of the newest file.
func newest(t testing.TB, dir string) string {
	t.Helper()
	all, err := files(disk.System{}, dir)
	if err != nil || len(all) == 0 {
		t.Fatalf("files of %s: got %v, %v", dir, all, err)
	}
	return all[len(all)-1].path
}
