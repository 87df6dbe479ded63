package faulty_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"nearcase/store/disk"
	"nearcase/store/disk/faulty"
)

// seeds are how many power losses a test looks at.
const seeds = 60

var page = bytes.Repeat([]byte("page"), 1024)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// after counts what is left of a folder by power loss after run, for many seeds.
func after(t *testing.T, run func(in *faulty.FS, dir string) error, left func(dir string) string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for seed := range uint64(seeds) {
		dir := t.TempDir()
		in := faulty.New(dir, seed)
		must(t, run(in, dir), in.Cut())
		counts[left(dir)]++
		if _, err := os.Stat(filepath.Join(dir, ".removed")); err == nil {
			t.Fatal("what was removed is still there after Cut")
		}
	}
	return counts
}

// read is what a file has, or "none" if there is none.
func read(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "none"
	}
	return string(b)
}

// names are those in a folder.
func names(dir string) string {
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return fmt.Sprint(all)
}

// create makes a file with some text, synced if it is to be.
func create(in disk.FS, path, text string, isSynced bool) error {
	f, err := in.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if isSynced {
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close())
}

// seen fails unless counts has every one of these outcomes and no other.
func seen(t *testing.T, counts map[string]int, want ...string) {
	t.Helper()
	for _, w := range want {
		if counts[w] == 0 {
			t.Errorf("%q: never seen in %v", w, counts)
		}
	}
	for got := range counts {
		if !slices.Contains(want, got) {
			t.Errorf("got %q, want one of %q", got, want)
		}
	}
}

func TestWhatIsNotSyncedMayBeLost(t *testing.T) {
	x := func(dir string) string { return filepath.Join(dir, "x") }
	for _, c := range []struct {
		fact string
		run  func(in *faulty.FS, dir string) error
		left func(dir string) string
		want []string
	}{
		{"a file and its name are there after WriteAtomic",
			func(in *faulty.FS, dir string) error { return disk.WriteAtomic(in, x(dir), []byte("te"), []byte("xt")) },
			func(dir string) string { return names(dir) + read(x(dir)) }, []string{"[x]text"}},
		{"a name that was not synced may be lost",
			func(in *faulty.FS, dir string) error { return create(in, x(dir), "text", true) },
			func(dir string) string { return read(x(dir)) }, []string{"text", "none"}},
		{"bytes that were not synced may be lost, though the size is there",
			func(in *faulty.FS, dir string) error {
				return errors.Join(create(in, x(dir), "text", false), in.SyncDir(dir))
			},
			func(dir string) string { return read(x(dir))[:min(1, len(read(x(dir))))] }, []string{"", "t", "\x00"}},
		{"of a rename that was not synced both names are as before or as after",
			func(in *faulty.FS, dir string) error {
				return errors.Join(create(in, x(dir), "old", true), create(in, x(dir)+"2", "new", true), in.SyncDir(dir), in.Rename(x(dir)+"2", x(dir)))
			},
			func(dir string) string { return names(dir) + read(x(dir)) }, []string{"[x x2]old", "[x]new"}},
		{"a file that was removed may be there again",
			func(in *faulty.FS, dir string) error {
				return errors.Join(disk.WriteAtomic(in, x(dir), []byte("text")), in.Remove(x(dir)))
			},
			func(dir string) string { return read(x(dir)) }, []string{"text", "none"}},
		{"a file whose removal was synced is gone",
			func(in *faulty.FS, dir string) error {
				return errors.Join(disk.WriteAtomic(in, x(dir), []byte("text")), in.Remove(x(dir)), in.SyncDir(dir))
			},
			func(dir string) string { return read(x(dir)) }, []string{"none"}},
		{"a file in a folder whose name was not synced may be lost with it",
			func(in *faulty.FS, dir string) error {
				return errors.Join(in.Mkdir(x(dir), 0o700), disk.WriteAtomic(in, filepath.Join(x(dir), "y"), []byte("text")))
			},
			func(dir string) string { return names(dir) + read(filepath.Join(x(dir), "y")) }, []string{"[x]text", "[]none"}},
		{"two names may be changed in the other order",
			func(in *faulty.FS, dir string) error {
				return errors.Join(create(in, x(dir), "", true), create(in, x(dir)+"2", "", true))
			},
			names, []string{"[]", "[x]", "[x2]", "[x x2]"}},
		{"of a folder that was removed any part may be left",
			func(in *faulty.FS, dir string) error {
				return errors.Join(in.MkdirAll(x(dir), 0o700), in.SyncDir(dir), disk.WriteAtomic(in, filepath.Join(x(dir), "1")),
					disk.WriteAtomic(in, filepath.Join(x(dir), "2")), in.RemoveAll(x(dir)))
			},
			func(dir string) string { return names(dir) + names(x(dir)) }, []string{"[][]", "[x][]", "[x][1]", "[x][2]", "[x][1 2]"}},
		{"a file that was moved to another folder may be in both or in the old one",
			func(in *faulty.FS, dir string) error {
				return errors.Join(in.Mkdir(x(dir), 0o700), disk.WriteAtomic(in, filepath.Join(dir, "y"), []byte("text")),
					in.Rename(filepath.Join(dir, "y"), filepath.Join(x(dir), "z")), in.SyncDir(x(dir)))
			},
			func(dir string) string { return names(dir) + names(x(dir)) }, []string{"[x y][z]", "[x][z]"}},
		{"a file that was moved out of a folder comes back though the other one is gone",
			func(in *faulty.FS, dir string) error {
				return errors.Join(in.Mkdir(x(dir), 0o700), disk.WriteAtomic(in, filepath.Join(x(dir), "y"), []byte("text")), in.Mkdir(x(dir)+"2", 0o700), in.SyncDir(dir),
					in.Rename(filepath.Join(x(dir), "y"), filepath.Join(x(dir)+"2", "y")), in.SyncDir(x(dir)+"2"), in.RemoveAll(x(dir)+"2"), in.SyncDir(dir))
			},
			func(dir string) string { return names(dir) + read(filepath.Join(x(dir), "y")) }, []string{"[x]text", "[x]none"}},
		{"a file that somebody else has made since is theirs",
			func(in *faulty.FS, dir string) error {
				return errors.Join(disk.WriteAtomic(in, x(dir), []byte("text")), in.Remove(x(dir)), os.WriteFile(x(dir), []byte("theirs"), 0o600))
			},
			func(dir string) string { return names(dir) + read(x(dir)) }, []string{"[x]theirs"}},
		{"what a failed Sync has lost no later one brings",
			func(in *faulty.FS, dir string) error {
				f, err := in.OpenFile(x(dir), os.O_CREATE|os.O_RDWR, 0o600)
				must(t, err)
				in.Fail(faulty.Sync, 1, syscall.EIO)
				_, err = f.Write([]byte("text"))
				if failed := f.Sync(); !errors.Is(failed, syscall.EIO) {
					t.Errorf("Sync = %v, want %v", failed, syscall.EIO)
				}
				return errors.Join(err, f.Sync(), f.Close(), in.SyncDir(dir))
			},
			func(dir string) string { return read(x(dir)) }, []string{"\x00\x00\x00\x00"}},
		{"what is written again after a failed Sync is synced by the next",
			func(in *faulty.FS, dir string) error {
				f, err := in.OpenFile(x(dir), os.O_CREATE|os.O_RDWR, 0o600)
				must(t, err)
				in.Fail(faulty.Sync, 1, syscall.EIO)
				_, err = f.Write([]byte("text"))
				_ = f.Sync()
				_, again := f.WriteAt([]byte("T"), 0)
				return errors.Join(err, again, f.Sync(), f.Close(), in.SyncDir(dir))
			},
			func(dir string) string { return read(x(dir)) }, []string{"Text"}},
		{"a file that was cut may have its old size and bytes",
			func(in *faulty.FS, dir string) error {
				return errors.Join(disk.WriteAtomic(in, x(dir), []byte("a")), create(in, x(dir), "", false))
			},
			func(dir string) string { return read(x(dir)) }, []string{"a", ""}},
	} {
		t.Run(c.fact, func(t *testing.T) { seen(t, after(t, c.run, c.left), c.want...) })
	}
}

// Pages that were not synced are lost each by itself, and torn between sectors.
func TestPagesAreLostOneByOne(t *testing.T) {
	old, fresh := bytes.Repeat([]byte{'o'}, 3*4096), bytes.Repeat([]byte{'n'}, 3*4096)
	counts := after(t, func(in *faulty.FS, dir string) error {
		path := filepath.Join(dir, "x")
		err := disk.WriteAtomic(in, path, old)
		f, failed := in.OpenFile(path, os.O_RDWR, 0)
		must(t, err, failed)
		_, err = f.WriteAt(fresh, 0)
		return errors.Join(err, f.Close())
	}, func(dir string) (runs string) {
		b := read(filepath.Join(dir, "x"))
		if len(b) != 3*4096 {
			t.Fatalf("%d bytes are left of %d", len(b), 3*4096)
		}
		for at := 0; at < len(b); at += 512 {
			for _, x := range []byte(b[at : at+512]) {
				if x != b[at] {
					t.Fatalf("the sector at byte %d is torn", at)
				}
			}
			if at%4096 == 0 || b[at] != b[at-512] {
				runs += string(b[at])
			}
		}
		return runs
	})
	for _, want := range []string{"nnn", "ooo", "non", "ono", "nooo"} {
		if counts[want] == 0 {
			t.Errorf("%s: never seen in %v", want, counts)
		}
	}
}

// The power goes at each operation of WriteAtomic over a file: that is the old one or
// the new one, and the new one once it has returned.
func TestWriteAtomicIsOldOrNew(t *testing.T) {
	for seed := range uint64(seeds) {
		for n := 1; ; n++ {
			dir := t.TempDir()
			path := filepath.Join(dir, "x")
			in := faulty.New(dir, seed)
			must(t, disk.WriteAtomic(in, path, page, []byte("old")))
			in.CutAt(n)
			err := disk.WriteAtomic(in, path, page, page, []byte("new"))
			must(t, in.Cut())
			got := read(path)
			isOld, isNew := got == string(page)+"old", got == string(page)+string(page)+"new"
			if !isNew && (err == nil || !isOld) {
				t.Fatalf("seed %d, power loss at operation %d: %d bytes, error %v", seed, n, len(got), err)
			}
			must(t, disk.Sweep(disk.System{}, dir))
			if got := names(dir); got != "[x]" {
				t.Fatalf("seed %d, power loss at operation %d: %s is left after Sweep, want [x]", seed, n, got)
			}
			if err == nil {
				break
			}
		}
	}
}

// What it does is that of the operating system's while nothing fails.
func TestWhatIsReadIsWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	in := faulty.New(dir, 1)
	at := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	must(t, in.MkdirAll(at("a", "b"), 0o700), create(in, at("a", "x"), "1", false), create(in, at("a", "y"), "2", false),
		in.Rename(at("a", "x"), at("a", "b", "z")), in.Rename(at("a", "b"), at("c")), in.Rename(at("a", "y"), at("c", "z")))
	if got := read(at("c", "z")); got != "2" {
		t.Errorf("c/z has %q, want 2", got)
	}
	if err := in.Remove(at("c")); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("Remove of a folder with a file = %v, want %v", err, syscall.ENOTEMPTY)
	}
	for name, err := range map[string]error{
		"Remove": in.Remove(at("none")), "Rename": in.Rename(at("none"), at("x")), "SyncDir": in.SyncDir(at("none")),
		"OpenFile": create(in, at("none", "x"), "", false), "Mkdir": in.Mkdir(at("none", "x"), 0o700),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of what is not there = %v, want %v", name, err, fs.ErrNotExist)
		}
	}
	must(t, in.RemoveAll(at("none")), in.RemoveAll(at("c")), in.SyncDir(filepath.Dir(dir)))
	if err := in.Mkdir(at("a"), 0o700); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Mkdir of what is there = %v, want %v", err, fs.ErrExist)
	}
	if free, err := in.Free(dir); err != nil && !errors.Is(err, errors.ErrUnsupported) || err == nil && free == 0 {
		t.Errorf("Free = %d, %v", free, err)
	}
}

func TestTheNthOperationFails(t *testing.T) {
	dir := t.TempDir()
	in := faulty.New(dir, 1)
	in.Fail(faulty.Create, 2, syscall.EMFILE)
	in.Fail(faulty.Write, 2, syscall.ENOSPC)
	must(t, create(in, filepath.Join(dir, "1"), "text", true))
	if err := create(in, filepath.Join(dir, "2"), "text", true); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("the second creation: %v, want %v", err, syscall.EMFILE)
	}
	if err := create(in, filepath.Join(dir, "3"), "text", true); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the second write: %v, want %v", err, syscall.ENOSPC)
	}
	must(t, create(in, filepath.Join(dir, "4"), "text", true))
	if got := names(dir); got != "[1 3 4]" {
		t.Errorf("there are %s, want [1 3 4]", got)
	}
	if got := in.Count(faulty.Create); got != 4 {
		t.Errorf("Count = %d creations, want 4", got)
	}
	in.FailSome(1)
	if err := in.Mkdir(filepath.Join(dir, "d"), 0o700); !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Mkdir where all fails: %v, want an error that it may have", err)
	}
}

// A write that fails may be short, and says how much of it was written. Within a
// sector none is.
func TestAWriteThatFailsMayBeShort(t *testing.T) {
	lengths := map[int]bool{}
	for seed := range uint64(seeds) {
		dir := t.TempDir()
		in := faulty.New(dir, seed)
		in.Fail(faulty.Write, 1, syscall.ENOSPC)
		f, err := in.CreateTemp(dir, "x")
		must(t, err)
		n, err := f.Write(page)
		if !errors.Is(err, syscall.ENOSPC) || read(f.Name()) != string(page[:n]) {
			t.Fatalf("Write = %d, %v, and the file has %d bytes", n, err, len(read(f.Name())))
		}
		must(t, f.Close())
		lengths[n] = true
	}
	if len(lengths) < 10 {
		t.Errorf("writes of %v bytes, want any up to %d", lengths, len(page))
	}
}

func TestOnceThePowerIsGoneNothingWorks(t *testing.T) {
	dir := t.TempDir()
	in := faulty.New(dir, 1)
	f, err := in.CreateTemp(dir, "x")
	must(t, err)
	in.CutAt(1)
	_, read := f.Read(nil)
	_, written := f.Write([]byte("x"))
	_, listed := in.ReadDir(dir)
	for what, err := range map[string]error{"Read": read, "Write": written, "ReadDir": listed, "Sync": f.Sync(), "Close": f.Close(), "Mkdir": in.Mkdir(dir, 0)} {
		if !errors.Is(err, faulty.ErrCut) {
			t.Errorf("%s = %v, want %v", what, err, faulty.ErrCut)
		}
	}
}

// The same seed and operations leave the same.
func TestASeedIsRepeatable(t *testing.T) {
	left := func(seed uint64) string {
		dir := t.TempDir()
		in := faulty.New(dir, seed)
		for i := range 20 {
			path := filepath.Join(dir, fmt.Sprint(i%7))
			must(t, create(in, path, string(page)+fmt.Sprint(i), i%3 == 0))
			if i%5 == 0 {
				must(t, in.SyncDir(dir))
			}
		}
		must(t, in.Cut())
		all := names(dir)
		for i := range 7 {
			all += read(filepath.Join(dir, fmt.Sprint(i)))
		}
		return all
	}
	for seed := range uint64(20) {
		once := left(seed)
		if again := left(seed); once != again {
			t.Errorf("seed %d leaves something else the second time", seed)
		}
	}
}
