// Package storetest holds what every store.Catalog must pass.
package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"nearcase/store"
)

// Dimension and Fingerprint of the records that this package makes.
const (
	Dimension   = 16
	Fingerprint = "0123456789abcdef"
)

// Collection returns a valid collection with a single- and a multi-label task.
func Collection(name string) store.Collection {
	return store.Collection{
		Name: name, Model: "test", Fingerprint: Fingerprint, Dimension: Dimension,
		Tasks: []store.Task{
			{Name: "finding", Classes: []string{"normal", "pneumonia"}},
			{Name: "devices", Multi: true, Classes: []string{"line", "pacemaker"}},
		},
	}
}

// Unit returns a unit vector drawn from rng.
func Unit(rng *rand.Rand) []float32 {
	v := make([]float32, Dimension)
	var square float64
	for i := range v {
		v[i] = float32(rng.NormFloat64())
		square += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(square))
	}
	return v
}

// Record makes record n: its own image, two instances to a patient, a finding.
func Record(n int) store.Record {
	original := fmt.Appendf(nil, "image %d", n)
	digest := sha256.Sum256(original)
	return store.Record{
		Instance: store.Instance{
			ID: fmt.Sprintf("i%d", n), Patient: fmt.Sprintf("p%d", n/2), Study: fmt.Sprintf("s%d", n/2),
			Digest: hex.EncodeToString(digest[:]),
		},
		Vector: Unit(rand.New(rand.NewPCG(1, uint64(n)))), Fingerprint: Fingerprint, Original: original,
		Labels: []store.Label{{Task: "finding", Classes: []string{[]string{"normal", "pneumonia"}[n%2]}}},
	}
}

// Records makes records from up to, not including, to.
func Records(from, to int) []store.Record {
	var records []store.Record
	for n := from; n < to; n++ {
		records = append(records, Record(n))
	}
	return records
}

// Run checks that open gives catalogs that keep the contract. open is called
// with a place to keep data: the same place again reopens what is there.
func Run(t *testing.T, open func(t *testing.T, place string) store.Catalog) {
	for _, c := range []struct {
		fact string
		test func(*testing.T, store.Catalog)
	}{
		{"collections are created once, listed by name and dropped", collections},
		{"tasks and classes can be declared later", declare},
		{"a record comes back as it was put", roundTrip},
		{"putting the same again changes nothing", idempotence},
		{"other content under the same id is refused unless asked for", conflict},
		{"a record is refused for what is wrong with it alone", refusals},
		{"a collection without originals has none, even if another has", discarding},
		{"labels are all stored or none", labels},
		{"a deleted instance is gone from every answer", deletion},
		{"search is exact, ordered and leaves out what is excluded", searches},
		{"the log tells everything in order", logOrder},
		{"reindexing keeps the answers", reindexing},
		{"concurrent callers lose nothing", concurrency},
		{"unknown collections are said to be unknown", unknown},
	} {
		t.Run(c.fact, func(t *testing.T) {
			catalog := open(t, t.TempDir())
			defer func() { must(t, catalog.Close()) }()
			c.test(t, catalog)
		})
	}
	t.Run("everything is there after reopening", func(t *testing.T) { reopening(t, open) })
	t.Run("a closed store says so", func(t *testing.T) {
		catalog := filled(t, open(t, t.TempDir()), 2)
		must(t, catalog.Ready(t.Context()))
		must(t, catalog.Close())
		wantErr(t, "Ready after Close", catalog.Ready(t.Context()), store.ErrClosed)
		_, err := catalog.Put(t.Context(), "c", Records(3, 4))
		if out, _ := catalog.Put(t.Context(), "c", Records(3, 4)); err == nil {
			err = out[0].Err
		}
		wantErr(t, "Put after Close", err, store.ErrClosed)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, call string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", call, got, want)
	}
}

// filled gives a catalog a collection "c" with n records.
func filled(t *testing.T, c store.Catalog, n int) store.Catalog {
	t.Helper()
	must(t, c.Create(t.Context(), Collection("c")))
	put(t, c, Records(0, n), store.Created)
	return c
}

func put(t *testing.T, c store.Catalog, records []store.Record, want store.PutStatus) []store.Outcome {
	t.Helper()
	outcomes, err := c.Put(t.Context(), "c", records)
	must(t, err)
	for i, o := range outcomes {
		if o.Status != want || o.ID != records[i].Instance.ID || (o.Err == nil) != (want != store.Failed) {
			t.Errorf("Put %s: got %+v, want status %s", records[i].Instance.ID, o, want)
		}
	}
	return outcomes
}

func collections(t *testing.T, c store.Catalog) {
	must(t, c.Create(t.Context(), Collection("b")))
	must(t, c.Create(t.Context(), Collection("a")))
	wantErr(t, "Create twice", c.Create(t.Context(), Collection("a")), store.ErrExists)
	wantErr(t, "Create bad name", c.Create(t.Context(), Collection("../a")), store.ErrInvalid)
	bad := Collection("e")
	bad.Index.Engine = "none"
	wantErr(t, "Create bad engine", c.Create(t.Context(), bad), store.ErrInvalid)
	all, err := c.Collections(t.Context())
	must(t, err)
	if len(all) != 2 || all[0].Name != "a" || all[1].Name != "b" {
		t.Errorf("Collections: got %v, want a and b", all)
	}
	must(t, c.Drop(t.Context(), "a"))
	wantErr(t, "Drop twice", c.Drop(t.Context(), "a"), store.ErrCollection)
	must(t, c.Create(t.Context(), Collection("a")))
	s, err := c.Status(t.Context(), "a")
	must(t, err)
	if s.Instances != 0 || s.Head != 0 {
		t.Errorf("Status of a collection created again: got %+v, want it empty", s)
	}
}

func declare(t *testing.T, c store.Catalog) {
	filled(t, c, 1)
	label := store.Label{Instance: "i0", Task: "view", Classes: []string{"ap"}}
	_, err := c.Label(t.Context(), "c", []store.Label{label})
	wantErr(t, "Label for an undeclared task", err, store.ErrTask)
	must(t, c.Declare(t.Context(), "c", []store.Task{{Name: "view", Classes: []string{"pa"}}}))
	_, err = c.Label(t.Context(), "c", []store.Label{label})
	wantErr(t, "Label with an undeclared class", err, store.ErrClass)
	must(t, c.Declare(t.Context(), "c", []store.Task{{Name: "view", Classes: []string{"ap"}}}))
	_, err = c.Label(t.Context(), "c", []store.Label{label})
	must(t, err)
	err = c.Declare(t.Context(), "c", []store.Task{{Name: "view", Multi: true}})
	wantErr(t, "Declare multi over single", err, store.ErrInvalid)
}

func roundTrip(t *testing.T, c store.Catalog) {
	filled(t, c, 3)
	want := Record(1)
	got, err := c.Instance(t.Context(), "c", "i1")
	must(t, err)
	if !got.Instance.SameAs(want.Instance) || got.Labels["finding"].Classes[0] != "pneumonia" {
		t.Errorf("Instance: got %+v, want %+v", got, want)
	}
	v, err := c.Vector(t.Context(), "c", "i1")
	must(t, err)
	if !slices.Equal(v, want.Vector) {
		t.Errorf("Vector: got %v, want %v", v, want.Vector)
	}
	r, err := c.Original(t.Context(), "c", "i1")
	must(t, err)
	defer r.Close()
	if b, _ := io.ReadAll(r); !bytes.Equal(b, want.Original) {
		t.Errorf("Original: got %q, want %q", b, want.Original)
	}
	same, err := c.WithDigest(t.Context(), "c", want.Instance.Digest)
	must(t, err)
	if len(same) != 1 || same[0].Instance.ID != "i1" {
		t.Errorf("WithDigest: got %v, want i1", same)
	}
	listed, err := c.List(t.Context(), "c", same[0].Key, 10)
	must(t, err)
	if len(listed) != 1 || listed[0].Instance.ID != "i2" {
		t.Errorf("List after i1: got %v, want i2", listed)
	}
	if listed, err = c.List(t.Context(), "c", math.MaxUint64, 10); err != nil || len(listed) != 0 {
		t.Errorf("List after the last key there can be: got %v, %v, want nothing", listed, err)
	}
}

func idempotence(t *testing.T, c store.Catalog) {
	filled(t, c, 3)
	before, err := c.Status(t.Context(), "c")
	must(t, err)
	put(t, c, Records(0, 3), store.Unchanged)
	_, err = c.Label(t.Context(), "c", []store.Label{{Instance: "i1", Task: "finding", Classes: []string{"pneumonia"}}})
	must(t, err)
	after, err := c.Status(t.Context(), "c")
	must(t, err)
	if before.Head != after.Head {
		t.Errorf("Head: got %d after putting the same again, want %d", after.Head, before.Head)
	}
	relabelled := Record(1)
	relabelled.Labels[0].Classes = []string{"normal"}
	put(t, c, []store.Record{relabelled}, store.Updated)
}

func conflict(t *testing.T, c store.Catalog) {
	filled(t, c, 3)
	other := Record(7)
	other.Instance.ID = "i1"
	out := put(t, c, []store.Record{other}, store.Failed)
	wantErr(t, "Put other content", out[0].Err, store.ErrConflict)
	other.Replace = true
	put(t, c, []store.Record{other}, store.Replaced)
	got, err := c.Instance(t.Context(), "c", "i1")
	must(t, err)
	if got.Instance.Digest != other.Instance.Digest {
		t.Errorf("Instance after Replace: got digest %s, want %s", got.Instance.Digest, other.Instance.Digest)
	}
	found, err := c.Search(t.Context(), "c", store.Query{Vector: Record(1).Vector, K: 9})
	must(t, err)
	if len(found) != 3 {
		t.Errorf("Search after Replace: got %d cases, want 3", len(found))
	}
}

func refusals(t *testing.T, c store.Catalog) {
	filled(t, c, 1)
	for _, r := range []struct {
		fact  string
		spoil func(*store.Record)
		want  error
	}{
		{"foreign fingerprint", func(r *store.Record) { r.Fingerprint = "f" }, store.ErrFingerprint},
		{"short vector", func(r *store.Record) { r.Vector = r.Vector[1:] }, store.ErrDimension},
		{"zero vector", func(r *store.Record) { r.Vector = make([]float32, Dimension) }, store.ErrVector},
		{"NaN", func(r *store.Record) { r.Vector[3] = float32(math.NaN()) }, store.ErrVector},
		{"infinity", func(r *store.Record) { r.Vector[3] = float32(math.Inf(1)) }, store.ErrVector},
		{"no id", func(r *store.Record) { r.Instance.ID = "" }, store.ErrInvalid},
		{"control character in patient", func(r *store.Record) { r.Instance.Patient = "a\x00" }, store.ErrInvalid},
		{"unknown task", func(r *store.Record) { r.Labels[0].Task = "x" }, store.ErrTask},
		{"unknown class", func(r *store.Record) { r.Labels[0].Classes[0] = "x" }, store.ErrClass},
		{"two classes of one", func(r *store.Record) { r.Labels[0].Classes = []string{"normal", "pneumonia"} }, store.ErrInvalid},
	} {
		bad, good := Record(5), Record(0)
		r.spoil(&bad)
		out, err := c.Put(t.Context(), "c", []store.Record{good, bad, good})
		must(t, err)
		wantErr(t, "Put with "+r.fact, out[1].Err, r.want)
		if out[0].Err != nil || out[2].Err != nil {
			t.Errorf("Put beside %s: got %v and %v, want no error", r.fact, out[0].Err, out[2].Err)
		}
	}
	s, err := c.Status(t.Context(), "c")
	must(t, err)
	if s.Instances != 1 {
		t.Errorf("Instances after refusals: got %d, want 1", s.Instances)
	}
}

func discarding(t *testing.T, c store.Catalog) {
	filled(t, c, 1)
	bare := Collection("bare")
	bare.DiscardOriginals = true
	must(t, c.Create(t.Context(), bare))
	if _, err := c.Put(t.Context(), "bare", Records(0, 1)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Original(t.Context(), "bare", "i0")
	wantErr(t, "Original in a collection that discards them", err, store.ErrOriginal)
	must(t, c.Delete(t.Context(), "bare", "i0"))
	r, err := c.Original(t.Context(), "c", "i0")
	must(t, err)
	must(t, r.Close())
}

func labels(t *testing.T, c store.Catalog) {
	filled(t, c, 2)
	before, err := c.Status(t.Context(), "c")
	must(t, err)
	_, err = c.Label(t.Context(), "c", []store.Label{
		{Instance: "i0", Task: "devices", Classes: []string{"line"}},
		{Instance: "i9", Task: "devices", Classes: []string{"line"}},
	})
	wantErr(t, "Label with an unknown instance", err, store.ErrInstance)
	s, err := c.Status(t.Context(), "c")
	must(t, err)
	if s.Head != before.Head {
		t.Errorf("Head after a refused call: got %d, want %d", s.Head, before.Head)
	}
	key, err := c.Label(t.Context(), "c", []store.Label{
		{Instance: "i0", Task: "devices", Classes: []string{"pacemaker", "line"}},
		{Instance: "i1", Task: "devices"},
		{Instance: "i1", Task: "finding", Removed: true},
	})
	must(t, err)
	s, err = c.Status(t.Context(), "c")
	must(t, err)
	if key != before.Head+3 || s.LabelHead != key || s.Labelled["devices"]["line"] != 1 || s.Labelled["finding"]["pneumonia"] != 0 {
		t.Errorf("Status after labels to key %d: got %+v", key, s)
	}
	none, err := c.Instance(t.Context(), "c", "i1")
	must(t, err)
	if l, ok := none.Labels["devices"]; !ok || len(l.Classes) != 0 {
		t.Errorf("a multi-label label without classes: got %+v, %v, want it kept", l, ok)
	}
}

func deletion(t *testing.T, c store.Catalog) {
	filled(t, c, 3)
	must(t, c.Delete(t.Context(), "c", "i1"))
	wantErr(t, "Delete twice", c.Delete(t.Context(), "c", "i1"), store.ErrInstance)
	_, err := c.Instance(t.Context(), "c", "i1")
	wantErr(t, "Instance after Delete", err, store.ErrInstance)
	_, err = c.Original(t.Context(), "c", "i1")
	wantErr(t, "Original after Delete", err, store.ErrInstance)
	found, err := c.Search(t.Context(), "c", store.Query{Vector: Record(1).Vector, K: 9})
	must(t, err)
	if len(found) != 2 {
		t.Errorf("Search after Delete: got %d cases, want 2", len(found))
	}
	bare := Record(1)
	bare.Labels = nil
	put(t, c, []store.Record{bare}, store.Created)
	again, err := c.Instance(t.Context(), "c", "i1")
	must(t, err)
	if len(again.Labels) != 0 {
		t.Errorf("labels of an instance deleted and put again: got %v, want none", again.Labels)
	}
}

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
	r, err := c.Reindex(t.Context(), "c", store.Index{Engine: "coder"}, nil)
	must(t, err)
	if r.Instances != 49 || r.Sampled == 0 || r.Recall10 < 0.9 {
		t.Errorf("Reindex: got %+v, want 49 instances and a recall of at least 0.9", r)
	}
	after, err := c.Search(t.Context(), "c", q)
	must(t, err)
	if len(after) != len(before) || after[0].Instance.ID != "i1" {
		t.Errorf("Search after Reindex: got %d cases, want %d with i1 first", len(after), len(before))
	}
	_, err = c.Reindex(t.Context(), "c", store.Index{Engine: "none"}, nil)
	wantErr(t, "Reindex to an unknown engine", err, store.ErrInvalid)
	got, err := c.Collection(t.Context(), "c")
	must(t, err)
	if got.Index.Engine != "coder" {
		t.Errorf("Collection after Reindex: got engine %q, want coder", got.Index.Engine)
	}
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
