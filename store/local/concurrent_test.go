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

// Law: while instances are put, replaced, deleted and labelled and the index is
// built anew and saved, every answer is one that could have been given: as many
// cases as asked for where there always are that many, in order, each with what
// it was asked for.
func TestAnswersHoldWhileEverythingChanges(t *testing.T) {
	l := openChoosing(t, t.TempDir(), local.Options{})
	defer func() { must(t, l.Close()) }()
	c := storetest.Collection("c")
	c.Index.Engine = "graph"
	must(t, l.Create(t.Context(), c))
	putAll(t, l, "c", records(0, 600)) // the first 300 stay as they are
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for g := range 2 {
		writers.Go(func() { change(t, l, rand.New(rand.NewPCG(uint64(g), 1)), 150) })
		readers.Go(func() { ask(t, l, rand.New(rand.NewPCG(uint64(g), 2)), done) })
	}
	for _, engine := range []string{"exact", "graph"} {
		if _, err := l.Reindex(t.Context(), "c", store.Reindexing{Index: store.Index{Engine: engine}}, nil); err != nil {
			t.Errorf("Reindex: %v", err)
		}
		l.Upkeep()
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

// change puts, replaces, deletes and labels instances from i300 on.
func change(t *testing.T, l store.Catalog, rng *rand.Rand, times int) {
	for range times {
		n := 300 + rng.IntN(400)
		r := storetest.Record(n)
		r.Original = nil
		var err error
		switch id := fmt.Sprint("i", n); rng.IntN(3) {
		case 0:
			_ = l.Delete(t.Context(), "c", id) // the other may have been faster
		case 1:
			_, _ = l.Label(t.Context(), "c", []store.Label{{Instance: id, Task: "finding", Classes: []string{"normal"}, Removed: rng.IntN(2) == 0}})
		default:
			other := storetest.Record(10_000 + rng.IntN(1000))
			r.Vector, r.Instance.Digest, r.Replace = other.Vector, other.Instance.Digest, true
			_, err = l.Put(t.Context(), "c", []store.Record{r})
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// ask checks answers until done.
func ask(t *testing.T, l store.Catalog, rng *rand.Rand, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
		}
		q := store.Query{Vector: storetest.Unit(rng), K: 40, Labelled: "finding", Classes: []string{"normal"}, Exact: rng.IntN(2) == 0,
			OnePer: []string{"", store.Patients}[rng.IntN(2)], Exclude: store.Exclude{Instances: []string{"i2"}}}
		if rng.IntN(2) == 0 {
			q.Match = func(i store.Instance, _ map[string]store.Label) bool { return i.ID != "i4" }
		}
		found, err := l.Search(t.Context(), "c", q)
		if err != nil || len(found) != q.K {
			t.Errorf("Search: got %d cases and %v, want %d", len(found), err, q.K)
		}
		patients := map[string]bool{}
		for i, f := range found {
			if i > 0 && found[i-1].Score < f.Score || f.Instance.ID == "i2" || q.Match != nil && f.Instance.ID == "i4" ||
				len(f.Labels["finding"].Classes) != 1 || f.Labels["finding"].Classes[0] != "normal" || q.OnePer != "" && patients[f.Instance.Patient] {
				t.Errorf("Search %+v: case %d is %+v", q, i, f)
			}
			patients[f.Instance.Patient] = true
		}
	}
}
