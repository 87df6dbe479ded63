package local_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// aHundred is a rule by which a graph is better from 100 vectors on.
func aHundred(n, _ int) string {
	if n < 100 {
		return "exact"
	}
	return "graph"
}

func openChoosing(t *testing.T, place string, o local.Options) *local.Catalog {
	t.Helper()
	l, err := local.OpenChoosing(place, o, aHundred)
	must(t, err)
	return l
}

func engineOf(t *testing.T, l store.Catalog) string {
	t.Helper()
	s, err := l.Status(t.Context(), "c")
	must(t, err)
	return s.Engine
}

// A collection that leaves the engine to the program has the exact scan while it
// is small and a graph from then on, with the same answers, whatever happens.
func TestTheEngineFollowsTheSize(t *testing.T) {
	place := t.TempDir()
	l := openChoosing(t, place, local.Options{})
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	at := func(fact, want string) {
		t.Helper()
		l.Upkeep()
		if got := engineOf(t, l); got != want {
			t.Errorf("%s: got engine %s, want %s", fact, got, want)
		}
		if got, want := answers(t, l, "c", false), answers(t, l, "c", true); share(got, want) < 0.9 {
			t.Errorf("%s: %.2f of the exact answers", fact, share(got, want))
		}
	}
	putAll(t, l, "c", records(0, 99))
	at("99 vectors", "exact")
	putAll(t, l, "c", records(99, 150))
	at("150 vectors", "graph")
	must(t, l.Close())
	l = openChoosing(t, place, local.Options{})
	defer func() { must(t, l.Close()) }()
	if got := engineOf(t, l); got != "graph" {
		t.Errorf("after opening: got engine %s, want graph", got)
	}
	remove := func(from, to int) {
		for n := from; n < to; n++ {
			must(t, l.Delete(t.Context(), "c", fmt.Sprint("i", n)))
		}
	}
	remove(0, 90)
	at("60 vectors", "graph") // not to and fro
	remove(90, 110)
	at("40 vectors", "exact")
	if c, err := l.Collection(t.Context(), "c"); err != nil || !c.Index.IsAuto() {
		t.Errorf("Collection: got index %+v, %v, want it left to the program", c.Index, err)
	}
}

// An engine that was asked for stays, whatever the size.
func TestAnEngineAskedForStays(t *testing.T) {
	l := openChoosing(t, t.TempDir(), local.Options{})
	defer l.Close()
	c := storetest.Collection("c")
	c.Index.Engine = "exact"
	must(t, l.Create(t.Context(), c))
	putAll(t, l, "c", records(0, 200))
	l.Upkeep()
	if got := engineOf(t, l); got != "exact" {
		t.Errorf("200 vectors in an exact collection: got engine %s", got)
	}
}

// told is a log that hands over its messages.
type told chan string

func (c told) Write(p []byte) (int, error) {
	c <- string(p)
	return len(p), nil
}

// The program does by itself what TestTheEngineFollowsTheSize asks for, and saves
// it; and a collection that lost its snapshot answers by scans meanwhile.
func TestIndexesAreBuiltInTheBackground(t *testing.T) {
	place := t.TempDir()
	log := make(told, 100)
	o := local.Options{Logger: slog.New(slog.NewTextHandler(log, nil))}
	wait := func(what string) {
		t.Helper()
		for line := range log {
			if strings.Contains(line, what) {
				return
			}
			if strings.Contains(line, "WARN") {
				t.Fatal(line)
			}
		}
	}
	l := openChoosing(t, place, o)
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", records(0, 1500))
	wait("index rebuilt")
	if got := engineOf(t, l); got != "graph" {
		t.Errorf("after it was told: got engine %s, want graph", got)
	}
	must(t, l.Close())
	l = openChoosing(t, place, o)
	if s, err := l.Status(t.Context(), "c"); err != nil || s.Engine != "graph" || s.Index.Snapshot == 0 {
		t.Errorf("after opening: got %+v, %v, want the graph of the snapshot", s, err)
	}
	must(t, l.Close())
	must(t, os.Remove(snapshot(place, 1)))
	l = openChoosing(t, place, o)
	defer l.Close()
	want := answers(t, l, "c", true)
	if got := answers(t, l, "c", false); share(got, want) < 0.9 {
		t.Errorf("without a snapshot: %.2f of the exact answers", share(got, want))
	}
	wait("index rebuilt")
	if got := engineOf(t, l); got != "graph" {
		t.Errorf("after it was told again: got engine %s, want graph", got)
	}
}

// Close does not wait for an index that is being built, and takes no harm.
func TestCloseEndsWhatIsBuilt(t *testing.T) {
	place := t.TempDir()
	l := open(t, place).(*local.Catalog)
	c := storetest.Collection("c")
	c.Index.Engine = "exact"
	must(t, l.Create(t.Context(), c))
	putAll(t, l, "c", records(0, 3000))
	want := answers(t, l, "c", true)
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		begun := false
		_, err := l.Reindex(context.Background(), "c", store.Reindexing{Index: store.Index{Engine: "coder"}}, func(int, int) {
			if !begun {
				begun = true
				close(started)
			}
		})
		ended <- err
	}()
	<-started
	must(t, l.Close())
	if err := <-ended; !errors.Is(err, store.ErrClosed) {
		t.Errorf("Reindex when the catalog is closed: got %v, want ErrClosed", err)
	}
	again := open(t, place)
	defer again.Close()
	if got := answers(t, again, "c", true); !slices.Equal(got, want) {
		t.Errorf("answers after it: got\n%v\nwant\n%v", got, want)
	}
}

// An index that finds too little is given up, and the old one stays.
func TestAnIndexThatFindsTooLittleIsGivenUp(t *testing.T) {
	l := open(t, t.TempDir()).(*local.Catalog)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", records(0, 1000))
	poor := store.Index{Engine: "coder", Candidates: 1}
	r, err := l.Reindex(t.Context(), "c", store.Reindexing{Index: poor, MinRecall: 0.999}, nil)
	if !errors.Is(err, store.ErrRecall) || !strings.Contains(err.Error(), "0.999") || r.Recall10 >= 0.999 || r.Recall10Before != 1 {
		t.Errorf("Reindex to a poor index: got %+v, %v, want ErrRecall", r, err)
	}
	if got := engineOf(t, l); got != "exact" {
		t.Errorf("after it: got engine %s, want exact", got)
	}
	r, err = l.Reindex(t.Context(), "c", store.Reindexing{Index: poor, MinRecall: 0.01}, nil)
	if err != nil || r.Same > r.Sampled || r.PerSecond <= 0 || r.PerSecondBefore <= 0 {
		t.Errorf("Reindex to a poor index that will do: got %+v, %v", r, err)
	}
}

// Places that deleted vectors left are given back.
func TestAnIndexOfDeletedVectorsIsBuiltAnew(t *testing.T) {
	l := open(t, t.TempDir()).(*local.Catalog)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", records(0, 1500))
	for n := range 1400 {
		must(t, l.Delete(t.Context(), "c", fmt.Sprint("i", n)))
	}
	want := answers(t, l, "c", true)
	l.Upkeep()
	if s, err := l.Status(t.Context(), "c"); err != nil || s.Index.Rows > 500 {
		t.Errorf("Status: got %+v, %v, want about as many places as vectors", s, err)
	}
	if got := answers(t, l, "c", true); !slices.Equal(got, want) {
		t.Errorf("answers: got\n%v\nwant\n%v", got, want)
	}
}

// What is put, replaced and deleted while an index is built is in it.
func TestNothingIsLostWhileAnIndexIsBuilt(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir()).(*local.Catalog)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", records(0, 2100))
	n := 0
	for _, engine := range []string{"graph", "exact"} {
		_, err := l.Reindex(t.Context(), "c", store.Reindexing{Index: store.Index{Engine: engine}}, func(int, int) {
			n++
			putAll(t, l, "c", records(2100+100*n, 2100+100*(n+1)))
			changed := storetest.Record(9000 + n)
			changed.Original, changed.Instance.ID, changed.Replace = nil, fmt.Sprint("i", n), true
			putAll(t, l, "c", []store.Record{changed})
			must(t, l.Delete(t.Context(), "c", fmt.Sprint("i", 1000+n)))
		})
		must(t, err)
	}
	s, err := l.Status(t.Context(), "c")
	must(t, err)
	if want := 2100 + 99*n; s.Instances != want || s.Index.Rows < want {
		t.Errorf("Status: got %+v, want %d instances", s, want)
	}
	for i := range n {
		r := storetest.Record(9000 + i + 1)
		found, err := l.Search(t.Context(), "c", store.Query{Vector: r.Vector, K: 1})
		if err != nil || len(found) != 1 || found[0].Instance.ID != fmt.Sprint("i", i+1) {
			t.Errorf("Search for what replaced i%d: got %v, %v", i+1, found, err)
		}
	}
}

func TestTryMeasuresEveryEngine(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir()).(*local.Catalog)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", records(0, 1200))
	done := map[string]int{}
	r, err := l.Try(t.Context(), "c", []store.Index{{Engine: "exact"}, {Engine: "graph", M: 8}, {Engine: "coder"}},
		local.TrialOptions{Queries: 50, Progress: func(engine string, n, _ int) { done[engine] = n }})
	must(t, err)
	if r.Vectors != 1200 || r.K != 10 || r.Queries != 50 || len(r.Trials) != 3 || done["graph"] != 1200 {
		t.Fatalf("Try: got %+v and progress %v", r, done)
	}
	for i, engine := range []string{"exact", "graph", "coder"} {
		if g := r.Trials[i]; g.Engine != engine || g.Recall < 0.5 || g.PerSecond <= 0 || g.P50 > g.P99 || g.Build <= 0 || g.Bytes <= 0 || g.Mapped <= 0 {
			t.Errorf("Try %s: got %+v", engine, g)
		}
	}
	if r.Trials[0].Recall != 1 || r.Trials[1].M != 8 {
		t.Errorf("Try: got %+v, want a scan that finds all and a graph of M 8", r.Trials)
	}
	if names := folder(t, l.Dir()); len(names) > 2 { // the index and the rows
		t.Errorf("index/ after Try: got %q", names)
	}
	if _, err := l.Try(t.Context(), "c", []store.Index{{Engine: "none"}}, local.TrialOptions{}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Try an unknown engine: got %v, want ErrInvalid", err)
	}
}

// What tuning found is saved, so that the next start does not look for it again.
func TestTuningIsSaved(t *testing.T) {
	place := t.TempDir()
	l, j := openLogged(t, place)
	c := storetest.Collection("c")
	c.Index.Engine = "graph"
	must(t, l.Create(t.Context(), c))
	putAll(t, l, "c", records(0, 1100))
	l.Upkeep()
	s, err := l.Status(t.Context(), "c")
	must(t, err)
	if tuned := j.lines(t, "INFO"); s.Index.Recall < 0.9 || s.Index.Snapshot == 0 || len(tuned) == 0 {
		t.Errorf("Status: got %+v and log %v, want a graph that was tuned and saved", s, tuned)
	}
	must(t, l.Close())
	l, j = openLogged(t, place)
	l.Upkeep()
	again, err := l.Status(t.Context(), "c")
	must(t, err)
	if again.Index.Recall != s.Index.Recall || again.Index.Ef != s.Index.Ef || len(j.lines(t, "INFO")) > 0 {
		t.Errorf("after opening: got %+v and log %v, want ef %d as before and nothing to do", again, j.lines(t, "INFO"), s.Index.Ef)
	}
	must(t, l.Close())
}
