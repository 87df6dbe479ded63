package api

import (
	"slices"
	"testing"

	"nearcase/store"
)

// Of more images than can be searched for some are drawn, and a list says so.
func TestAReviewOfManyImagesIsOfASample(t *testing.T) {
	for _, c := range []struct {
		engine   string
		images   int
		searches int
	}{
		{"exact", 0, mostSearched}, {"exact", 5856, 91678}, {"exact", 100_000, 5368}, {"graph", 100_000, 100_000}, {"graph", 5_000_000, 100_000},
	} {
		r := &reviewing{set: labelledSet{all: make([]store.Case, c.images)}, answer: Review{Provenance: Provenance{Index: c.engine}}}
		if got := r.searches(); got != c.searches {
			t.Errorf("%d images by %s: got %d searches, want %d", c.images, c.engine, got, c.searches)
		}
	}
	r := &reviewing{answer: Review{Provenance: Provenance{Index: "graph"}}}
	if got := r.sampled(5, 5); got != nil {
		t.Errorf("notes of all: got %q", got)
	}
	if got, want := r.sampled(5, 9), []string{"made from 5 of 9 images, drawn at random"}; !slices.Equal(got, want) {
		t.Errorf("notes of a sample: got %q, want %q", got, want)
	}
}

// The same files are found though none is searched for; frames are compared with
// the same frame alone.
func TestIdenticalFilesAreFoundWithoutASearch(t *testing.T) {
	r := &reviewing{}
	for _, i := range []store.Instance{{Digest: "x"}, {Digest: "y"}, {Digest: "x"}, {}, {}, {Digest: "x"}, {Digest: "z", Frame: 1}, {Digest: "z", Frame: 2}} {
		r.set.all, r.vectors = append(r.set.all, store.Case{Instance: i}), append(r.vectors, []float32{0.6, 0.8})
	}
	r.near = make([]nearby, len(r.set.all))
	var got [][2]int
	for _, p := range r.pairs(0.999) {
		got = append(got, [2]int{p.a, p.b})
	}
	if want := [][2]int{{0, 2}, {2, 5}}; !slices.Equal(got, want) {
		t.Errorf("pairs: got %v, want %v", got, want)
	}
}
