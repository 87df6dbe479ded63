package api_test

import (
	"fmt"
	"testing"

	"nearcase/api"
	"nearcase/probe/eval"
)

// All 5,856 radiographs, the real network and default settings: everything is
// stored, no answer about a stored image contains its own patient, and votes
// and probe reach what is expected of this network on these data.
func TestAllRadiographs(t *testing.T) {
	if testing.Short() {
		t.Skip("embeds 5,856 images")
	}
	source, err := api.OpenSource(testdata(t, "cxr/labels.csv"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	s, catalog := newService(t, true)
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "cxr", Model: "resnet18", Tasks: source.Tasks}); err != nil {
		t.Fatal(err)
	}
	items := ingestAll(t, s, "cxr", source)
	status, err := catalog.Status(t.Context(), "cxr")
	if err != nil {
		t.Fatal(err)
	}
	if len(items) != 5856 || status.Instances != 5856 || status.Patients != 3118 {
		t.Errorf("ingest: got %d items, %d instances of %d patients, want 5856, 5856 and 3118", len(items), status.Instances, status.Patients)
	}
	patients := map[string]string{}
	cases, err := catalog.List(t.Context(), "cxr", 0, len(items))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		patients[c.Instance.ID] = c.Instance.Patient
	}
	leaks := 0
	for _, item := range items {
		answer, err := s.Similar(t.Context(), "cxr", api.Query{Instance: item.ID})
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Cases) != 20 {
			t.Errorf("Similar to %s: got %d cases, want 20", item.Name, len(answer.Cases))
		}
		for _, c := range answer.Cases {
			if c.Patient == patients[item.ID] {
				leaks++
			}
		}
	}
	if leaks > 0 {
		t.Errorf("%d neighbours are of the query's own patient, want 0", leaks)
	}
	e, err := s.Evaluate(t.Context(), "cxr", api.EvaluateOptions{Task: "finding", Methods: []string{"nearest", "votes", "ridge"}, Rounds: 200, WithoutLeak: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]float64{"1-NN": 0.92, "20-NN": 0.92, "ridge": 0.95} {
		balanced := measure(t, e, method, eval.BalancedAccuracy)
		t.Logf("%-7s balanced accuracy %s, AUC %s", method, show(balanced.Estimate), show(measure(t, e, method, eval.AUCMacro).Estimate))
		if balanced.Value < want {
			t.Errorf("%s: balanced accuracy %.3f, want at least %.2f", method, balanced.Value, want)
		}
	}
	ece, coverage := measure(t, e, "ridge", eval.ECE), measure(t, e, "ridge", eval.Coverage)
	t.Logf("ridge: ECE %s, sets at 90 %% hold the truth %s", show(ece.Estimate), show(coverage.Estimate))
	if ece.Value > 0.05 || coverage.Value < 0.88 || coverage.Value > 0.92 {
		t.Errorf("ridge: ECE %.3f, want at most 0.05; coverage %.3f, want 0.88 to 0.92", ece.Value, coverage.Value)
	}
	for _, w := range e.Warnings {
		t.Log(w)
	}
	if _, err := s.Evaluate(t.Context(), "cxr", api.EvaluateOptions{Task: "x"}, nil); err == nil {
		t.Error("Evaluate an unknown task: got no error")
	}
}

// Pictures of blood cells asked of a collection of radiographs are more unusual
// than radiographs of patients that it has not.
func bloodCellsAreNovel(t *testing.T, s *api.Service, source api.Source) {
	if _, err := s.Retrain(t.Context(), "c", "finding", nil); err != nil {
		t.Fatal(err)
	}
	stored := map[string]bool{}
	for image := range source.Images {
		stored[image.Patient] = true
	}
	blood, _ := novelties(t, s, every(t, testdata(t, "blood/labels.csv"), 7), nil, 60)
	films, known := novelties(t, s, every(t, testdata(t, "cxr/labels.csv"), 41), stored, 60)
	greater := 0.0
	for _, b := range blood {
		for _, f := range films {
			switch {
			case b.percentile > f.percentile || b.percentile == f.percentile && b.distance > f.distance:
				greater++
			case b == f:
				greater += 0.5
			}
		}
	}
	auroc := greater / float64(len(blood)*len(films))
	t.Logf("AUROC %.4f of %d pictures of blood and %d radiographs (%d are of patients stored)", auroc, len(blood), len(films), known)
	if auroc < 0.99 || len(blood) < 60 || len(films) < 60 {
		t.Errorf("AUROC of novelty: got %.4f of %d and %d, want at least 0.99", auroc, len(blood), len(films))
	}
}

// novel is how unusual an image is.
type novel struct{ percentile, distance float64 }

// novelties asks about up to most images of a CSV, and counts those of patients
// that are stored, which it leaves out.
func novelties(t *testing.T, s *api.Service, path string, stored map[string]bool, most int) (all []novel, known int) {
	t.Helper()
	source, err := api.OpenSource(path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for image := range source.Images {
		if stored[image.Patient] {
			known++
			continue
		}
		data, err := image.Read()
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Classify(t.Context(), "c", api.Query{Image: data, Patient: image.Patient})
		if err != nil {
			t.Fatal(err)
		}
		if a.Novelty.Percentile == nil {
			t.Fatalf("Classify: got no percentile: %s", a.Novelty.Problem)
		}
		if all = append(all, novel{*a.Novelty.Percentile, *a.Novelty.Distance}); len(all) == most {
			break
		}
	}
	return all, known
}

func show(e eval.Estimate) string { return fmt.Sprintf("%.3f (%.3f to %.3f)", e.Value, e.Low, e.High) }
