package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"nearcase/store"
)

// otherDimension is that of the vectors of another model.
const otherDimension = 8

// otherVector is what another model makes of the instance with a key.
func otherVector(key store.Key) []float32 {
	v := Unit(rand.New(rand.NewPCG(2, uint64(key))))[:otherDimension]
	unit, _ := store.Pooled([][]float32{slices.Clone(v), slices.Clone(v)}, store.Mean)
	return unit
}

// shadowed puts a shadow behind the collection "c".
func shadowed(t *testing.T, c store.Catalog) {
	t.Helper()
	must(t, c.Shadow(t.Context(), "c", store.Collection{Model: "other", Fingerprint: "fedcba", Dimension: otherDimension}))
}

// headsOf are those of the collection "c" and its shadow.
func headsOf(t *testing.T, c store.Catalog) (of, behind store.Key) {
	t.Helper()
	behindStatus, err := c.Status(t.Context(), store.ShadowName("c"))
	must(t, err)
	return headOf(t, c), behindStatus.Head
}

// othersOf makes the other model's vectors of what entries put, but of what is left
// out.
func othersOf(entries []store.Entry, out ...string) map[store.Key][]float32 {
	vectors := map[store.Key][]float32{}
	for _, e := range entries {
		if e.Kind == store.KindPut {
			if vectors[e.Key] = otherVector(e.Key); slices.Contains(out, e.Instance.ID) {
				vectors[e.Key] = nil
			}
		}
	}
	return vectors
}

// mirrored brings the shadow up to the log, a few entries at a time.
func mirrored(t *testing.T, c store.Catalog, out ...string) {
	t.Helper()
	for {
		head, behind := headsOf(t, c)
		if behind >= head {
			return
		}
		var page []store.Entry
		for e, err := range c.Log(t.Context(), "c", behind) {
			must(t, err)
			if page = append(page, e); len(page) == 5 {
				break
			}
		}
		at, err := c.Mirror(t.Context(), "c", page[len(page)-1].Key, othersOf(page, out...))
		must(t, err)
		if at <= behind {
			t.Fatalf("Mirror up to %d: got %d, as before", page[len(page)-1].Key, at)
		}
	}
}

// sameHistory checks that the shadow has the same instances, with what was ever said
// of them, under the same keys.
func sameHistory(t *testing.T, c store.Catalog, out ...string) {
	t.Helper()
	ctx := t.Context()
	of, err := c.List(ctx, "c", 0, 1000)
	must(t, err)
	behind, err := c.List(ctx, store.ShadowName("c"), 0, 1000)
	must(t, err)
	of = slices.DeleteFunc(of, func(c store.Case) bool { return slices.Contains(out, c.Instance.ID) })
	if len(of) != len(behind) {
		t.Fatalf("List of the shadow: got %d, want %d", len(behind), len(of))
	}
	for i := range of {
		id := of[i].Instance.ID
		if !reflect.DeepEqual(of[i], behind[i]) {
			t.Errorf("instance %s: the shadow has %+v, want %+v", id, behind[i], of[i])
		}
		want, err := c.History(ctx, "c", id)
		must(t, err)
		got, err := c.History(ctx, store.ShadowName("c"), id)
		must(t, err)
		v, err := c.Vector(ctx, store.ShadowName("c"), id)
		must(t, err)
		if !reflect.DeepEqual(got, want) || !slices.Equal(v, otherVector(of[i].Key)) {
			t.Errorf("instance %s: the shadow has history %+v and vector %v, want %+v and %v", id, got, v, want, otherVector(of[i].Key))
		}
	}
}

// happens puts, replaces, labels, corrects, withdraws and deletes.
func happens(t *testing.T, c store.Catalog, from int) {
	t.Helper()
	ctx := t.Context()
	put(t, c, Records(from, from+6), store.Created)
	replaced := Record(from)
	other := Record(1000 + from)
	replaced.Vector, replaced.Original, replaced.Instance.Digest, replaced.Replace = other.Vector, other.Original, other.Instance.Digest, true
	put(t, c, []store.Record{replaced}, store.Replaced)
	id := func(n int) string { return fmt.Sprintf("i%d", from+n) }
	for _, l := range []store.Label{
		{Instance: id(1), Task: "finding", Classes: []string{"normal"}, Reader: "a"},
		{Instance: id(1), Task: "finding", Classes: []string{"pneumonia"}, Reader: "b", Source: "s"},
		{Instance: id(1), Task: "finding", Reader: "a", Removed: true},
		{Instance: id(2), Task: "devices", Classes: []string{"line"}, Uncertain: []string{"pacemaker"}},
		{Instance: id(3), Task: "finding", Classes: []string{"normal"}},
	} {
		_, err := c.Label(ctx, "c", []store.Label{l})
		must(t, err)
	}
	must(t, c.Delete(ctx, "c", id(4)))
}

// exchanging follows a collection with the vectors of another model, and lets the two
// take each other's place, there and back.
func exchanging(t *testing.T, open func(t *testing.T, place string) store.Catalog) {
	place, ctx := t.TempDir(), t.Context()
	c := filled(t, open(t, place), 4)
	wantErr(t, "Exchange without a shadow", c.Exchange(ctx, "c", nil), store.ErrShadow)
	happens(t, c, 10)
	shadowed(t, c)
	wantErr(t, "Shadow twice", c.Shadow(ctx, "c", store.Collection{Model: "x", Fingerprint: "x", Dimension: 2}), store.ErrExists)
	_, err := c.Mirror(ctx, "c", headOf(t, c), nil)
	wantErr(t, "Mirror without vectors", err, store.ErrInvalid)
	mirrored(t, c)
	happens(t, c, 20)
	must(t, c.Declare(ctx, "c", []store.Task{{Name: "finding", Classes: []string{"effusion"}}}))
	must(t, c.Close())
	c = open(t, place)
	mirrored(t, c)
	sameHistory(t, c)
	hiddenFromAll(t, c)
	happens(t, c, 30)
	held := c.Hold(ctx)
	before, err := c.Collection(held, "c")
	must(t, err)
	must(t, c.Exchange(ctx, "c", func(rest []store.Entry) (map[store.Key][]float32, error) { return othersOf(rest), nil }))
	heldAsBefore(t, c, held, before)
	after, err := c.Collection(ctx, "c")
	must(t, err)
	if after.Model != "other" || after.Dimension != otherDimension || after.IsHidden() || !after.Created.Equal(before.Created) || !reflect.DeepEqual(after.Tasks, before.Tasks) {
		t.Errorf("Collection after Exchange: got %+v, want the other model in place of %+v", after, before)
	}
	refused := Record(50)
	outcomes, err := c.Put(ctx, "c", []store.Record{refused})
	must(t, err)
	wantErr(t, "Put of a vector of the model before", outcomes[0].Err, store.ErrFingerprint)
	must(t, c.Delete(ctx, "c", "i31"))
	_, err = c.Label(ctx, "c", []store.Label{{Instance: "i32", Task: "finding", Classes: []string{"effusion"}}})
	must(t, err)
	must(t, c.Close())
	c = open(t, place)
	must(t, c.Exchange(ctx, "c", func([]store.Entry) (map[store.Key][]float32, error) { return nil, nil }))
	back, err := c.Collection(ctx, "c")
	must(t, err)
	last, err := c.Instance(ctx, "c", "i32")
	must(t, err)
	_, gone := c.Instance(ctx, "c", "i31")
	wantErr(t, "Instance that was deleted meanwhile", gone, store.ErrInstance)
	if back.Model != "test" || !slices.Equal(last.Labels["finding"].Classes, []string{"effusion"}) {
		t.Errorf("on the way back: got %+v and %+v, want the first model with what was said meanwhile", back, last)
	}
	must(t, c.Drop(ctx, "c"))
	_, err = c.Collection(ctx, store.ShadowName("c"))
	wantErr(t, "the shadow of what is dropped", err, store.ErrCollection)
	must(t, c.Close())
}

// heldAsBefore checks that a context in which "c" was used before an exchange still
// has it.
func heldAsBefore(t *testing.T, c store.Catalog, held context.Context, before store.Collection) {
	t.Helper()
	now, err := c.Collection(held, "c")
	must(t, err)
	v, err := c.Vector(held, "c", "i0")
	must(t, err)
	_, err = c.Search(held, "c", store.Query{Vector: v, K: 3})
	must(t, err)
	if now.Fingerprint != before.Fingerprint || now.Name != "c" || len(v) != Dimension {
		t.Errorf("held: got %+v, want %+v", now, before)
	}
}

// hiddenFromAll checks that a shadow is in no list and takes no changes of its own.
func hiddenFromAll(t *testing.T, c store.Catalog) {
	t.Helper()
	ctx, name := t.Context(), store.ShadowName("c")
	all, err := c.Collections(ctx)
	must(t, err)
	if len(all) != 1 || all[0].Name != "c" {
		t.Errorf("Collections: got %+v, want c alone", all)
	}
	_, err = c.Label(ctx, name, []store.Label{{Instance: "i0", Task: "finding", Classes: []string{"normal"}}})
	wantErr(t, "Label in a shadow", err, store.ErrFingerprint)
	wantErr(t, "Delete in a shadow", c.Delete(ctx, name, "i0"), store.ErrFingerprint)
	wantErr(t, "Declare in a shadow", c.Declare(ctx, name, nil), store.ErrFingerprint)
	wantErr(t, "Create with the name of a shadow", c.Create(ctx, Collection(store.ShadowName("d"))), store.ErrInvalid)
}

// exchangedErasure erases patients from a collection and from what stands behind it,
// whether both have them or one.
func exchangedErasure(t *testing.T, c store.Catalog) {
	ctx := t.Context()
	must(t, c.Create(ctx, Collection("c")))
	put(t, c, namedRecords(0, 8), store.Created)
	shadowed(t, c)
	mirrored(t, c, namedRecord(5).Instance.ID)
	put(t, c, namedRecords(8, 10), store.Created)
	_, late := headsOf(t, c)
	page, vectors := entriesAfter(t, c, late)
	erasedFrom(t, c, "pseudonym-1", 2) // both have
	erasedFrom(t, c, "pseudonym-4", 2) // the shadow not yet: its vectors are made already
	_, err := c.Mirror(ctx, "c", page[len(page)-1].Key, vectors)
	must(t, err)
	mirrored(t, c)
	sameHistory(t, c, namedRecord(5).Instance.ID)
	must(t, c.Exchange(ctx, "c", nil))
	erasedFrom(t, c, "pseudonym-2", 2) // one of its two was left out
	must(t, c.Delete(ctx, "c", namedRecord(6).Instance.ID))
	must(t, c.Delete(ctx, "c", namedRecord(7).Instance.ID))
	erasedFrom(t, c, "pseudonym-3", 2) // what stands behind alone has
	must(t, c.Exchange(ctx, "c", nil))
	left, err := c.List(ctx, "c", 0, 100)
	must(t, err)
	if len(left) != 2 {
		t.Errorf("List on the way back: got %d, want the 2 of whom nothing was erased", len(left))
	}
}

func entriesAfter(t *testing.T, c store.Catalog, since store.Key) (page []store.Entry, vectors map[store.Key][]float32) {
	t.Helper()
	for e, err := range c.Log(t.Context(), "c", since) {
		must(t, err)
		page = append(page, e)
	}
	return page, othersOf(page)
}

// erasedFrom erases a patient and looks for what is left of them anywhere.
func erasedFrom(t *testing.T, c store.Catalog, patient string, want int) {
	t.Helper()
	ctx := t.Context()
	e, err := c.Erase(ctx, "c", patient)
	must(t, err)
	if e.Instances != want || e.Labels != want || len(e.Elsewhere) != 0 {
		t.Errorf("Erase %s: got %+v, want %d instances and labels, and none elsewhere", patient, e, want)
	}
	_, err = c.Compact(ctx, nil)
	must(t, err)
	if s := seek(t, c, e.Traces); s.Matches != 0 || len(e.Traces.Texts) < want {
		t.Errorf("Seek after the erasure of %s: got %+v of %d texts, want no trace", patient, s, len(e.Traces.Texts))
	}
	_, again := c.Erase(ctx, "c", patient)
	if !errors.Is(again, store.ErrInstance) {
		t.Errorf("Erase %s again: got %v, want %v", patient, again, store.ErrInstance)
	}
}
