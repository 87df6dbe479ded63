package api_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"nearcase/api"
)

// However many images are offered, those that are in memory already are not drawn
// faster than they are stored.
func TestImagesInMemoryAreDrawnAsTheyAreStored(t *testing.T) {
	s, _ := newService(t, false)
	emptied(t, s)
	const size = 60 << 20 // as far as anybody can tell
	var ahead, most atomic.Int64
	images := func(yield func(api.Image) bool) {
		for n := range 100 {
			if now := ahead.Add(1); now > most.Load() {
				most.Store(now)
			}
			data := shaded(t, byte(n), byte(n))
			if !yield(api.Image{ID: fmt.Sprint(n), Held: size, Read: func() ([]byte, error) { return data, nil }}) {
				return
			}
		}
	}
	n := 0
	for item, err := range s.Ingest(t.Context(), "c", images, api.IngestOptions{}) {
		if err != nil || item.Err != nil {
			t.Fatalf("Ingest: %v, %v", err, item.Err)
		}
		ahead.Add(-1)
		n++
	}
	if n != 100 || most.Load() > 2*(256<<20)/size+2 {
		t.Errorf("got %d items, and %d images of %d bytes ahead of them", n, most.Load(), size)
	}
}
