package local

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"nearcase/store"
	"nearcase/store/storetest"
)

func TestADamagedThumbnailIsNone(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := l.Create(t.Context(), storetest.Collection("c")); err != nil {
		t.Fatal(err)
	}
	out, err := l.Put(t.Context(), "c", storetest.Records(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SaveThumbnail(t.Context(), "c", out[0].Key, []byte("a picture")); err != nil {
		t.Fatal(err)
	}
	path := l.collections["c"].thumbnailPath(out[0].Key)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		damaged := append([]byte{}, whole...)
		damaged[n] ^= 1
		for _, data := range [][]byte{damaged, whole[:n]} {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := l.Thumbnail(t.Context(), "c", out[0].Key); !errors.Is(err, store.ErrDerived) {
				t.Fatalf("Thumbnail of %d bytes, damaged at %d: got %q, %v, want ErrDerived", len(data), n, got, err)
			}
		}
	}
	if err := l.Drop(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Drop: got %v, want no thumbnail", err)
	}
}

// A thumbnail is removed with its instance, and again where power loss has undone that.
func TestThumbnailsThatComeBackAreRemoved(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = l.Create(t.Context(), storetest.Collection("c"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := l.Put(t.Context(), "c", storetest.Records(0, 2))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, o := range out {
		paths = append(paths, l.collections["c"].thumbnailPath(o.Key))
		err = errors.Join(err, l.SaveThumbnail(t.Context(), "c", o.Key, []byte("a picture")))
	}
	whole, bad := os.ReadFile(paths[0])
	err = errors.Join(err, bad, l.Delete(t.Context(), "c", "i0"), l.Close(), os.WriteFile(paths[0], whole, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if l, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	l.originals.sweeping.Wait()
	if _, err := os.Stat(paths[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the thumbnail of an instance that is gone: got %v, want none", err)
	}
	if _, err := l.Thumbnail(t.Context(), "c", out[1].Key); err != nil {
		t.Errorf("the thumbnail of one that is there: got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// Who gives the originals up has no thumbnails, not even those that were made
// meanwhile or that a crash has left.
func TestACollectionThatDiscardsOriginalsHasNoThumbnails(t *testing.T) {
	dir, discards := t.TempDir(), true
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = l.Create(t.Context(), storetest.Collection("c"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := l.Put(t.Context(), "c", storetest.Records(0, 1))
	if err == nil {
		err = errors.Join(l.SaveThumbnail(t.Context(), "c", out[0].Key, []byte("a picture")),
			l.Amend(t.Context(), "c", store.Amendment{DiscardOriginals: &discards}))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SaveThumbnail(t.Context(), "c", out[0].Key, []byte("a picture")); !errors.Is(err, store.ErrInstance) {
		t.Errorf("SaveThumbnail after Amend: got %v, want ErrInstance", err)
	}
	path := l.collections["c"].thumbnailPath(out[0].Key)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Amend: got %v, want no thumbnail", err)
	}
	if err := errors.Join(l.Close(), os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("left"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Open: got %v, want no thumbnail", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
