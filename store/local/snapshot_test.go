package local_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// line is one line of the log.
type line struct{ Level, Msg, Collection, Reason, Engine string }

func (j *journal) lines(t *testing.T, level string) (lines []line) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for text := range bytes.Lines(j.text.Bytes()) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatal(err)
		}
		if l.Level == level {
			lines = append(lines, l)
		}
	}
	return lines
}

// openLogged opens a data directory and returns its log.
func openLogged(t *testing.T, place string) (*local.Catalog, *journal) {
	t.Helper()
	j := &journal{}
	l, err := local.Open(place, local.Options{Logger: slog.New(slog.NewJSONHandler(j, nil)), Memory: littleMemory})
	if err != nil {
		t.Fatal(err)
	}
	return l, j
}

// stocked makes a data directory with a collection of that engine whose index is
// saved, and a bit more in its log. It has n vectors and is closed.
func stocked(t *testing.T, engine string, n int, names ...string) (place string) {
	t.Helper()
	place = t.TempDir()
	l := open(t, place)
	for _, name := range names {
		c := storetest.Collection(name)
		c.Index.Engine = engine
		must(t, l.Create(t.Context(), c))
		putAll(t, l, name, records(0, n))
		must(t, l.Delete(t.Context(), name, "i7"))
	}
	must(t, l.Close())
	return place
}

// records are those of storetest without originals.
func records(from, to int) []store.Record {
	all := storetest.Records(from, to)
	for i := range all {
		all[i].Original = nil
	}
	return all
}

func putAll(t *testing.T, l store.Catalog, name string, all []store.Record) {
	t.Helper()
	outcomes, err := l.Put(t.Context(), name, all)
	must(t, err)
	for _, o := range outcomes {
		must(t, o.Err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func snapshot(place string, number int) string {
	return filepath.Join(place, "index", fmt.Sprintf("%d.idx", number))
}

// answers are the ten nearest cases of a few queries, scores and all.
func answers(t *testing.T, l store.Catalog, name string, exact bool) (all []string) {
	t.Helper()
	for n := range 20 {
		found, err := l.Search(t.Context(), name, store.Query{Vector: storetest.Record(10_000 + n).Vector, K: 10, Exact: exact})
		must(t, err)
		for _, f := range found {
			all = append(all, fmt.Sprint(n, f.Key, f.Instance.ID, f.Score))
		}
	}
	return all
}

// share is how many of the answers wanted are among those got.
func share(got, want []string) float64 {
	hits := 0
	for _, w := range want {
		if slices.Contains(got, w) {
			hits++
		}
	}
	return float64(hits) / float64(len(want))
}

var spoilt = flag.Int("local.snapshots", 4, "flipped and cut snapshots that TestDamagedSnapshotsAreToldAndRebuilt opens, of each")

// Whatever happened to a snapshot, the catalog opens, answers as if it had never
// been there, and says once why it was not used.
func TestDamagedSnapshotsAreToldAndRebuilt(t *testing.T) {
	for engine, often := range map[string]int{"exact": *spoilt, "graph": max(1, *spoilt/4)} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			place := stocked(t, engine, 1100, "c", "d")
			whole, err := os.ReadFile(snapshot(place, 1))
			must(t, err)
			other, err := os.ReadFile(snapshot(place, 2))
			must(t, err)
			l, j := openLogged(t, place)
			want := answers(t, l, "c", true)
			if s, err := l.Status(t.Context(), "c"); err != nil || s.Engine != engine || s.Index.Snapshot == 0 || s.Index.Mapped == 0 {
				t.Errorf("Status with an undamaged snapshot: got %+v, %v, want it in use", s, err)
			}
			must(t, l.Close())
			if warnings := j.lines(t, "WARN"); len(warnings) > 0 {
				t.Errorf("an undamaged snapshot: got %v, want nothing told", warnings)
			}
			for name, damaged := range damages(t, whole, other, often) {
				must(t, os.WriteFile(snapshot(place, 1), damaged, 0o600))
				l, j := openLogged(t, place)
				if got := answers(t, l, "c", engine == "exact"); share(got, want) < 0.95 || engine == "exact" && !slices.Equal(got, want) {
					t.Errorf("%s: got answers\n%v\nwant\n%v", name, got, want)
				}
				warnings := j.lines(t, "WARN")
				if len(warnings) != 1 || warnings[0].Collection != "c" || warnings[0].Reason == "" || !strings.Contains(warnings[0].Msg, "snapshot not used") {
					t.Errorf("%s: got %v in the log, want one warning with the reason", name, warnings)
				}
				must(t, l.Close())
			}
		})
	}
}

// damages are a snapshot with everything that may go wrong with one, some of it
// more than once.
func damages(t *testing.T, whole, other []byte, often int) map[string][]byte {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	all := map[string][]byte{
		"of another collection": other,
		"empty":                 {},
		"of text":               []byte("hello"),
		"of the future":         bytes.Clone(whole),
		"with more at its end":  append(bytes.Clone(whole), 0),
		"all zeros":             make([]byte, len(whole)),
	}
	all["of the future"][16]++ // the version
	for range often {
		at := rng.IntN(len(whole) - 4096) // in the last page only what fills it may be changed unseen
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << rng.IntN(8)
		all[fmt.Sprint("flipped at ", at)] = flipped
		length := rng.IntN(len(whole))
		all[fmt.Sprint("cut to ", length)] = whole[:length]
	}
	return all
}

// A snapshot that is older than the log is brought up to it: what was put,
// replaced, deleted and labelled since is known, and what was not is not.
func TestOldSnapshotsCatchUp(t *testing.T) {
	for _, engine := range []string{"exact", "graph"} {
		t.Run(engine, func(t *testing.T) {
			place := stocked(t, engine, 1200, "c")
			old, err := os.ReadFile(snapshot(place, 1))
			must(t, err)
			l := open(t, place)
			putAll(t, l, "c", records(1200, 1300))
			for n := range 50 {
				changed := storetest.Record(3000 + n)
				changed.Original, changed.Instance.ID, changed.Replace = nil, fmt.Sprint("i", 20*n), true
				putAll(t, l, "c", []store.Record{changed})
				must(t, l.Delete(t.Context(), "c", fmt.Sprint("i", 20*n+3)))
			}
			_, err = l.Label(t.Context(), "c", []store.Label{{Instance: "i40", Task: "devices", Classes: []string{"line"}}})
			must(t, err)
			want := answers(t, l, "c", true)
			must(t, l.Close())
			must(t, os.WriteFile(snapshot(place, 1), old, 0o600))
			again, j := openLogged(t, place)
			defer again.Close()
			if got := answers(t, again, "c", true); !slices.Equal(got, want) {
				t.Errorf("exact answers after catching up: got\n%v\nwant\n%v", got, want)
			}
			least := map[string]float64{"exact": 1, "graph": 0.9}[engine]
			if got := answers(t, again, "c", false); share(got, want) < least {
				t.Errorf("answers after catching up: %.3f of the exact ones, want %g", share(got, want), least)
			}
			again.Upkeep() // has linked what is new, or waits for who does
			linked := slices.ContainsFunc(j.lines(t, "INFO"), func(l line) bool { return l.Msg == "index linked" })
			if got := answers(t, again, "c", false); linked != (engine == "graph") || share(got, want) < least {
				t.Errorf("after upkeep: linked %t, %.3f of the exact answers, want %g", linked, share(got, want), least)
			}
			found, err := again.Search(t.Context(), "c", store.Query{Vector: storetest.Unit(rand.New(rand.NewPCG(1, 1))), K: 9, Labelled: "devices", Classes: []string{"line"}})
			if err != nil || len(found) != 1 || found[0].Instance.ID != "i40" {
				t.Errorf("Search for a label given since: got %v, %v, want i40", found, err)
			}
			if s, err := again.Status(t.Context(), "c"); err != nil || s.Engine != engine || s.Index.Snapshot == 0 {
				t.Errorf("Status: got %+v, %v, want the snapshot in use", s, err)
			}
			if warnings := j.lines(t, "WARN"); len(warnings) > 0 {
				t.Errorf("got %v, want nothing told", warnings)
			}
		})
	}
}

// A snapshot of another history of the same collection, as after restoring a log
// from a backup, is not believed.
func TestSnapshotsOfAnotherHistoryAreNotUsed(t *testing.T) {
	for name, change := range map[string]func(l store.Catalog){
		"a shorter one": func(store.Catalog) {},
		"one with other vectors": func(l store.Catalog) {
			putAll(t, l, "c", records(5000, 7000))
		},
		"one with other deletions": func(l store.Catalog) {
			must(t, l.Delete(t.Context(), "c", "i9"))
			putAll(t, l, "c", records(1200, 1900)) // as in the first
		},
	} {
		t.Run(name, func(t *testing.T) {
			place := stocked(t, "exact", 1200, "c")
			backup := filepath.Join(t.TempDir(), "backup")
			must(t, os.CopyFS(backup, os.DirFS(place)))
			l := open(t, place)
			putAll(t, l, "c", records(1200, 1900))
			must(t, l.Close())
			l = open(t, backup)
			change(l)
			want := answers(t, l, "c", true)
			must(t, l.Close())
			newer, err := os.ReadFile(snapshot(place, 1))
			must(t, err)
			must(t, os.WriteFile(snapshot(backup, 1), newer, 0o600))
			again, j := openLogged(t, backup)
			defer again.Close()
			if got := answers(t, again, "c", true); !slices.Equal(got, want) {
				t.Errorf("got answers\n%v\nwant\n%v", got, want)
			}
			if told := j.lines(t, "WARN"); len(told) < 1 || len(told) > 2 {
				t.Errorf("got %v, want a warning of the index, and one of the rows where they name it", told)
			}
		})
	}
}

// What a crash leaves beside a snapshot, and snapshots of collections that are
// gone, are removed, and nothing else is.
func TestLeftoversOfSnapshotsAreRemoved(t *testing.T) {
	place := stocked(t, "exact", 1100, "c", "d")
	l := open(t, place)
	want := answers(t, l, "c", true)
	must(t, l.Drop(t.Context(), "d"))
	if names := folder(t, place); !slices.Equal(names, []string{"1.idx", "1.rows"}) {
		t.Errorf("index/ after Drop: got %q, want 1.idx and 1.rows alone", names)
	}
	must(t, l.Close())
	whole, err := os.ReadFile(snapshot(place, 1))
	must(t, err)
	for _, name := range []string{"1.idx.tmp", "2.idx", "99.idx", "trial.idx", "x"} {
		must(t, os.WriteFile(filepath.Join(place, "index", name), whole[:len(whole)/2], 0o600))
	}
	l, j := openLogged(t, place)
	if names := folder(t, place); !slices.Equal(names, []string{"1.idx", "1.rows"}) {
		t.Errorf("index/ after opening: got %q, want 1.idx and 1.rows alone", names)
	}
	if got := answers(t, l, "c", true); !slices.Equal(got, want) || len(j.lines(t, "WARN")) > 0 {
		t.Errorf("got answers\n%v\nwant\n%v\nand log %v", got, want, j.lines(t, "WARN"))
	}
	must(t, l.Close())
}

func folder(t *testing.T, place string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(place, "index"))
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestSnapshotsAreForTheOwnerAlone(t *testing.T) {
	place := stocked(t, "exact", 1100, "c")
	for path, want := range map[string]fs.FileMode{filepath.Join(place, "index"): 0o700 | fs.ModeDir, snapshot(place, 1): 0o600} {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode() != want {
			t.Errorf("mode of %s: got %v, want %v", path, info.Mode(), want)
		}
	}
}

// Few vectors are read from the log as fast: they have no snapshot.
func TestSmallCollectionsHaveNoSnapshot(t *testing.T) {
	place := stocked(t, "graph", 500, "c")
	if names := folder(t, place); len(names) > 0 {
		t.Errorf("index/: got %q, want nothing", names)
	}
	l, j := openLogged(t, place)
	defer l.Close()
	if s, err := l.Status(t.Context(), "c"); err != nil || s.Engine != "graph" || len(j.lines(t, "WARN")) > 0 {
		t.Errorf("Status: got %+v, %v, want a graph", s, err)
	}
}

// Snapshots are written while the catalog is in use, so that a crash leaves
// little to catch up with.
func TestSnapshotsAreWrittenInTheBackground(t *testing.T) {
	place := t.TempDir()
	l, _ := openLogged(t, place)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	head := func() store.Key {
		s, err := l.Status(t.Context(), "c")
		must(t, err)
		return s.Index.Snapshot
	}
	for _, step := range []struct {
		fact   string
		upkeep func()
		to     int
		saved  bool
	}{
		{"too few vectors", l.Upkeep, 900, false},
		{"a thousand changes", l.Upkeep, 1100, true},
		{"some changes while busy", l.Upkeep, 1150, false},
		{"some changes when quiet", l.UpkeepWhenQuiet, 1200, true},
		{"hardly a change when quiet", l.UpkeepWhenQuiet, 1205, false},
	} {
		before := head()
		s, err := l.Status(t.Context(), "c")
		must(t, err)
		putAll(t, l, "c", records(s.Instances, step.to))
		step.upkeep()
		if saved := head() > before; saved != step.saved {
			t.Errorf("after %s: saved %v, want %v", step.fact, saved, step.saved)
		}
	}
	before := head()
	must(t, l.Close())
	if _, err := l.Status(t.Context(), "c"); err == nil {
		t.Error("Status after Close: got no error")
	}
	again := open(t, place)
	defer again.Close()
	if s, err := again.Status(t.Context(), "c"); err != nil || s.Index.Snapshot <= before {
		t.Errorf("after Close: got %+v, %v, want a snapshot after %d", s, err, before)
	}
}
