package client_test

import (
	"errors"
	"slices"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
	"nearcase/store"
)

func TestSeveralQueriesAndDeletionsOverHTTP(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	ctx := t.Context()
	if _, err := c.Create(ctx, api.NewCollection{Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"light", "dark"}}}}); err != nil {
		t.Fatal(err)
	}
	ingested(t, c.Ingest(ctx, "cases", pictures(t, 12), api.IngestOptions{}))
	queries := []api.Query{
		{Instance: "i3", K: 2}, {Instance: "none"}, {Image: picture(t, 1000), K: 3, Patient: "p1"},
		{Like: []string{"i1", "i2"}, Unlike: []string{"i4"}, Filter: new(store.Among("patient", "p5", "p6", "p7"))},
	}
	got, err := c.SimilarAll(ctx, "cases", slices.Values(queries))
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.SimilarAll(ctx, "cases", slices.Values(queries))
	if err != nil {
		t.Fatal(err)
	}
	for i := range queries {
		if errors.Is(want[i].Err, store.ErrInstance) != errors.Is(got[i].Err, store.ErrInstance) {
			t.Errorf("SimilarAll, query %d: got %v, want %v", i, got[i].Err, want[i].Err)
		}
		ids := func(a api.Similar) (ids []string) {
			for _, c := range a.Cases {
				ids = append(ids, c.ID)
			}
			return ids
		}
		if !slices.Equal(ids(got[i].Answer), ids(want[i].Answer)) || (got[i].Answer.RequestID == "") != (i == 1) {
			t.Errorf("SimilarAll, query %d: got %+v, want %+v", i, got[i].Answer, want[i].Answer)
		}
	}
	classes, err := c.ClassifyAll(ctx, "cases", slices.Values(queries[:3]))
	if err != nil || len(classes) != 3 || len(classes[2].Answer.Tasks) != 1 || classes[1].Err == nil {
		t.Errorf("ClassifyAll: got %+v, %v, want two answers", classes, err)
	}
	if _, err := c.SimilarAll(ctx, "cases", slices.Values([]api.Query{})); !errors.Is(err, api.ErrQuery) {
		t.Errorf("SimilarAll of none: got %v, want ErrQuery", err)
	}
	some := new(store.Among("id", "i1", "i2", "x"))
	if swept, err := c.Sweep(ctx, "cases", api.SweepOptions{Filter: some, DryRun: true}, nil); err != nil || swept.Matched != 2 {
		t.Errorf("Sweep, dry: got %+v, %v, want 2", swept, err)
	}
	if _, err := c.Sweep(ctx, "cases", api.SweepOptions{Filter: some, Expected: new(3)}, nil); !errors.Is(err, api.ErrExpected) {
		t.Errorf("Sweep of more than there are: got %v, want ErrExpected", err)
	}
	if swept, err := c.Sweep(ctx, "cases", api.SweepOptions{Filter: some, Expected: new(2)}, nil); err != nil || swept != (api.Swept{Matched: 2, Deleted: 2}) {
		t.Errorf("Sweep: got %+v, %v, want 2 deleted", swept, err)
	}
	if page, err := c.List(ctx, "cases", api.ListOptions{Count: true}); err != nil || *page.Count != 10 {
		t.Errorf("List: got %+v, %v, want 10", page.Count, err)
	}
}
