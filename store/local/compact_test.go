package local_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// compactions are the steps of one, in order: the last two names are those that
// a folder has been given.
var compactions = []string{"copied", "checked", "log.old", "log", "removed"}

// openReaching opens a data directory and calls f at each step.
func openReaching(t *testing.T, place string, f func(step string) error) *local.Catalog {
	t.Helper()
	l, err := local.OpenReaching(place, local.Options{Memory: littleMemory}, func(step string) error {
		if step == "dropping" { // a collection, before
			return nil
		}
		return f(step)
	})
	must(t, err)
	return l
}

// worn fills a catalog in which much has been deleted and corrected.
func worn(t *testing.T, l store.Catalog) {
	t.Helper()
	for _, name := range []string{"c", "d"} {
		must(t, l.Create(t.Context(), storetest.Collection(name)))
		putAll(t, l, name, storetest.Records(0, 40))
	}
	must(t, l.Drop(t.Context(), "d"))
	for n := range 10 {
		id := fmt.Sprint("i", n)
		_, err := l.Label(t.Context(), "c", []store.Label{{Instance: id, Task: "devices", Classes: []string{"line"}}, {Instance: id, Task: "finding", Removed: true}})
		must(t, err)
		if n%2 == 0 {
			must(t, l.Delete(t.Context(), "c", id))
		}
	}
	must(t, l.SaveDocument(t.Context(), "note", "a", []byte("a note that is kept")))
}

// everything is all that a catalog tells of "c", but for what was deleted.
func everything(t *testing.T, l store.Catalog) (all []string) {
	t.Helper()
	all = answers(t, l, "c", true)
	cases, err := l.List(t.Context(), "c", 0, 1000)
	must(t, err)
	for _, one := range cases {
		said, err := l.History(t.Context(), "c", one.Instance.ID)
		must(t, err)
		all = append(all, fmt.Sprintf("%+v", one.Instance), fmt.Sprintf("%+v", one.Labels), fmt.Sprint(len(said)))
		for _, e := range said {
			all = append(all, fmt.Sprintf("%d %+v", e.Key, *e.Label))
		}
	}
	s, err := l.Status(t.Context(), "c")
	must(t, err)
	c, err := l.Collection(t.Context(), "c")
	must(t, err)
	doc, err := l.Document(t.Context(), "note", "a")
	must(t, err)
	return append(all, fmt.Sprintf("%d %v %s", s.Head, s.Labelled, doc), fmt.Sprintf("%+v", c))
}

// Law: whenever a crash comes in the course of a compaction, the next Open finds
// all that was stored, and leaves nothing of what was interrupted.
func TestACrashWhileCompactingLosesNothing(t *testing.T) {
	place, images := t.TempDir(), t.TempDir()
	var reached []string
	l := openReaching(t, place, func(step string) error {
		reached = append(reached, step)
		return local.CopyDir(filepath.Join(images, step), place)
	})
	worn(t, l)
	want := everything(t, l)
	_, err := l.Compact(t.Context(), nil)
	must(t, err)
	if got := everything(t, l); !slices.Equal(got, want) || !slices.Equal(reached, compactions) {
		t.Errorf("Compact: steps %v, got %v, want steps %v and %v", reached, got, compactions, want)
	}
	must(t, l.Close())
	half := filepath.Join(images, "half")
	must(t, local.CopyDir(half, filepath.Join(images, "copied")))
	tables, err := filepath.Glob(filepath.Join(half, "log.new", "*"))
	must(t, err)
	for i, table := range tables {
		if i%2 == 0 {
			must(t, os.Remove(table))
		} else {
			must(t, os.Truncate(table, 7))
		}
	}
	for _, image := range append(compactions, "half") {
		crashed := filepath.Join(images, image)
		l := open(t, crashed)
		if got := everything(t, l); !slices.Equal(got, want) {
			t.Errorf("Open after a crash at %s: got %v, want %v", image, got, want)
		}
		must(t, l.Close())
		left, err := filepath.Glob(filepath.Join(crashed, "log*"))
		must(t, err)
		if len(left) != 1 {
			t.Errorf("after a crash at %s: got %v, want the log alone", image, left)
		}
	}
}

func TestALogThatWasNeverWholeIsNotTakenForOne(t *testing.T) {
	place := t.TempDir()
	must(t, os.Mkdir(filepath.Join(place, "log.new"), 0o700))
	if _, err := local.Open(place, local.Options{}); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "log.new") {
		t.Errorf("Open of a log.new alone: got %v, want ErrDamaged", err)
	}
}

func TestAnInterruptedExchangeIsNotGivenUp(t *testing.T) {
	place := t.TempDir()
	l := open(t, place)
	worn(t, l)
	want := everything(t, l)
	must(t, l.Close())
	must(t, os.Rename(filepath.Join(place, "log"), filepath.Join(place, "log.old")))
	l, err := local.Open(place, local.Options{MustExist: true})
	must(t, err)
	defer func() { must(t, l.Close()) }()
	if got := everything(t, l); !slices.Equal(got, want) {
		t.Errorf("Open of a log.old alone: got %v, want %v", got, want)
	}
}

// While a log is compacted it can be searched, changes wait and are not lost, and
// no other process gets at it.
func TestSearchesGoOnWhileALogIsCompacted(t *testing.T) {
	place := t.TempDir()
	var l *local.Catalog
	var want []string
	var changes sync.WaitGroup
	steps := 0
	l = openReaching(t, place, func(step string) error {
		steps++
		if got := answers(t, l, "c", true); !slices.Equal(got, want) {
			t.Errorf("Search at %s: got %v, want %v", step, got, want)
		}
		if _, err := l.Vector(t.Context(), "c", "i1"); err != nil {
			t.Errorf("Vector at %s: %v", step, err)
		}
		if step == "log.old" {
			if _, err := local.Open(place, local.Options{}); !errors.Is(err, store.ErrLocked) {
				t.Errorf("Open at %s: got %v, want ErrLocked", step, err)
			}
			changes.Go(func() {
				if said, err := l.History(t.Context(), "c", "i1"); err != nil || len(said) != 3 {
					t.Errorf("History meanwhile: got %v, %v", said, err)
				}
			})
		}
		from := 1000 + 100*steps
		changes.Go(func() { putAll(t, l, "c", records(from, from+100)) })
		return nil
	})
	worn(t, l)
	want = answers(t, l, "c", true)
	_, err := l.Compact(t.Context(), nil)
	must(t, err)
	changes.Wait()
	for range 2 {
		s, err := l.Status(t.Context(), "c")
		must(t, err)
		if s.Instances != 35+100*len(compactions) {
			t.Errorf("Status: got %d instances, want %d", s.Instances, 35+100*len(compactions))
		}
		must(t, l.Close())
		l = openReaching(t, place, nil)
	}
	must(t, l.Close())
}

func TestACompactionThatFailsLeavesTheLog(t *testing.T) {
	for _, at := range compactions {
		place := t.TempDir()
		full := errors.New("disk full")
		l := openReaching(t, place, func(step string) error {
			if step == at {
				return full
			}
			return nil
		})
		worn(t, l)
		want := everything(t, l)
		_, err := l.Compact(t.Context(), nil)
		if !errors.Is(err, full) {
			t.Errorf("Compact that fails at %s: got %v, want why", at, err)
		}
		exchanging := at == "log.old" || at == "log"
		if err := l.Ready(t.Context()); (err != nil) != exchanging {
			t.Errorf("Ready after a failure at %s: got %v", at, err)
		}
		if !exchanging {
			putAll(t, l, "c", records(2000, 2001))
			must(t, l.Delete(t.Context(), "c", "i2000"))
		}
		must(t, l.Close())
		l = openReaching(t, place, nil)
		if got := everything(t, l); !exchanging && len(got) != len(want) || exchanging && !slices.Equal(got, want) {
			t.Errorf("Open after a failure at %s: got %v, want %v", at, got, want)
		}
		must(t, l.Close())
	}
}

func TestCloseEndsACompaction(t *testing.T) {
	place := t.TempDir()
	var l *local.Catalog
	closed := make(chan error, 1)
	l = openReaching(t, place, func(step string) error {
		if step == "copied" {
			go func() { closed <- l.Close() }()
			<-l.Ended()
		}
		return nil
	})
	worn(t, l)
	if _, err := l.Compact(t.Context(), nil); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Compact while it is closed: got %v, want ErrClosed", err)
	}
	must(t, <-closed)
	l = openReaching(t, place, nil)
	defer func() { must(t, l.Close()) }()
	if got, err := l.List(t.Context(), "c", 0, 100); err != nil || len(got) != 35 {
		t.Errorf("List after it: got %d, %v, want 35", len(got), err)
	}
}
