package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"nearcase/store"
)

func deleteMany(t *testing.T, c store.Catalog) {
	filled(t, c, 6)
	file := fileOf("f", 2, 3)
	put(t, c, file, store.Created)
	n, err := c.DeleteAll(t.Context(), "c", []string{"i1", "i9", "f:2", "f", "i4", "i1"}, nil)
	must(t, err)
	if got := stored(t, c); n != 5 || !slices.Equal(got, []string{"i0", "i2", "i3", "i5"}) {
		t.Errorf("DeleteAll: got %d deleted and %v left, want 5, and what was not named", n, got)
	}
	found, err := c.Search(t.Context(), "c", store.Query{Vector: Record(1).Vector, K: 9})
	must(t, err)
	if len(found) != 4 {
		t.Errorf("Search after DeleteAll: got %d cases, want 4", len(found))
	}
	if n, err := c.DeleteAll(t.Context(), "c", []string{"i1"}, nil); n != 0 || err != nil {
		t.Errorf("DeleteAll of what is not there: got %d, %v, want 0", n, err)
	}
	_, err = c.DeleteAll(t.Context(), "c", make([]string, store.MaxDeletes+1), nil)
	wantErr(t, "DeleteAll of too many", err, store.ErrInvalid)
}

func deleteMost(t *testing.T, c store.Catalog) {
	must(t, c.Create(t.Context(), Collection("c")))
	var ids []string
	for from := 0; from < store.MaxDeletes; from += 1000 {
		put(t, c, bare(Records(from, from+1000)), store.Created)
	}
	for n := range store.MaxDeletes {
		ids = append(ids, fmt.Sprint("i", n))
	}
	if n, err := c.DeleteAll(t.Context(), "c", ids, nil); n != len(ids) || err != nil {
		t.Errorf("DeleteAll of %d: got %d, %v", len(ids), n, err)
	}
	if got := stored(t, c); len(got) != 0 {
		t.Errorf("List after DeleteAll of all: got %d", len(got))
	}
}

// bare leaves labels and originals out.
func bare(records []store.Record) []store.Record {
	for i := range records {
		records[i].Labels, records[i].Original = nil, nil
	}
	return records
}

func conditions(t *testing.T, c store.Catalog) {
	filled(t, c, 2)
	key := func(id string) store.Key {
		found, err := c.Instance(t.Context(), "c", id)
		must(t, err)
		return found.Key
	}
	changed := Record(7)
	changed.Instance.ID, changed.Replace, changed.IfKey = "i1", true, key("i1")+1
	out := put(t, c, []store.Record{changed}, store.Failed)
	wantErr(t, "Put with another key", out[0].Err, store.ErrChanged)
	changed.IfKey = store.Missing
	out = put(t, c, []store.Record{changed}, store.Failed)
	wantErr(t, "Put of what is to be new", out[0].Err, store.ErrChanged)
	changed.IfKey = key("i1")
	put(t, c, []store.Record{changed}, store.Replaced)
	out = put(t, c, []store.Record{changed}, store.Failed)
	wantErr(t, "Put with the key before", out[0].Err, store.ErrChanged)
	wantErr(t, "DeleteIf with another key", c.DeleteIf(t.Context(), "c", "i1", key("i1")+1), store.ErrChanged)
	wantErr(t, "DeleteIf of nothing", c.DeleteIf(t.Context(), "c", "i9", 1), store.ErrChanged)
	wantErr(t, "DeleteIf of nothing, whatever its key", c.DeleteIf(t.Context(), "c", "i9", 0), store.ErrInstance)
	must(t, c.DeleteIf(t.Context(), "c", "i1", key("i1")))
	fresh := Record(8)
	fresh.IfKey = 3
	out = put(t, c, []store.Record{fresh}, store.Failed)
	wantErr(t, "Put with a key where nothing is", out[0].Err, store.ErrChanged)
	fresh.IfKey = store.Missing
	put(t, c, []store.Record{fresh}, store.Created)
	fileConditions(t, c, key)
}

func fileConditions(t *testing.T, c store.Catalog, key func(string) store.Key) {
	file := fileOf("f", 2, 2)
	file[0].IfKey = store.Missing
	put(t, c, file, store.Created)
	for i := range file {
		file[i].Replace, file[i].IfKey = true, key("f:2")
	}
	out := put(t, c, file, store.Failed)
	wantErr(t, "Put of a file with another key", out[0].Err, store.ErrChanged)
	for i := range file {
		file[i].IfKey = key("f")
	}
	put(t, c, file, store.Unchanged)
	wantErr(t, "DeleteIf of a file with another key", c.DeleteIf(t.Context(), "c", "f", key("f:2")), store.ErrChanged)
	must(t, c.DeleteIf(t.Context(), "c", "f", key("f")))
}

// oneWins lets many replace the same instance as it was, of which one can.
func oneWins(t *testing.T, c store.Catalog) {
	filled(t, c, 1)
	before, err := c.Instance(t.Context(), "c", "i0")
	must(t, err)
	won := make([]bool, 16)
	var all sync.WaitGroup
	for n := range won {
		all.Go(func() {
			r := Record(100 + n)
			r.Instance.ID, r.Replace, r.IfKey = "i0", true, before.Key
			out, err := c.Put(t.Context(), "c", []store.Record{r})
			won[n] = err == nil && out[0].Err == nil
		})
	}
	all.Wait()
	winners := 0
	for n, w := range won {
		if w {
			winners++
			now, err := c.Instance(t.Context(), "c", "i0")
			must(t, err)
			if want := Record(100 + n).Instance.Digest; now.Instance.Digest != want {
				t.Errorf("Instance: got digest %s, want that of the one that replaced it, %s", now.Instance.Digest, want)
			}
		}
	}
	if winners != 1 {
		t.Errorf("Put by %d at once with the key as it was: %d replaced it, want 1", len(won), winners)
	}
}
