package api_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

// Of 10 % of the labels of radiographs flipped on purpose, at least 80 % are among
// the first 15 % of probable label errors.
func TestFlippedLabelsOfRadiographsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("embeds 390 images")
	}
	source, err := api.OpenSource(every(t, testdata(t, "cxr/labels.csv"), 15), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	s, catalog := newService(t, true)
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "c", Model: "resnet18", Tasks: source.Tasks}); err != nil {
		t.Fatal(err)
	}
	ingestAll(t, s, "c", source)
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
