package local_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"nearcase/store"
	"nearcase/store/disk"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// roomy is a file system that says how much of it is free, and may refuse to write
// or to sync.
type roomy struct {
	disk.System
	free atomic.Int64
	// full fails the making of files, broken the syncing of the witness.
	full, broken atomic.Bool
}

const enough = 4 << 30

func newRoomy() *roomy {
	r := &roomy{}
	r.free.Store(enough)
	return r
}

func (r *roomy) Free(string) (uint64, error) { return uint64(r.free.Load()), nil }

func (r *roomy) CreateTemp(dir, pattern string) (disk.File, error) {
	if r.full.Load() {
		return nil, &os.PathError{Op: "open", Path: dir, Err: syscall.ENOSPC}
	}
	return r.System.CreateTemp(dir, pattern)
}

func (r *roomy) OpenFile(name string, flag int, perm os.FileMode) (disk.File, error) {
	f, err := r.System.OpenFile(name, flag, perm)
	if err == nil && filepath.Base(name) == "witness" {
		return breakable{f, &r.broken}, nil
	}
	return f, err
}

// breakable is a file that may fail to be synced.
type breakable struct {
	disk.File
	broken *atomic.Bool
}

func (b breakable) Sync() error {
	if b.broken.Load() {
		return &os.PathError{Op: "sync", Path: b.Name(), Err: syscall.EIO}
	}
	return b.File.Sync()
}

// openRoomy opens a data directory on a disk of which some is to stay free.
func openRoomy(t *testing.T, floor int64) (*local.Catalog, *roomy) {
	t.Helper()
	r := newRoomy()
	l, err := local.OpenAgain(t.TempDir(), local.Options{Files: r, Space: local.Space{Floor: floor}})
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", storetest.Records(0, 20))
	must(t, l.SaveDocument(t.Context(), "note", "a", []byte("kept")))
	return l, r
}

// untilSo waits until something is so.
func untilSo(t *testing.T, l *local.Catalog, so func() bool) {
	t.Helper()
	for {
		changed := l.Changed()
		if so() {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// errorOf is an error that comes with something else.
func errorOf[T any](_ T, err error) error { return err }

// filesBelow is how many files are below a folder.
func filesBelow(t *testing.T, dir string) (n int) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

// asCrashed is the data directory of an open catalog as a crash would leave it.
func asCrashed(t *testing.T, l *local.Catalog) string {
	t.Helper()
	place := t.TempDir()
	must(t, local.CopyDir(place, l.Dir()))
	return place
}

// putErr is the error of storing a record.
func putErr(t *testing.T, l store.Catalog, n int) error {
	t.Helper()
	out, err := l.Put(t.Context(), "c", storetest.Records(n, n+1))
	if err == nil {
		err = out[0].Err
	}
	return err
}

func lineOn(id string) []store.Label {
	return []store.Label{{Instance: id, Task: "devices", Classes: []string{"line"}}}
}

// Below the floor nothing is stored and nothing is written of it, while deletions,
// erasures and all reading go on.
func TestBelowTheFloorOnlyWhatGrowsIsRefused(t *testing.T) {
	const floor = 1 << 30
	l, r := openRoomy(t, floor)
	r.free.Store(floor - 1)
	l.Measure()
	before := filesBelow(t, filepath.Join(l.Dir(), "originals"))
	refused := map[string]error{
		"Put":              putErr(t, l, 30),
		"Label":            errorOf(l.Label(t.Context(), "c", lineOn("i1"))),
		"Create":           l.Create(t.Context(), storetest.Collection("d")),
		"Reindex":          errorOf(l.Reindex(t.Context(), "c", store.Reindexing{}, nil)),
		"a large document": l.SaveDocument(t.Context(), "note", "large", make([]byte, 2<<20)),
	}
	for call, err := range refused {
		if !errors.Is(err, store.ErrFull) {
			t.Errorf("%s below the floor: got %v, want ErrFull", call, err)
		}
	}
	if after := filesBelow(t, filepath.Join(l.Dir(), "originals")); after != before {
		t.Errorf("originals after refusals: got %d files, want %d", after, before)
	}
	must(t, l.Delete(t.Context(), "c", "i2"))
	_, err := l.Erase(t.Context(), "c", storetest.Record(3).Instance.Patient)
	must(t, err)
	must(t, l.SaveDocument(t.Context(), "job", "a", []byte("deletes")))
	must(t, l.SaveDerived(t.Context(), "c", "x", []byte("made again")))
	if _, err := l.Derived(t.Context(), "c", "x"); !errors.Is(err, store.ErrDerived) {
		t.Errorf("what was derived below the floor: got %v, want that it is not kept", err)
	}
	_, err = l.Search(t.Context(), "c", store.Query{Vector: storetest.Record(5).Vector, K: 3})
	must(t, err)
	must(t, l.Ready(t.Context()))
	if room := l.Room(); !room.Short || room.Refused < 4 {
		t.Errorf("Room below the floor: got %+v, want that it is short and what was refused", room)
	}
}

// Where the disk is as full as can be a little more does not let anything in, so
// that it is not filled again at once.
func TestTheFloorDoesNotFlap(t *testing.T) {
	const floor = 1 << 30
	l, r := openRoomy(t, floor)
	for _, step := range []struct {
		free int64
		want error
	}{{floor - 1, store.ErrFull}, {floor + 1<<20, store.ErrFull}, {floor + floor/8, nil}, {floor + 1<<20, nil}, {floor - 1, store.ErrFull}} {
		r.free.Store(step.free)
		l.Measure()
		if err := putErr(t, l, 40); !errors.Is(err, step.want) {
			t.Errorf("Put with %d free: got %v, want %v", step.free, err, step.want)
		}
	}
}

// A disk that was not full when it was asked refuses the same way.
func TestADiskThatFillsMeanwhileRefusesClearly(t *testing.T) {
	l, r := openRoomy(t, 0)
	r.full.Store(true)
	if err := putErr(t, l, 30); !errors.Is(err, store.ErrFull) {
		t.Errorf("Put on a full disk: got %v, want ErrFull", err)
	}
	r.full.Store(false)
	must(t, putErr(t, l, 30))
}

// A commit of which it is not known whether the disk has it stops the writer until
// the log has been opened again. What it was is there then once, and all that was
// acknowledged.
func TestAFailedCommitMendsItself(t *testing.T) {
	for fact, fail := range map[string]func(l *local.Catalog, r *roomy){
		"the log is gone":        func(l *local.Catalog, _ *roomy) { must(t, l.BreakLog()) },
		"the disk fails to sync": func(_ *local.Catalog, r *roomy) { r.broken.Store(true) },
	} {
		t.Run(fact, func(t *testing.T) {
			l, r := openRoomy(t, 0)
			fail(l, r)
			if err := putErr(t, l, 30); !errors.Is(err, store.ErrStopped) {
				t.Errorf("Put: got %v, want ErrStopped", err)
			}
			if err := l.Ready(t.Context()); err != nil && !errors.Is(err, store.ErrStopped) {
				t.Errorf("Ready: got %v, want ErrStopped", err)
			}
			r.broken.Store(false)
			untilSo(t, l, func() bool { return l.Ready(t.Context()) == nil })
			must(t, putErr(t, l, 30)) // again, or for the first time
			must(t, putErr(t, l, 31))
			must(t, l.Delete(t.Context(), "c", "i1"))
			want := everything(t, l)
			again, err := local.Open(asCrashed(t, l), local.Options{})
			must(t, err)
			defer again.Close()
			if got := everything(t, again); strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("after a restart: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if lost, err := again.Damages(t.Context()); err != nil || len(lost) > 0 {
				t.Errorf("Damages: got %v and %v, want none", lost, err)
			}
		})
	}
}

// Originals of what failed to commit go once it is known that nothing needs them.
func TestOriginalsOfAFailedCommitGo(t *testing.T) {
	l, _ := openRoomy(t, 0)
	originals := filepath.Join(l.Dir(), "originals")
	before := filesBelow(t, originals)
	must(t, l.BreakLog())
	if err := putErr(t, l, 30); !errors.Is(err, store.ErrStopped) {
		t.Fatalf("Put: got %v, want ErrStopped", err)
	}
	untilSo(t, l, func() bool { return l.Ready(t.Context()) == nil })
	if after := filesBelow(t, originals); after != before {
		t.Errorf("originals: got %d, want %d", after, before)
	}
}

// The ballast is made where there is room, given when what must go on needs it, and
// made again.
func TestTheBallastComesAndGoes(t *testing.T) {
	r := newRoomy()
	place := t.TempDir()
	l, err := local.Open(place, local.Options{Files: r, Space: local.Space{Ballast: 8 << 20}})
	must(t, err)
	defer l.Close()
	held := func() bool {
		_, err := os.Stat(filepath.Join(place, "ballast"))
		return err == nil
	}
	for _, step := range []struct {
		free int64
		want bool
	}{{enough, true}, {0, false}, {enough, true}} {
		r.free.Store(step.free)
		l.Measure()
		_ = l.SaveDocument(t.Context(), "job", "a", nil) // needs room
		if l.Balance(); held() != step.want && local.CanReserve(place) {
			t.Errorf("with %d free: a ballast is there: %v, want %v", step.free, held(), step.want)
		}
	}
}
