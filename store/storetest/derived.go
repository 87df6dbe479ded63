package storetest

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearcase/store"
)

// derived checks that what was derived comes back as it was saved last, of each
// collection and name its own.
func derived(t *testing.T, open func(t *testing.T, place string) store.Catalog) {
	place := t.TempDir()
	c := filled(t, open(t, place), 1)
	must(t, c.Create(t.Context(), Collection("d")))
	for _, name := range []string{"..", ".new-1", "ridge-1.a_b", strings.Repeat("n", 100)} {
		must(t, c.SaveDerived(t.Context(), "c", name, []byte("old")))
		must(t, c.SaveDerived(t.Context(), "c", name, []byte("c "+name)))
		must(t, c.SaveDerived(t.Context(), "d", name, []byte("d "+name)))
	}
	must(t, c.SaveDerived(t.Context(), "c", "empty", nil))
	must(t, c.SaveDerived(t.Context(), "c", "gone", []byte("x")))
	must(t, c.DropDerived(t.Context(), "c", "gone"))
	must(t, c.DropDerived(t.Context(), "c", "gone"))
	for range 2 {
		for _, name := range []string{"..", ".new-1", "ridge-1.a_b", strings.Repeat("n", 100)} {
			wantDerived(t, c, "c", name, "c "+name)
			wantDerived(t, c, "d", name, "d "+name)
		}
		wantDerived(t, c, "c", "empty", "")
		_, err := c.Derived(t.Context(), "c", "gone")
		wantErr(t, "Derived after DropDerived", err, store.ErrDerived)
		names, err := c.DerivedNames(t.Context(), "c")
		must(t, err)
		if want := []string{"..", ".new-1", "empty", strings.Repeat("n", 100), "ridge-1.a_b"}; !slices.Equal(names, want) {
			t.Errorf("DerivedNames: got %q, want %q", names, want)
		}
		must(t, c.Close())
		c = open(t, place)
	}
	defer func() { must(t, c.Close()) }()
	refusedDerived(t, c)
	must(t, c.Drop(t.Context(), "c"))
	must(t, c.Create(t.Context(), Collection("c")))
	if names, err := c.DerivedNames(t.Context(), "c"); err != nil || len(names) != 0 {
		t.Errorf("DerivedNames of a collection created again: got %q, %v, want none", names, err)
	}
	wantDerived(t, c, "d", "..", "d ..")
}

func wantDerived(t *testing.T, c store.Catalog, collection, name, want string) {
	t.Helper()
	got, err := c.Derived(t.Context(), collection, name)
	must(t, err)
	if string(got) != want {
		t.Errorf("Derived(%s, %s): got %q, want %q", collection, name, got, want)
	}
}

func refusedDerived(t *testing.T, c store.Catalog) {
	t.Helper()
	for _, name := range []string{"", "A", "a/b", "../a", "a b", "ä", strings.Repeat("n", 101)} {
		wantErr(t, "SaveDerived as "+name, c.SaveDerived(t.Context(), "c", name, nil), store.ErrInvalid)
		_, err := c.Derived(t.Context(), "c", name)
		wantErr(t, "Derived of "+name, err, store.ErrInvalid)
		wantErr(t, "DropDerived of "+name, c.DropDerived(t.Context(), "c", name), store.ErrInvalid)
	}
	wantErr(t, "SaveDerived in an unknown collection", c.SaveDerived(t.Context(), "x", "a", nil), store.ErrCollection)
	_, err := c.DerivedNames(t.Context(), "x")
	wantErr(t, "DerivedNames of an unknown collection", err, store.ErrCollection)
}

// rewriting checks that who reads while others write and drop gets all of one
// version or none.
func rewriting(t *testing.T, c store.Catalog) {
	filled(t, c, 1)
	var group sync.WaitGroup
	for g := range 2 {
		group.Go(func() {
			for n := range 10 {
				if err := c.SaveDerived(t.Context(), "c", "x", bytes.Repeat([]byte{byte('a' + g)}, 10_000*n)); err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			for n := range 50 {
				got, err := c.Derived(t.Context(), "c", "x")
				if err == nil && len(got) > 0 && len(bytes.Trim(got, string(got[:1]))) > 0 {
					t.Errorf("Derived: got a mixture of two versions, %d bytes", len(got))
				} else if err != nil {
					wantErr(t, "Derived of what is written", err, store.ErrDerived)
				}
				if n%25 == 0 {
					_ = c.DropDerived(t.Context(), "c", "x")
				}
			}
		})
	}
	group.Wait()
}
