package storetest

import (
	"bytes"
	"io"
	"math"
	"slices"
	"testing"

	"nearcase/store"
)

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
	sparse := Record(1)
	sparse.Instance.Patient, sparse.Instance.Study = "", ""
	put(t, c, []store.Record{sparse}, store.Unchanged) // says nothing new
	sparse = Record(8)
	sparse.Instance.Patient = ""
	put(t, c, []store.Record{sparse}, store.Created)
	put(t, c, []store.Record{Record(8)}, store.Replaced) // adds the patient
	must(t, c.Delete(t.Context(), "c", "i8"))
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
		{"a digest that is none", func(r *store.Record) { r.Instance.Digest = "../../x" }, store.ErrInvalid},
		{"an original of another digest", func(r *store.Record) { r.Original = []byte("other") }, store.ErrInvalid},
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
