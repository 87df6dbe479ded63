package client_test

import (
	"errors"
	"reflect"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
	"nearcase/store"
)

// Versions of probes are the same through a server.
func TestVersionsOfProbesAreThoseOfTheService(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	tasks := []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}
	if _, err := c.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants", Tasks: tasks}); err != nil {
		t.Fatal(err)
	}
	ingested(t, c.Ingest(t.Context(), "cases", pictures(t, 24), api.IngestOptions{}))
	steps := 0
	first, err := c.Retrain(t.Context(), "cases", "finding", func(int, int) { steps++ })
	if err != nil || first.Version == 0 {
		t.Fatalf("Retrain: got %+v, %v, want a version", first, err)
	}
	if _, err := c.Label(t.Context(), "cases", []api.LabelRequest{{Instance: "i0", Task: "finding", Classes: []string{"light"}}}); err != nil {
		t.Fatal(err)
	}
	second, err := c.Retrain(t.Context(), "cases", "finding", nil)
	if err != nil || second.Version <= first.Version {
		t.Fatalf("Retrain: got %+v, %v, want a newer version", second, err)
	}
	if i, err := c.Rollback(t.Context(), "cases", "finding", first.Version); err != nil || i.Answering != first.Version || len(i.Versions) != 2 {
		t.Errorf("Rollback: got %+v, %v, want version %d to answer", i, err, first.Version)
	}
	want, err := s.Probe(t.Context(), "cases", "finding", 0)
	if err != nil || !want.Pinned {
		t.Errorf("Probe: got %+v, %v, want the pinned one", want, err)
	}
	if got, err := c.Probe(t.Context(), "cases", "finding", 0); err != nil || got.Version != want.Version || !reflect.DeepEqual(got.Tuning, want.Tuning) {
		t.Errorf("Probe: got %+v, %v, want %+v", got, err, want)
	}
	compared, err := s.Compare(t.Context(), "cases", "finding", first.Version, second.Version)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Compare(t.Context(), "cases", "finding", first.Version, second.Version); err != nil || !reflect.DeepEqual(got.Heads, compared.Heads) {
		t.Errorf("Compare: got %+v, %v, want %+v", got.Heads, err, compared.Heads)
	}
	if _, err := c.Rollback(t.Context(), "cases", "finding", 9999); !errors.Is(err, api.ErrVersion) {
		t.Errorf("Rollback to a version that never was: got %v, want ErrVersion", err)
	}
	if _, err := c.Probe(t.Context(), "cases", "finding", 9999); !errors.Is(err, api.ErrVersion) {
		t.Errorf("Probe that never was: got %v, want ErrVersion", err)
	}
}
