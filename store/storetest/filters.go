package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"nearcase/store"
)

// filters compares searches that are narrowed in every way with a walk down the
// ranking of all cases, while instances come, go, change and get other labels.
func filters(t *testing.T, c store.Catalog) {
	filled(t, c, 60)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 40 {
		disturb(t, c, rng)
		vector := Unit(rng)
		ranking, err := c.Search(t.Context(), "c", store.Query{Vector: vector, K: 1000, Exact: true})
		must(t, err)
		for range 10 {
			q, allows := narrowed(t, rng)
			q.Vector = vector
			got, err := c.Search(t.Context(), "c", q)
			must(t, err)
			without, err := c.Excluded(t.Context(), "c", q.Besides)
			must(t, err)
			if want := narrow(ranking, q, func(c store.Case) bool { return allows(c) && !slices.Contains(without, c.Instance.ID) }); !slices.Equal(ids(got), ids(want)) {
				t.Fatalf("Search %+v: got\n%v\nwant\n%v", q, ids(got), ids(want))
			}
		}
	}
}

// disturb changes something: it puts, replaces or deletes an instance, or labels
// it anew.
func disturb(t *testing.T, c store.Catalog, rng *rand.Rand) {
	t.Helper()
	id := fmt.Sprint("i", rng.IntN(80))
	r := Record(rng.IntN(10_000))
	r.Instance.ID, r.Replace, r.Original = id, true, nil
	r.Instance.Patient = []string{"", "p1", "p2", fmt.Sprint("p", rng.IntN(40))}[rng.IntN(4)]
	r.Instance.Study = []string{"", "s1", fmt.Sprint("s", rng.IntN(40))}[rng.IntN(3)]
	r.Instance.Metadata = map[string]string{"Modality": []string{"CR", "DX", `CR\MG`}[rng.IntN(3)], "PatientAge": fmt.Sprintf("%03dY", rng.IntN(100))}
	r.Instance.Name, r.Instance.Size = fmt.Sprint("n", rng.IntN(5)), int64(rng.IntN(5))
	var err error
	_, missing := c.Instance(t.Context(), "c", id)
	switch kind := rng.IntN(5); {
	case missing != nil || kind == 0:
		if missing == nil && rng.IntN(2) == 0 {
			r.Labels = nil
		}
		_, err = c.Put(t.Context(), "c", []store.Record{r})
	case kind == 1:
		err = c.Delete(t.Context(), "c", id)
	default:
		_, err = c.Label(t.Context(), "c", []store.Label{drawLabel(rng, id)})
	}
	must(t, err)
}

func drawLabel(rng *rand.Rand, id string) store.Label {
	if rng.IntN(2) == 0 {
		return store.Label{Instance: id, Task: "finding", Classes: []string{[]string{"normal", "pneumonia"}[rng.IntN(2)]}}
	}
	some := [][]string{nil, {"line"}, {"pacemaker"}, {"line", "pacemaker"}}[rng.IntN(4)]
	return store.Label{Instance: id, Task: "devices", Classes: some, Removed: rng.IntN(3) == 0}
}

// narrowed draws a query and the oracle of what it lets answer.
func narrowed(t *testing.T, rng *rand.Rand) (q store.Query, allows func(store.Case) bool) {
	q.K, q.OnePer, q.Exact = 1+rng.IntN(30), []string{"", store.Patients, store.Studies}[rng.IntN(3)], rng.IntN(3) == 0
	switch rng.IntN(4) {
	case 0:
		q.Labelled = "finding"
	case 1:
		q.Labelled, q.Classes = "finding", []string{"pneumonia"}
	case 2:
		q.Labelled, q.Classes = "devices", []string{"line", "pacemaker"}[:1+rng.IntN(2)]
	}
	if rng.IntN(2) == 0 {
		q.Exclude = store.Exclude{Patients: []string{"p1"}, Instances: []string{"i3"}}
	}
	if rng.IntN(3) == 0 {
		q.Match = func(i store.Instance, labels map[string]store.Label) bool {
			return len(i.ID)%2 == 0 && labels["devices"].Source == ""
		}
	}
	if rng.IntN(4) == 0 {
		q.Besides = store.Exclude{Studies: []string{"s1"}, Kin: rng.IntN(2) == 0 && len(q.Exclude.Patients) == 0}
	}
	holds := func(store.Case) bool { return true }
	if rng.IntN(2) == 0 {
		q.Filter, holds = drawCondition(t, rng)
	}
	return q, func(c store.Case) bool {
		l, labelled := c.Labels[q.Labelled]
		hasClass := slices.ContainsFunc(l.Classes, func(class string) bool { return slices.Contains(q.Classes, class) })
		return (q.Labelled == "" || labelled) && (len(q.Classes) == 0 || hasClass) &&
			(len(q.Exclude.Patients) == 0 || c.Instance.Patient != "p1" && c.Instance.ID != "i3") &&
			(q.Match == nil || q.Match(c.Instance, c.Labels)) && holds(c)
	}
}

// narrow walks down a ranking of all cases.
func narrow(ranking []store.Case, q store.Query, allows func(store.Case) bool) (cases []store.Case) {
	seen := map[string]bool{}
	for _, c := range ranking {
		who := group(c.Instance, q.OnePer)
		if !allows(c) || seen[who] {
			continue
		}
		seen[who] = who != ""
		if cases = append(cases, c); len(cases) == q.K {
			break
		}
	}
	return cases
}

// group names whom, or what study, an instance competes with its like of; empty for
// none.
func group(i store.Instance, per string) string {
	switch {
	case per == "" || i.Study == "" && (per == store.Studies || i.Patient == ""):
		return ""
	case per == store.Studies:
		return fmt.Sprintf("study %q of patient %q", i.Study, i.Patient)
	case i.Patient != "":
		return "patient " + i.Patient
	}
	return "study " + i.Study
}

func ids(cases []store.Case) []string {
	list := make([]string, len(cases))
	for i, c := range cases {
		list[i] = c.Instance.ID
	}
	return list
}

func unknownClasses(t *testing.T, c store.Catalog) {
	filled(t, c, 2)
	for _, q := range []struct {
		q    store.Query
		want error
	}{
		{store.Query{Labelled: "x"}, store.ErrTask},
		{store.Query{Labelled: "finding", Classes: []string{"normal", "x"}}, store.ErrClass},
		{store.Query{Classes: []string{"normal"}}, store.ErrInvalid},
	} {
		q.q.Vector, q.q.K = Record(1).Vector, 1
		_, err := c.Search(t.Context(), "c", q.q)
		wantErr(t, fmt.Sprintf("Search for %q of task %q", q.q.Classes, q.q.Labelled), err, q.want)
	}
}

// oneByOne compares a collection that was filled by single calls with one that
// was filled by one, for every engine.
func oneByOne(t *testing.T, c store.Catalog) {
	for _, engine := range []string{"exact", "graph"} {
		for _, how := range []string{"together", "single"} {
			meta := Collection(engine + "-" + how)
			meta.Index.Engine = engine
			must(t, c.Create(t.Context(), meta))
		}
		all := bare(Records(0, 200))
		_, err := c.Put(t.Context(), engine+"-together", all)
		must(t, err)
		for _, r := range all {
			_, err := c.Put(t.Context(), engine+"-single", []store.Record{r})
			must(t, err)
		}
		for n := range 10 {
			q := store.Query{Vector: Record(1000 + n).Vector, K: 15, Exact: n%2 == 0}
			together, err := c.Search(t.Context(), engine+"-together", q)
			must(t, err)
			single, err := c.Search(t.Context(), engine+"-single", q)
			must(t, err)
			if !slices.Equal(ids(together), ids(single)) {
				t.Errorf("%s: got\n%v for records put together and\n%v for records put one by one", engine, ids(together), ids(single))
			}
		}
	}
}
