package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"nearcase/store"
)

func searches(t *testing.T, c store.Catalog) {
	const n = 60
	filled(t, c, n)
	_, err := c.Label(t.Context(), "c", []store.Label{{Instance: "i6", Task: "finding", Removed: true}})
	must(t, err)
	q := store.Query{Vector: Record(7).Vector, K: n, Labelled: "finding",
		Exclude: store.Exclude{Patients: []string{"p3", ""}, Instances: []string{"i0"}, Studies: []string{"s5"}}}
	found, err := c.Search(t.Context(), "c", q)
	must(t, err)
	// p3 is i6 and i7; s5 is i10 and i11.
	if len(found) != n-5 {
		t.Errorf("Search: got %d cases, want %d", len(found), n-5)
	}
	for i, f := range found {
		if f.Instance.Patient == "p3" || f.Instance.Study == "s5" || f.Instance.ID == "i0" {
			t.Errorf("Search: got excluded %s", f.Instance.ID)
		}
		if i > 0 && (found[i-1].Score < f.Score || (found[i-1].Score == f.Score && found[i-1].Key > f.Key)) {
			t.Errorf("Search: case %d is out of order", i)
		}
	}
	briefly(t, c, q, found)
	_, err = c.Search(t.Context(), "c", store.Query{Vector: q.Vector[1:], K: 1})
	wantErr(t, "Search with a short vector", err, store.ErrDimension)
	_, err = c.Search(t.Context(), "c", store.Query{Vector: make([]float32, Dimension), K: 1})
	wantErr(t, "Search with a zero vector", err, store.ErrVector)
	_, err = c.Search(t.Context(), "c", store.Query{Vector: q.Vector, K: 1, Labelled: "x"})
	wantErr(t, "Search for an unknown task", err, store.ErrTask)
	if found, err := c.Search(t.Context(), "c", store.Query{Vector: q.Vector}); err != nil || len(found) != 0 {
		t.Errorf("Search with K 0: got %d cases and %v, want none", len(found), err)
	}
}

// briefly asks a query again for keys, IDs and scores alone, and narrowed further.
func briefly(t *testing.T, c store.Catalog, q store.Query, full []store.Case) {
	t.Helper()
	class := full[0].Labels[q.Labelled].Classes[0]
	has := func(c store.Case) bool { return slices.Contains(c.Labels[q.Labelled].Classes, class) }
	for name, narrow := range map[string]func(q *store.Query) func(store.Case) bool{
		"as it is":    func(*store.Query) func(store.Case) bool { return func(store.Case) bool { return true } },
		"for a class": func(q *store.Query) func(store.Case) bool { q.Classes = []string{class}; return has },
		"with Match": func(q *store.Query) func(store.Case) bool {
			q.Match = func(i store.Instance, _ map[string]store.Label) bool { return i.Patient != "p5" }
			return func(c store.Case) bool { return c.Instance.Patient != "p5" }
		},
	} {
		q, want := q, []store.Case{}
		q.Brief = true
		accept := narrow(&q)
		for _, f := range full {
			if accept(f) {
				want = append(want, store.Case{Key: f.Key, Instance: store.Instance{ID: f.Instance.ID}, Score: f.Score})
			}
		}
		got, err := c.Search(t.Context(), "c", q)
		must(t, err)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Search %s, briefly: got %v, want %v", name, got, want)
		}
	}
}

// kin compares exclusions with store.Families, on a collection in which
// patients, studies and images are shared and unknown at random.
func kin(t *testing.T, c store.Catalog) {
	must(t, c.Create(t.Context(), Collection("c")))
	rng := rand.New(rand.NewPCG(3, 3))
	pick := func(prefix string, n int) string {
		if k := rng.IntN(n); k > 0 {
			return fmt.Sprint(prefix, k)
		}
		return ""
	}
	records := Records(0, 60)
	instances := make([]store.Instance, len(records))
	for n := range records {
		i := &records[n].Instance
		i.Patient, i.Study, i.Series = pick("p", 40), pick("s", 60), pick("r", 60)
		if n > 0 && rng.IntN(10) == 0 {
			i.Digest, records[n].Original = records[n-1].Instance.Digest, records[n-1].Original
		}
		instances[n] = *i
	}
	put(t, c, records, store.Created)
	families := store.Families(instances)
	for n := range instances {
		var want []string
		for m := range instances {
			if families[m] == families[n] {
				want = append(want, instances[m].ID)
			}
		}
		got, err := c.Excluded(t.Context(), "c", store.Exclude{Instances: []string{instances[n].ID}, Kin: true})
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("Excluded kin of %s: got %v, want %v", instances[n].ID, got, want)
		}
	}
}

func laterLabel(t *testing.T, c store.Catalog) {
	filled(t, c, 1)
	label := func(classes ...string) store.Label {
		return store.Label{Instance: "i0", Task: "finding", Classes: classes, Removed: len(classes) == 0}
	}
	for _, labels := range [][]store.Label{
		{label("pneumonia"), label("normal")}, {label("normal"), label("pneumonia"), label("normal")}, {label(), label("normal")},
	} {
		_, err := c.Label(t.Context(), "c", labels)
		must(t, err)
		got, err := c.Instance(t.Context(), "c", "i0")
		must(t, err)
		if classes := got.Labels["finding"].Classes; !slices.Equal(classes, []string{"normal"}) {
			t.Errorf("after Label %v: got %v, want normal", labels, classes)
		}
	}
	_, err := c.Label(t.Context(), "c", slices.Repeat([]store.Label{label("normal")}, 100_000))
	wantErr(t, "Label with 100,000 labels", err, store.ErrInvalid)
}

func droppedTwice(t *testing.T, c store.Catalog) {
	filled(t, c, 3)
	must(t, c.Create(t.Context(), Collection("d")))
	if _, err := c.Put(t.Context(), "d", Records(0, 3)); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { _ = c.Drop(t.Context(), "d") })
		group.Go(func() { _ = c.Declare(t.Context(), "d", []store.Task{{Name: "late"}}) })
	}
	group.Wait()
	_, err := c.Collection(t.Context(), "d")
	wantErr(t, "Collection after Drop", err, store.ErrCollection)
	for n := range 3 {
		r, err := c.Original(t.Context(), "c", fmt.Sprint("i", n))
		must(t, err)
		must(t, r.Close())
	}
}

func logOrder(t *testing.T, c store.Catalog) {
	filled(t, c, 3)
	must(t, c.Delete(t.Context(), "c", "i0"))
	var last store.Key
	kinds := map[store.Kind]int{}
	for e, err := range c.Log(t.Context(), "c", 0) {
		must(t, err)
		if e.Key <= last {
			t.Errorf("Log: key %d after %d", e.Key, last)
		}
		if e.Kind == store.KindPut && len(e.Vector) != Dimension {
			t.Errorf("Log: put %d has %d numbers, want %d", e.Key, len(e.Vector), Dimension)
		}
		last = e.Key
		kinds[e.Kind]++
	}
	if kinds[store.KindPut] != 2 || kinds[store.KindLabel] != 3 || kinds[store.KindDelete] != 1 {
		t.Errorf("Log: got %v, want 2 puts that are left, 3 labels and 1 delete", kinds)
	}
	for e, err := range c.Log(t.Context(), "c", last-1) {
		must(t, err)
		if e.Key != last || e.Kind != store.KindDelete || e.Instance.ID != "i0" {
			t.Errorf("Log after %d: got %+v", last-1, e)
		}
	}
}

func reindexing(t *testing.T, c store.Catalog) {
	filled(t, c, 50)
	must(t, c.Delete(t.Context(), "c", "i3"))
	q := store.Query{Vector: Record(1).Vector, K: 9}
	before, err := c.Search(t.Context(), "c", q)
	must(t, err)
	for _, engine := range []string{"coder", "graph", "exact", store.EngineAuto} {
		done := 0
		r, err := c.Reindex(t.Context(), "c", store.Reindexing{Index: store.Index{Engine: engine}}, func(n, _ int) { done = n })
		must(t, err)
		if r.Instances != 49 || r.Sampled == 0 || r.Recall10 < 0.9 || r.To.Engine != engine || done != 49 {
			t.Errorf("Reindex to %s: got %+v and progress to %d, want 49 instances and a recall of at least 0.9", engine, r, done)
		}
		s, err := c.Status(t.Context(), "c")
		must(t, err)
		if s.Engine != r.Engine || engine != store.EngineAuto && s.Engine != engine {
			t.Errorf("Status after Reindex to %s: engine %q, and Reindex says %q", engine, s.Engine, r.Engine)
		}
		after, err := c.Search(t.Context(), "c", q)
		must(t, err)
		if !slices.Equal(ids(after), ids(before)) {
			t.Errorf("Search after Reindex to %s: got %v, want %v", engine, ids(after), ids(before))
		}
		got, err := c.Collection(t.Context(), "c")
		must(t, err)
		if got.Index.Engine != engine {
			t.Errorf("Collection after Reindex: got engine %q, want %s", got.Index.Engine, engine)
		}
	}
	_, err = c.Reindex(t.Context(), "c", store.Reindexing{Index: store.Index{Engine: "none"}}, nil)
	wantErr(t, "Reindex to an unknown engine", err, store.ErrInvalid)
	_, err = c.Reindex(t.Context(), "c", store.Reindexing{MinRecall: 2}, nil)
	wantErr(t, "Reindex with a minimal recall of 2", err, store.ErrInvalid)
}

func concurrency(t *testing.T, c store.Catalog) {
	must(t, c.Create(t.Context(), Collection("c")))
	const callers, each = 8, 20
	var group sync.WaitGroup
	for g := range callers {
		group.Go(func() {
			for n := g * each; n < (g+1)*each; n++ {
				if out, err := c.Put(t.Context(), "c", []store.Record{Record(n)}); err != nil || out[0].Err != nil {
					t.Errorf("Put: %v, %v", out, err)
				}
				if _, err := c.Search(t.Context(), "c", store.Query{Vector: Record(n).Vector, K: 3}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	s, err := c.Status(t.Context(), "c")
	must(t, err)
	if s.Instances != callers*each || s.Head != 2*callers*each {
		t.Errorf("Status: got %+v, want %d instances", s, callers*each)
	}
}

func unknown(t *testing.T, c store.Catalog) {
	_, err := c.Put(t.Context(), "x", Records(0, 1))
	wantErr(t, "Put", err, store.ErrCollection)
	_, err = c.Search(t.Context(), "x", store.Query{})
	wantErr(t, "Search", err, store.ErrCollection)
	_, err = c.Label(t.Context(), "x", nil)
	wantErr(t, "Label", err, store.ErrCollection)
	for _, err := range c.Log(t.Context(), "x", 0) {
		wantErr(t, "Log", err, store.ErrCollection)
	}
}

func reopening(t *testing.T, open func(t *testing.T, place string) store.Catalog) {
	place := t.TempDir()
	c := filled(t, open(t, place), 40)
	must(t, c.Create(t.Context(), Collection("dropped")))
	must(t, c.Drop(t.Context(), "dropped"))
	must(t, c.Delete(t.Context(), "c", "i39"))
	other := Record(50)
	other.Instance.ID, other.Replace = "i2", true
	put(t, c, []store.Record{other}, store.Replaced)
	want := observe(t, c)
	must(t, c.Close())
	c = open(t, place)
	defer c.Close()
	if got := observe(t, c); got != want {
		t.Errorf("after reopening:\n got %s\nwant %s", got, want)
	}
}

// observe describes all that a collection answers.
func observe(t *testing.T, c store.Catalog) string {
	t.Helper()
	var b bytes.Buffer
	s, err := c.Status(t.Context(), "c")
	must(t, err)
	s.Index = store.IndexStats{} // of places and memory, not of answers
	fmt.Fprintf(&b, "%+v\n", s)
	listed, err := c.List(t.Context(), "c", 0, 1000)
	must(t, err)
	for _, l := range listed {
		fmt.Fprintln(&b, l.Key, l.Instance.ID, l.Instance.Patient, l.Instance.Digest, l.Labels["finding"].Classes)
	}
	for n := range 5 {
		found, err := c.Search(t.Context(), "c", store.Query{Vector: Record(n).Vector, K: 10})
		must(t, err)
		for _, f := range found {
			fmt.Fprint(&b, f.Instance.ID, f.Score, " ")
		}
	}
	return b.String()
}
