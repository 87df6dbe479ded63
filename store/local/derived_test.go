package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nearcase/store"
	"nearcase/store/storetest"
)

// derivedFile is where what is derived from a collection is kept.
func derivedFile(place string, number int, name string) string {
	return filepath.Join(place, "derived", fmt.Sprint(number), name)
}

// Law: whatever happens to the file, Derived gives what was saved or ErrDerived,
// and that is said in the log once and saving it anew helps.
func TestDamagedDerivedFilesAreNeverRead(t *testing.T) {
	place := t.TempDir()
	l, j := openLogged(t, place)
	defer func() { must(t, l.Close()) }()
	for _, name := range []string{"c", "d"} {
		must(t, l.Create(t.Context(), storetest.Collection(name)))
		must(t, l.SaveDerived(t.Context(), name, "ridge", bytes.Repeat([]byte(name), 2000)))
		must(t, l.SaveDerived(t.Context(), name, "other", bytes.Repeat([]byte(name), 2000)))
	}
	path := derivedFile(place, 1, "d-ridge")
	whole, err := os.ReadFile(path)
	must(t, err)
	wrong := map[string][]byte{}
	for fact, from := range map[string]string{"of another collection": derivedFile(place, 2, "d-ridge"), "of another name": derivedFile(place, 1, "d-other")} {
		wrong[fact], err = os.ReadFile(from)
		must(t, err)
	}
	told := 0
	for fact, damage := range derivedDamages(whole, wrong) {
		must(t, os.WriteFile(path, damage, 0o600))
		for range 2 {
			if got, err := l.Derived(t.Context(), "c", "ridge"); !errors.Is(err, store.ErrDerived) || got != nil {
				t.Errorf("Derived of a file %s: got %d bytes, %v, want ErrDerived", fact, len(got), err)
			}
		}
		told++
	}
	if warned := len(j.lines(t, "WARN")); warned != told {
		t.Errorf("%d damaged files are told of in the log %d times, want each once", told, warned)
	}
	must(t, l.SaveDerived(t.Context(), "c", "ridge", []byte("new")))
	if got, err := l.Derived(t.Context(), "c", "ridge"); err != nil || string(got) != "new" {
		t.Errorf("Derived after it was saved anew: got %q, %v", got, err)
	}
}

// derivedDamages adds to what is wrong a file with every byte of its header, and
// some others, flipped, cut to some lengths, emptied and filled with zeros.
func derivedDamages(whole []byte, all map[string][]byte) map[string][]byte {
	rng := rand.New(rand.NewPCG(5, 5))
	all["empty"], all["of zeros"], all["with more at its end"] = nil, make([]byte, len(whole)), append(bytes.Clone(whole), 0)
	for n := range 100 {
		at, length := n, rng.IntN(len(whole))
		if n >= 60 {
			at = rng.IntN(len(whole))
		}
		flipped, zeroed := bytes.Clone(whole), bytes.Clone(whole)
		flipped[at] ^= 1 << rng.IntN(8)
		all[fmt.Sprint("flipped at ", at)] = flipped
		all[fmt.Sprint("cut to ", length)] = whole[:length]
		clear(zeroed[length:])
		all[fmt.Sprint("zero from ", length)] = zeroed
	}
	return all
}

// A crash leaves files that are half written, and folders of collections whose
// Drop was not finished: both are removed, and nothing else is.
func TestLeftoversOfDerivedFilesAreRemoved(t *testing.T) {
	place := t.TempDir()
	l := open(t, place)
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	must(t, l.SaveDerived(t.Context(), "c", ".new-1", []byte("kept")))
	must(t, l.Close())
	must(t, os.MkdirAll(derivedFile(place, 9, ""), 0o700))
	for _, path := range []string{derivedFile(place, 1, ".new-123"), derivedFile(place, 9, "d-ridge")} {
		must(t, os.WriteFile(path, []byte("half"), 0o600))
	}
	l = open(t, place)
	defer func() { must(t, l.Close()) }()
	left, err := filepath.Glob(derivedFile(place, 1, "*"))
	must(t, err)
	if !slices.Equal(left, []string{derivedFile(place, 1, "d-.new-1")}) {
		t.Errorf("files after reopening: got %q, want the one that was saved", left)
	}
	if _, err := os.Stat(derivedFile(place, 9, "")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a collection that is gone is still there: %v", err)
	}
	if got, err := l.Derived(t.Context(), "c", ".new-1"); err != nil || string(got) != "kept" {
		t.Errorf("Derived: got %q, %v, want what was saved", got, err)
	}
	must(t, l.Drop(t.Context(), "c"))
	if _, err := os.Stat(derivedFile(place, 1, "")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a dropped collection is still there: %v", err)
	}
}

func TestDerivedFilesAreForTheOwnerAlone(t *testing.T) {
	place := t.TempDir()
	l := open(t, place)
	defer func() { must(t, l.Close()) }()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	must(t, l.SaveDerived(t.Context(), "c", "x", []byte("x")))
	for path, want := range map[string]os.FileMode{derivedFile(place, 1, "d-x"): 0o600, derivedFile(place, 1, ""): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("permissions of %s: got %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}
