package local_test

import (
	"errors"
	"path/filepath"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// otherModel makes the vectors of another model for what entries put.
func otherModel(entries []store.Entry) (map[store.Key][]float32, error) {
	vectors := map[store.Key][]float32{}
	for _, e := range entries {
		if e.Kind == store.KindPut {
			v := make([]float32, 5)
			v[e.Key%5] = 1
			vectors[e.Key] = v
		}
	}
	return vectors, nil
}

// A crash while a collection and its shadow take each other's place leaves the one
// model or the other, and in both cases all that was acknowledged.
func TestAModelIsChangedWhollyOrNot(t *testing.T) {
	place, at := t.TempDir(), map[string]string{}
	l := openReaching(t, place, func(step string) error {
		at[step] = filepath.Join(t.TempDir(), step)
		return local.CopyDir(at[step], place)
	})
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", records(0, 30))
	must(t, l.Shadow(t.Context(), "c", store.Collection{Model: "other", Fingerprint: "other", Dimension: 5}))
	must(t, l.Exchange(t.Context(), "c", otherModel))
	must(t, l.Close())
	for step, want := range map[string][2]string{"exchanging": {"test", "other"}, "exchanged": {"other", "test"}} {
		crashed, err := local.Open(at[step], local.Options{MustExist: true})
		must(t, err)
		for i, name := range []string{"c", store.ShadowName("c")} {
			c, err := crashed.Collection(t.Context(), name)
			must(t, err)
			all, err := crashed.List(t.Context(), name, 0, 100)
			must(t, err)
			if c.Model != want[i] || c.IsHidden() != (i == 1) || len(all) != 30 || len(all[29].Labels) != 1 {
				t.Errorf("crash when %s: %s is %+v with %d instances, want %s with all 30", step, name, c, len(all), want[i])
			}
		}
		must(t, crashed.Close())
	}
}

// What a shadow has been given is kept: given again, after a crash or not, it changes
// nothing, and what it was not given is refused.
func TestMirroringAgainChangesNothing(t *testing.T) {
	place := t.TempDir()
	l := open(t, place)
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", records(0, 20))
	must(t, l.Shadow(t.Context(), "c", store.Collection{Model: "other", Fingerprint: "other", Dimension: 5}))
	var entries []store.Entry
	for e, err := range l.Log(t.Context(), "c", 0) {
		must(t, err)
		entries = append(entries, e)
	}
	vectors, err := otherModel(entries)
	must(t, err)
	half := entries[len(entries)/2].Key
	for range 2 {
		for range 2 {
			at, err := l.Mirror(t.Context(), "c", half, vectors)
			must(t, err)
			if s, err := l.Status(t.Context(), store.ShadowName("c")); err != nil || at != half || s.Head != half {
				t.Errorf("Mirror to %d: got %d and %+v, %v", half, at, s, err)
			}
		}
		must(t, l.Close())
		l = open(t, place)
	}
	must(t, l.Close())
}

// Of a log of which something is lost nothing takes the place, and it takes that of
// nothing: what is known of the loss would be hidden with it.
func TestNoModelIsChangedWhereLogEntriesAreLost(t *testing.T) {
	for name, damaged := range map[string]uint32{"of the collection": 1, "of what stands behind it": 2} {
		t.Run(name, func(t *testing.T) {
			place := t.TempDir()
			l := open(t, place)
			must(t, l.Create(t.Context(), storetest.Collection("c")))
			putAll(t, l, "c", records(0, 5))
			must(t, l.Shadow(t.Context(), "c", store.Collection{Model: "other", Fingerprint: "other", Dimension: 5}))
			must(t, l.Exchange(t.Context(), "c", otherModel))
			must(t, l.Exchange(t.Context(), "c", nil))
			must(t, l.(*local.Catalog).Lose(damaged, 3, local.OfEntry))
			must(t, l.Close())
			l = open(t, place)
			if err := l.Exchange(t.Context(), "c", otherModel); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("Exchange: got %v, want ErrDamaged", err)
			}
			must(t, l.Drop(t.Context(), store.ShadowName("c")))
			err := l.Shadow(t.Context(), "c", store.Collection{Model: "other", Fingerprint: "other", Dimension: 5})
			if errors.Is(err, store.ErrDamaged) != (damaged == 1) {
				t.Errorf("Shadow once what stood behind is dropped: got %v", err)
			}
			must(t, l.Close())
		})
	}
}

// Below the floor of free space a shadow gets no vectors, but follows deletions.
func TestAShadowGetsNoVectorsBelowTheFloor(t *testing.T) {
	const floor = 1 << 30
	l, r := openRoomy(t, floor)
	must(t, l.Shadow(t.Context(), "c", store.Collection{Model: "other", Fingerprint: "other", Dimension: 5}))
	must(t, l.Exchange(t.Context(), "c", otherModel))
	putAll(t, l, "c", []store.Record{ofOther(storetest.Record(30))})
	status, err := l.Status(t.Context(), "c")
	must(t, err)
	r.free.Store(floor - 1)
	l.Measure()
	v := make([]float32, storetest.Dimension)
	v[0] = 1
	vectors := map[store.Key][]float32{status.Head - 1: v, status.Head: v}
	if _, err := l.Mirror(t.Context(), "c", status.Head, vectors); !errors.Is(err, store.ErrFull) {
		t.Errorf("Mirror of an instance below the floor: got %v, want ErrFull", err)
	}
	must(t, l.Delete(t.Context(), "c", storetest.Record(30).Instance.ID))
	if _, err := l.Mirror(t.Context(), "c", status.Head+1, nil); err != nil {
		t.Errorf("Mirror of a deletion below the floor: got %v", err)
	}
}

// ofOther is a record with a vector of the other model.
func ofOther(r store.Record) store.Record {
	r.Vector, r.Fingerprint = []float32{1, 0, 0, 0, 0}, "other"
	return r
}
