package local_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"nearcase/store"
	"nearcase/store/disk"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// A change that comes together with one whose commit fails, and is to run after it, is
// refused: memory is behind the log then.
func TestNothingRunsAfterAFailedCommit(t *testing.T) {
	r, commits := newRoomy(), 0
	held, release := make(chan struct{}), make(chan struct{})
	l, err := local.OpenAgain(t.TempDir(), local.Options{Files: r, Begin: func(ctx context.Context, stage string) (context.Context, func(error)) {
		if stage == "commit" {
			switch commits++; commits {
			case 1:
				close(held)
				<-release
			case 2:
				r.broken.Store(true)
			}
		}
		return ctx, func(error) {}
	}})
	must(t, err)
	defer func() { must(t, l.Close()) }()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	var pending sync.WaitGroup
	var errs [2]error
	pending.Go(func() { errs[0] = putErr(t, l, 1) })
	<-held
	pending.Go(func() { errs[1] = putErr(t, l, 2) })
	for l.Queued() < 1 {
		runtime.Gosched()
	}
	ran := false
	var after error
	pending.Go(func() { after = l.Alone(t.Context(), func() error { ran = true; return nil }) })
	for l.Queued() < 2 {
		runtime.Gosched()
	}
	close(release)
	pending.Wait()
	if errs[0] != nil || !errors.Is(errs[1], store.ErrStopped) || !errors.Is(after, store.ErrStopped) || ran {
		t.Errorf("what was behind a failed commit: got %v, %v and %v, which ran: %v; want that only the first does", errs[0], errs[1], after, ran)
	}
	r.broken.Store(false)
	untilSo(t, l, func() bool { return l.Ready(t.Context()) == nil })
}

// A crash in the middle of dropping a collection leaves it dropped, and not lost.
func TestADropThatACrashInterruptsIsEndedByTheNextStart(t *testing.T) {
	place := ""
	var l *local.Catalog
	l, err := local.OpenReaching(t.TempDir(), local.Options{}, func(step string) error {
		if step == "dropping" {
			place = asCrashed(t, l)
		}
		return nil
	})
	must(t, err)
	defer func() { must(t, l.Close()) }()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	must(t, putErr(t, l, 1))
	must(t, l.Drop(t.Context(), "c"))
	for range 2 {
		again, err := local.Open(place, local.Options{})
		must(t, err)
		if _, err := again.Status(t.Context(), "c"); !errors.Is(err, store.ErrCollection) {
			t.Errorf("Status: got %v, want ErrCollection", err)
		}
		if lost, err := again.Damages(t.Context()); err != nil || len(lost) > 0 {
			t.Errorf("Damages: got %v and %v, want none", lost, err)
		}
		must(t, again.Close())
	}
}

// A drop that fails drops nothing once the log has been opened again, and later neither.
func TestADropThatFailsDropsNothing(t *testing.T) {
	failing := errors.New("failing")
	l, err := local.OpenAgain(t.TempDir(), local.Reaching(local.Options{}, func(step string) error {
		if step == "dropping" {
			return failing
		}
		return nil
	}))
	must(t, err)
	defer func() { must(t, l.Close()) }()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	must(t, putErr(t, l, 1))
	if err := l.Drop(t.Context(), "c"); !errors.Is(err, store.ErrStopped) || !errors.Is(err, failing) {
		t.Errorf("Drop: got %v, want ErrStopped", err)
	}
	untilSo(t, l, func() bool { return l.Ready(t.Context()) == nil })
	must(t, putErr(t, l, 2))
	again, err := local.Open(asCrashed(t, l), local.Options{})
	must(t, err)
	defer func() { must(t, again.Close()) }()
	if s, err := again.Status(t.Context(), "c"); err != nil || s.Instances != 2 {
		t.Errorf("Status: got %+v, %v, want 2 instances", s, err)
	}
}

// Where there is no room for tables a dropped collection is gone at once, and what it
// leaves in the log at the next start.
func TestADropOnAFullDiskLeavesItsLogToTheNextStart(t *testing.T) {
	l, r := openRoomy(t, 0)
	r.free.Store(0)
	must(t, l.Drop(t.Context(), "c"))
	if _, err := l.Status(t.Context(), "c"); !errors.Is(err, store.ErrCollection) {
		t.Errorf("Status: got %v, want ErrCollection", err)
	}
	if _, err := l.Value(1, 1, 'e'); err != nil {
		t.Errorf("the first entry on a full disk: got %v, want that it is there", err)
	}
	again, err := local.Open(asCrashed(t, l), local.Options{})
	must(t, err)
	defer func() { must(t, again.Close()) }()
	r.free.Store(enough)
	if v, err := again.Value(1, 1, 'e'); err == nil {
		t.Errorf("the first entry after a start with room: got %d bytes, want none", len(v))
	}
}

// A log that wants another table goes on where there is room for that, if not for
// merging tables.
func TestTheLogGoesOnWithoutRoomToMergeTables(t *testing.T) {
	const table = 8 << 20 // of the least memory
	r := newRoomy()
	l, err := local.OpenAgain(t.TempDir(), local.Options{Files: r, Memory: 16 << 20})
	must(t, err)
	defer func() { must(t, l.Close()) }()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", storetest.Records(0, 20))
	r.free.Store(3 * table)
	refused := 0
	for range 3 * table >> 20 { // each is counted as a mebibyte
		err := l.Declare(t.Context(), "c", []store.Task{{Name: "view", Classes: []string{"frontal", "lateral"}}})
		if err != nil && !errors.Is(err, store.ErrFull) {
			t.Errorf("Declare: got %v, want none or ErrFull", err)
		}
		if err != nil {
			refused++
			untilSo(t, l, func() bool { return l.Ready(t.Context()) == nil })
		}
	}
	if l.Stops() != 1 || refused != 1 {
		t.Errorf("got %d refusals, and the log opened again %d times, want 1", refused, l.Stops())
	}
	must(t, l.Delete(t.Context(), "c", "i1"))
}

// A collection that is not served is not served either once the log has been opened
// again, and that it is lost is not forgotten.
func TestWhatIsNotServedStaysSoAfterAFailedCommit(t *testing.T) {
	place, l := damagedWorld(t)
	must(t, l.LoseDescription(1))
	must(t, l.Close())
	l, err := local.OpenAgain(place, local.Options{})
	must(t, err)
	must(t, l.Describe(1, `{"name": "xray`))
	must(t, l.BreakLog())
	if err := l.Delete(t.Context(), "other", "i1"); !errors.Is(err, store.ErrStopped) {
		t.Errorf("Delete: got %v, want ErrStopped", err)
	}
	untilSo(t, l, func() bool { return l.Ready(t.Context()) == nil })
	if _, err := l.Status(t.Context(), "xray"); !errors.Is(err, store.ErrCollection) {
		t.Errorf("Status of xray: got %v, want %v", err, store.ErrCollection)
	}
	must(t, l.Close())
	again := open(t, place)
	defer func() { must(t, again.Close()) }()
	if lost := lostOf(t, again); lost != "number 1 0 description" {
		t.Errorf("Damages: got %s, want the description of number 1", lost)
	}
}

// unreadable is a file system that cannot read files with a suffix.
type unreadable struct {
	disk.System
	suffix string
}

func (u unreadable) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := u.System.OpenFile(name, flag, perm)
	if err == nil && strings.HasSuffix(name, u.suffix) {
		return deaf{f}, nil
	}
	return f, err
}

type deaf struct{ disk.File }

func (d deaf) ReadAt([]byte, int64) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.Name(), Err: syscall.EIO}
}

// A file of the log that the system does not read, this time, is not damaged: opening
// is refused, and nothing is set aside.
func TestWhatTheSystemDoesNotReadIsNotSetAside(t *testing.T) {
	place, l := damagedWorld(t)
	must(t, l.Close())
	refused := func(o local.Options, why error) {
		t.Helper()
		if l, err := local.Open(place, o); !errors.Is(err, why) || errors.Is(err, store.ErrDamaged) {
			t.Errorf("Open: got %v and %v, want %v", l, err, why)
		}
		if aside, err := os.ReadDir(filepath.Join(place, "log.damaged")); err == nil {
			t.Errorf("set aside: got %v, want nothing", aside)
		}
	}
	refused(local.Options{Files: unreadable{suffix: ".vlog"}}, syscall.EIO)
	tables, err := filepath.Glob(filepath.Join(place, "log", "*.sst"))
	must(t, err)
	if len(tables) == 0 {
		t.Fatal("the log has no table")
	}
	// A link to itself is one that nobody can open, whoever asks.
	must(t, os.Rename(tables[0], tables[0]+"x"))
	must(t, os.Symlink(filepath.Base(tables[0]), tables[0]))
	refused(local.Options{}, syscall.ELOOP)
	must(t, os.Rename(tables[0]+"x", tables[0]))
	again := open(t, place)
	if lost := lostOf(t, again); lost != "" {
		t.Errorf("Damages: got %s, want none", lost)
	}
	must(t, again.Close())
}
