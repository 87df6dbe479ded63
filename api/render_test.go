package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"image"
	"image/color"
	"image/png"
	"slices"
	"testing"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
)

// shaded is a PNG of 600 × 300 whose left half has one grey and whose right half
// has another.
func shaded(t *testing.T, left, right byte) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 600, 300))
	for i := range m.Pix {
		if m.Pix[i] = left; i%600 >= 300 {
			m.Pix[i] = right
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func ingestOne(t *testing.T, s *api.Service, i api.Image, o api.IngestOptions) (item api.Item) {
	t.Helper()
	for one, err := range s.Ingest(t.Context(), "c", func(yield func(api.Image) bool) { yield(i) }, o) {
		if err != nil {
			t.Fatal(err)
		}
		item = one
	}
	return item
}

func pictureOf(t *testing.T, r api.Rendered) image.Image {
	t.Helper()
	m, kind, err := image.Decode(bytes.NewReader(r.Data))
	if err != nil || "image/"+kind != r.MediaType {
		t.Fatalf("a picture of %s: got %s, %v", r.MediaType, kind, err)
	}
	return m
}

func TestAnInstanceIsShown(t *testing.T) {
	s, _ := newService(t, false)
	emptied(t, s)
	data := shaded(t, 10, 200)
	item := ingestOne(t, s, api.Image{ID: "i", Read: func() ([]byte, error) { return data, nil }}, api.IngestOptions{})
	for _, c := range []struct{ width, height, wantWidth, wantHeight int }{{0, 0, 600, 300}, {60, 60, 60, 30}, {5000, 5000, 600, 300}} {
		r, err := s.Render(t.Context(), "c", "i", api.RenderOptions{Width: c.width, Height: c.height})
		if err != nil || r.Key != item.Key {
			t.Fatalf("Render: got key %d, %v, want %d", r.Key, err, item.Key)
		}
		m := pictureOf(t, r)
		if b := m.Bounds(); b.Dx() != c.wantWidth || b.Dy() != c.wantHeight {
			t.Errorf("Render within %d x %d: got %v", c.width, c.height, b)
		}
		for x, want := range map[int]byte{0: 10, c.wantWidth - 1: 200} {
			if got := color.GrayModel.Convert(m.At(x, 0)).(color.Gray).Y; got != want {
				t.Errorf("Render: got grey %d at %d, want %d", got, x, want)
			}
		}
	}
	for _, o := range []api.RenderOptions{{Frame: 2}, {Frame: -1}, {Window: api.Window{Width: 3}}, {Levels: "x"}} {
		if _, err := s.Render(t.Context(), "c", "i", o); !errors.Is(err, embed.ErrView) {
			t.Errorf("Render(%+v): got %v, want ErrView", o, err)
		}
	}
	if _, err := s.Render(t.Context(), "c", "none", api.RenderOptions{}); !errors.Is(err, store.ErrInstance) {
		t.Errorf("Render of nothing: got %v, want ErrInstance", err)
	}
}

func TestAThumbnailIsKeptUntilItsInstanceChanges(t *testing.T) {
	s, catalog := newService(t, false)
	emptied(t, s)
	light, dark := shaded(t, 200, 200), shaded(t, 10, 10)
	item := ingestOne(t, s, api.Image{ID: "i", Read: func() ([]byte, error) { return light, nil }}, api.IngestOptions{})
	first, err := s.Thumbnail(t.Context(), "c", "i")
	if err != nil || first.Key != item.Key {
		t.Fatalf("Thumbnail: got key %d, %v, want %d", first.Key, err, item.Key)
	}
	if b := pictureOf(t, first).Bounds(); b.Dx() != 256 || b.Dy() != 128 {
		t.Errorf("Thumbnail: got %v, want 256 x 128", b)
	}
	if kept, err := catalog.Thumbnail(t.Context(), "c", item.Key); err != nil || !bytes.Equal(kept, first.Data) {
		t.Errorf("the store's thumbnail: got %d bytes, %v, want those of the answer", len(kept), err)
	}
	if err := catalog.SaveThumbnail(t.Context(), "c", item.Key, []byte("kept")); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Thumbnail(t.Context(), "c", "i"); err != nil || string(again.Data) != "kept" {
		t.Errorf("Thumbnail again: got %d bytes, %v, want what was kept", len(again.Data), err)
	}
	ingestOne(t, s, api.Image{ID: "i", Read: func() ([]byte, error) { return dark, nil }}, api.IngestOptions{Replace: true})
	other, err := s.Thumbnail(t.Context(), "c", "i")
	if err != nil || other.Key == item.Key || bytes.Equal(other.Data, first.Data) {
		t.Errorf("Thumbnail of what replaced it: got key %d, %v", other.Key, err)
	}
}

func TestAVectorIsStoredAsItIs(t *testing.T) {
	s, _ := newService(t, false)
	fingerprint := emptied(t, s, store.Task{Name: "finding", Classes: []string{"a"}})
	v := []float32{3, 0, 0, 4}
	image := api.Image{ID: "v", Patient: "p", Vector: v, Fingerprint: fingerprint, Labels: map[string][]string{"finding": {"a"}}}
	for _, want := range []store.PutStatus{store.Created, store.Unchanged} {
		if item := ingestOne(t, s, image, api.IngestOptions{}); item.Err != nil || item.Status != want || item.Key == 0 || item.ID != "v" {
			t.Fatalf("Ingest of a vector: got %+v, want %s", item, want)
		}
	}
	got, err := s.Vector(t.Context(), "c", "v")
	if err != nil || got.Fingerprint != fingerprint || !slices.Equal(got.Vector, []float32{.6, 0, 0, .8}) || len(got.Bytes()) != 16 {
		t.Errorf("Vector: got %+v, %v, want it at unit length", got, err)
	}
	sum := sha256.Sum256([]byte{0, 0, 0x40, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x40})
	image.ID = ""
	if item := ingestOne(t, s, image, api.IngestOptions{}); item.Err != nil || item.ID != hex.EncodeToString(sum[:]) {
		t.Errorf("Ingest of a vector without an ID: got %+v, want the digest of the vector", item)
	}
	if _, err := s.Original(t.Context(), "c", "v"); !errors.Is(err, store.ErrOriginal) {
		t.Errorf("Original: got %v, want ErrOriginal", err)
	}
	other := image
	other.ID, other.Vector = "v", []float32{1, 0, 0, 0}
	for _, c := range []struct {
		what  string
		image api.Image
		want  error
	}{
		{"another vector", other, store.ErrConflict},
		{"another length", api.Image{ID: "w", Vector: []float32{1}, Fingerprint: fingerprint}, store.ErrDimension},
		{"another model", api.Image{ID: "w", Vector: v, Fingerprint: "x"}, store.ErrFingerprint},
		{"a vector of nothing", api.Image{ID: "w", Vector: make([]float32, 4), Fingerprint: fingerprint}, store.ErrVector},
	} {
		if item := ingestOne(t, s, c.image, api.IngestOptions{}); !errors.Is(item.Err, c.want) || item.Key != 0 {
			t.Errorf("Ingest of %s: got %+v, want %v", c.what, item, c.want)
		}
	}
}

func TestAnIngestMayExpectAKey(t *testing.T) {
	s, _ := newService(t, false)
	emptied(t, s)
	content := func(grey byte) api.Image {
		data := shaded(t, grey, grey)
		return api.Image{ID: "i", Read: func() ([]byte, error) { return data, nil }}
	}
	first := ingestOne(t, s, content(1), api.IngestOptions{IfKey: store.Missing})
	for _, key := range []store.Key{store.Missing, first.Key + 1} {
		if item := ingestOne(t, s, content(2), api.IngestOptions{Replace: true, IfKey: key}); !errors.Is(item.Err, store.ErrChanged) {
			t.Errorf("Ingest with key %d: got %+v, want ErrChanged", key, item)
		}
	}
	if item := ingestOne(t, s, content(2), api.IngestOptions{Replace: true, IfKey: first.Key}); item.Err != nil || item.Status != store.Replaced {
		t.Errorf("Ingest with the key there is: got %+v", item)
	}
}
