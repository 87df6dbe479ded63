package disk_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nearcase/store/disk"
	"nearcase/store/disk/faulty"
)

// names are those of the files in a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != ".removed" { // of faulty
			all = append(all, e.Name())
		}
	}
	return all
}

func TestWriteAtomicReplacesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for _, parts := range [][][]byte{{[]byte("a"), []byte("b")}, {[]byte("longer")}, nil} {
		if err := disk.WriteAtomic(disk.System{}, path, parts...); err != nil {
			t.Fatal(err)
		}
		got, err := disk.ReadFile(disk.System{}, path)
		if want := bytes.Join(parts, nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("after WriteAtomic(%q): got %q, %v", want, got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v, %v, want that of the owner alone", info.Mode(), err)
	}
}

// Whichever operation fails, the file is the old one, or the new one if only the
// folder was not synced, and nothing else is left unless that cannot be removed.
func TestAFailedWriteAtomicLeavesTheOldFile(t *testing.T) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "x")
		in := faulty.New(dir, uint64(n))
		if err := disk.WriteAtomic(in, path, []byte("old")); err != nil {
			t.Fatal(err)
		}
		in.Fail(faulty.Any, n, nil)
		dirs := in.Count(faulty.SyncDir)
		err := disk.WriteAtomic(in, path, []byte("n"), []byte("ew"))
		want := "old"
		if in.Count(faulty.SyncDir) > dirs {
			want = "new"
		}
		if got, bad := os.ReadFile(path); bad != nil || string(got) != want {
			t.Errorf("failure of operation %d (%v): the file has %q, want %q", n, err, got, want)
		}
		if got := names(t, dir); !slices.Equal(got, []string{"x"}) {
			t.Errorf("failure of operation %d (%v): there are %q, want x alone", n, err, got)
		}
		if err == nil {
			return
		}
	}
}

func TestSweepRemovesWhatIsHalfWritten(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{disk.HalfWritten + "1", disk.HalfWritten, "x", "x" + disk.HalfWritten} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := disk.Sweep(disk.System{}, dir); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, dir), []string{"x", "x" + disk.HalfWritten}; !slices.Equal(got, want) {
		t.Errorf("after Sweep there are %q, want %q", got, want)
	}
	if err := disk.Sweep(disk.System{}, filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Sweep of no folder = %v, want %v", err, fs.ErrNotExist)
	}
}

// WalkDir tells the same as filepath.WalkDir.
func TestWalkDirSeesEverything(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/b/c", "a/x", "z"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, root := range []string{dir, filepath.Join(dir, "z"), filepath.Join(dir, "none")} {
		var got, want []string
		note := func(to *[]string) fs.WalkDirFunc {
			return func(path string, d fs.DirEntry, err error) error {
				*to = append(*to, path)
				if err != nil {
					*to = append(*to, "error")
				} else if info, err := d.Info(); err != nil || info.IsDir() != d.IsDir() {
					t.Errorf("%s: Info = %v, %v", path, info, err)
				}
				return nil
			}
		}
		if err := errors.Join(disk.WalkDir(disk.System{}, root, note(&got)), filepath.WalkDir(root, note(&want))); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("WalkDir(%s): got %q, want %q", root, got, want)
		}
	}
}

func TestWhatIsNotThereIsNoFile(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none", "x")
	opened, err := disk.Open(disk.System{}, none)
	if opened != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open = %v, %v, want nil and %v", opened, err, fs.ErrNotExist)
	}
	made, err := disk.System{}.CreateTemp(filepath.Dir(none), "x")
	if made != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CreateTemp = %v, %v, want nil and %v", made, err, fs.ErrNotExist)
	}
	for what, err := range map[string]error{
		"SyncDir": disk.System{}.SyncDir(filepath.Dir(none)), "WriteAtomic": disk.WriteAtomic(disk.System{}, none),
		"Rename": disk.System{}.Rename(none, none+"2"), "Remove": disk.System{}.Remove(none),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s = %v, want %v", what, err, fs.ErrNotExist)
		}
	}
}

func TestFreeIsLessThanTheDisk(t *testing.T) {
	free, err := disk.System{}.Free(t.TempDir())
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil || free == 0 || free > 1<<60 {
		t.Errorf("Free = %d, %v", free, err)
	}
}
