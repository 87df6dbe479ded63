package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// Badger's and glog's own goroutines end with the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// littleMemory is that of most catalogs here: each Open clears its tables in memory,
// which takes the race detector longer than what is tested.
const littleMemory = 32 << 20

func open(t *testing.T, place string) store.Catalog {
	t.Helper()
	l, err := local.Open(place, local.Options{Memory: littleMemory})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLocalKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}

func TestSecondOpenIsRefusedByName(t *testing.T) {
	place := t.TempDir()
	defer open(t, place).Close()
	_, err := local.Open(place, local.Options{})
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "process ") || !strings.Contains(err.Error(), place) {
		t.Errorf("Open twice: got %v, want ErrLocked with the process and the directory", err)
	}
}

func TestMissingDirectoryIsNotMadeWhenItMustExist(t *testing.T) {
	place := filepath.Join(t.TempDir(), "typo")
	if _, err := local.Open(place, local.Options{MustExist: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open: got %v, want ErrNotExist", err)
	}
	if _, err := os.Stat(place); err == nil {
		t.Errorf("Open made %s", place)
	}
}

func TestOriginalsThatNothingNeedsAreRemoved(t *testing.T) {
	place := t.TempDir()
	l := open(t, place)
	for _, name := range []string{"a", "b"} {
		if err := l.Create(t.Context(), storetest.Collection(name)); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Put(t.Context(), name, storetest.Records(0, 2)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Delete(t.Context(), "a", "i0"); err != nil {
		t.Fatal(err)
	}
	if n := files(t, place); n != 2 {
		t.Errorf("originals while b needs them: got %d, want 2", n)
	}
	if err := l.Delete(t.Context(), "b", "i0"); err != nil {
		t.Fatal(err)
	}
	if n := files(t, place); n != 1 {
		t.Errorf("originals after the last Delete: got %d, want 1", n)
	}
	if err := l.Drop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(place, "originals", "ab", strings.Repeat("ab", 32))
	half := filepath.Join(place, "originals", "ab", ".new-1")
	for _, path := range []string{leftover, half} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, place).(*local.Catalog)
	defer again.Close()
	again.AwaitSweep()
	if n := files(t, place); n != 1 {
		t.Errorf("originals after reopening: got %d, want 1: what a crash left is swept", n)
	}
}

func files(t *testing.T, place string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(place, "originals"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOriginalsWithoutALogAreNotSwept(t *testing.T) {
	place := t.TempDir()
	l := open(t, place)
	if err := l.Create(t.Context(), storetest.Collection("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Put(t.Context(), "a", storetest.Records(0, 2)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Close(), os.RemoveAll(filepath.Join(place, "log"))); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Open(place, local.Options{}); !errors.Is(err, store.ErrFormat) || files(t, place) != 2 {
		t.Errorf("Open without the log: got %v and %d originals, want ErrFormat and 2", err, files(t, place))
	}
}

// Putting labels and instances from many goroutines shares commits.
func BenchmarkPut(b *testing.B) {
	for _, batch := range []int{1, 32} {
		b.Run(map[int]string{1: "single", 32: "batch32"}[batch], func(b *testing.B) {
			l, err := local.Open(b.TempDir(), local.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			if err := l.Create(b.Context(), storetest.Collection("c")); err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				records := storetest.Records(n, n+batch)
				for i := range records {
					records[i].Original = nil
				}
				if _, err := l.Put(b.Context(), "c", records); err != nil {
					b.Fatal(err)
				}
				n += batch
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
