package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"nearcase/index/peers/dataset"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The harness runs its own program as the driver of our engines; in tests that
// is the test's program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "driver" {
		if err := drive(context.Background(), os.Args[2:], os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// line is a set whose base vectors lie on a half circle, so that the nearest of
// the query, at its beginning, are the first.
func line() dataset.Set {
	base := dataset.Matrix{Dim: 2, Values: []float32{1, 0, 0.96, 0.28, 0.8, 0.6, 0.6, 0.8, 0.6, 0.8, 0, 1, -1, 0}}
	return dataset.Set{Name: "line", Base: base, Queries: dataset.Matrix{Dim: 2, Values: []float32{1, 0}}}
}

func TestTruthIsTheKthBestScore(t *testing.T) {
	for k, want := range map[int]float32{1: 1, 2: 0.96, 3: 0.8, 4: 0.6, 5: 0.6, 7: -1, 9: -1} {
		if got := truth(line(), k)[0]; got != want {
			t.Errorf("truth at k = %d is %g, want %g", k, got, want)
		}
	}
}

func TestTruthOfManyQueriesIsThatOfEach(t *testing.T) {
	set, err := dataset.Generate("clustered", 500, 37, 32)
	if err != nil {
		t.Fatal(err)
	}
	all := truth(set, 10)
	for q := range set.Queries.Len() {
		one := set
		one.Queries = dataset.Matrix{Dim: 32, Values: set.Queries.Row(q)}
		if got := truth(one, 10)[0]; got != all[q] {
			t.Errorf("query %d: %g alone and %g among others", q, got, all[q])
		}
	}
}

func TestRecallCountsScores(t *testing.T) {
	const none = 1<<32 - 1
	for _, c := range []struct {
		name string
		ids  []uint32
		want float64
	}{
		{"all found", []uint32{0, 1, 2, 3}, 1},
		{"in any order", []uint32{3, 2, 1, 0}, 1},
		{"of equals any will do", []uint32{0, 1, 2, 4}, 1},
		{"one too far", []uint32{0, 1, 2, 5}, 0.75},
		{"fewer found", []uint32{0, 1, none, none}, 0.5},
		{"one named twice counts once", []uint32{0, 0, 1, 2}, 0.75},
		{"an id that is not there", []uint32{0, 1, 2, 7}, 0.75},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := recall(line(), truth(line(), 4), c.ids, 4); got != c.want {
				t.Errorf("recall of %v is %g, want %g", c.ids, got, c.want)
			}
		})
	}
}

func TestReachingInterpolates(t *testing.T) {
	points := []point{{Ef: 10, Recall: 0.8, Single: 1000}, {Ef: 20, Recall: 0.9, Single: 100, Batch: 400}, {Ef: 30, Recall: 1, Single: 100}}
	for _, c := range []struct {
		recall, rate float64
		ef           int
		ok           bool
	}{{0.5, 1000, 10, true}, {0.9, 400, 20, true}, {0.95, 200, 30, true}, {1, 100, 30, true}} {
		rate, first, ok := reaching(points, c.recall)
		if ok != c.ok || first.Ef != c.ef || rate < c.rate*0.999 || rate > c.rate*1.001 {
			t.Errorf("reaching %g = %.1f, ef %d, %t; want %.1f, ef %d, %t", c.recall, rate, first.Ef, ok, c.rate, c.ef, c.ok)
		}
	}
	if _, _, ok := reaching(points[:2], 0.99); ok {
		t.Error("0.99 is reached by points that end at 0.9")
	}
}

func TestFrontierDropsWhatIsBeaten(t *testing.T) {
	points := []point{{Ef: 1, Recall: 0.7, Single: 50}, {Ef: 2, Recall: 0.8, Single: 100}, {Ef: 3, Recall: 0.9, Single: 90}, {Ef: 4, Recall: 0.9, Single: 60}}
	var got []int
	for _, p := range frontier(points) {
		got = append(got, p.Ef)
	}
	if want := []int{2, 3}; !slices.Equal(got, want) {
		t.Errorf("frontier of %v has ef %v, want %v", points, got, want)
	}
}

// The driver of our own engines keeps to the protocol, and a scan finds all.
func TestDriverFindsAllByScan(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	set, err := dataset.Generate("clustered", 300, 20, 64)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	if err := set.Base.WriteFile(file("base")); err != nil {
		t.Fatal(err)
	}
	if err := set.Queries.WriteFile(file("queries")); err != nil {
		t.Fatal(err)
	}
	work := task{
		vectors: file("base"), queries: file("queries"), out: file("found"), dim: 64, threads: 2,
		searchThreads: []int{1, 2}, ef: []int{0}, k: 10, m: 16, efConstruction: 200, reps: 1,
	}
	var out bytes.Buffer
	if err := drive(t.Context(), work.arguments(engine{name: "exact"}), &out, os.Stderr); err != nil {
		t.Fatal(err)
	}
	events, err := readEvents(&out, func(event) {})
	if err != nil || len(events) != 3 || events[0].Event != "build" || events[0].Vectors != 300 {
		t.Fatalf("events %+v, %v; want a build of 300 and two searches", events, err)
	}
	ids, err := readIDs(work.out, 10, events)
	if err != nil {
		t.Fatal(err)
	}
	for i, found := range ids {
		if got := recall(set, truth(set, 10), found, 10); got != 1 {
			t.Errorf("search %d has recall %g, want 1", i, got)
		}
	}
}

// The harness measures, keeps its results, reports, leaves nothing behind, and
// does not measure again what it may keep.
func TestHarnessMeasuresAndReports(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	args := []string{"-n", "200", "-dim", "32", "-queries", "20", "-datasets", "uniform,near-duplicates", "-repetitions", "1",
		"-engines", "nearcase exact", "-threads", "2", "-out", folder, "-resume"}
	var log bytes.Buffer
	for range 2 {
		if err := dispatch(t.Context(), args, nil, &log); err != nil {
			t.Fatalf("%v\n%s", err, &log)
		}
	}
	r, err := load(filepath.Join(folder, "index.json"))
	if err != nil || len(r.Runs) != 2 || r.Runs[0].Points[0].Recall != 1 {
		t.Errorf("results %+v, %v; want one of each set", r.Runs, err)
	}
	if got := strings.Count(log.String(), "kept"); got != 2 {
		t.Errorf("%d runs were kept, want 2:\n%s", got, &log)
	}
	for _, name := range []string{"index.md", "index-uniform.svg", "index-near-duplicates.svg"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	if err := dispatch(t.Context(), append(args, "-m", "8"), nil, &log); err == nil {
		t.Error("results of other settings were kept without an error")
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("the harness left %v behind", left)
	}
}

func TestReportIsTheGolden(t *testing.T) {
	var r, scaling result
	for name, to := range map[string]*result{"result.json": &r, "scaling.json": &scaling} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, to); err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range render(r, scaling, "## Remarks\n\nWritten by hand.\n") {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("the report's %s differs from the golden; look at it and run with -update", name)
		}
	}
}

func TestArgumentsThatCannotBe(t *testing.T) {
	for _, args := range [][]string{
		{"-n", "0"}, {"-n", "x"}, {"-ef", "9"}, {"-real", "name"}, {"-real", "name=path:x"}, {"-single-build", "some"}, {"stray"},
	} {
		if _, err := parse(args, &bytes.Buffer{}); err == nil {
			t.Errorf("arguments %q gave no error", args)
		}
	}
}

func TestRealFilesAreNamedWithTheirDimension(t *testing.T) {
	o, err := parse([]string{"-real", "cxr=a:b/c.f32:808"}, &bytes.Buffer{})
	if want := (realFile{"cxr", "a:b/c.f32", 808}); err != nil || len(o.real) != 1 || o.real[0] != want {
		t.Errorf("-real gave %v, %v; want %v", o.real, err, want)
	}
}

func TestCommandNamesNoFolders(t *testing.T) {
	o, err := parse([]string{"-real", "cxr=/home/me/c.f32:808", "-out", "/home/me/out"}, &bytes.Buffer{})
	if want := "bench -real cxr=c.f32:808 -out out"; err != nil || o.command != want {
		t.Errorf("command is %q, %v; want %q", o.command, err, want)
	}
}

func TestDurationsHaveFittingUnits(t *testing.T) {
	for seconds, want := range map[float64]string{0: "–", 12.34e-6: "12.3 µs", 0.00456: "4.56 ms", 73.26: "73.3 s", 1234.4: "20m34s"} {
		if got := duration(seconds); got != want {
			t.Errorf("duration(%g) = %q, want %q", seconds, got, want)
		}
	}
}
