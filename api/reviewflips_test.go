package api_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"nearcase/api"
	"nearcase/probe/eval"
	"nearcase/store"
)

// What is claimed of radiographs holds of some of them, embedded once.
func TestSomeRadiographs(t *testing.T) {
	source, err := api.OpenSource(every(t, testdata(t, "cxr/labels.csv"), 15), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	s, catalog := newService(t, true)
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "c", Model: "resnet18", Tasks: source.Tasks}); err != nil {
		t.Fatal(err)
	}
	ingestAll(t, s, "c", source)
	t.Run("flipped labels are found", func(t *testing.T) { flippedLabelsAreFound(t, s, catalog) })
	t.Run("probabilities and sets are honest", func(t *testing.T) { probabilitiesAreHonest(t, s) })
	t.Run("blood cells are novel", func(t *testing.T) { bloodCellsAreNovel(t, s, source) })
}

// Of 10 % of the labels flipped on purpose, at least 80 % are among the first 15 %
// of probable label errors.
func flippedLabelsAreFound(t *testing.T, s *api.Service, catalog store.Catalog) {
	truth, err := catalog.List(t.Context(), "c", 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var worst, sum float64 = 1, 0
	const draws = 5
	for seed := range uint64(draws) {
		found := flipsFound(t, s, catalog, truth, seed)
		worst, sum = min(worst, found), sum+found
	}
	t.Logf("%d images: of the flipped labels the first 15 %% have %.3f in the mean of %d draws, %.3f in the worst", len(truth), sum/draws, draws, worst)
	if worst < 0.8 {
		t.Errorf("label errors: the first 15 %% have %.3f of the flipped labels, want at least 0.80", worst)
	}
}

// Of patients that nothing was learnt from, the probabilities of both probes are
// off by 0.05 at most, and nine of ten sets hold the truth.
func probabilitiesAreHonest(t *testing.T, s *api.Service) {
	e, err := s.Evaluate(t.Context(), "c", api.EvaluateOptions{Task: "finding", Methods: []string{"votes", "ridge", "softmax"}, Rounds: 200, Mistakes: -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"ridge", "softmax"} {
		auc, ece, coverage := measure(t, e, method, eval.AUCMacro), measure(t, e, method, eval.ECE), measure(t, e, method, eval.Coverage)
		t.Logf("%s: AUC %s, ECE %s, coverage %s", method, show(auc.Estimate), show(ece.Estimate), show(coverage.Estimate))
		if auc.Value < 0.95 || ece.Value > 0.05 || coverage.Value < 0.85 || coverage.Value > 0.95 {
			t.Errorf("%s: AUC %.3f, ECE %.3f, coverage %.3f, want at least 0.95, at most 0.05, 0.85 to 0.95", method, auc.Value, ece.Value, coverage.Value)
		}
	}
	if len(e.Leaks) != 4 {
		t.Errorf("leaks: got %d, want two measures of votes and ridge with images divided singly", len(e.Leaks))
	}
}

// flipsFound flips a tenth of the labels, asks for the first 15 % of label errors,
// and puts the labels right again.
func flipsFound(t *testing.T, s *api.Service, c store.Catalog, truth []store.Case, seed uint64) float64 {
	t.Helper()
	n := len(truth)
	flipped := map[string]bool{}
	var wrong, right []store.Label
	for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(n)[:n/10] {
		l := truth[i].Labels["finding"]
		l.Instance = truth[i].Instance.ID
		right = append(right, l)
		if slices.Equal(l.Classes, []string{"normal"}) {
			l.Classes = []string{"pneumonia"}
		} else {
			l.Classes = []string{"normal"}
		}
		wrong, flipped[l.Instance] = append(wrong, l), true
	}
	if _, err := c.Label(t.Context(), "c", wrong); err != nil {
		t.Fatal(err)
	}
	list := only(t, s, api.ReviewOptions{Task: "finding", Limit: n * 15 / 100}, api.ReviewLabelErrors)
	if _, err := c.Label(t.Context(), "c", right); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, item := range list.Items {
		if flipped[item.ID] {
			found++
		}
	}
	return float64(found) / float64(len(flipped))
}
