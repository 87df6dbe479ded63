package api_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"nearcase/api"
)

// A deletion that another run of the program had begun goes on with what is left, and
// with no more than was expected; one that had deleted nothing counts anew.
func TestADeletionThatWasInterruptedDeletesNoMoreThanExpected(t *testing.T) {
	for name, c := range map[string]struct {
		expected int
		began    bool
		left     int
		err      error
	}{
		"the same":                       {8, true, 16, nil},
		"some had gone":                  {10, true, 16, nil},
		"others have come":               {7, true, 24, api.ErrExpected},
		"nothing had gone, and fewer":    {10, false, 24, api.ErrExpected},
		"nothing had gone, and the same": {8, false, 16, nil},
	} {
		s, catalog := newService(t, false)
		ward(t, s, catalog, asGiven)
		collection, err := catalog.Collection(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		left := map[string]any{
			"id": "J", "kind": api.KindSweep, "collection": "c", "state": api.JobRunning, "attempts": 1, "created": time.Now(), "lasting": true, "of": collection.Created,
			"parameters": api.SweepOptions{Filter: filterOf(t, `{"field":"patient","eq":"p1"}`), Expected: new(c.expected)},
		}
		if c.began {
			left["kept"] = true
		}
		data, err := json.Marshal(left)
		if err == nil {
			err = errors.Join(catalog.SaveDocument(t.Context(), "job", "J", data), s.Resume(t.Context()))
		}
		if err != nil {
			t.Fatal(err)
		}
		j, err := s.Await(t.Context(), "J")
		if err != nil || !errors.Is(j.Err, c.err) || (j.Err == nil) != (c.err == nil) {
			t.Errorf("%s: got job %+v, %v, want %v", name, j, err, c.err)
		}
		if p, err := s.List(t.Context(), "c", api.ListOptions{Count: true}); err != nil || *p.Count != c.left {
			t.Errorf("%s: got %+v left, %v, want %d", name, p, err, c.left)
		}
		if j, err := api.New(api.Options{Catalog: catalog}).Job(t.Context(), "J"); err != nil || !errors.Is(j.Err, c.err) {
			t.Errorf("%s, after a restart: got job %+v, %v, want %v", name, j, err, c.err)
		}
	}
}

// Space is the name of no patient, and so not of those who are unknown.
func TestAFilterForAPatientCalledSpaceFindsNobody(t *testing.T) {
	s, _ := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}})
	collect(t, s, func(yield func(api.Image) bool) { yield(given("unknown", shade(t, 40))) }, api.IngestOptions{})
	for filter, want := range map[string]int{
		`{"field":"patient","eq":" "}`: 0, `{"field":"patient","in":["x"," "]}`: 0, `{"field":"patient","ne":" "}`: 1, `{"field":"patient","exists":false}`: 1,
	} {
		swept, err := s.Sweep(t.Context(), "c", api.SweepOptions{Filter: filterOf(t, filter), DryRun: true}, nil)
		if err != nil || swept.Matched != want {
			t.Errorf("Sweep %s, dry: got %+v, %v, want %d", filter, swept, err, want)
		}
	}
}

func TestQueriesTogetherAskForABoundedNumberOfNeighbours(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	for n, want := range map[int]error{20: nil, 21: api.ErrQuery} {
		asked := 0
		all, err := s.SimilarAll(t.Context(), "c", func(yield func(api.Query) bool) {
			for asked < 100 && asked < n && yield(api.Query{Instance: "i0", K: 10_000}) {
				asked++
			}
		})
		if !errors.Is(err, want) || want == nil && len(all) != n {
			t.Errorf("SimilarAll of %d queries with the greatest k: got %d, %v, want %v", n, len(all), err, want)
		}
	}
}
