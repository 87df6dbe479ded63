package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/probe"
	"nearcase/store"
	"nearcase/store/local"
)

// wideService is one whose network has d features, without any collection.
func wideService(t *testing.T, d int) (*api.Service, *local.Catalog) {
	t.Helper()
	catalog, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wide := small
	wide.Dimension = d
	s := api.New(api.Options{Catalog: catalog, Refit: api.Refit{When: api.Never}, OpenModel: func(string) (*embed.Model, error) {
		return embed.NewModel(wide, fmt.Sprintf("%064x", d), means{})
	}})
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, catalog
}

// statistics is the form in which those of ridge probes are saved.
type statistics struct {
	At    store.Key `json:"at"`
	Tasks []struct {
		Task       string        `json:"task"`
		Balance    probe.Balance `json:"balance"`
		Taught     []byte        `json:"taught"`
		Statistics []byte        `json:"statistics"`
	} `json:"tasks"`
}

// Statistics that were saved are those that the labels have, and are used; such
// that are of other labels or damaged are not.
func TestSavedStatisticsAreUsedWhereTheyAreOfTheLabels(t *testing.T) {
	const n, d = 1030, 512 // as few as are worth saving
	s, catalog := wideService(t, d)
	fingerprint := emptied(t, s, finding)
	rng := rand.New(rand.NewPCG(3, 4))
	records := make([]store.Record, n)
	for i := range records {
		v := make([]float64, d)
		for j := range v {
			v[j] = rng.NormFloat64()
		}
		v[i%3] += 6
		records[i] = store.Record{Vector: unit(v...), Fingerprint: fingerprint,
			Instance: store.Instance{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", i)},
			Labels:   []store.Label{{Task: "finding", Classes: []string{finding.Classes[i%3]}}}}
	}
	put(t, catalog, records...)
	query := api.Query{Vector: records[0].Vector, Fingerprint: fingerprint, Tasks: []string{"finding"}}
	ask := func() api.TaskAnswer {
		t.Helper()
		fresh := api.New(s.Options)
		a, err := fresh.Classify(t.Context(), "c", query)
		if err := errors.Join(err, fresh.Close()); err != nil {
			t.Fatal(err)
		}
		return a.Tasks[0]
	}
	learnt := ask()
	data, err := catalog.Derived(t.Context(), "c", "ridges")
	if err != nil {
		t.Fatalf("after Close: %v, want statistics saved", err)
	}
	if loaded := ask(); loaded.Counts.Examples != n || loaded.Probe.Lambda != learnt.Probe.Lambda || !sameScores(loaded, learnt) {
		t.Errorf("Classify by saved statistics: got %+v, want %+v", loaded.Probe, learnt.Probe)
	}
	label := api.LabelRequest{Instance: "i0", Task: "finding", Remove: true}
	if _, err := s.Label(t.Context(), "c", []api.LabelRequest{label}); err != nil {
		t.Fatal(err)
	}
	if later := ask(); later.Counts.Examples != n-1 {
		t.Errorf("Classify by saved statistics and a label since: got %d examples, want %d", later.Counts.Examples, n-1)
	}
	for fact, c := range map[string]struct {
		data []byte
		want int
	}{
		"with one example more": {tampered(t, data, records[0], false), n}, // so that it shows that they are used
		"of other labels":       {tampered(t, data, records[0], true), n - 1},
		"that are no JSON":      {data[:len(data)-1], n - 1},
		"that are null":         {[]byte("null"), n - 1},
	} {
		if err := catalog.SaveDerived(t.Context(), "c", "ridges", c.data); err != nil {
			t.Fatal(err)
		}
		if i := freshInfo(t, s); i.Examples != c.want {
			t.Errorf("Probes with statistics %s: got %d examples, want %d", fact, i.Examples, c.want)
		}
	}
}

// freshInfo describes the probe as a service that starts has it; it saves nothing.
func freshInfo(t *testing.T, s *api.Service) api.ProbeInfo {
	t.Helper()
	return infoOf(t, api.New(s.Options))
}

// tampered are saved statistics with one example twice, or said to be of others.
func tampered(t *testing.T, data []byte, r store.Record, other bool) []byte {
	t.Helper()
	var saved statistics
	if err := json.Unmarshal(data, &saved); err != nil {
		t.Fatal(err)
	}
	one := &saved.Tasks[0]
	var ridge probe.Ridge
	err := ridge.UnmarshalBinary(one.Statistics)
	if err == nil {
		err = ridge.Add(r.Vector, probe.Target{Classes: r.Labels[0].Classes})
	}
	if err == nil {
		one.Statistics, err = ridge.MarshalBinary()
	}
	if err != nil {
		t.Fatal(err)
	}
	if other {
		one.Taught[0]++
	}
	data, err = json.Marshal(saved)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Law: with a version, whose regularisation it has, the ridge probe equals a batch
// fit to the labels there are after any corrections, to 1e-9; and one of which
// examples are removed as they were, in any order, equals it again.
func TestProbeEqualsABatchFitByAVersion(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	records := patientsOf(fingerprint, 60, 11)
	put(t, catalog, records...)
	lambda := retrain(t, s).Tuning.Ridge.Lambda
	rng := rand.New(rand.NewPCG(5, 6))
	query := unit(.3, .2, .1, 1)
	said := make([]string, len(records))
	for i, r := range records {
		said[i] = r.Labels[0].Classes[0]
	}
	tell := func(i int, class string) {
		t.Helper()
		l := api.LabelRequest{Instance: records[i].Instance.ID, Task: "finding", Remove: class == ""}
		if said[i] = class; class != "" {
			l.Classes = []string{class}
		}
		if _, err := s.Label(t.Context(), "c", []api.LabelRequest{l}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(fact string) {
		t.Helper()
		a, err := s.Classify(t.Context(), "c", api.Query{Vector: query, Fingerprint: fingerprint})
		if err != nil {
			t.Fatal(err)
		}
		batch := probe.NewRidge(4, probe.Unbalanced)
		for i, r := range records {
			if err := batch.Add(r.Vector, probe.Target{Classes: []string{said[i]}}); err != nil {
				t.Fatal(err)
			}
		}
		linear, err := batch.Fit(lambda)
		if err != nil {
			t.Fatal(err)
		}
		want, err := linear.Predict(query)
		if err != nil {
			t.Fatal(err)
		}
		got := a.Tasks[0].Probe
		for _, w := range want {
			at := slices.IndexFunc(got.Scores, func(s probe.Score) bool { return s.Class == w.Class })
			if at < 0 || math.Abs(got.Scores[at].Score-w.Score) > 1e-9 || got.Lambda != lambda {
				t.Errorf("%s: got %+v at lambda %g, want %+v at %g", fact, got.Scores, got.Lambda, w, lambda)
			}
		}
	}
	for i := range 40 {
		tell(rng.IntN(len(records)), finding.Classes[rng.IntN(3)])
		if i%8 == 0 {
			check(fmt.Sprintf("after %d corrections", i+1))
		}
	}
	before, removed := slices.Clone(said), rng.Perm(len(records))[:30]
	for _, i := range removed {
		tell(i, "")
		probeAnswer(t, s, "p0-0")
	}
	slices.Sort(removed)
	for _, i := range removed {
		tell(i, before[i])
		probeAnswer(t, s, "p0-0")
	}
	check("after removals were undone")
}

// Voters of a task whose vectors are centred are those nearest once the mean of the
// labelled vectors is subtracted.
func TestCentredVotersAreNearestOnceCentred(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	var records []store.Record
	for i, r := range patientsOf(fingerprint, 50, 12) {
		if i%2 == 0 { // one image of each patient
			r.Vector = unit(float64(r.Vector[0]), float64(r.Vector[1]), float64(r.Vector[2]), 3*float64(r.Vector[3]))
			records = append(records, r)
		}
	}
	put(t, catalog, records...)
	if err := s.Configure(t.Context(), "c", "finding", store.Settings{Centre: true}); err != nil {
		t.Fatal(err)
	}
	q := api.Query{Vector: unit(.3, -.1, .2, 1), Fingerprint: fingerprint, K: 9}
	ask := func() api.TaskAnswer {
		t.Helper()
		a, err := s.Classify(t.Context(), "c", q)
		if err != nil {
			t.Fatal(err)
		}
		return a.Tasks[0]
	}
	plain := ask() // no version knows a mean yet
	retrain(t, s)
	centred := ask()
	if plain.Voting.Centred || !centred.Voting.Centred {
		t.Errorf("Voting: got centred %v without a version and %v with one", plain.Voting.Centred, centred.Voting.Centred)
	}
	var mean [4]float64
	for _, r := range records {
		for j, x := range r.Vector {
			mean[j] += float64(x) / float64(len(records))
		}
	}
	less := func(x []float32) []float32 {
		v := make([]float64, 4)
		for j := range v {
			v[j] = float64(x[j]) - mean[j]
		}
		return unit(v...)
	}
	near, asked := map[string]float64{}, less(q.Vector)
	var want, got, before []string
	for _, r := range records {
		for j, x := range less(r.Vector) {
			near[r.Instance.ID] += float64(x) * float64(asked[j])
		}
		want = append(want, r.Instance.ID)
	}
	slices.SortFunc(want, func(a, b string) int { return int(math.Copysign(1, near[b]-near[a])) })
	for i := range centred.Neighbours {
		got, before = append(got, centred.Neighbours[i].ID), append(before, plain.Neighbours[i].ID)
	}
	if !slices.Equal(got, want[:9]) || slices.Equal(got, before) {
		t.Errorf("Classify: got voters %v, want %v; without centring they were %v", got, want[:9], before)
	}
}
