package storetest

import (
	"math"
	"slices"
	"testing"

	"nearcase/store"
)

// levels checks the answers at the level of series and studies against a walk
// over all of them.
func levels(t *testing.T, c store.Catalog) {
	filled(t, c, 0)
	var records []store.Record
	for n := range 60 { // patients of four studies of three series of five
		r := Record(n)
		r.Instance.Patient, r.Instance.Study, r.Instance.Series = name("p", n/20), name("s", n/5%4), name("r", n/5)
		r.Labels[0].Classes = []string{[]string{"normal", "pneumonia"}[n/10%2]}
		records = append(records, r)
	}
	records[7].Instance.Series = "" // in a study and in no series
	records[8].Instance.Study, records[8].Instance.Series = "", ""
	put(t, c, records, store.Created)
	compareLevels(t, c, records)
	must(t, c.Delete(t.Context(), "c", records[3].Instance.ID))
	records = slices.Delete(records, 3, 4)
	compareLevels(t, c, records)
	more := Record(99)
	more.Instance.Patient, more.Instance.Study, more.Instance.Series = "p0", "s0", "r0"
	put(t, c, []store.Record{more}, store.Created)
	compareLevels(t, c, append(records, more))
	refusedLevels(t, c)
}

func name(prefix string, n int) string {
	return prefix + string(rune('0'+n%10)) + string(rune('0'+n/10))
}

// together are the records of each series or study, in the order of their first.
func together(records []store.Record, of string) (all [][]store.Record) {
	at := map[[3]string]int{}
	for _, r := range records {
		i := r.Instance
		id := [3]string{i.Patient, i.Study, i.Series}
		if of == store.Studies {
			id[2] = ""
		}
		if of == store.Studies && i.Study == "" || of == store.Series && i.Series == "" {
			continue
		}
		if _, ok := at[id]; !ok {
			at[id], all = len(all), append(all, nil)
		}
		all[at[id]] = append(all[at[id]], r)
	}
	return all
}

func compareLevels(t *testing.T, c store.Catalog, records []store.Record) {
	t.Helper()
	for _, l := range []store.Level{{Of: store.Series}, {Of: store.Studies, Pool: store.Mean}, {Of: store.Studies, Pool: store.Max}} {
		groups := together(records, l.Of)
		query := Record(500).Vector
		got, err := c.Search(t.Context(), "c", store.Query{Vector: query, K: 100, Level: l})
		must(t, err)
		if len(got) != len(groups) {
			t.Fatalf("Search(%+v): got %d groups, want %d", l, len(got), len(groups))
		}
		for _, g := range groups {
			compareGroup(t, c, l, g, got, query)
		}
		own, err := c.Search(t.Context(), "c", store.Query{Vector: query, K: 100, Level: l, Exclude: store.Exclude{Instances: []string{"i40"}}})
		must(t, err)
		for _, found := range own {
			if slices.Contains(found.Members, "i40") {
				t.Errorf("Search(%+v) without i40 gives its group %v", l, found.Members)
			}
		}
		if len(own) != len(groups)-1 {
			t.Errorf("Search(%+v) without i40: got %d groups, want %d", l, len(own), len(groups)-1)
		}
		sick, err := c.Search(t.Context(), "c", store.Query{Vector: query, K: 100, Level: l, Labelled: "finding", Classes: []string{"pneumonia"}, OnePer: store.Patients})
		must(t, err)
		if len(sick) > 4 {
			t.Errorf("Search(%+v), one of each of three patients and the one unknown: got %d", l, len(sick))
		}
	}
}

func compareGroup(t *testing.T, c store.Catalog, l store.Level, g []store.Record, got []store.Case, query []float32) {
	t.Helper()
	var vectors [][]float32
	var ids []string
	says := map[string]bool{}
	for _, r := range g {
		vectors, ids = append(vectors, r.Vector), append(ids, r.Instance.ID)
		says[r.Labels[0].Classes[0]] = true
	}
	pooled, _ := store.Pooled(vectors, l.Pool)
	at := slices.IndexFunc(got, func(found store.Case) bool { return slices.Equal(found.Members, ids) })
	if at < 0 {
		t.Fatalf("Search(%+v): no group of %v", l, ids)
	}
	var want float64
	for i, x := range pooled {
		want += float64(x) * float64(query[i])
	}
	if math.Abs(want-float64(got[at].Score)) > 1e-6 {
		t.Errorf("Search(%+v), group %v: got score %v, want %v", l, ids, got[at].Score, want)
	}
	if _, labelled := got[at].Labels["finding"]; labelled != (len(says) == 1) {
		t.Errorf("Search(%+v), group %v of labels %v: got label %v", l, ids, says, got[at].Labels)
	}
	v, err := c.Pooled(t.Context(), "c", ids[0], l)
	must(t, err)
	if !slices.Equal(v, pooled) {
		t.Errorf("Pooled(%s, %+v): got %v, want %v", ids[0], l, v, pooled)
	}
}

func refusedLevels(t *testing.T, c store.Catalog) {
	t.Helper()
	_, err := c.Search(t.Context(), "c", store.Query{Vector: Record(0).Vector, K: 1, Level: store.Level{Of: "patient"}})
	wantErr(t, "Search at level patient", err, store.ErrInvalid)
	_, err = c.Search(t.Context(), "c", store.Query{Vector: Record(0).Vector, K: 1, Level: store.Level{Of: store.Series, Pool: "sum"}})
	wantErr(t, "Search pooled by sum", err, store.ErrInvalid)
	_, err = c.Pooled(t.Context(), "c", "i8", store.Level{Of: store.Studies})
	wantErr(t, "Pooled of an instance in no study", err, store.ErrInvalid)
}
