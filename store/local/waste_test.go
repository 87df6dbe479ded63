package local_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// Law: after much has come and gone, and been compacted, the disk has little more
// than what is there: a log with files of holes is counted by its blocks.
func TestCompactedItTakesLittleMoreThanWhatIsThere(t *testing.T) {
	t.Parallel()
	const dimension, rounds, kept = 4096, 2, 1500
	place := t.TempDir()
	l, err := local.Open(place, local.Options{Memory: 16 << 20})
	must(t, err)
	defer l.Close()
	c := storetest.Collection("c")
	c.Dimension = dimension
	must(t, l.Create(t.Context(), c))
	ids := make([]string, kept)
	for round := range rounds {
		all := records(round*kept, (round+1)*kept)
		for i := range all {
			all[i].Vector = append(all[i].Vector, make([]float32, dimension-storetest.Dimension)...)
			ids[i] = all[i].Instance.ID
		}
		putAll(t, l, "c", all)
		if round+1 < rounds {
			_, err := l.DeleteAll(t.Context(), "c", ids, nil)
			must(t, err)
		}
	}
	w, err := l.Waste(t.Context())
	must(t, err)
	if !w.IsWorth(0.3) {
		t.Errorf("Waste of a log of which much is deleted: got %+v, want that it is worth compacting", w)
	}
	_, err = l.Compact(t.Context(), nil)
	must(t, err)
	u, err := l.Usage(t.Context())
	must(t, err)
	if live := int64(4 * dimension * kept); u.Log > live*13/10 {
		t.Errorf("the log after compaction: got %d bytes for %d that are there, want 1.3 times as many at most", u.Log, live)
	}
	if w, err = l.Waste(t.Context()); err != nil || w.IsWorth(0.1) {
		t.Errorf("Waste after compaction: got %+v and %v, want that it is not worth another", w, err)
	}
}

// Originals that nothing needs are removed while others are stored, and those that
// are written or needed are not.
func TestOriginalsThatNothingNeedsAreCollected(t *testing.T) {
	place := t.TempDir()
	l := open(t, place).(*local.Catalog)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", storetest.Records(0, 4))
	orphan := filepath.Join(place, "originals", "00", fmt.Sprintf("%064d", 0))
	stale, fresh := filepath.Join(place, "originals", "00", ".new-1"), filepath.Join(place, "originals", "00", ".new-2")
	must(t, os.MkdirAll(filepath.Dir(orphan), 0o700))
	for _, path := range []string{orphan, stale, fresh} {
		must(t, os.WriteFile(path, []byte("left behind"), 0o600))
	}
	must(t, os.Chtimes(stale, time.Time{}, time.Now().Add(-2*time.Hour)))
	got, err := l.Collect(t.Context())
	must(t, err)
	if got.Files != 2 || got.Bytes != 22 {
		t.Errorf("Collect: got %+v, want the orphan and what was half written long ago", got)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("what is being written: got %v, want that it is there", err)
	}
	if _, err := os.Stat(orphan); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the orphan: got %v, want that it is gone", err)
	}
	for n := range 4 {
		r, err := l.Original(t.Context(), "c", fmt.Sprint("i", n))
		must(t, err)
		must(t, r.Close())
	}
	_, err = l.Search(t.Context(), "c", store.Query{Vector: storetest.Record(0).Vector, K: 1})
	must(t, err)
}
