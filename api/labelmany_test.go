package api_test

import (
	"errors"
	"fmt"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

func TestThoseLabelsAreStoredThatCanBe(t *testing.T) {
	s, _ := newService(t, false)
	fingerprint := emptied(t, s, store.Task{Name: "finding", Classes: []string{"a", "b"}})
	for i := range 40 {
		ingestOne(t, s, api.Image{ID: fmt.Sprint("i", i), Vector: []float32{1, float32(i), 0, 0}, Fingerprint: fingerprint}, api.IngestOptions{})
	}
	want := map[int]error{}
	requests := make([]api.LabelRequest, 100)
	for n := range requests {
		r := api.LabelRequest{Instance: fmt.Sprint("i", n%40), Task: "finding", Classes: []string{[]string{"a", "b"}[n/40%2]}}
		switch n {
		case 3, 98:
			r.Instance, want[n] = "nobody", store.ErrInstance
		case 17:
			r.Task, want[n] = "age", store.ErrTask
		case 50:
			r.Classes, want[n] = []string{"c"}, store.ErrClass
		case 51:
			r.Classes, want[n] = nil, store.ErrInvalid
		}
		requests[n] = r
	}
	done, refused, err := s.LabelEach(t.Context(), "c", requests)
	if err != nil || done.Labels != 95 || done.New != 40 || done.Watermark == 0 {
		t.Fatalf("LabelEach: got %+v, %v, want 95 labels of which 40 are new", done, err)
	}
	for n, err := range refused {
		if !errors.Is(err, want[n]) || (err != nil) != (want[n] != nil) {
			t.Errorf("label %d: got %v, want %v", n, err, want[n])
		}
	}
	for n := range 40 { // the later counts: b for those that have a second, a again for the third
		class := "b"
		if n < 20 {
			class = "a"
		}
		if n == 18 { // the third is refused
			class = "b"
		}
		if i, err := s.Instance(t.Context(), "c", fmt.Sprint("i", n)); err != nil || i.Labels["finding"].Classes[0] != class && n != 10 && n != 11 {
			t.Errorf("i%d: got %v, %v, want %s", n, i.Labels, err, class)
		}
	}
	if _, _, err := s.LabelEach(t.Context(), "none", requests); !errors.Is(err, store.ErrCollection) {
		t.Errorf("LabelEach in no collection: got %v", err)
	}
}
