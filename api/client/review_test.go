package client_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
	"nearcase/store"
)

func TestAWorklistOverHTTPIsThatOfTheService(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}}); err != nil {
		t.Fatal(err)
	}
	ingested(t, c.Ingest(t.Context(), "cases", pictures(t, 30), api.IngestOptions{}))
	for _, o := range []api.ReviewOptions{{}, {Task: "finding", Kinds: []string{api.ReviewNovel}, Limit: 2, EveryImage: true, Similarity: 0.9}} {
		last := [2]int{}
		over, err := c.Review(t.Context(), "cases", o, func(done, total int) { last = [2]int{done, total} })
		if err != nil {
			t.Fatal(err)
		}
		direct, err := s.Review(t.Context(), "cases", o, nil)
		if diff := cmp.Diff(direct, over); err != nil || diff != "" {
			t.Errorf("Review %+v: %v, over HTTP it differs:\n%s", o, err, diff)
		}
		if last[0] != last[1] || last[0] == 0 {
			t.Errorf("Review %+v: last told %d of %d, want all", o, last[0], last[1])
		}
	}
	for want, o := range map[error]api.ReviewOptions{api.ErrQuery: {Kinds: []string{"odd"}}, store.ErrTask: {Task: "age"}} {
		if _, err := c.Review(t.Context(), "cases", o, nil); !errors.Is(err, want) {
			t.Errorf("Review %+v: got %v, want %v", o, err, want)
		}
	}
}
