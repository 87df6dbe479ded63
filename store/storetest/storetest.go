// Package storetest holds what every store.Catalog must pass.
package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
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
		{"readers count together until a label stands for all", readers},
		{"findings are present, absent, uncertain or not mentioned", states},
		{"what is derived is read whole while it is written", rewriting},
		{"a thumbnail goes with its instance", thumbnails},
		{"a deleted instance is gone from every answer", deletion},
		{"many are deleted together, and what is not there is passed over", deleteMany},
		{"as many can be deleted as one call may name", deleteMost},
		{"a change may ask for the key that it expects", conditions},
		{"of those that expect the same key one wins", oneWins},
		{"what others share with an erased patient stays", sharing},
		{"statistics count everything", statistics},
		{"search is exact, ordered and leaves out what is excluded", searches},
		{"searches narrowed in any way find what a walk down the ranking does", filters},
		{"what is found by a filter is a list of all without the rest, in order", finds},
		{"pages are of the same instances while others come", findsStably},
		{"what a filter named is deleted only if it still does", deletesOnlyWhatIsMeant},
		{"a search for a task or class that is not there is refused", unknownClasses},
		{"records put one by one are found as those put together", oneByOne},
		{"series and studies answer by their pooled vectors", levels},
		{"what is kept of an original need not be what was received", kept},
		{"the images of a file come and go together", files},
		{"a file may have more images than fit one transaction", largeFile},
		{"an exclusion covers the kin of what it names", kin},
		{"of two labels in one call the later counts", laterLabel},
		{"a collection dropped twice takes nothing else with it", droppedTwice},
		{"the log tells everything in order", logOrder},
		{"reindexing keeps the answers", reindexing},
		{"concurrent callers lose nothing", concurrency},
		{"unknown collections are said to be unknown", unknown},
		{"a patient is erased from what stands behind a collection too", exchangedErasure},
	} {
		t.Run(c.fact, func(t *testing.T) {
			catalog := open(t, t.TempDir())
			defer func() { must(t, catalog.Close()) }()
			c.test(t, catalog)
		})
	}
	t.Run("everything is there after reopening", func(t *testing.T) { reopening(t, open) })
	t.Run("all that was ever said is kept", func(t *testing.T) { history(t, open) })
	t.Run("a collection is amended for good", func(t *testing.T) { amending(t, open) })
	t.Run("nothing is found of an erased patient once the store is compacted", func(t *testing.T) { erasure(t, open) })
	t.Run("a collection and what stands behind it take each other's place", func(t *testing.T) { exchanging(t, open) })
	t.Run("tasks keep their settings", func(t *testing.T) { settings(t, open) })
	t.Run("what is derived is kept until its collection is dropped", func(t *testing.T) { derived(t, open) })
	t.Run("documents are kept as they were saved last", func(t *testing.T) { documents(t, open) })
	t.Run("who waits is told of every change", func(t *testing.T) { changed(t, open) })
	t.Run("whatever is asked is answered as by a model", func(t *testing.T) {
		Operations(t, open, OperationOptions{Seed: 1, Length: 150})
	})
	t.Run("a closed store says so", func(t *testing.T) {
		catalog := filled(t, open(t, t.TempDir()), 2)
		must(t, catalog.Ready(t.Context()))
		must(t, catalog.Close())
		wantErr(t, "Ready after Close", catalog.Ready(t.Context()), store.ErrClosed)
		_, gone := catalog.Search(t.Context(), "c", store.Query{Vector: Record(0).Vector, K: 1})
		wantErr(t, "Search after Close", gone, store.ErrClosed)
		for _, gone := range catalog.Log(t.Context(), "c", 0) {
			wantErr(t, "Log after Close", gone, store.ErrClosed)
		}
		_, err := catalog.Put(t.Context(), "c", Records(3, 4))
		if out, _ := catalog.Put(t.Context(), "c", Records(3, 4)); err == nil {
			err = out[0].Err
		}
		wantErr(t, "Put after Close", err, store.ErrClosed)
		_, err = catalog.History(t.Context(), "c", "i0")
		wantErr(t, "History after Close", err, store.ErrClosed)
		_, err = catalog.Compact(t.Context(), nil)
		wantErr(t, "Compact after Close", err, store.ErrClosed)
		_, err = catalog.Erase(t.Context(), "c", "p0")
		wantErr(t, "Erase after Close", err, store.ErrClosed)
		wantErr(t, "SaveDerived after Close", catalog.SaveDerived(t.Context(), "c", "x", nil), store.ErrClosed)
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
