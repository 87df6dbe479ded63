package storetest

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"nearcase/store"
)

// say stores one label and returns what is said of its instance for its task.
func say(t *testing.T, c store.Catalog, l store.Label) store.Label {
	t.Helper()
	_, err := c.Label(t.Context(), "c", []store.Label{l})
	must(t, err)
	found, err := c.Instance(t.Context(), "c", l.Instance)
	must(t, err)
	return found.Labels[l.Task]
}

// finding is a reader's label of i0.
func finding(reader, class string, confidence float64) store.Label {
	l := store.Label{Instance: "i0", Task: "finding", Reader: reader, Confidence: confidence, Removed: class == ""}
	if class != "" {
		l.Classes = []string{class}
	}
	return l
}

// readers checks that opinions count together, and answer searches, until there
// is a label that stands for all. Record 0 is labelled normal without a reader.
func readers(t *testing.T, c store.Catalog) {
	filled(t, c, 2)
	for _, s := range []struct {
		fact     string
		label    store.Label
		want     string
		opinions int
	}{
		{"beside a label for all", finding("anna", "pneumonia", 0.5), "normal", 0},
		{"once that is withdrawn", finding("", "", 0), "pneumonia", 0},
		{"against a surer one", finding("bert", "normal", 0.75), "normal", 2},
		{"corrected to be surer still", finding("anna", "pneumonia", 1), "pneumonia", 2},
		{"with a third", finding("carl", "normal", 0.5), "normal", 3},
		{"withdrawn", finding("bert", "", 0), "pneumonia", 2},
		{"under a label for all", finding("", "normal", 0), "normal", 0},
	} {
		got := say(t, c, s.label)
		if !slices.Equal(got.Classes, []string{s.want}) || len(got.Opinions) != s.opinions {
			t.Errorf("an opinion %s: got %+v, want %s of %d opinions", s.fact, got, s.want, s.opinions)
		}
		wantLabelled(t, c, s.want)
	}
	before, err := c.Status(t.Context(), "c")
	must(t, err)
	say(t, c, finding("anna", "pneumonia", 0)) // as sure as before
	say(t, c, finding("bert", "", 0))          // withdrawn already
	after, err := c.Status(t.Context(), "c")
	must(t, err)
	if after.Head != before.Head {
		t.Errorf("Head after opinions said already: got %d, want %d", after.Head, before.Head)
	}
}

// wantLabelled checks that i0 is found under a class and no other.
func wantLabelled(t *testing.T, c store.Catalog, class string) {
	t.Helper()
	s, err := c.Status(t.Context(), "c")
	must(t, err)
	for _, other := range []string{"normal", "pneumonia"} {
		found, err := c.Search(t.Context(), "c", store.Query{Vector: Record(0).Vector, K: 9, Labelled: "finding", Classes: []string{other}})
		must(t, err)
		if has := slices.Contains(ids(found), "i0"); has != (other == class) || s.Labelled["finding"][other] != len(found) {
			t.Errorf("Search for %s: got %v, and Status counts %v; i0 is %s", other, ids(found), s.Labelled, class)
		}
	}
}

// states checks that findings are present, absent, uncertain or not mentioned.
func states(t *testing.T, c store.Catalog) {
	filled(t, c, 1)
	label := store.Label{Instance: "i0", Task: "devices", Absent: []string{"pacemaker"}, Partial: true}
	got := say(t, c, label)
	if got.State("pacemaker") != store.Absent || got.State("line") != store.Unmentioned {
		t.Errorf("a partial label: got %+v", got)
	}
	label.Partial, label.Absent, label.Uncertain = false, nil, []string{"line"}
	if got = say(t, c, label); got.State("pacemaker") != store.Absent || got.State("line") != store.Uncertain {
		t.Errorf("an uncertain label: got %+v", got)
	}
	s, err := c.Status(t.Context(), "c")
	must(t, err)
	if len(s.Labelled["devices"]) != 0 {
		t.Errorf("Status: got %v, want no device present", s.Labelled)
	}
	for fact, bad := range map[string]store.Label{
		"contradicting":   {Instance: "i0", Task: "devices", Classes: []string{"line"}, Uncertain: []string{"line"}},
		"overconfident":   {Instance: "i0", Task: "devices", Confidence: 2},
		"NaN":             {Instance: "i0", Task: "devices", Confidence: math.NaN()},
		"partly a class":  {Instance: "i0", Task: "finding", Classes: []string{"normal"}, Partial: true},
		"without a class": {Instance: "i0", Task: "finding", Uncertain: []string{"normal"}},
	} {
		_, err := c.Label(t.Context(), "c", []store.Label{bad})
		wantErr(t, "Label that is "+fact, err, store.ErrInvalid)
	}
}

// history checks that all that was ever said of an instance is kept.
func history(t *testing.T, open func(t *testing.T, place string) store.Catalog) {
	place := t.TempDir()
	c := filled(t, open(t, place), 3)
	said := []store.Label{
		{Instance: "i0", Task: "finding", Classes: []string{"normal"}}, // by the record
		finding("anna", "pneumonia", 0.5), finding("", "", 0), finding("anna", "normal", 0.25),
		{Instance: "i0", Task: "devices", Uncertain: []string{"line"}, Partial: true, Source: "form"},
	}
	for _, l := range said[1:] {
		say(t, c, l)
	}
	say(t, c, said[4]) // said already
	other := Record(9)
	other.Instance.ID, other.Replace, other.Labels = "i0", true, nil
	put(t, c, []store.Record{other}, store.Replaced)
	_, err := c.Reindex(t.Context(), "c", store.Reindexing{Index: store.Index{Engine: "graph"}}, nil)
	must(t, err)
	wantHistory(t, c, said)
	must(t, c.Close())
	c = open(t, place)
	defer func() { must(t, c.Close()) }()
	wantHistory(t, c, said)
	must(t, c.Delete(t.Context(), "c", "i0"))
	_, err = c.History(t.Context(), "c", "i0")
	wantErr(t, "History after Delete", err, store.ErrInstance)
	_, err = c.History(t.Context(), "x", "i0")
	wantErr(t, "History in an unknown collection", err, store.ErrCollection)
	other.Replace = false
	put(t, c, []store.Record{other}, store.Created)
	wantHistory(t, c, nil)
}

func wantHistory(t *testing.T, c store.Catalog, want []store.Label) {
	t.Helper()
	got, err := c.History(t.Context(), "c", "i0")
	must(t, err)
	if len(got) != len(want) {
		t.Fatalf("History: got %d entries, want %d", len(got), len(want))
	}
	for i, e := range got {
		if e.Kind != store.KindLabel || e.Label == nil || !e.Label.Says(want[i]) || e.Label.Source != want[i].Source || e.Label.Time.IsZero() {
			t.Errorf("History: got %+v at %d, want %+v", e.Label, i, want[i])
		}
		if i > 0 && got[i-1].Key >= e.Key || logged(t, c, e.Key) == nil {
			t.Errorf("History: key %d at %d is out of order or not in the log", e.Key, i)
		}
	}
}

// logged returns the label of a log entry.
func logged(t *testing.T, c store.Catalog, key store.Key) *store.Label {
	t.Helper()
	for e, err := range c.Log(t.Context(), "c", key-1) {
		must(t, err)
		if e.Key == key {
			return e.Label
		}
		break
	}
	return nil
}

// settings checks that tasks keep what they are configured with.
func settings(t *testing.T, open func(t *testing.T, place string) store.Catalog) {
	place := t.TempDir()
	c := filled(t, open(t, place), 1)
	want := store.Settings{
		Policies: map[string]store.Policy{"line": {Uncertain: store.AsHalf}}, Priors: map[string]float64{"line": 0.25},
		Neighbours: 11, Coverage: 0.8, Head: store.HeadRidge, Pinned: 3,
	}
	given := want.Clone()
	must(t, c.Configure(t.Context(), "c", "devices", given))
	given.Priors["line"] = 0.5 // the caller's own
	wantErr(t, "Configure an unknown task", c.Configure(t.Context(), "c", "x", want), store.ErrTask)
	wantErr(t, "Configure an unknown collection", c.Configure(t.Context(), "x", "devices", want), store.ErrCollection)
	wantErr(t, "Configure with a prior of an unknown class",
		c.Configure(t.Context(), "c", "devices", store.Settings{Priors: map[string]float64{"x": 0.5}}), store.ErrClass)
	wantErr(t, "Configure with a coverage of 2", c.Configure(t.Context(), "c", "devices", store.Settings{Coverage: 2}), store.ErrInvalid)
	must(t, c.Declare(t.Context(), "c", []store.Task{{Name: "devices", Multi: true, Classes: []string{"tube"}}}))
	must(t, c.Close())
	c = open(t, place)
	defer func() { must(t, c.Close()) }()
	meta, err := c.Collection(t.Context(), "c")
	must(t, err)
	task, err := meta.Task("devices")
	must(t, err)
	if !reflect.DeepEqual(task.Settings, want) || !slices.Contains(task.Classes, "tube") {
		t.Errorf("Collection after Configure and reopening: got %+v, want settings %+v", task, want)
	}
	must(t, c.Configure(t.Context(), "c", "devices", store.Settings{}))
	if meta, err = c.Collection(t.Context(), "c"); err != nil || !reflect.DeepEqual(meta.Tasks[1].Settings, store.Settings{}) {
		t.Errorf("Collection once settings are taken back: got %+v, %v", meta.Tasks, err)
	}
}
