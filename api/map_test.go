package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

func mapOf(t testing.TB, s *api.Service, o api.MapOptions) api.Map {
	t.Helper()
	m, err := s.Map(t.Context(), "c", o)
	if err != nil {
		t.Fatal(err)
	}
	if tag, err := s.MapTag(t.Context(), "c", o); err != nil || tag != m.Tag {
		t.Fatalf("MapTag(%+v): got %q, %v, want %q", o, tag, err, m.Tag)
	}
	n := len(m.IDs)
	if len(m.Coordinates) != n*m.Components || len(m.Explained) != m.Components {
		t.Fatalf("Map(%+v): got %d coordinates and %d shares of %d instances in %d components", o, len(m.Coordinates), len(m.Explained), n, m.Components)
	}
	for _, task := range m.Tasks {
		if len(task.Labels) != n || len(task.Predictions) != n {
			t.Fatalf("Map(%+v): task %s has %d labels and %d predictions of %d instances", o, task.Name, len(task.Labels), len(task.Predictions), n)
		}
	}
	return m
}

// In as many components as the vectors have, places are as far from each other as
// vectors are.
func TestAMapKeepsDistances(t *testing.T) {
	s, catalog := newService(t, false)
	records := patientsOf(emptied(t, s, finding), 20, 1)
	put(t, catalog, records...)
	m := mapOf(t, s, api.MapOptions{Components: 4})
	if m.Instances != 40 || m.Sampled || m.Collection != "c" || m.Model != "means" || m.Head == 0 || m.Watermark == 0 {
		t.Fatalf("Map: got %+v", m)
	}
	for i, a := range records {
		if m.IDs[i] != a.Instance.ID {
			t.Fatalf("Map: instance %d is %s, want %s", i, m.IDs[i], a.Instance.ID)
		}
		for j, b := range records[:i] {
			var of, want float64
			for k := range 4 {
				of += math.Pow(float64(m.Coordinates[4*i+k]-m.Coordinates[4*j+k]), 2)
				want += math.Pow(float64(a.Vector[k]-b.Vector[k]), 2)
			}
			if math.Abs(math.Sqrt(of)-math.Sqrt(want)) > 1e-4 {
				t.Errorf("places %d and %d are %v apart, want %v", i, j, math.Sqrt(of), math.Sqrt(want))
			}
		}
	}
	var sum float64
	for j, share := range m.Explained {
		if sum += share; j > 0 && share > m.Explained[j-1] {
			t.Errorf("explained: got %v, want them falling", m.Explained)
		}
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("explained: got %v, want 1 in all", m.Explained)
	}
}

// Of two components a map has the places that more have, without the rest.
func TestAMapOfFewerComponentsIsAPartOfOneOfMore(t *testing.T) {
	s, catalog := newService(t, false)
	put(t, catalog, patientsOf(emptied(t, s, finding), 20, 1)...)
	two, four := mapOf(t, s, api.MapOptions{}), mapOf(t, s, api.MapOptions{Components: 4})
	for i := range two.IDs {
		if !slices.Equal(two.Coordinates[2*i:2*i+2], four.Coordinates[4*i:4*i+2]) {
			t.Fatalf("place %d: got %v, want the beginning of %v", i, two.Coordinates[2*i:2*i+2], four.Coordinates[4*i:4*i+4])
		}
	}
}

func TestAMapOfLittle(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	if m := mapOf(t, s, api.MapOptions{}); m.Instances != 0 || len(m.IDs) != 0 || m.Tasks[0].Problem == "" {
		t.Errorf("of nothing: got %+v", m)
	}
	for n := range 3 {
		put(t, catalog, store.Record{Vector: unit(1, 2, 3, 4), Fingerprint: fingerprint, Instance: store.Instance{ID: fmt.Sprint(n), Digest: fmt.Sprintf("%064d", n)}})
		m := mapOf(t, s, api.MapOptions{})
		if len(m.IDs) != n+1 || !slices.Equal(m.Coordinates, make([]float32, 2*n+2)) || !slices.Equal(m.Explained, []float64{0, 0}) {
			t.Errorf("of %d equal ones: got %+v, want all at the origin", n+1, m)
		}
		if p := m.Tasks[0]; p.Labels[n] != -1 || p.Predictions[n] != -1 {
			t.Errorf("of %d without a label: got %+v", n+1, p)
		}
	}
}

func TestALargeCollectionIsSampledEvenly(t *testing.T) {
	s, catalog := newService(t, false)
	put(t, catalog, patientsOf(emptied(t, s, finding), 30, 1)...)
	all, some := mapOf(t, s, api.MapOptions{}), mapOf(t, s, api.MapOptions{Limit: 20})
	if len(some.IDs) != 20 || !some.Sampled || some.Instances != 60 {
		t.Fatalf("Map of 20 of 60: got %d, sampled %t of %d", len(some.IDs), some.Sampled, some.Instances)
	}
	for i, id := range some.IDs {
		if want := all.IDs[3*i+1]; id != want {
			t.Errorf("instance %d of the sample: got %s, want %s, the middle of three", i, id, want)
		}
		if some.Tasks[0].Labels[i] != all.Tasks[0].Labels[3*i+1] || some.Tasks[0].Predictions[i] != all.Tasks[0].Predictions[3*i+1] {
			t.Errorf("instance %s of the sample is labelled or predicted otherwise than in the map of all", id)
		}
	}
	filter := store.Among("patient", "p1", "p2")
	few := mapOf(t, s, api.MapOptions{Filter: &filter})
	if !slices.Equal(few.IDs, []string{"p1-0", "p1-1", "p2-0", "p2-1"}) || few.Instances != 4 || few.Sampled {
		t.Errorf("Map of two patients: got %q of %d", few.IDs, few.Instances)
	}
	if !slices.Equal(few.Tasks[0].Predictions, all.Tasks[0].Predictions[2:6]) {
		t.Errorf("Map of two patients: got predictions %v, want %v of the map of all", few.Tasks[0].Predictions, all.Tasks[0].Predictions[2:6])
	}
}

// Law: what a map predicts of an instance does not depend on what its own patient is
// labelled, and is nearly always what Classify predicts.
func TestAMapPredictsWithoutTheOwnPatient(t *testing.T) {
	for _, head := range []string{"ridge", "softmax"} {
		s, catalog := newService(t, false)
		put(t, catalog, patientsOf(emptied(t, s, finding), 60, 1)...)
		if err := s.Configure(t.Context(), "c", "finding", store.Settings{Head: head}); err != nil {
			t.Fatal(err)
		}
		early := mapOf(t, s, api.MapOptions{})
		v := retrain(t, s)
		before := mapOf(t, s, api.MapOptions{})
		task := before.Tasks[0]
		if early.Tag == before.Tag || early.Tasks[0].Version != 0 || task.Version != v.Version || task.Problem != "" {
			t.Errorf("%s: got version %d, problem %q; want %d", head, task.Version, task.Problem, v.Version)
		}
		same := 0
		for i, id := range before.IDs {
			if got := finding.Classes[task.Labels[i]]; got != finding.Classes[i/2%3] {
				t.Errorf("%s is labelled %s", id, got)
			}
			if a := probeAnswer(t, s, id); task.Predictions[i] >= 0 && a.Prediction[0] == finding.Classes[task.Predictions[i]] {
				same++
			}
		}
		if same < 114 {
			t.Errorf("%s: %d of 120 are predicted as Classify does, want 114", head, same)
		}
		if _, err := s.Label(t.Context(), "c", []api.LabelRequest{
			{Instance: "p9-0", Task: "finding", Classes: []string{"c"}}, {Instance: "p9-1", Task: "finding", Classes: []string{"c"}},
		}); err != nil {
			t.Fatal(err)
		}
		after := mapOf(t, s, api.MapOptions{})
		at := slices.Index(after.IDs, "p9-0")
		if after.Tag == before.Tag || after.Tasks[0].Labels[at] != 2 || !slices.Equal(after.Tasks[0].Predictions[at:at+2], task.Predictions[at:at+2]) {
			t.Errorf("%s: after the patient is labelled otherwise: got label %d and predictions %v, want 2 and %v as before",
				head, after.Tasks[0].Labels[at], after.Tasks[0].Predictions[at:at+2], task.Predictions[at:at+2])
		}
	}
}

func TestAMapOfFindingsHasTheForemost(t *testing.T) {
	s, catalog := newService(t, false)
	marks := store.Task{Name: "marks", Multi: true, Classes: []string{"x", "y"}}
	fingerprint := emptied(t, s, marks)
	var want []int32
	for p := range 40 {
		label, v := []string{}, unit(.1, .1, 1, .01*float64(p))
		switch p % 3 {
		case 1:
			label, v = []string{"y"}, unit(.1, 1, 1, .01*float64(p))
		case 2:
			label, v = []string{"x", "y"}, unit(1, 1, .3, .01*float64(p))
		}
		want = append(want, []int32{-2, 1, 0}[p%3])
		put(t, catalog, store.Record{Vector: v, Fingerprint: fingerprint, Instance: store.Instance{ID: fmt.Sprint(p), Patient: fmt.Sprint("p", p), Digest: fmt.Sprintf("%064d", p)},
			Labels: []store.Label{{Task: "marks", Classes: label}}})
	}
	task := mapOf(t, s, api.MapOptions{Tasks: []string{"marks"}}).Tasks[0]
	if !task.Multi || !slices.Equal(task.Labels, want) {
		t.Errorf("labels: got %v, want %v", task.Labels, want)
	}
	for i, got := range task.Predictions {
		if (got == -2) != (i%3 == 0) || i%3 == 1 && got != 1 {
			t.Errorf("prediction of %d: got %d, its label is %d", i, got, want[i])
		}
	}
}

// Of many who ask at the same time one makes the map, which is kept until the
// collection changes.
func TestAMapIsMadeOnce(t *testing.T) {
	s, catalog := newService(t, false)
	records := longNames(patientsOf(emptied(t, s, finding), 30, 1))
	put(t, catalog, records...)
	made := make([]api.Map, 8)
	var group sync.WaitGroup
	for i := range made {
		group.Go(func() { made[i] = mapOf(t, s, api.MapOptions{}) })
	}
	group.Wait()
	for _, m := range made {
		if &m.IDs[0] != &made[0].IDs[0] {
			t.Error("a map was made twice")
		}
	}
	for k := 3; k <= 6; k++ {
		mapOf(t, s, api.MapOptions{Components: k})
	}
	if m := mapOf(t, s, api.MapOptions{}); &m.IDs[0] == &made[0].IDs[0] || !slices.Equal(m.Coordinates, made[0].Coordinates) {
		t.Error("the fifth map before the last is kept, or is another when it is made anew")
	}
	text, err := json.Marshal(made[0])
	if err != nil || strings.Contains(string(text), "pseudonym-") {
		t.Errorf("the map tells of patients: %.300s, %v", text, err)
	}
	if _, err := s.Erase(t.Context(), "c", "pseudonym-p7", nil); err != nil {
		t.Fatal(err)
	}
	m := mapOf(t, s, api.MapOptions{})
	if len(m.IDs) != 58 || slices.ContainsFunc(m.IDs, func(id string) bool { return strings.Contains(id, ".p7-") }) || m.Tag == made[0].Tag {
		t.Errorf("after a patient is erased: got %q", m.IDs)
	}
}

func TestAMapEndsWithWhoAsks(t *testing.T) {
	s, catalog := newService(t, false)
	put(t, catalog, patientsOf(emptied(t, s, finding), 30, 1)...)
	mapOf(t, s, api.MapOptions{Components: 3}) // its probes are ready
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := s.Map(ended, "c", api.MapOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Map after its end: got %v, want context.Canceled", err)
	}
	if m := mapOf(t, s, api.MapOptions{}); len(m.IDs) != 60 {
		t.Errorf("Map for the next: got %d instances, want 60", len(m.IDs))
	}
}

func TestAMapIsBounded(t *testing.T) {
	s, _ := newService(t, false)
	emptied(t, s, finding)
	for _, c := range []struct {
		o    api.MapOptions
		want error
	}{
		{api.MapOptions{Components: 1}, api.ErrQuery}, {api.MapOptions{Components: 33}, api.ErrQuery}, {api.MapOptions{Limit: -1}, api.ErrQuery},
		{api.MapOptions{Limit: 100_001}, api.ErrQuery}, {api.MapOptions{Tasks: []string{"none"}}, store.ErrTask},
	} {
		if _, err := s.Map(t.Context(), "c", c.o); !errors.Is(err, c.want) {
			t.Errorf("Map(%+v): got %v, want %v", c.o, err, c.want)
		}
	}
	var many []store.Task
	for n := range 20 {
		many = append(many, store.Task{Name: fmt.Sprint("task", n), Classes: []string{"a", "b"}})
	}
	if _, err := s.Declare(t.Context(), "c", many); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Map(t.Context(), "c", api.MapOptions{}); !errors.Is(err, api.ErrQuery) {
		t.Errorf("Map of 21 tasks: got %v, want ErrQuery", err)
	}
	if m := mapOf(t, s, api.MapOptions{Tasks: []string{"task3", "finding"}}); len(m.Tasks) != 2 || m.Tasks[0].Name != "finding" {
		t.Errorf("Map of two tasks: got %+v", m.Tasks)
	}
}
