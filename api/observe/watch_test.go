package observe_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/observe"
	"nearcase/store"
	"nearcase/store/local"
)

// service is one over a new store, with a collection "cxr" of n vectors that are
// the instances i0 and so on, in a graph.
func service(t testing.TB, r *observe.Recorder, n int) (*api.Service, *local.Catalog) {
	t.Helper()
	catalog, err := local.Open(t.TempDir(), local.Options{Begin: r.Begin})
	if err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Options{Catalog: catalog, OpenModel: apitest.OpenModel, Models: apitest.Models, Begin: r.Begin, Workers: 2})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	made, err := s.Create(t.Context(), api.NewCollection{Name: "cxr", Model: apitest.Quadrants, Index: store.Index{Engine: "graph"},
		Tasks: []store.Task{{Name: "finding", Classes: []string{"a", "b"}}}})
	if err != nil {
		t.Fatal(err)
	}
	records := make([]store.Record, n)
	for i := range records {
		v := make([]float32, made.Dimension)
		a := float64(i) / float64(n) * 6
		v[0], v[1] = float32(math.Cos(a)), float32(math.Sin(a))
		records[i] = store.Record{Instance: store.Instance{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("Jane", i)}, Vector: v, Fingerprint: made.Fingerprint,
			Labels: []store.Label{{Task: "finding", Classes: []string{"a"}}}}
	}
	if _, err := catalog.Put(t.Context(), "cxr", records); err != nil {
		t.Fatal(err)
	}
	return s, catalog
}

// until asks again until the text has all lines, or the test has waited 20 s.
func until(t testing.TB, text func() string, lines ...string) {
	t.Helper()
	has := func() bool {
		now := text()
		for _, l := range lines {
			if !strings.Contains(now, l) {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(20 * time.Second); !has(); runtime.Gosched() {
		if time.Now().After(deadline) {
			want(t, text(), lines...)
			t.FailNow()
		}
	}
}

func TestAServiceIsWatched(t *testing.T) {
	r, err := observe.Open(observe.Options{RecallEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s, catalog := service(t, r, 40)
	err = r.Watch(observe.Watched{Service: s, Writing: catalog.Waiting, Disk: func(context.Context) (map[string]int64, int64, error) {
		return map[string]int64{"log": 5, "originals": 6}, 7, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Classify(t.Context(), "cxr", api.Query{Instance: "i0"}); err != nil {
		t.Fatal(err)
	}
	until(t, func() string { return scrape(t, r) },
		`nearcase_collection_instances{collection="cxr"} 40`, `nearcase_collection_patients{collection="cxr"} 40`,
		`nearcase_collection_labels{collection="cxr",task="finding"} 40`, `nearcase_collection_log_entries_total{collection="cxr"} 80`,
		`nearcase_index_info{collection="cxr",engine="graph"} 1`, `nearcase_index_ef{collection="cxr"} `, `nearcase_index_rows{collection="cxr"} 40`,
		`nearcase_embed_turns 2`, `nearcase_embed_turns_taken 0`, `nearcase_queue_length{queue="batcher"} 0`, `nearcase_queue_length{queue="writer"} 0`,
		`nearcase_queue_length{queue="jobs"} 0`, `nearcase_jobs_running 0`, `nearcase_model_open{model="quadrants"} 1`, `nearcase_model_usable{model="quadrants"} 1`,
		`nearcase_store_bytes{part="log"} 5`, `nearcase_store_bytes{part="originals"} 6`, `nearcase_store_free_bytes 7`,
		`nearcase_probe_behind_entries{collection="cxr",task="finding"} 0`, `nearcase_probe_labels_changed{collection="cxr",task="finding"} `,
		`nearcase_stage_duration_seconds_count{stage="commit"} `, `nearcase_stage_duration_seconds_count{stage="index"} `,
		`nearcase_stage_duration_seconds_count{stage="search"} `, `nearcase_stage_duration_seconds_count{stage="probe"} 1`,
		`nearcase_index_recall_wanted_total{collection="cxr"} `, `nearcase_index_recall_found_total{collection="cxr"} `)
	if text := scrape(t, r); strings.Contains(text, "Jane") || strings.Contains(text, `"i0"`) {
		t.Error("metrics name a patient or an instance")
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Labels that the probes have not learnt are counted, and an answer learns them.
func TestProbesThatAreBehindSaySo(t *testing.T) {
	r := open(t, observe.Options{})
	s, _ := service(t, r, 40)
	if err := r.Watch(observe.Watched{Service: s}); err != nil {
		t.Fatal(err)
	}
	defer r.Close(context.Background()) // before the service
	classify := func() {
		if _, err := s.Classify(t.Context(), "cxr", api.Query{Instance: "i0"}); err != nil {
			t.Fatal(err)
		}
	}
	classify()
	if _, err := s.Label(t.Context(), "cxr", []api.LabelRequest{{Instance: "i1", Task: "finding", Classes: []string{"b"}}}); err != nil {
		t.Fatal(err)
	}
	want(t, scrape(t, r), `nearcase_probe_behind_entries{collection="cxr",task="finding"} 1`)
	classify()
	want(t, scrape(t, r), `nearcase_probe_behind_entries{collection="cxr",task="finding"} 0`)
}

// SampleRecall finds all of what an exact index answers, and nothing where there
// is nothing to find.
func TestRecallIsSampledAgainstTheExactAnswer(t *testing.T) {
	r := open(t, observe.Options{})
	s, _ := service(t, r, 30)
	for range 20 {
		wanted, found, err := s.SampleRecall(t.Context(), "cxr")
		if err != nil || wanted != 10 || found < 9 || found > 10 {
			t.Fatalf("SampleRecall of 30 vectors: got %d of %d, %v, want 9 or 10 of 10", found, wanted, err)
		}
	}
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "empty", Model: apitest.Quadrants}); err != nil {
		t.Fatal(err)
	}
	if wanted, found, err := s.SampleRecall(t.Context(), "empty"); err != nil || wanted != 0 || found != 0 {
		t.Errorf("SampleRecall of an empty collection: got %d of %d, %v, want none", found, wanted, err)
	}
}

// What is counted of a collection ends with it.
func TestRecallOfADeletedCollectionIsForgotten(t *testing.T) {
	r := open(t, observe.Options{})
	s, _ := service(t, r, 30)
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "other", Model: apitest.Quadrants, Index: store.Index{Engine: "graph"}}); err != nil {
		t.Fatal(err)
	}
	const line = `nearcase_index_recall_wanted_total{collection="other"}`
	r.SampleRecall(s)
	want(t, scrape(t, r), line+" 0")
	if err := s.Drop(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	r.SampleRecall(s)
	if text := scrape(t, r); strings.Contains(text, line) {
		t.Errorf("got %s after the collection was dropped", line)
	}
}
