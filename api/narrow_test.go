package api_test

import (
	"fmt"
	"slices"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

// crowd fills "c" with three instances of each of four patients, in the order of
// their closeness to i0, and one of nobody known.
func crowd(t *testing.T, s *api.Service, catalog store.Catalog) {
	t.Helper()
	fingerprint := emptied(t, s, finding)
	for i := range 13 {
		r := store.Record{Instance: store.Instance{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", i/3)}, Vector: unit(1, float64(i)/10, 0, 0),
			Fingerprint: fingerprint, Labels: []store.Label{{Task: "finding", Classes: []string{finding.Classes[i%2]}}}}
		if i == 12 {
			r.Instance.Patient = ""
		}
		put(t, catalog, r)
	}
}

func similarTo(t *testing.T, s *api.Service, q api.Query) (ids []string) {
	t.Helper()
	a, err := s.Similar(t.Context(), "c", q)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range a.Cases {
		ids = append(ids, c.ID)
	}
	return ids
}

// has is the filter for cases with one of some classes of finding.
func has(classes ...string) *store.Filter {
	return &store.Filter{Task: "finding", Saying: store.Saying{Has: classes}}
}

func TestSimilarIsNarrowed(t *testing.T) {
	s, catalog := newService(t, false)
	crowd(t, s, catalog)
	for _, engine := range []string{"exact", "graph"} {
		if _, err := s.Reindex(t.Context(), "c", store.Reindexing{Index: store.Index{Engine: engine}}, nil); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			fact string
			q    api.Query
			want []string
		}{
			{"all", api.Query{K: 3}, []string{"i3", "i4", "i5"}},
			{"one of each patient", api.Query{K: 3, GroupBy: api.GroupPatient}, []string{"i3", "i6", "i9"}},
			{"as many as there are", api.Query{GroupBy: api.GroupPatient}, []string{"i3", "i6", "i9", "i12"}},
			{"a task", api.Query{K: 2, Filter: &store.Filter{Task: "finding", Saying: store.Saying{Labelled: new(true)}}}, []string{"i3", "i4"}},
			{"a class", api.Query{K: 3, Filter: has("a")}, []string{"i4", "i6", "i8"}},
			{"two classes", api.Query{K: 3, Filter: has("a", "b")}, []string{"i3", "i4", "i5"}},
			{"a class nobody has", api.Query{Filter: has("c")}, nil},
			{"all of it", api.Query{K: 3, Filter: has("b"), GroupBy: api.GroupPatient}, []string{"i3", "i7", "i9"}},
		} {
			c.q.Instance = "i0"
			if got := similarTo(t, s, c.q); !slices.Equal(got, c.want) {
				t.Errorf("%s: Similar narrowed to %s: got %v, want %v", engine, c.fact, got, c.want)
			}
		}
	}
}

func TestVotesMayBeOneOfEachPatient(t *testing.T) {
	s, catalog := newService(t, false)
	crowd(t, s, catalog)
	a, err := s.Classify(t.Context(), "c", api.Query{Instance: "i0", GroupBy: api.GroupPatient})
	if err != nil {
		t.Fatal(err)
	}
	if n := a.Tasks[0].Counts; n.Neighbours != 4 || n.Patients != 4 {
		t.Errorf("Classify with one case of each patient: got %+v, want 4 neighbours of 4", n)
	}
}

// The service's index is that of collections that do not say.
func TestNewCollectionsHaveTheServicesIndex(t *testing.T) {
	s, _ := newService(t, false)
	s.Index = store.Index{Engine: "graph", M: 8}
	for name, index := range map[string]store.Index{"default": {}, "own": {Engine: "exact"}} {
		c, err := s.Create(t.Context(), api.NewCollection{Name: name, Model: "means", Index: index})
		if err != nil {
			t.Fatal(err)
		}
		want := index
		if name == "default" {
			want = s.Index
		}
		if c.Index != want || c.Status.Engine != want.Engine {
			t.Errorf("Create %s: got index %+v served by %s, want %+v", name, c.Index, c.Status.Engine, want)
		}
	}
}
