package client_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/client"
	"nearcase/api/rest"
	"nearcase/store"
)

// keeper is what a service and a client share of what is kept and erased.
type keeper interface {
	Amend(ctx context.Context, collection string, a store.Amendment) (api.Collection, error)
	Statistics(ctx context.Context, collection string) (store.Statistics, error)
	Erase(ctx context.Context, collection, patient string, progress func(done, total int)) (api.Receipt, error)
	Receipts(ctx context.Context) ([]api.Receipt, error)
	Receipt(ctx context.Context, id string) (api.Receipt, error)
	Compact(ctx context.Context, progress func(done, total int)) (store.Compacted, error)
}

var (
	_ keeper = (*api.Service)(nil)
	_ keeper = (*client.Client)(nil)
)

func TestErasingOverHTTPIsThatOfTheService(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}}); err != nil {
		t.Fatal(err)
	}
	ingested(t, c.Ingest(t.Context(), "cases", pictures(t, 6), api.IngestOptions{}))
	var told []int
	r, err := c.Erase(t.Context(), "cases", "p1", func(done, total int) { told = append(told, done, total) })
	if err != nil || !r.IsVerified() || r.Instances != 1 || len(told) == 0 {
		t.Fatalf("Erase: got %+v, %v and progress %v", r, err, told)
	}
	for _, k := range []keeper{s, c} {
		all, err := k.Receipts(t.Context())
		if err != nil || len(all) != 1 || all[0].Hash != r.Hash || all[0].Check(nil) != nil {
			t.Errorf("Receipts: got %+v, %v, want %+v", all, err, r)
		}
		if one, err := k.Receipt(t.Context(), r.ID); err != nil || !reflect.DeepEqual(one, all[0]) {
			t.Errorf("Receipt: got %+v, %v, want %+v", one, err, all)
		}
		if _, err := k.Receipt(t.Context(), "x"); !errors.Is(err, api.ErrReceipt) {
			t.Errorf("Receipt that is not there: got %v", err)
		}
		if _, err := k.Erase(t.Context(), "cases", "p1", nil); !errors.Is(err, store.ErrInstance) {
			t.Errorf("Erase twice: got %v, want ErrInstance", err)
		}
		text, no := "films", false
		if a, err := k.Amend(t.Context(), "cases", store.Amendment{Description: &text, DiscardOriginals: &no}); err != nil || a.Description != text {
			t.Errorf("Amend: got %+v, %v", a, err)
		}
		if n, err := k.Statistics(t.Context(), "cases"); err != nil || n.Instances != 5 || n.Tasks["finding"].Labelled != 5 {
			t.Errorf("Statistics: got %+v, %v, want 5 instances", n, err)
		}
		if n, err := k.Compact(t.Context(), func(int, int) {}); err != nil || n.Kept == 0 {
			t.Errorf("Compact: got %+v, %v", n, err)
		}
	}
	documents, err := s.Catalog.Documents(t.Context(), "erasure")
	if err == nil {
		err = s.Catalog.SaveDocument(t.Context(), "erasure", documents[0].Name, []byte(strings.Replace(string(documents[0].Data), `"number":1`, `"number":2`, 1)))
	}
	if err != nil {
		t.Fatal(err)
	}
	if all, err := c.Receipts(t.Context()); !errors.Is(err, api.ErrForged) || len(all) != 1 || slices.ContainsFunc(all, func(r api.Receipt) bool { return r.Number != 2 }) {
		t.Errorf("Receipts of which one was changed: got %+v, %v, want ErrForged", all, err)
	}
}
