package local_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// A quota refuses what would make a collection larger, with the numbers, however many
// come together; what replaces, labels or deletes is taken.
func TestAQuotaRefusesWhatIsMore(t *testing.T) {
	const record = 4*storetest.Dimension + 100
	for fact, a := range map[string]store.Amendment{
		"of instances": {MaxInstances: new(10)},
		"of bytes":     {MaxBytes: new(int64(10 * record))},
	} {
		t.Run(fact, func(t *testing.T) {
			place := t.TempDir()
			l := open(t, place)
			must(t, l.Create(t.Context(), storetest.Collection("c")))
			must(t, l.Amend(t.Context(), "c", a))
			out, err := l.Put(t.Context(), "c", sized(0, 15))
			must(t, err)
			full := 0
			for _, o := range out {
				if errors.Is(o.Err, store.ErrQuota) && strings.Contains(o.Err.Error(), fmt.Sprint(10)) || errors.Is(o.Err, store.ErrQuota) && a.MaxBytes != nil {
					full++
				} else {
					must(t, o.Err)
				}
			}
			if full != 5 {
				t.Errorf("15 records where 10 may be: got %d refused, want 5", full)
			}
			must(t, l.Close())
			l = open(t, place)
			defer l.Close()
			again := sized(0, 1)
			again[0].Instance.Name = "renamed"
			again[0].Replace = true
			putAll(t, l, "c", again)
			_, err = l.Label(t.Context(), "c", lineOn("i1"))
			must(t, err)
			if err := putErrOf(t, l, sized(20, 21)[0]); !errors.Is(err, store.ErrQuota) {
				t.Errorf("Put into a full collection: got %v, want ErrQuota", err)
			}
			must(t, l.Delete(t.Context(), "c", "i2"))
			must(t, putErrOf(t, l, sized(20, 21)[0]))
			s, err := l.Status(t.Context(), "c")
			must(t, err)
			if s.Instances != 10 || s.Bytes != 10*record {
				t.Errorf("Status: got %d instances and %d bytes, want 10 and %d", s.Instances, s.Bytes, 10*record)
			}
			must(t, l.Amend(t.Context(), "c", store.Amendment{MaxInstances: new(0), MaxBytes: new(int64(0))}))
			must(t, putErrOf(t, l, sized(21, 22)[0]))
		})
	}
}

// sized are records whose originals are said to have 100 bytes.
func sized(from, to int) []store.Record {
	all := storetest.Records(from, to)
	for i := range all {
		all[i].Instance.Size = 100
	}
	return all
}

// putErrOf is the error of storing a record.
func putErrOf(t *testing.T, l store.Catalog, r store.Record) error {
	t.Helper()
	out, err := l.Put(t.Context(), "c", []store.Record{r})
	if err == nil {
		err = out[0].Err
	}
	return err
}

// What was erased is known to be in the log until that is compacted, also by who
// opens it anew.
func TestAnErasureIsKnownToBeUncompacted(t *testing.T) {
	place := t.TempDir()
	l := open(t, place).(*local.Catalog)
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", storetest.Records(0, 10))
	_, err := l.Erase(t.Context(), "c", "p0")
	must(t, err)
	must(t, l.Delete(t.Context(), "c", "i5"))
	check := func(want int, uncompacted bool) {
		t.Helper()
		s, err := l.Statistics(t.Context(), "c")
		must(t, err)
		if s.Deleted != want || l.Uncompacted() != uncompacted {
			t.Errorf("got %d deleted and uncompacted %v, want %d and %v", s.Deleted, l.Uncompacted(), want, uncompacted)
		}
	}
	check(3, true)
	must(t, l.Close())
	l = open(t, place).(*local.Catalog)
	defer l.Close()
	check(3, true)
	_, err = l.Compact(t.Context(), nil)
	must(t, err)
	check(0, false)
}
