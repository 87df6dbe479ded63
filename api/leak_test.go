package api_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nearcase/api"
	"nearcase/probe"
	"nearcase/store"
)

var finding = store.Task{Name: "finding", Classes: []string{"a", "b", "c"}}

// Law: with default settings no answer contains, and no vote or probe rests
// on, an instance of the query's own patient, study or image, whatever the
// collection, the engine and the way of asking.
func TestNothingOfTheQuerysPatientAnswers(t *testing.T) {
	s, catalog := newService(t, false)
	rapid.Check(t, func(rt *rapid.T) {
		fingerprint := emptied(t, s, finding)
		records := drawRecords(rt, fingerprint)
		put(t, catalog, records...)
		if rapid.Bool().Draw(rt, "coder") {
			if _, err := s.Reindex(t.Context(), "c", store.Reindexing{Index: store.Index{Engine: "coder"}}, nil); err != nil {
				rt.Fatal(err)
			}
		}
		for _, r := range records {
			own := belongTogether(records, r)
			checkAnswers(t, rt, s, r, own)
		}
	})
}

// drawRecords makes a small collection in which patients have several images,
// some of them unknown, and some images are there twice.
func drawRecords(rt *rapid.T, fingerprint string) []store.Record {
	n := rapid.IntRange(2, 40).Draw(rt, "n")
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
	var records []store.Record
	for i := range n {
		r := store.Record{Fingerprint: fingerprint, Vector: unit(rng.Float64(), rng.Float64(), rng.Float64(), .5),
			Instance: store.Instance{ID: fmt.Sprint("i", i), Digest: fmt.Sprintf("%064d", i)}}
		if rng.IntN(5) > 0 {
			r.Instance.Patient = fmt.Sprint("p", rng.IntN(n/2+1))
		}
		if rng.IntN(3) > 0 {
			r.Instance.Study = fmt.Sprint("s", rng.IntN(n))
		}
		if rng.IntN(3) == 0 {
			r.Instance.Series = fmt.Sprint("r", rng.IntN(n))
		}
		if i > 0 && rng.IntN(10) == 0 {
			twin := records[rng.IntN(i)]
			r.Instance.Digest, r.Vector = twin.Instance.Digest, twin.Vector
		}
		if rng.IntN(6) > 0 {
			r.Labels = []store.Label{{Task: "finding", Classes: []string{finding.Classes[rng.IntN(3)]}}}
		}
		records = append(records, r)
	}
	return records
}

// belongTogether returns the IDs that must not answer a query by r, from the
// definition: the closure of "of one patient", and r's study.
func belongTogether(records []store.Record, r store.Record) map[string]bool {
	unsure := map[string]bool{}
	for _, o := range records {
		if o.Instance.Patient == "" {
			unsure[o.Instance.Study], unsure[o.Instance.Series] = true, true
		}
	}
	same := func(a, b string) bool { return a != "" && a == b }
	kin := func(a, b store.Instance) bool {
		return same(a.Patient, b.Patient) || same(a.Digest, b.Digest) ||
			same(a.Study, b.Study) && unsure[a.Study] || same(a.Series, b.Series) && unsure[a.Series]
	}
	own := map[string]bool{r.Instance.ID: true}
	for grown := true; grown; {
		grown = false
		for _, a := range records {
			for _, b := range records {
				if own[a.Instance.ID] && !own[b.Instance.ID] && kin(a.Instance, b.Instance) {
					own[b.Instance.ID], grown = true, true
				}
			}
		}
	}
	for _, o := range records {
		if same(o.Instance.Study, r.Instance.Study) {
			own[o.Instance.ID] = true
		}
	}
	return own
}

func checkAnswers(t *testing.T, rt *rapid.T, s *api.Service, r store.Record, own map[string]bool) {
	similar, err := s.Similar(t.Context(), "c", api.Query{Instance: r.Instance.ID, K: 100})
	if err != nil {
		rt.Fatal(err)
	}
	for _, c := range similar.Cases {
		if own[c.ID] {
			rt.Errorf("Similar to %s: got %s of its own patient, study or image", r.Instance.ID, c.ID)
		}
	}
	if similar.Query.Excluded != len(own) {
		rt.Errorf("Similar to %s: says %d are left out, want %d", r.Instance.ID, similar.Query.Excluded, len(own))
	}
	answer, err := s.Classify(t.Context(), "c", api.Query{Instance: r.Instance.ID, K: 100, Tasks: []string{"finding"}})
	if err != nil {
		rt.Fatal(err)
	}
	for _, v := range answer.Tasks[0].Neighbours {
		if own[v.ID] {
			rt.Errorf("Classify %s: %s of its own patient votes", r.Instance.ID, v.ID)
		}
	}
}

// Law: the probe that answers a stored instance equals the probe of a
// collection in which its patient was never labelled, its regularisation
// included.
func TestOwnPatientsLabelsDoNotReachTheProbe(t *testing.T) {
	s, catalog := newService(t, false)
	rapid.Check(t, func(rt *rapid.T) {
		fingerprint := emptied(t, s, finding)
		records := drawRecords(rt, fingerprint)
		put(t, catalog, records...)
		r := records[0]
		own := belongTogether(records, r)
		ask := func() (api.TaskAnswer, error) {
			a, err := s.Classify(t.Context(), "c", api.Query{Instance: r.Instance.ID, Tasks: []string{"finding"}})
			if err != nil {
				return api.TaskAnswer{}, err
			}
			return a.Tasks[0], nil
		}
		before, err := ask()
		if err != nil {
			rt.Fatal(err)
		}
		for id := range own {
			if _, err := s.Label(t.Context(), "c", []api.LabelRequest{{Instance: id, Task: "finding", Remove: true}}); err != nil {
				rt.Fatal(err)
			}
		}
		after, err := ask()
		if err != nil {
			rt.Fatal(err)
		}
		if before.Counts.Examples != after.Counts.Examples {
			rt.Errorf("Classify: fitted to %d examples with own labels, %d without", before.Counts.Examples, after.Counts.Examples)
		}
		if before.Probe.Lambda != after.Probe.Lambda || !sameScores(before, after) {
			rt.Errorf("Classify: %+v with own patient's labels, %+v without", before.Probe, after.Probe)
		}
	})
}

func sameScores(a, b api.TaskAnswer) bool {
	if (a.Probe.Problem == "") != (b.Probe.Problem == "") {
		return false
	}
	by := map[string]float64{}
	for _, s := range a.Probe.Scores {
		by[s.Class] = s.Score
	}
	return !slices.ContainsFunc(b.Probe.Scores, func(s probe.Score) bool {
		d := by[s.Class] - s.Score
		return d > 1e-9 || d < -1e-9
	})
}
