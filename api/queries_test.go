package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

// ward fills "c" with four studies of two images of each of three patients, called by
// their pseudonyms if there is a key. Study s1 is one of p0's and one of p1's.
func ward(t *testing.T, s *api.Service, catalog store.Catalog, call func(patient string) string) {
	t.Helper()
	fingerprint := emptied(t, s, finding)
	for i := range 24 {
		study := fmt.Sprint("s", i/2)
		if i/2 == 4 {
			study = "s1"
		}
		put(t, catalog, store.Record{
			Instance: store.Instance{
				ID: fmt.Sprint("i", i), Patient: call(fmt.Sprint("p", i/8)), Study: study, Name: fmt.Sprint("radiograph ", i%3),
				Metadata: map[string]string{"Modality": []string{"CR", "DX"}[i%2], "PatientAge": fmt.Sprintf("%03dY", 10+i)},
			},
			Vector: unit(1, float64(i)/10, 0, 0), Fingerprint: fingerprint,
			Labels: []store.Label{{Task: "finding", Classes: []string{finding.Classes[i%2]}, Source: "here"}},
		})
	}
}

func asGiven(patient string) string { return patient }

func filterOf(t *testing.T, text string) *store.Filter {
	t.Helper()
	f, err := store.ParseFilter([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestQueriesSayWhatMayAnswer(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	for _, c := range []struct {
		fact string
		q    api.Query
		want string
	}{
		{"a filter", api.Query{Instance: "i0", K: 3, Filter: filterOf(t, `{"field":"Modality","eq":"DX"}`)}, "i9 i11 i13"},
		{"a filter of labels and ages", api.Query{Instance: "i0", K: 3, Filter: filterOf(t, `{"all":[{"task":"finding","has":["b"]},{"field":"PatientAge","gte":"022Y"}]}`)}, "i13 i15 i17"},
		{"a filter that nothing passes", api.Query{Instance: "i0", Filter: filterOf(t, `{"field":"PatientAge","gt":200}`)}, ""},
		{"one of each study", api.Query{Instance: "i0", K: 3, GroupBy: api.GroupStudy}, "i8 i10 i12"},
		{"one of each patient", api.Query{Instance: "i0", GroupBy: api.GroupPatient}, "i8 i16"},
		{"not grouped", api.Query{Instance: "i0", K: 3, GroupBy: api.GroupNone}, "i8 i9 i10"},
		{"an instance excluded, without its kin", api.Query{Instance: "i0", K: 3, Exclude: api.Exclusion{Instances: []string{"i8", "x"}}}, "i9 i10 i11"},
		{"a study excluded, of whomever", api.Query{Instance: "i0", K: 3, Exclude: api.Exclusion{Studies: []string{"s1"}}}, "i10 i11 i12"},
		{"a patient excluded", api.Query{Instance: "i0", K: 3, Exclude: api.Exclusion{Patients: []string{"p1"}}}, "i16 i17 i18"},
		{"a patient excluded where the own is not", api.Query{Instance: "i0", K: 3, SamePatient: true, Exclude: api.Exclusion{Patients: []string{"p1"}}}, "i1 i2 i3"},
		{"like two examples", api.Query{Like: []string{"i9", "i10"}, K: 3}, "i7 i6 i16"},
		{"like two examples of the same patient", api.Query{Like: []string{"i9", "i12"}, K: 3, SamePatient: true}, "i10 i11 i13"},
		{"like one and unlike others", api.Query{Like: []string{"i12"}, Unlike: []string{"i0", "i1"}, K: 3}, "i23 i22 i21"},
		{"an instance refined", api.Query{Instance: "i12", Like: []string{"i0"}, K: 2}, "i16 i17"},
		{"unlike what is not asked about", api.Query{Instance: "i20", Unlike: []string{"i0"}, K: 2, SamePatient: true}, "i23 i22"},
		{"a study by its images", api.Query{Study: "s0", K: 2, Level: "instance"}, "i8 i9"},
		{"a study of a patient", api.Query{Study: "s1", Patient: "p1", K: 2, Level: "instance"}, "i7 i6"},
	} {
		if got := strings.Join(similarTo(t, s, c.q), " "); got != c.want {
			t.Errorf("Similar, %s: got %q, want %q", c.fact, got, c.want)
		}
	}
}

func TestAStudyIsAskedAboutAsAWhole(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	a, err := s.Similar(t.Context(), "c", api.Query{Study: "s8", K: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := api.Subject{Study: "s8", Images: 2, Stored: true, Excluded: 8}
	if a.Query != want || len(a.Cases) != 2 || a.Cases[0].Study != "s7" || !slices.Equal(a.Cases[0].Instances, []string{"i14", "i15"}) {
		t.Errorf("Similar to study s8: got %+v of %+v, want s7 first, of %+v", a.Cases, a.Query, want)
	}
	if a, err = s.Similar(t.Context(), "c", api.Query{Study: "s8", K: 2, SamePatient: true}); err != nil || a.Cases[0].Study != "s9" || a.Query.Excluded != 2 {
		t.Errorf("Similar to study s8 of the same patient: got %+v, %v, want s9 first", a.Cases, err)
	}
	c, err := s.Classify(t.Context(), "c", api.Query{Study: "s8", K: 3, GroupBy: api.GroupNone})
	if err != nil {
		t.Fatal(err)
	}
	n := c.Tasks[0]
	if c.Query != want || n.Counts.LeftOut != 8 || n.Voting.GroupBy != api.GroupNone || c.Novelty.Problem == "" || len(n.Neighbours) != 0 {
		t.Errorf("Classify study s8: got %+v, %+v, want no votes of studies whose labels contradict each other", c.Query, n)
	}
	for _, i := range []string{"i1", "i13", "i15"} {
		if _, err := s.Label(t.Context(), "c", []api.LabelRequest{{Instance: i, Task: "finding", Classes: []string{"a"}}}); err != nil {
			t.Fatal(err)
		}
	}
	if c, err = s.Classify(t.Context(), "c", api.Query{Study: "s8", K: 3, GroupBy: api.GroupNone}); err != nil || len(c.Tasks[0].Neighbours) != 3 || c.Tasks[0].Neighbours[0].ID != "i14" {
		t.Errorf("Classify study s8 by the three that agree: got %+v, %v", c.Tasks, err)
	}
	if _, err := s.Similar(t.Context(), "c", api.Query{Study: "s1"}); !errors.Is(err, api.ErrQuery) || !strings.Contains(err.Error(), "name the patient") {
		t.Errorf("Similar to a study that two patients have: got %v, want ErrQuery", err)
	}
	if _, err := s.Similar(t.Context(), "c", api.Query{Study: "x"}); !errors.Is(err, store.ErrInstance) {
		t.Errorf("Similar to an unknown study: got %v, want ErrInstance", err)
	}
}

func TestVotesAreGroupedAsAsked(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	for group, want := range map[string]int{"": 2, api.GroupPatient: 2, api.GroupStudy: 8, api.GroupNone: 16} {
		a, err := s.Classify(t.Context(), "c", api.Query{Instance: "i0", GroupBy: group, Fields: []string{"metadata"}})
		if err != nil {
			t.Fatal(err)
		}
		n := a.Tasks[0]
		if n.Counts.Neighbours != want || n.Voting.GroupBy != map[bool]string{true: api.GroupPatient, false: group}[group == ""] {
			t.Errorf("Classify grouped by %q: got %d neighbours, %+v, want %d", group, n.Counts.Neighbours, n.Voting, want)
		}
		if v := n.Neighbours[0]; v.Patient != "" || v.Name != "" || v.Metadata["Modality"] == "" || v.ID == "" || len(v.Label) != 1 {
			t.Errorf("Classify with metadata alone: got %+v", v)
		}
	}
}

func TestFieldsAreReturnedAsAsked(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	keys := map[string]bool{}
	for _, field := range api.CaseFields() {
		a, err := s.Similar(t.Context(), "c", api.Query{Instance: "i0", K: 1, Fields: []string{field}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(a.Cases[0])
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		for key := range got {
			if key != "id" && key != "score" && key != field {
				t.Errorf("Similar with field %s: got %s", field, text)
			}
			keys[key] = true
		}
	}
	for _, want := range []string{"id", "score", "patient", "study", "name", "labels", "metadata"} {
		if !keys[want] {
			t.Errorf("no case has %s, asked for by that", want)
		}
	}
	a, err := s.Similar(t.Context(), "c", api.Query{Instance: "i0", K: 1})
	if err != nil || a.Watermark == 0 || a.Watermark != a.Head || a.Model != "means" || a.Index != "exact" {
		t.Errorf("Similar: got %+v, %v, want the last label and what answered", a, err)
	}
}

func TestQueriesThatMakeNoSenseAreRefused(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	many := slices.Repeat([]string{"i1"}, 1001)
	for says, c := range map[string]struct {
		q    api.Query
		want error
	}{
		"examples that cases are to be like": {api.Query{}, api.ErrQuery},
		"give one of an image":               {api.Query{Unlike: []string{"i1"}}, api.ErrQuery},
		"give one of":                        {api.Query{Instance: "i0", Text: "x"}, api.ErrQuery},
		"1001 examples":                      {api.Query{Like: many}, api.ErrQuery},
		`"x"`:                                {api.Query{Like: []string{"x"}}, store.ErrInstance},
		"cancel out":                         {api.Query{Instance: "i1", Like: []string{"i1"}, Unlike: []string{"i2"}, SamePatient: true, Vector: nil}, nil},
		"group_by":                           {api.Query{Instance: "i0", GroupBy: "series"}, api.ErrQuery},
		"identifiers to exclude":             {api.Query{Instance: "i0", Exclude: api.Exclusion{Patients: slices.Repeat(many, 10)}}, api.ErrQuery},
		`fields names "pixels"`:              {api.Query{Instance: "i0", Fields: []string{"pixels"}}, api.ErrQuery},
		`unknown field "Manufacturer"`:       {api.Query{Instance: "i0", Filter: filterOf(t, `{"field":"Manufacturer","exists":true}`)}, store.ErrInvalid},
		`task "age"`:                         {api.Query{Instance: "i0", Filter: filterOf(t, `{"task":"age","labelled":true}`)}, store.ErrTask},
		`class "z"`:                          {api.Query{Instance: "i0", Filter: filterOf(t, `{"task":"finding","has":["z"]}`)}, store.ErrClass},
	} {
		for name, ask := range map[string]func() error{
			"Similar":  func() error { _, err := s.Similar(t.Context(), "c", c.q); return err },
			"Classify": func() error { _, err := s.Classify(t.Context(), "c", c.q); return err },
		} {
			err := ask()
			if !errors.Is(err, c.want) || err != nil && name == "Similar" && !strings.Contains(err.Error(), says) {
				t.Errorf("%s: got %v, want %v saying %s", name, err, c.want, says)
			}
		}
	}
}

// Patients in filters and exclusions may be named as the world names them or as an
// answer does.
func TestPatientsInFiltersAreCalledByTheirPseudonyms(t *testing.T) {
	s, catalog := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: bytes.Repeat([]byte{7}, 32)}})
	pseudonyms := map[string]string{}
	for i := range 3 {
		image := given(fmt.Sprint("x", i), shade(t, 10+i))
		image.ID, image.Patient = fmt.Sprint("x", i), fmt.Sprint("p", i)
		items := collect(t, s, slices.Values([]api.Image{image}), api.IngestOptions{})
		found, err := catalog.Instance(t.Context(), "c", items[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		pseudonyms[image.Patient] = found.Instance.Patient
	}
	for text, want := range map[string]string{
		`{"field":"patient","eq":"p1"}`:                                               "x1",
		`{"field":"patient","eq":"` + pseudonyms["p1"] + `"}`:                         "x1",
		`{"field":"patient","in":[" p1 ","p2","p9"]}`:                                 "x1 x2",
		`{"field":"patient","ne":"p1"}`:                                               "x0 x2",
		`{"not":{"any":[{"field":"patient","in":["p1","p2"]}]}}`:                      "x0",
		`{"all":[{"field":"patient","eq":"p1","exists":true}]}`:                       "x1",
		`{"field":"patient","in":["p0","p1"],"ne":"p0"}`:                              "x1",
		`{"field":"patient","prefix":"p"}`:                                            "",
		`{"field":"patient","in":["p0","p1","p2"],"eq":"p2"}`:                         "x2",
		`{"all":[{"field":"id","prefix":"x"},{"not":{"field":"patient","eq":"p0"}}]}`: "x1 x2",
	} {
		page, err := s.List(t.Context(), "c", api.ListOptions{Filter: filterOf(t, text)})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(idsOf(page), " "); got != want {
			t.Errorf("List %s: got %q, want %q", text, got, want)
		}
	}
	for _, patient := range []string{"p2", pseudonyms["p2"]} {
		if got := similarTo(t, s, api.Query{Instance: "x0", Exclude: api.Exclusion{Patients: []string{patient}}}); !slices.Equal(got, []string{"x1"}) {
			t.Errorf("Similar without %s: got %v, want x1", patient, got)
		}
	}
}

func idsOf(p api.Page) []string {
	var ids []string
	for _, i := range p.Instances {
		ids = append(ids, i.ID)
	}
	return ids
}

func TestSeveralQueriesAreAnsweredEach(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	queries := []api.Query{{Instance: "i0", K: 1}, {Instance: "x"}, {Study: "s8", K: 1}, {Like: []string{"i9"}, K: 2}}
	similar, err := s.SimilarAll(t.Context(), "c", slices.Values(queries))
	if err != nil || len(similar) != 4 || !errors.Is(similar[1].Err, store.ErrInstance) {
		t.Fatalf("SimilarAll: got %+v, %v, want an error for the second alone", similar, err)
	}
	classified, err := s.ClassifyAll(t.Context(), "c", slices.Values(queries))
	if err != nil || !errors.Is(classified[1].Err, store.ErrInstance) {
		t.Fatalf("ClassifyAll: got %+v, %v", classified, err)
	}
	for i, q := range queries {
		one, err := s.Similar(t.Context(), "c", q)
		if got, want := fmt.Sprintf("%+v", similar[i].Answer), fmt.Sprintf("%+v", one); got != want {
			t.Errorf("SimilarAll, query %d: got %s, want %s, %v", i, got, want, err)
		}
		if len(classified[i].Answer.Tasks) != 1 && i != 1 {
			t.Errorf("ClassifyAll, query %d: got %+v", i, classified[i])
		}
	}
	for name, c := range map[string]struct {
		collection string
		queries    []api.Query
		want       error
	}{
		"none":          {"c", nil, api.ErrQuery},
		"too many":      {"c", make([]api.Query, api.MaxQueries+1), api.ErrQuery},
		"no collection": {"x", queries, store.ErrCollection},
	} {
		if _, err := s.SimilarAll(t.Context(), c.collection, slices.Values(c.queries)); !errors.Is(err, c.want) {
			t.Errorf("SimilarAll of %s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestAnEvaluationIsOfWhatPasses(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	for i := range 60 {
		put(t, catalog, store.Record{
			Instance: store.Instance{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", i), Metadata: map[string]string{"Modality": []string{"CR", "DX", "MG"}[i%3]}},
			Vector:   unit(1, float64(i%2), float64(i%7)/10, float64(i%5)/10), Fingerprint: fingerprint,
			Labels: []store.Label{{Task: "finding", Classes: []string{finding.Classes[i%2]}}},
		})
	}
	o := api.EvaluateOptions{Methods: []string{"votes"}, Folds: 2, Rounds: 100, Mistakes: -1, Filter: filterOf(t, `{"field":"Modality","in":["CR","DX"]}`)}
	e, err := s.Evaluate(t.Context(), "c", o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e.Data.Images != 40 || !slices.ContainsFunc(e.Warnings, func(w string) bool { return strings.HasPrefix(w, "20 of 60 labelled images do not pass") }) {
		t.Errorf("Evaluate filtered: got %d images and warnings %q, want 40 and that 20 do not pass", e.Data.Images, e.Warnings)
	}
	o.Filter = filterOf(t, `{"field":"Modality","eq":"US"}`)
	if _, err := s.Evaluate(t.Context(), "c", o, nil); !errors.Is(err, api.ErrNotEnough) {
		t.Errorf("Evaluate of nothing: got %v, want ErrNotEnough", err)
	}
	o.Filter = filterOf(t, `{"field":"x","eq":"US"}`)
	if _, err := s.Evaluate(t.Context(), "c", o, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Evaluate by an unknown field: got %v, want ErrInvalid", err)
	}
}
