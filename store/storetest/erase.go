package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nearcase/store"
)

// namedRecord is Record with names that are long enough to be looked for.
func namedRecord(n int) store.Record {
	r := Record(n)
	r.Instance.ID = fmt.Sprintf("1.2.840.99999.1.%d", n)
	r.Instance.Patient, r.Instance.Study = fmt.Sprintf("pseudonym-%d", n/2), fmt.Sprintf("1.2.840.99999.2.%d", n/2)
	r.Instance.Series = fmt.Sprintf("1.2.840.99999.3.%d", n/2)
	return r
}

func namedRecords(from, to int) []store.Record {
	var records []store.Record
	for n := from; n < to; n++ {
		records = append(records, namedRecord(n))
	}
	return records
}

// tracesOf are what there is of records.
func tracesOf(records ...store.Record) (t store.Traces) {
	for _, r := range records {
		t.Texts = append(t.Texts, r.Instance.ID, r.Instance.Patient, r.Instance.Study, r.Instance.Series)
		t.Digests, t.Vectors = append(t.Digests, r.Instance.Digest), append(t.Vectors, r.Vector)
	}
	return t
}

func seek(t *testing.T, c store.Catalog, traces store.Traces) store.Sought {
	t.Helper()
	s, err := c.Seek(t.Context(), traces)
	must(t, err)
	return s
}

// erasure erases the patient of instances 2 and 3, of whom more has been stored,
// replaced, corrected and deleted before, and looks for what is left.
func erasure(t *testing.T, open func(t *testing.T, place string) store.Catalog) {
	place := t.TempDir()
	c := open(t, place)
	must(t, c.Create(t.Context(), Collection("c")))
	put(t, c, namedRecords(0, 6), store.Created)
	gone := namedRecords(2, 4)
	gone = append(gone, eventful(t, c)...)
	must(t, c.SaveDerived(t.Context(), "c", "learnt", []byte("from all")))
	others := tracesOf(slices.Concat(namedRecords(0, 2), namedRecords(4, 6))...)
	if s := seek(t, c, tracesOf(gone...)); s.Matches < 2*5 {
		t.Errorf("Seek before Erase: got %+v, want every trace", s)
	}
	head := headOf(t, c)
	e, err := c.Erase(t.Context(), "c", "pseudonym-1")
	must(t, err)
	if e.Instances != 2 || e.Labels != 3 || e.Originals != 2 || e.Bytes != int64(len("image 20")+len("image 3")) || e.Derived != 1 || e.Indexed != 4 {
		t.Errorf("Erase: got %+v, want 2 instances with 3 labels, 2 originals of 15 bytes, and 1 thing derived", e)
	}
	if len(e.Traces.Texts) != 5 || len(e.Traces.Digests) != 2 || len(e.Traces.Vectors) != 2 || e.SharedNames+e.SharedOriginals+e.SharedVectors+len(e.Elsewhere) != 0 {
		t.Errorf("Erase: got %+v, want the traces of two instances of one study and series", e)
	}
	_, err = c.Erase(t.Context(), "c", "pseudonym-1")
	wantErr(t, "Erase twice", err, store.ErrInstance)
	compacted(t, c, head+2)
	for range 2 {
		if s := seek(t, c, tracesOf(gone...)); s.Matches != 0 || s.Files == 0 || s.Bytes == 0 || s.Short != 0 {
			t.Errorf("Seek after Compact: got %+v, want no trace", s)
		}
		if s := seek(t, c, others); s.Matches < 4*3 {
			t.Errorf("Seek for others: got %+v, want their traces", s)
		}
		remaining(t, c, head)
		must(t, c.Close())
		c = open(t, place)
	}
	bare := namedRecord(2)
	bare.Labels = nil
	put(t, c, []store.Record{bare}, store.Created)
	again, err := c.History(t.Context(), "c", bare.Instance.ID)
	must(t, errors.Join(err, c.Close()))
	if len(again) != 0 {
		t.Errorf("History of what was erased and put again: got %v, want none", again)
	}
}

// eventful lets the patient's second instance be replaced and corrected, and
// deletes others of his. It returns what there was of them.
func eventful(t *testing.T, c store.Catalog) []store.Record {
	t.Helper()
	replaced := namedRecord(2)
	other := Record(20)
	replaced.Vector, replaced.Original, replaced.Instance.Digest, replaced.Replace = other.Vector, other.Original, other.Instance.Digest, true
	replaced.Labels[0].Classes = []string{"pneumonia"}
	put(t, c, []store.Record{replaced}, store.Replaced)
	deleted := namedRecord(30)
	deleted.Instance.Patient = "pseudonym-1"
	twice := namedRecord(3)
	twice.Instance.ID = "1.2.840.99999.1.31"
	twice.Vector, twice.Original, twice.Instance.Digest = namedRecord(31).Vector, namedRecord(31).Original, namedRecord(31).Instance.Digest
	put(t, c, []store.Record{deleted, twice}, store.Created)
	must(t, c.Delete(t.Context(), "c", deleted.Instance.ID))
	must(t, c.Delete(t.Context(), "c", twice.Instance.ID))
	return []store.Record{replaced, deleted, twice}
}

// compacted compacts the store, whose head stays.
func compacted(t *testing.T, c store.Catalog, head store.Key) {
	t.Helper()
	var last [2]int
	done, err := c.Compact(t.Context(), func(done, total int) { last = [2]int{done, total} })
	must(t, err)
	if done.Kept == 0 || done.Erased == 0 || done.Before == 0 || done.After == 0 || last[0] != last[1] || last[1] == 0 {
		t.Errorf("Compact: got %+v and progress %v, want something kept, something erased, and the end told", done, last)
	}
	if now := headOf(t, c); now != head {
		t.Errorf("head after Compact: got %d, want %d", now, head)
	}
	if again, err := c.Compact(t.Context(), nil); err != nil || again.Erased != 0 || again.Kept != done.Kept {
		t.Errorf("Compact twice: got %+v, %v, want nothing left to erase", again, err)
	}
}

func headOf(t *testing.T, c store.Catalog) store.Key {
	t.Helper()
	s, err := c.Status(t.Context(), "c")
	must(t, err)
	return s.Head
}

// remaining checks what is left of the collection.
func remaining(t *testing.T, c store.Catalog, head store.Key) {
	t.Helper()
	want := []string{}
	for _, n := range []int{0, 1, 4, 5} {
		want = append(want, namedRecord(n).Instance.ID)
	}
	if got := stored(t, c); !slices.Equal(got, want) {
		t.Errorf("List after Erase: got %v, want %v", got, want)
	}
	found, err := c.Search(t.Context(), "c", store.Query{Vector: namedRecord(2).Vector, K: 9})
	must(t, err)
	if len(found) != 4 {
		t.Errorf("Search after Erase: got %d cases, want 4", len(found))
	}
	said, err := c.History(t.Context(), "c", want[0])
	must(t, err)
	if len(said) != 1 || said[0].Label.Classes[0] != "normal" {
		t.Errorf("History of another: got %+v, want its label", said)
	}
	_, err = c.Derived(t.Context(), "c", "learnt")
	wantErr(t, "Derived after Erase", err, store.ErrDerived)
	var last store.Key
	retired := 0
	for e, err := range c.Log(t.Context(), "c", 0) {
		must(t, err)
		if e.Key <= last || e.Instance != nil && strings.HasSuffix(e.Instance.ID, ".3") {
			t.Errorf("Log: got %+v after %d, want later entries that name nobody erased", e, last)
		}
		if last = e.Key; e.Kind == store.KindErased && e.Retires > 0 && e.Of == store.KindDelete && e.Instance == nil && e.Label == nil {
			retired++
		}
	}
	if retired != 4 || last != head+2 {
		t.Errorf("Log: got %d erased entries that retire, up to %d, want 4 up to %d", retired, last, head+2)
	}
}

// sharing erases a patient with whom others share an image, a study and a vector.
func sharing(t *testing.T, c store.Catalog) {
	must(t, c.Create(t.Context(), Collection("c")))
	must(t, c.Create(t.Context(), Collection("d")))
	records := namedRecords(0, 6)
	records[4].Instance.Digest, records[4].Original = records[2].Instance.Digest, records[2].Original
	records[4].Vector, records[5].Instance.Study = records[2].Vector, records[2].Instance.Study
	put(t, c, records, store.Created)
	_, err := c.Put(t.Context(), "d", records[2:3])
	must(t, err)
	e, err := c.Erase(t.Context(), "c", "pseudonym-1")
	must(t, err)
	if e.Instances != 2 || e.Originals != 1 || e.SharedOriginals != 1 || e.SharedVectors != 1 || !slices.Equal(e.Elsewhere, []string{"d"}) {
		t.Errorf("Erase of what is shared: got %+v, want 1 original and vector that stay, and another collection named", e)
	}
	if e.SharedNames != 3 || !slices.Equal(e.Traces.Texts, []string{records[3].Instance.ID}) {
		t.Errorf("Erase of what is shared: got %d shared names and %v, want those of the instance alone that is nowhere else", e.SharedNames, e.Traces.Texts)
	}
	must(t, func() error { _, err := c.Compact(t.Context(), nil); return err }())
	if s := seek(t, c, e.Traces); s.Matches != 0 {
		t.Errorf("Seek after Compact: got %+v, want no trace", s)
	}
	r, err := c.Original(t.Context(), "c", records[4].Instance.ID)
	must(t, err)
	must(t, r.Close())
	_, err = c.Erase(t.Context(), "c", "")
	wantErr(t, "Erase of nobody", err, store.ErrInstance)
	_, err = c.Erase(t.Context(), "x", "pseudonym-1")
	wantErr(t, "Erase from an unknown collection", err, store.ErrCollection)
	if s := seek(t, c, store.Traces{Texts: []string{"short"}}); s.Short != 1 || s.Matches != 0 {
		t.Errorf("Seek for a short text: got %+v, want it left out", s)
	}
}
