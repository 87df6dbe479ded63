package local_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// A collection and labels written before there were readers, states and settings
// open and mean what they did.
func TestOldLogsAreRead(t *testing.T) {
	place := t.TempDir()
	l := openChoosing(t, place, local.Options{})
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	all := records(0, 2)
	all[0].Labels, all[1].Labels = nil, nil
	putAll(t, l, "c", all)
	must(t, l.Describe(1, `{"name":"c","model":"test","fingerprint":"0123456789abcdef","dimension":16,"tasks":[{"name":"finding","classes":["normal","pneumonia"]},`+
		`{"name":"devices","multi":true,"classes":["line","pacemaker"]}],"index":{"engine":"exact"},"created":"2026-01-02T03:04:05Z"}`))
	for i, text := range []string{
		`{"kind":"label","label":{"instance":"i0","task":"finding","classes":["normal"],"source":"form","time":"2026-01-02T03:04:06Z"}}`,
		`{"kind":"label","label":{"instance":"i0","task":"finding","classes":["pneumonia"],"time":"2026-01-02T03:04:07Z"}}`,
		`{"kind":"label","label":{"instance":"i0","task":"devices","classes":["line"],"time":"2026-01-02T03:04:08Z"}}`,
		`{"kind":"label","label":{"instance":"i1","task":"devices","classes":null,"time":"2026-01-02T03:04:09Z"}}`,
		`{"kind":"label","label":{"instance":"i0","task":"devices","classes":null,"removed":true,"time":"2026-01-02T03:04:10Z"}}`,
	} {
		must(t, l.WriteEntry(1, store.Key(3+i), text))
	}
	must(t, l.Close())
	c := open(t, place)
	defer func() { must(t, c.Close()) }()
	i0, err := c.Instance(t.Context(), "c", "i0")
	must(t, err)
	if l := i0.Labels["finding"]; len(i0.Labels) != 1 || l.State("pneumonia") != store.Present || l.State("normal") != store.Absent {
		t.Errorf("Instance(i0): got %+v, want it to have pneumonia", i0.Labels)
	}
	i1, err := c.Instance(t.Context(), "c", "i1")
	must(t, err)
	if l, ok := i1.Labels["devices"]; !ok || l.State("line") != store.Absent {
		t.Errorf("Instance(i1): got %+v, want it to have no device", i1.Labels)
	}
	said, err := c.History(t.Context(), "c", "i0")
	must(t, err)
	if len(said) != 4 || said[0].Key != 3 || said[0].Label.Source != "form" || !said[3].Label.Removed {
		t.Errorf("History(i0): got %+v, want its four labels", said)
	}
	if _, err := c.Label(t.Context(), "c", []store.Label{{Instance: "i0", Task: "finding", Classes: []string{"pneumonia"}}}); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Status(t.Context(), "c"); err != nil || s.Head != 7 {
		t.Errorf("Head after the same label again: got %d, %v, want 7", s.Head, err)
	}
}

func TestLabelsTakeLittleMemory(t *testing.T) {
	label, correction, err := local.LabelMemory(20_000, func(id string) string {
		return fmt.Sprintf(`{"instance":%q,"task":"finding","classes":["normal"],"source":"a form","time":"2026-01-02T03:04:06Z"}`, id)
	})
	must(t, err)
	t.Logf("%.0f bytes for a label and %.0f for a correction", label, correction)
	if label > 450 || correction > 32 {
		t.Errorf("a label takes %.0f bytes and a correction %.0f, want at most 450 and 32", label, correction)
	}
}

// Law: while readers' opinions come and go, an instance that is found under a
// class has it, and after all have been withdrawn nothing is left but history.
func TestOpinionsHoldWhileTheyChange(t *testing.T) {
	l := openChoosing(t, t.TempDir(), local.Options{})
	defer func() { must(t, l.Close()) }()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", records(0, 8))
	withdraw(t, l, "")
	var group sync.WaitGroup
	for _, reader := range []string{"anna", "bert", "carl"} {
		rng := rand.New(rand.NewPCG(uint64(len(reader)), uint64(reader[0])))
		group.Go(func() { opine(t, l, reader, rng) })
	}
	group.Wait()
	for id := range 8 {
		if said, err := l.History(t.Context(), "c", fmt.Sprint("i", id)); err != nil || len(said) < 2 {
			t.Errorf("History(i%d): got %d entries, %v", id, len(said), err)
		}
	}
	for _, reader := range []string{"anna", "bert", "carl"} {
		withdraw(t, l, reader)
	}
	s, err := l.Status(t.Context(), "c")
	must(t, err)
	found, err := l.Search(t.Context(), "c", store.Query{Vector: storetest.Record(0).Vector, K: 8, Labelled: "finding"})
	must(t, err)
	if len(s.Labelled["finding"]) > 0 || len(found) > 0 {
		t.Errorf("after all was withdrawn: got counts %v and %d cases", s.Labelled, len(found))
	}
}

// withdraw takes back a reader's labels.
func withdraw(t *testing.T, l store.Catalog, reader string) {
	t.Helper()
	for id := range 8 {
		_, err := l.Label(t.Context(), "c", []store.Label{{Instance: fmt.Sprint("i", id), Task: "finding", Reader: reader, Removed: true}})
		must(t, err)
	}
}

// opine labels as one reader and asks for what has been labelled.
func opine(t *testing.T, l store.Catalog, reader string, rng *rand.Rand) {
	for range 40 {
		class := []string{"normal", "pneumonia"}[rng.IntN(2)]
		_, err := l.Label(t.Context(), "c", []store.Label{{Instance: fmt.Sprint("i", rng.IntN(8)), Task: "finding", Reader: reader,
			Classes: []string{class}, Confidence: float64(1+rng.IntN(4)) / 4, Removed: rng.IntN(4) == 0}})
		if err != nil {
			t.Error(err)
		}
		found, err := l.Search(t.Context(), "c", store.Query{Vector: storetest.Unit(rng), K: 8, Labelled: "finding", Classes: []string{class}})
		if err != nil {
			t.Error(err)
		}
		for _, f := range found {
			if got := f.Labels["finding"]; got.State(class) != store.Present || len(got.Opinions) == 1 {
				t.Errorf("Search for %s: got %+v", class, got)
			}
		}
	}
}
