package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
	"nearcase/store"
)

func TestAnInstanceOverHTTPIsTheServices(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	ctx := t.Context()
	if _, err := c.Create(ctx, api.NewCollection{Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}}); err != nil {
		t.Fatal(err)
	}
	one := api.Image{ID: "a/b", Patient: "p", Labels: map[string][]string{"finding": {"dark"}}, Read: content(picture(t, 1))}
	first, created, err := c.Put(ctx, "cases", one, api.IngestOptions{IfKey: store.Missing, Source: "me"})
	if err != nil || !created || first.ID != "a/b" || first.Labels["finding"].Source != "me" || first.Key == 0 {
		t.Fatalf("Put: got %+v, %v, %v", first, created, err)
	}
	if _, _, err := c.Put(ctx, "cases", one, api.IngestOptions{IfKey: store.Missing}); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Put of what is to be new: got %v, want ErrChanged", err)
	}
	one.Read = content(picture(t, 2))
	second, created, err := c.Put(ctx, "cases", one, api.IngestOptions{IfKey: first.Key})
	if err != nil || created || second.Key == first.Key {
		t.Errorf("Put in its place: got %+v, %v, %v", second, created, err)
	}
	if _, _, err := s.Put(ctx, "cases", one, api.IngestOptions{IfKey: first.Key}); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Put with the key before: got %v, want ErrChanged", err)
	}
	for what, o := range map[string]api.RenderOptions{"as it is": {}, "in small": {Width: 4, Height: 9}, "by percentiles": {Levels: "percentile", Frame: 1}} {
		got, err := c.Render(ctx, "cases", "a/b", o)
		want, err2 := s.Render(ctx, "cases", "a/b", o)
		if err != nil || err2 != nil || !bytes.Equal(got.Data, want.Data) || got.Key != want.Key || got.MediaType != want.MediaType {
			t.Errorf("Render %s: got %d bytes, %v over HTTP and %d, %v of the service", what, len(got.Data), err, len(want.Data), err2)
		}
	}
	if got, err := c.Thumbnail(ctx, "cases", "a/b"); err != nil || got.Key != second.Key {
		t.Errorf("Thumbnail: got key %d, %v", got.Key, err)
	} else if _, kind, err := image.Decode(bytes.NewReader(got.Data)); err != nil || kind != "jpeg" {
		t.Errorf("Thumbnail: got %s, %v", kind, err)
	}
	same(t, "Vector", c, s, func(o operations) (api.Vector, error) { return o.Vector(ctx, "cases", "a/b") })
}

// Images that others have embedded may come among others.
func TestVectorsAreIngested(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	made, err := c.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants"})
	if err != nil {
		t.Fatal(err)
	}
	images := func(yield func(api.Image) bool) {
		for n := range 1200 {
			i := api.Image{ID: fmt.Sprint("v", n), Patient: "p", Vector: make([]float32, 12), Fingerprint: made.Fingerprint}
			i.Vector[n%12] = 1 + float32(n)
			if n%100 == 99 {
				i.Vector, i.Read = nil, content(picture(t, uint64(n)))
			}
			if n == 500 {
				i.Vector = []float32{1}
			}
			if !yield(i) {
				return
			}
		}
	}
	n := 0
	for item, err := range c.Ingest(t.Context(), "cases", images, api.IngestOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if bad := n == 500; item.Index != n || item.ID != fmt.Sprint("v", n) || errors.Is(item.Err, store.ErrDimension) != bad || (item.Key == 0) != bad {
			t.Fatalf("item %d: got %+v", n, item)
		}
		n++
	}
	if got, err := c.Collection(t.Context(), "cases"); err != nil || n != 1200 || got.Status.Instances != 1199 {
		t.Errorf("got %d items and %d instances, %v", n, got.Status.Instances, err)
	}
}

func TestAFolderOfTheServerIsImported(t *testing.T) {
	dir := t.TempDir()
	for n := range 3 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n, ".png")), picture(t, uint64(n)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newService(t, apitest.OpenModel)
	s.Folders = map[string]string{"incoming": dir}
	c := serve(t, s, rest.Options{})
	if _, err := c.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants"}); err != nil {
		t.Fatal(err)
	}
	got, err := c.Import(t.Context(), "cases", api.ImportRequest{Folder: "incoming"}, nil)
	if err != nil || got.Images != 3 || got.Counts["created"] != 3 {
		t.Errorf("Import: got %+v, %v", got, err)
	}
	if _, err := c.Import(t.Context(), "cases", api.ImportRequest{Folder: "other"}, nil); !errors.Is(err, api.ErrFolder) {
		t.Errorf("Import of another folder: got %v, want ErrFolder", err)
	}
}
