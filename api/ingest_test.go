package api_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"iter"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
)

// perRun is how many pictures a network gets together that says nothing itself.
const perRun = 8

// flat returns a PNG of one colour.
func flat(t testing.TB, c color.Color) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 20, 20))
	for i := range 400 {
		m.Set(i%20, i/20, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shade returns the nth of many distinct pictures.
func shade(t testing.TB, n int) []byte {
	return flat(t, color.RGBA{uint8(n), uint8(n >> 8), uint8(n >> 16), 255})
}

// hugeHeader is a PNG that claims 100,000 × 100,000 pixels.
func hugeHeader() []byte {
	header := binary.BigEndian.AppendUint32([]byte("IHDR"), 100_000)
	header = binary.BigEndian.AppendUint32(header, 100_000)
	header = append(header, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	b = append(b, header...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(header))
}

func given(name string, data []byte) api.Image {
	return api.Image{Name: name, Read: func() ([]byte, error) { return data, nil }}
}

func collect(t testing.TB, s *api.Service, images iter.Seq[api.Image], o api.IngestOptions) []api.Item {
	t.Helper()
	var items []api.Item
	for item, err := range s.Ingest(t.Context(), "c", images, o) {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	return items
}

func TestBadImagesAreRefusedAloneAndLeaveNothing(t *testing.T) {
	s, catalog := newService(t, false)
	emptied(t, s, finding)
	good := given("good", shade(t, 1))
	collect(t, s, slices.Values([]api.Image{good}), api.IngestOptions{})
	before, _ := catalog.Status(t.Context(), "c")
	whole := shade(t, 2)
	for _, c := range []struct {
		fact string
		bad  api.Image
		want error
	}{
		{"not an image", given("x", []byte("patient,finding\n1,normal\n")), embed.ErrNotImage},
		{"a truncated image", given("x", whole[:len(whole)/2]), embed.ErrCorrupt},
		{"a header of 100,000 × 100,000 pixels", given("x", hugeHeader()), embed.ErrTooLarge},
		{"an empty file", given("x", nil), embed.ErrEmpty},
		{"an unreadable file", api.Image{Name: "x", Read: func() ([]byte, error) { return nil, os.ErrPermission }}, os.ErrPermission},
		{"an unknown class", api.Image{Name: "x", Read: func() ([]byte, error) { return whole, nil }, Labels: map[string][]string{"finding": {"z"}}}, store.ErrClass},
		{"an unknown task", api.Image{Name: "x", Read: func() ([]byte, error) { return whole, nil }, Labels: map[string][]string{"y": {"z"}}}, store.ErrTask},
	} {
		items := collect(t, s, slices.Values([]api.Image{good, c.bad, good}), api.IngestOptions{})
		if !errors.Is(items[1].Err, c.want) || items[1].Status != store.Failed {
			t.Errorf("Ingest of %s: got %v, want %v", c.fact, items[1].Err, c.want)
		}
		if items[0].Err != nil || items[2].Err != nil {
			t.Errorf("Ingest beside %s: got %v and %v, want no errors", c.fact, items[0].Err, items[2].Err)
		}
	}
	after, _ := catalog.Status(t.Context(), "c")
	if before.Head != after.Head || after.Instances != 1 {
		t.Errorf("Status after bad images: got %+v, want %+v", after, before)
	}
}

func TestQueriesAreRefused(t *testing.T) {
	s, _ := newService(t, false)
	fingerprint := emptied(t, s, finding)
	collect(t, s, slices.Values([]api.Image{given("good", shade(t, 1))}), api.IngestOptions{})
	for _, c := range []struct {
		fact string
		q    api.Query
		want error
	}{
		{"nothing", api.Query{}, api.ErrQuery},
		{"two things", api.Query{Instance: "x", Image: []byte{1}}, api.ErrQuery},
		{"an empty image", api.Query{Image: []byte{}}, embed.ErrEmpty},
		{"no image", api.Query{Image: []byte("hello")}, embed.ErrNotImage},
		{"an unknown instance", api.Query{Instance: "x"}, store.ErrInstance},
		{"a vector of another model", api.Query{Vector: unit(1, 1, 1, 1), Fingerprint: "f"}, store.ErrFingerprint},
		{"a vector of no model", api.Query{Vector: unit(1, 1, 1, 1)}, store.ErrFingerprint},
		{"a short vector", api.Query{Vector: unit(1, 1), Fingerprint: fingerprint}, store.ErrDimension},
		{"a zero vector", api.Query{Vector: make([]float32, 4), Fingerprint: fingerprint}, store.ErrVector},
		{"k below zero", api.Query{Image: shade(t, 2), K: -1}, api.ErrQuery},
		{"too many neighbours", api.Query{Image: shade(t, 2), K: 1 << 30}, api.ErrQuery},
		{"a score beyond 1", api.Query{Image: shade(t, 2), MinScore: 2}, api.ErrQuery},
	} {
		if _, err := s.Similar(t.Context(), "c", c.q); !errors.Is(err, c.want) {
			t.Errorf("Similar to %s: got %v, want %v", c.fact, err, c.want)
		}
	}
	if _, err := s.Similar(t.Context(), "x", api.Query{Instance: "x"}); !errors.Is(err, store.ErrCollection) {
		t.Errorf("Similar in an unknown collection: got %v", err)
	}
	if _, err := s.Classify(t.Context(), "c", api.Query{Image: shade(t, 2)}); !errors.Is(err, api.ErrNotEnough) {
		t.Errorf("Classify without labels: got %v, want ErrNotEnough", err)
	}
	if _, err := s.Classify(t.Context(), "c", api.Query{Image: shade(t, 2), Tasks: []string{"x"}}); !errors.Is(err, store.ErrTask) {
		t.Errorf("Classify for an unknown task: got %v, want ErrTask", err)
	}
}

func TestItemsComeInOrderAndOnceStored(t *testing.T) {
	s, catalog := newService(t, false)
	emptied(t, s)
	const n = 100
	images := func(yield func(api.Image) bool) {
		for i := range n {
			if !yield(given(fmt.Sprint(i), shade(t, i))) {
				return
			}
		}
	}
	next := 0
	for item, err := range s.Ingest(t.Context(), "c", images, api.IngestOptions{}) {
		if err != nil || item.Err != nil {
			t.Fatal(err, item.Err)
		}
		if item.Index != next || item.Name != fmt.Sprint(next) || item.Status != store.Created {
			t.Errorf("item %d: got %+v", next, item)
		}
		if _, err := catalog.Instance(t.Context(), "c", item.ID); err != nil {
			t.Errorf("item %d was yielded before it could be found: %v", next, err)
		}
		next++
	}
	for _, item := range collect(t, s, images, api.IngestOptions{}) {
		if item.Status != store.Unchanged {
			t.Errorf("the same again: got %+v, want it unchanged", item)
		}
	}
}

func TestEqualImagesAreOneInstanceExceptAsRows(t *testing.T) {
	s, catalog := newService(t, false)
	emptied(t, s)
	twice := slices.Values([]api.Image{given("a", shade(t, 1)), given("b", shade(t, 1))})
	collect(t, s, twice, api.IngestOptions{})
	if st, _ := catalog.Status(t.Context(), "c"); st.Instances != 1 {
		t.Errorf("two equal images: got %d instances, want 1", st.Instances)
	}
	for range 2 { // the second time changes nothing
		items := collect(t, s, twice, api.IngestOptions{Repeats: true})
		if items[1].ID != items[0].ID+"-2" {
			t.Errorf("two equal rows: got %s and %s, want the second with -2", items[0].ID, items[1].ID)
		}
	}
	if st, _ := catalog.Status(t.Context(), "c"); st.Instances != 2 {
		t.Errorf("two equal rows: got %d instances, want 2", st.Instances)
	}
}

// However many images there are, only a window of them is in memory: no more
// have been read than have been yielded and that.
func TestImagesInMemoryAreBounded(t *testing.T) {
	s, _ := newService(t, false)
	emptied(t, s)
	var read atomic.Int64
	window := int64(max((2*s.Workers+2)*perRun, 64))
	images := func(yield func(api.Image) bool) {
		for i := range int(6 * window) {
			im := api.Image{Read: func() ([]byte, error) { read.Add(1); return shade(t, i), nil }}
			if !yield(im) {
				return
			}
		}
	}
	yielded, most := int64(0), int64(0)
	for _, err := range s.Ingest(t.Context(), "c", images, api.IngestOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, read.Load()-yielded)
		yielded++
	}
	if most > window || most < 2 {
		t.Errorf("images read and not yet yielded: up to %d, want 2 to %d", most, window)
	}
}

// However large the images are, no more than a stated amount of them is read
// ahead of what is stored, beside one image for each worker and the batch that
// is stored next.
func TestBytesInMemoryAreBounded(t *testing.T) {
	s, _ := newService(t, false)
	emptied(t, s)
	const size = 24 << 20
	var held, most atomic.Int64
	images := func(yield func(api.Image) bool) {
		for range 48 {
			im := api.Image{Read: func() ([]byte, error) {
				if n := held.Add(size); n > most.Load() {
					most.Store(n)
				}
				return make([]byte, size), nil
			}}
			if !yield(im) {
				return
			}
		}
	}
	for item, err := range s.Ingest(t.Context(), "c", images, api.IngestOptions{}) {
		if err != nil || !errors.Is(item.Err, embed.ErrNotImage) {
			t.Fatal(err, item.Err)
		}
		held.Add(-size)
	}
	bound := int64(256<<20 + (s.Workers+perRun)*size)
	if most.Load() > bound || most.Load() < 2*size {
		t.Errorf("bytes read and not yet yielded: up to %d, want %d to %d", most.Load(), 2*size, bound)
	}
}

func TestIngestEndsWithItsContextAndWithItsLoop(t *testing.T) {
	s, _ := newService(t, false)
	emptied(t, s)
	endless := func(yield func(api.Image) bool) {
		for i := 0; yield(given("", shade(t, i))); i++ {
		}
	}
	for range s.Ingest(t.Context(), "c", endless, api.IngestOptions{}) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range s.Ingest(ctx, "c", endless, api.IngestOptions{}) {
		if n++; n == 50 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("Ingest under a cancelled context: ended with %v, want context.Canceled", last)
	}
}

func TestCollectionRefusesAnotherModel(t *testing.T) {
	s, catalog := newService(t, false)
	c := store.Collection{Name: "c", Model: "means", Fingerprint: "older", Dimension: 4}
	if err := catalog.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Ingest(t.Context(), "c", slices.Values([]api.Image{given("", shade(t, 1))}), api.IngestOptions{}) {
		if !errors.Is(err, store.ErrFingerprint) || !strings.Contains(err.Error(), "older") {
			t.Errorf("Ingest with a changed model: got %v, want ErrFingerprint with both fingerprints", err)
		}
	}
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "d", Model: "none"}); !errors.Is(err, api.ErrModel) {
		t.Errorf("Create with an unknown model: got %v, want ErrModel", err)
	}
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "d", Model: "means", Fingerprint: "f"}); !errors.Is(err, store.ErrFingerprint) {
		t.Errorf("Create with another fingerprint: got %v, want ErrFingerprint", err)
	}
}
