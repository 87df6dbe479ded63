package storetest

import (
	"errors"
	"sync"
	"testing"

	"nearcase/store"
)

func thumbnails(t *testing.T, c store.Catalog) {
	filled(t, c, 4)
	key := func(id string) store.Key {
		found, err := c.Instance(t.Context(), "c", id)
		must(t, err)
		return found.Key
	}
	read := func(key store.Key, want string) {
		t.Helper()
		got, err := c.Thumbnail(t.Context(), "c", key)
		if want == "" {
			wantErr(t, "Thumbnail", err, store.ErrDerived)
		} else if must(t, err); string(got) != want {
			t.Errorf("Thumbnail(%d): got %q, want %q", key, got, want)
		}
	}
	one, two := key("i1"), key("i2")
	read(one, "")
	must(t, c.SaveThumbnail(t.Context(), "c", one, []byte("old")))
	must(t, c.SaveThumbnail(t.Context(), "c", one, []byte("one")))
	must(t, c.SaveThumbnail(t.Context(), "c", two, []byte("two")))
	read(one, "one")
	must(t, c.Delete(t.Context(), "c", "i1"))
	read(one, "")
	wantErr(t, "SaveThumbnail of what is gone", c.SaveThumbnail(t.Context(), "c", one, []byte("one")), store.ErrInstance)
	changed := Record(9)
	changed.Instance.ID, changed.Replace = "i2", true
	put(t, c, []store.Record{changed}, store.Replaced)
	read(two, "")
	read(key("i2"), "")
	wantErr(t, "SaveThumbnail of too much", c.SaveThumbnail(t.Context(), "c", key("i3"), make([]byte, 1<<20+1)), store.ErrInvalid)
	wantErr(t, "SaveThumbnail in no collection", c.SaveThumbnail(t.Context(), "x", 1, nil), store.ErrCollection)
	if names, err := c.DerivedNames(t.Context(), "c"); err != nil || len(names) != 0 {
		t.Errorf("DerivedNames beside thumbnails: got %q, %v, want none", names, err)
	}
	thumbnailsOfTheGone(t, c)
}

// thumbnailsOfTheGone saves thumbnails while their instances are deleted: none is
// left of those.
func thumbnailsOfTheGone(t *testing.T, c store.Catalog) {
	t.Helper()
	records := Records(100, 150)
	put(t, c, records, store.Created)
	var group sync.WaitGroup
	keys := make([]store.Key, len(records))
	for n, r := range records {
		found, err := c.Instance(t.Context(), "c", r.Instance.ID)
		must(t, err)
		keys[n] = found.Key
		group.Go(func() {
			if err := c.SaveThumbnail(t.Context(), "c", found.Key, []byte("x")); err != nil && !errors.Is(err, store.ErrInstance) {
				t.Errorf("SaveThumbnail: %v", err)
			}
		})
		group.Go(func() {
			if err := c.Delete(t.Context(), "c", r.Instance.ID); err != nil {
				t.Errorf("Delete: %v", err)
			}
		})
	}
	group.Wait()
	for _, key := range keys {
		if _, err := c.Thumbnail(t.Context(), "c", key); !errors.Is(err, store.ErrDerived) {
			t.Errorf("Thumbnail of what is gone: got %v, want ErrDerived", err)
		}
	}
}
