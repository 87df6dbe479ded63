package api_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nearcase/api"
	"nearcase/probe"
	"nearcase/store"
)

func probeAnswer(t testing.TB, s *api.Service, id string) api.TaskAnswer {
	t.Helper()
	a, err := s.Classify(t.Context(), "c", api.Query{Instance: id, Tasks: []string{"finding"}})
	if err != nil {
		t.Fatal(err)
	}
	return a.Tasks[0]
}

func TestTheNextAnswerKnowsALabel(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	for i, v := range [][]float32{unit(1, 0, 0, 0), unit(0, 1, 0, 0), unit(1, .1, 0, 0), unit(.1, 1, 0, 0), unit(.5, .5, 0, .1)} {
		r := store.Record{Instance: store.Instance{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", i)}, Vector: v, Fingerprint: fingerprint}
		if i < 2 {
			r.Labels = []store.Label{{Task: "finding", Classes: []string{finding.Classes[i]}}}
		}
		put(t, catalog, r)
	}
	before := probeAnswer(t, s, "i4")
	done, err := s.Label(t.Context(), "c", []api.LabelRequest{{Instance: "i2", Task: "finding", Classes: []string{"c"}}})
	if err != nil {
		t.Fatal(err)
	}
	after := probeAnswer(t, s, "i4")
	if after.Probe.Version <= before.Probe.Version || after.Probe.Version != done.Watermark {
		t.Errorf("probe version: got %d after %d, want the label's %d", after.Probe.Version, before.Probe.Version, done.Watermark)
	}
	if len(before.Probe.Scores) != 2 || len(after.Probe.Scores) != 3 {
		t.Errorf("probe scores: got %v before and %v after a label of a new class", before.Probe.Scores, after.Probe.Scores)
	}
	if after.Counts.Neighbours != before.Counts.Neighbours+1 {
		t.Errorf("votes: got %d neighbours after %d, want one more", after.Counts.Neighbours, before.Counts.Neighbours)
	}
	if err := s.Delete(t.Context(), "c", "i2"); err != nil {
		t.Fatal(err)
	}
	if again := probeAnswer(t, s, "i4"); len(again.Probe.Scores) != 2 || math.Abs(again.Probe.Scores[0].Score-before.Probe.Scores[0].Score) > 1e-9 {
		t.Errorf("probe after the instance was deleted: got %v, want %v", again.Probe.Scores, before.Probe.Scores)
	}
}

// Law: after any sequence of instances, labels, corrections, removals,
// replacements and deletions the probe's scores equal those of a batch fit to
// the labels that are left, to 1e-9; and so do those of a service that reads
// the log from its beginning.
func TestProbeEqualsABatchFitAfterAnySequence(t *testing.T) {
	s, catalog := newService(t, false)
	rapid.Check(t, func(rt *rapid.T) {
		fingerprint := emptied(t, s, finding)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 2))
		random := func() []float32 { return unit(rng.Float64(), rng.Float64(), rng.Float64(), .5) }
		query := random()
		vectors, labels := map[string][]float32{}, map[string]string{}
		for step := range rapid.IntRange(1, 40).Draw(rt, "steps") {
			id := fmt.Sprint("i", rng.IntN(10))
			switch op := rng.IntN(6); {
			case vectors[id] == nil || op == 0: // new, or replaced by another image
				vectors[id] = random()
				put(t, catalog, store.Record{Instance: store.Instance{ID: id, Digest: fmt.Sprintf("%064d", step)},
					Vector: vectors[id], Fingerprint: fingerprint, Replace: true})
			case op == 1:
				delete(vectors, id)
				delete(labels, id)
				must(rt, s.Delete(t.Context(), "c", id))
			case op == 2:
				delete(labels, id)
				label(t, rt, s, api.LabelRequest{Instance: id, Task: "finding", Remove: true})
			default:
				labels[id] = finding.Classes[rng.IntN(3)]
				label(t, rt, s, api.LabelRequest{Instance: id, Task: "finding", Classes: []string{labels[id]}})
			}
			if rng.IntN(5) == 0 { // what was fitted on the way must not matter
				_, _ = s.Probes(t.Context(), "c")
			}
		}
		if len(labels) == 0 {
			return
		}
		fresh := api.New(s.Options)
		for _, service := range []*api.Service{s, fresh} {
			a, err := service.Classify(t.Context(), "c", api.Query{Vector: query, Fingerprint: fingerprint, Tasks: []string{"finding"}})
			must(rt, err)
			checkAgainstBatch(rt, a.Tasks[0].Probe, query, vectors, labels)
		}
	})
}

func must(rt *rapid.T, err error) {
	rt.Helper()
	if err != nil {
		rt.Fatal(err)
	}
}

func label(t *testing.T, rt *rapid.T, s *api.Service, r api.LabelRequest) {
	rt.Helper()
	_, err := s.Label(t.Context(), "c", []api.LabelRequest{r})
	must(rt, err)
}

func checkAgainstBatch(rt *rapid.T, got api.Probe, query []float32, vectors map[string][]float32, labels map[string]string) {
	rt.Helper()
	batch := probe.NewRidge(4, probe.Unbalanced)
	for _, id := range slices.Sorted(maps.Keys(labels)) {
		must(rt, batch.Add(vectors[id], probe.Target{Classes: []string{labels[id]}}))
	}
	linear, err := batch.Fit(0)
	if errors.Is(err, probe.ErrNotEnough) {
		if got.Problem == "" || len(got.Scores) > 0 {
			rt.Errorf("probe: got %+v, want none: %v", got, err)
		}
		return
	}
	must(rt, err)
	want, err := linear.Predict(query)
	must(rt, err)
	if got.Lambda != linear.Lambda || len(got.Scores) != len(want) {
		rt.Fatalf("probe: got %+v, want %+v at lambda %g", got, want, linear.Lambda)
	}
	for i, w := range want {
		if math.Abs(got.Scores[i].Score-w.Score) > 1e-9*max(1, math.Abs(w.Score)) {
			rt.Errorf("score %d: got %v, want %v", i, got.Scores[i], w)
		}
	}
}
