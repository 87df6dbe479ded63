package local_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearcase/store/local"
	"nearcase/store/storetest"
)

// filesOfLog returns the files of a data directory's log with a suffix.
func filesOfLog(t *testing.T, place, suffix string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(place, "log", "*"+suffix))
	must(t, err)
	return all
}

// Opening a log that was not closed makes tables of its write-ahead logs. Power loss
// may leave neither the name of a table nor the log: then the copy is there.
func TestAPowerLossWhileALogIsOpenedLeavesACopy(t *testing.T) {
	for _, left := range []string{"neither table nor log", "half the log", "both"} {
		t.Run(left, func(t *testing.T) {
			place, l := damagedWorld(t)
			crashed := filepath.Join(t.TempDir(), "crashed")
			must(t, local.CopyDir(crashed, place))
			must(t, l.Close())
			logs := filesOfLog(t, crashed, ".mem")
			logs = slices.DeleteFunc(logs, func(path string) bool { info, err := os.Stat(path); return err != nil || info.Size() == 0 })
			if len(logs) != 1 {
				t.Fatalf("got %v, want one write-ahead log", logs)
			}
			whole, err := os.ReadFile(logs[0])
			must(t, err)
			before := filesOfLog(t, crashed, ".sst")
			l = open(t, crashed).(*local.Catalog)
			must(t, l.Close())
			if left != "both" {
				for _, table := range filesOfLog(t, crashed, ".sst") {
					if !slices.Contains(before, table) {
						must(t, os.Remove(table))
					}
				}
			}
			if left == "half the log" {
				must(t, os.WriteFile(logs[0], whole[:1000], 0o600))
			}
			must(t, os.WriteFile(logs[0]+".kept", whole, 0o600))
			must(t, os.WriteFile(filepath.Join(crashed, "log", ".new-1"), whole[:500], 0o600))

			l = open(t, crashed).(*local.Catalog)
			if got, lost := saidOf(t, l), lostOf(t, l); got != wholeWorld || lost != "" {
				t.Errorf("got %q and lost %q, want %q and nothing", got, lost, wholeWorld)
			}
			if more := slices.Concat(filesOfLog(t, crashed, ".kept"), filesOfLog(t, crashed, ".new-1")); len(more) > 0 {
				t.Errorf("there is %v, want no copies", more)
			}
			must(t, l.Delete(t.Context(), "xray", "i0"))
			must(t, l.Close())
			l = open(t, crashed).(*local.Catalog)
			defer func() { must(t, l.Close()) }()
			if got := saidOf(t, l); got != strings.TrimPrefix(wholeWorld, "i0[normal] ") {
				t.Errorf("opened again: got %q, want all but i0", got)
			}
		})
	}
}

// A file system that gives no blocks ahead has the name of the next log all the same,
// and tables are made of those before it, which go.
func TestTheNextLogHasItsNameWhereNothingCanBeReserved(t *testing.T) {
	place := t.TempDir()
	l, err := local.Open(place, local.Options{Memory: 16 << 20}) // a table has 8 MiB
	must(t, err)
	l.ReserveNothing()
	must(t, l.Create(t.Context(), storetest.Collection("xray")))
	last := 0
	for range 20 {
		all := storetest.Records(last, last+30)
		for i := range all {
			all[i].Instance.Metadata = map[string]string{}
			for n := range 100 {
				all[i].Instance.Metadata[fmt.Sprint("Field", n)] = strings.Repeat("x", 250)
			}
		}
		putAll(t, l, "xray", all)
		last += 30
		putAll(t, l, "xray", storetest.Records(last, last+1)) // a log that the last of them ended is followed now
		last++
		logs := filesOfLog(t, place, ".mem")
		if len(logs) < 2 || len(logs) > 5 {
			t.Fatalf("the write-ahead logs are %v, want that which is written, the next, and few before", logs)
		}
	}
	if tables := filesOfLog(t, place, ".sst"); len(tables) == 0 {
		t.Error("no table was made")
	}
	crashed := filepath.Join(t.TempDir(), "crashed")
	must(t, local.CopyDir(crashed, place))
	must(t, l.Close())
	for _, dir := range []string{place, crashed} {
		again := open(t, dir)
		cases, err := again.List(t.Context(), "xray", 0, 1000)
		if err != nil || len(cases) != last {
			t.Errorf("got %d, %v, want %d", len(cases), err, last)
		}
		must(t, again.Close())
	}
}
