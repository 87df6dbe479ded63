package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/png"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
	"nearcase/store"
)

var (
	ab    = store.Task{Name: "finding", Classes: []string{"a", "b"}}
	sides = store.Task{Name: "split", Classes: []string{"test", "train"}}
)

// patients makes n patients of class a or b in turn with some images each. How
// far an image tells its class and its patient is given.
func patients(fingerprint string, n, images int, class, own float64, seed uint64) (records []store.Record) {
	rng := rand.New(rand.NewPCG(seed, 2))
	for p := range n {
		side := []float64{-class, class}[p%2]
		x, y, z := own*rng.NormFloat64(), own*rng.NormFloat64(), own*rng.NormFloat64()
		for i := range images {
			noise := func() float64 { return .1 * rng.NormFloat64() }
			id := fmt.Sprintf("p%d-%d", p, i)
			records = append(records, store.Record{Fingerprint: fingerprint, Vector: unit(side+x+noise(), y+noise(), z+noise(), 1),
				Instance: store.Instance{ID: id, Patient: fmt.Sprint("p", p), Digest: fmt.Sprintf("%064x", len(records)+1),
					Metadata: map[string]string{"PatientSex": []string{"F", "M", "F"}[p%3], "PatientAge": fmt.Sprintf("%03dY", 20+p%60)}},
				Labels: []store.Label{{Task: "finding", Classes: []string{"a", "b"}[p%2 : p%2+1], Source: "reader"}}})
		}
	}
	return records
}

// evaluated evaluates collection c, which must succeed.
func evaluated(t testing.TB, s *api.Service, o api.EvaluateOptions) api.Evaluation {
	t.Helper()
	o.Rounds = max(o.Rounds, 100)
	e, err := s.Evaluate(t.Context(), "c", o, nil)
	if err != nil {
		t.Fatalf("Evaluate(%+v): %v", o, err)
	}
	return e
}

func measure(t testing.TB, e api.Evaluation, method, name string) eval.Measure {
	t.Helper()
	at := slices.IndexFunc(e.Results, func(r eval.Result) bool { return r.Method == method })
	if at < 0 {
		t.Fatalf("no result of %s among %d", method, len(e.Results))
	}
	m, ok := e.Results[at].Measure(name)
	if !ok {
		t.Fatalf("%s has no %s", method, name)
	}
	return m
}

func warned(e api.Evaluation, part string) bool {
	return slices.ContainsFunc(e.Warnings, func(w string) bool { return strings.Contains(w, part) })
}

func TestEveryMethodIsEvaluated(t *testing.T) {
	s, catalog := newService(t, false)
	put(t, catalog, patients(emptied(t, s, ab), 60, 2, 1, .5, 1)...)
	done, total := 0, 0
	e, err := s.Evaluate(t.Context(), "c", api.EvaluateOptions{Rounds: 200}, func(d, n int) { done, total = d, n })
	if err != nil {
		t.Fatal(err)
	}
	if done != total || total == 0 {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	var methods []string
	for _, r := range e.Results {
		methods = append(methods, r.Method)
		auc, _ := r.Measure(eval.AUCMacro)
		if auc.Value < .9 || auc.Low > auc.Value || auc.High < auc.Value || r.N != 120 || r.Patients != 60 {
			t.Errorf("%s: AUC %+v of %d images and %d patients", r.Method, auc.Estimate, r.N, r.Patients)
		}
	}
	want := []string{"1-NN", "20-NN", "11-NN uniform", "chosen k-NN", "class means", "SimpleShot", "ridge", "softmax"}
	if !slices.Equal(methods, want) {
		t.Errorf("methods: got %q, want %q", methods, want)
	}
	for _, method := range []string{"ridge", "softmax"} {
		for _, name := range []string{eval.ECE, eval.Brier, eval.LogLoss, eval.Coverage} {
			measure(t, e, method, name)
		}
	}
	measure(t, e, "20-NN", eval.Precision10)
	if n := len(want) * (len(want) - 1) / 2; len(e.Differences) != 2*n+1 { // log loss of two
		t.Errorf("got %d differences, want all pairs of three measures: %d", len(e.Differences), 2*n+1)
	}
	if e.Data.Images != 120 || e.Data.Folds != 5 || e.Data.Sources["reader"] != 120 || e.Data.Networks[0].Index != "exact scan" {
		t.Errorf("data: %+v", e.Data)
	}
	if !strings.Contains(e.Methods, "divided at the level of the patient into 5 folds") {
		t.Errorf("methods: %s", e.Methods)
	}
}

// Law: what is predicted of a patient does not depend on the patient's labels. Of
// two classes exchanged on the test side, with predictions as they were, every
// AUC is the rest to one.
func TestLabelsOfTestedPatientsDoNotReachTheirPrediction(t *testing.T) {
	s, catalog := newService(t, false)
	for seed := range uint64(15) {
		evaluate := func(flip bool) api.Evaluation {
			records := patients(emptied(t, s, ab, sides), 40, 1+int(seed%3), .3, .5, seed)
			for i := range records {
				side := "train"
				if l := &records[i].Labels[0]; len(records[i].Instance.Patient)%2 == 0 || seed%5 == 0 && i%15 == 0 {
					if side = "test"; flip {
						l.Classes = []string{map[string]string{"a": "b", "b": "a"}[l.Classes[0]]}
					}
				}
				records[i].Labels = append(records[i].Labels, store.Label{Task: "split", Classes: []string{side}})
			}
			put(t, catalog, records...)
			return evaluated(t, s, api.EvaluateOptions{Task: "finding", Split: &api.Split{By: "split"}, WithoutLeak: true, Rounds: 20})
		}
		right, flipped := evaluate(false), evaluate(true)
		for i, r := range right.Results {
			a, _ := r.Measure(eval.AUCMacro)
			b, _ := flipped.Results[i].Measure(eval.AUCMacro)
			if math.Abs(a.Value+b.Value-1) > 1e-12 {
				t.Errorf("seed %d, %s: AUC %v, and %v once the tested labels are exchanged", seed, r.Method, a.Value, b.Value)
			}
		}
	}
}

func TestALeakIsSeenWhereImagesTellTheirPatient(t *testing.T) {
	s, catalog := newService(t, false)
	put(t, catalog, patients(emptied(t, s, ab), 50, 4, 0, 1, 3)...)
	e := evaluated(t, s, api.EvaluateOptions{Rounds: 300})
	nearest := e.Leaks[slices.IndexFunc(e.Leaks, func(l report.Leak) bool {
		return l.Method == "1-NN" && l.Measure == eval.BalancedAccuracy
	})]
	if nearest.Gain.Low <= 0 || nearest.ByImage.Value < .9 || nearest.Grouped.Value > .75 {
		t.Errorf("leak of 1-NN: %+v, want about chance by patient and nearly all right by image", nearest)
	}
	if !warned(e, "divided without regard to patients") {
		t.Errorf("warnings: %q, want the leak among them", e.Warnings)
	}
	put(t, catalog, patients(emptied(t, s, ab), 50, 1, 1, .5, 3)...)
	if e := evaluated(t, s, api.EvaluateOptions{}); len(e.Leaks) != 0 {
		t.Errorf("%d leaks where every patient has one image", len(e.Leaks))
	}
}

// create makes another collection of the small network and stores records in it.
func create(t *testing.T, s *api.Service, catalog store.Catalog, name string, records []store.Record, tasks ...store.Task) {
	t.Helper()
	if _, err := s.Create(t.Context(), api.NewCollection{Name: name, Model: "means", Tasks: tasks}); err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.Put(t.Context(), name, records); err != nil {
		t.Fatal(err)
	}
}

func TestSeveralNetworksAreComparedOnTheSameImages(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, ab)
	records := patients(fingerprint, 40, 2, 1, .3, 4)
	put(t, catalog, records...)
	others := patients(fingerprint, 40, 2, 1, .8, 5)[1:]
	others[0].Labels = []store.Label{{Task: "finding", Classes: []string{"b"}}}
	create(t, s, catalog, "d", others, ab)
	e := evaluated(t, s, api.EvaluateOptions{Collections: []string{"d"}, Methods: []string{"votes", "ridge"}})
	if len(e.Results) != 4 || e.Results[0].Model != "c" || e.Results[2].Model != "d" || e.Results[0].N != 79 || e.Results[2].N != 79 {
		t.Errorf("results: %d, the first of %d images", len(e.Results), e.Results[0].N)
	}
	a, _ := e.Results[1].Measure(eval.AUCMacro)
	b, _ := e.Results[3].Measure(eval.AUCMacro)
	if a.Value <= b.Value {
		t.Errorf("AUC %v of the better network and %v of the worse", a.Value, b.Value)
	}
	if !warned(e, "1 of 80 labelled images are not in every collection") || !warned(e, "1 images have another label in collection d") {
		t.Errorf("warnings: %q", e.Warnings)
	}
	if len(e.Data.Networks) != 2 || len(e.Differences) != 6+6+1 {
		t.Errorf("%d networks and %d differences: %+v, %q, %q", len(e.Data.Networks), len(e.Differences), e.Results[1].Warnings, e.Results[3].Warnings, e.Warnings)
	}
}

func TestAGivenSplitIsKept(t *testing.T) {
	s, catalog := newService(t, false)
	records := patients(emptied(t, s, ab), 40, 3, 1, .5, 6)
	for i := range records {
		side := []string{"fit", "fit", "fit", "eval"}[i/3%4]
		if i == 0 { // patient 0 learns two images and tests one
			side = "eval"
		}
		if i <= 114 { // the others take no part
			records[i].Instance.Metadata["Part"] = side
		}
	}
	put(t, catalog, records...)
	e := evaluated(t, s, api.EvaluateOptions{Split: &api.Split{By: "Part", Train: "fit", Test: "EVAL"}})
	if e.Data.Test != 28 || e.Data.Train != 85 || e.Data.Folds != 0 || e.Data.Images != 113 || e.Results[0].N != 28 {
		t.Errorf("data: %d to test, %d to learn from, %d in all, %d measured", e.Data.Test, e.Data.Train, e.Data.Images, e.Results[0].N)
	}
	if !warned(e, "1 patients have images on both sides") || !warned(e, "5 images are on neither side") {
		t.Errorf("warnings: %q", e.Warnings)
	}
	if len(e.Leaks) == 0 {
		t.Error("no leak shown where a patient is on both sides")
	}
}

func TestFindingsOfWhichNothingIsKnownAreLeftOut(t *testing.T) {
	s, catalog := newService(t, false)
	task := store.Task{Name: "marks", Multi: true, Classes: []string{"x", "y"}}
	records := patients(emptied(t, s, task), 60, 2, 1, .5, 7)
	for i := range records {
		l := store.Label{Task: "marks", Classes: []string{}}
		if i/2%2 == 1 {
			l.Classes = append(l.Classes, "x")
		}
		if i/2%3 == 1 {
			l.Classes = append(l.Classes, "y")
		}
		if i < 20 && !slices.Contains(l.Classes, "y") {
			l.Uncertain = []string{"y"}
		}
		records[i].Labels = []store.Label{l}
	}
	put(t, catalog, records...)
	e := evaluated(t, s, api.EvaluateOptions{})
	uncertain := 0
	for _, r := range records {
		uncertain += len(r.Labels[0].Uncertain)
	}
	for _, r := range e.Results {
		if r.Classes[0].Known != 120 || r.Classes[1].Known != 120-uncertain {
			t.Errorf("%s: %d and %d images known, want 120 and %d", r.Method, r.Classes[0].Known, r.Classes[1].Known, 120-uncertain)
		}
		if auc, ok := r.Classes[0].Measure(eval.AUCOfClass); !ok || auc.Value < .9 {
			t.Errorf("%s: AUC of x %+v", r.Method, auc)
		}
	}
	if e.Data.Uncertain != uncertain || e.Data.Policy != "left out" || e.Results[len(e.Results)-1].Method != "logistic" {
		t.Errorf("%d uncertain, policy %q, last method %s", e.Data.Uncertain, e.Data.Policy, e.Results[len(e.Results)-1].Method)
	}
	// Nothing in the vectors tells y, so that no probability of it is given.
	if ece := measure(t, e, "logistic", eval.ECE); ece.Value > .1 {
		t.Errorf("ECE of x alone: %+v", ece)
	}
	warnings := e.Results[len(e.Results)-1].Warnings
	if !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, "leave out y") }) {
		t.Errorf("warnings: %q", warnings)
	}
}

func TestSubgroupsAndLearningCurves(t *testing.T) {
	s, catalog := newService(t, false)
	view := store.Task{Name: "view", Classes: []string{"ap", "pa"}}
	records := patients(emptied(t, s, ab, view), 120, 2, .5, .5, 8)
	for i := range records {
		records[i].Labels = append(records[i].Labels, store.Label{Task: "view", Classes: []string{[]string{"ap", "pa"}[i/4%2]}})
	}
	put(t, catalog, records...)
	e := evaluated(t, s, api.EvaluateOptions{Task: "finding", Subgroups: []string{"PatientSex", "PatientAge", "view"}, LearningCurve: true, Methods: []string{"votes", "ridge", "softmax"}})
	var groups []string
	for _, g := range e.Subgroups {
		groups = append(groups, fmt.Sprintf("%s=%s %d", g.Column, g.Value, g.N))
		if len(g.Results) != 3 || len(g.Results[0].Measures) == 0 || g.Results[0].N != g.N {
			t.Errorf("subgroup %s: %d results", g.Value, len(g.Results))
		}
	}
	want := []string{"PatientSex=F 160", "PatientSex=M 80", "PatientAge=18-39 80", "PatientAge=40-64 100", "PatientAge=65-79 60", "view=ap 120", "view=pa 120"}
	if !slices.Equal(groups, want) {
		t.Errorf("subgroups: got %q, want %q", groups, want)
	}
	if len(e.Learning) != 3 {
		t.Fatalf("got %d learning curves, want 3", len(e.Learning))
	}
	for _, c := range e.Learning {
		last := c.Points[len(c.Points)-1]
		if len(c.Points) < 4 || c.Points[0].PerClass != 5 || last.Value < c.Points[0].Value-.05 || last.Low > last.Value {
			t.Errorf("learning curve of %s: %+v", c.Method, c.Points)
		}
	}
}

func TestMistakesComeWithPicturesAndNeighbours(t *testing.T) {
	s, catalog := newService(t, false)
	records := patients(emptied(t, s, ab), 40, 2, .1, 1, 9)
	for i := range records {
		var b bytes.Buffer
		m := image.NewGray(image.Rect(0, 0, 200, 100))
		m.Pix[0] = uint8(i + 1)
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b.Bytes())
		records[i].Original, records[i].Instance.Digest = b.Bytes(), hex.EncodeToString(sum[:])
	}
	put(t, catalog, records...)
	e := evaluated(t, s, api.EvaluateOptions{Mistakes: 5, Methods: []string{"ridge"}})
	if len(e.Mistakes) != 5 {
		t.Fatalf("got %d mistakes, want 5", len(e.Mistakes))
	}
	seen := map[string]bool{}
	for _, m := range e.Mistakes {
		patient, _, _ := strings.Cut(m.ID, "-")
		if seen[patient] || slices.Equal(m.Truth, m.Predicted) || !strings.HasPrefix(m.Image, "data:image/jpeg;base64,") || len(m.Neighbours) != 5 {
			t.Errorf("mistake %s: %v for %v with %d neighbours", m.ID, m.Predicted, m.Truth, len(m.Neighbours))
		}
		for _, n := range m.Neighbours {
			if strings.HasPrefix(n.ID, patient+"-") || n.Image == "" {
				t.Errorf("mistake %s: neighbour %s of the same patient or without a picture", m.ID, n.ID)
			}
		}
		seen[patient] = true
	}
	e = evaluated(t, s, api.EvaluateOptions{Mistakes: 5, Methods: []string{"ridge"}, WithoutImages: true})
	if len(e.Mistakes) != 5 || e.Mistakes[0].Image != "" || e.Mistakes[0].Neighbours[0].Image != "" {
		t.Error("pictures that nobody wanted")
	}
	if e = evaluated(t, s, api.EvaluateOptions{Mistakes: -1, Methods: []string{"ridge"}}); len(e.Mistakes) != 0 {
		t.Error("mistakes that nobody wanted")
	}
}

// What cells list is what the confusion matrix counts, with the images' own labels.
func TestCellsListTheirCases(t *testing.T) {
	s, catalog := newService(t, false)
	put(t, catalog, patients(emptied(t, s, ab), 120, 2, .5, 1, 9)...)
	const each = 7
	e := evaluated(t, s, api.EvaluateOptions{Cases: each, Methods: []string{"ridge", "votes"}})
	n, wrong, probable := 0, 0, 0
	for _, c := range e.Cells {
		of := slices.IndexFunc(e.Results, func(r eval.Result) bool { return r.Model == c.Model && r.Method == c.Method })
		if want := e.Results[of].Confusion[c.Truth][c.Predicted]; c.N != want || len(c.Cases) != min(want, each) {
			t.Errorf("%s of %s as %s has %d images, %d listed; the matrix has %d", c.Method, e.Classes[c.Truth], e.Classes[c.Predicted], c.N, len(c.Cases), want)
		}
		_, calibrated := e.Results[of].Measure(eval.Brier)
		before := 1.0
		for _, one := range c.Cases {
			of, err := catalog.Instance(t.Context(), "c", one.ID)
			if err != nil || !slices.Equal(of.Labels["finding"].Classes, []string{e.Classes[c.Truth]}) {
				t.Fatalf("%s is of %v (%v), want %s", one.ID, of.Labels["finding"].Classes, err, e.Classes[c.Truth])
			}
			switch {
			case calibrated != (one.Probability != nil):
				t.Errorf("%s: %s has a probability: %t, the method %t", c.Method, one.ID, !calibrated, calibrated)
			case calibrated && *one.Probability > before:
				t.Errorf("%s: the probability of %s, %v, is above that of the one before, %v", c.Method, one.ID, *one.Probability, before)
			case calibrated:
				before, probable = *one.Probability, probable+1
			}
		}
		if n += c.N; c.Truth != c.Predicted {
			wrong += c.N
		}
	}
	images := 0
	for _, r := range e.Results {
		images += r.N
	}
	if n != images || wrong == 0 {
		t.Errorf("cells of %d images, %d predicted wrongly; results of %d", n, wrong, images)
	}
	if probable == 0 {
		t.Error("no case has a probability")
	}
	if e = evaluated(t, s, api.EvaluateOptions{Methods: []string{"ridge"}}); e.Cells != nil {
		t.Error("cells that nobody wanted")
	}
}

func TestCellsAreBoundedTogether(t *testing.T) {
	cells := func(lengths ...int) (all []report.Cell) {
		for _, n := range lengths {
			all = append(all, report.Cell{N: n, Cases: make([]report.Listed, n)})
		}
		return all
	}
	for _, c := range []struct{ lengths, want []int }{{[]int{3, 5, 2}, []int{3, 5, 2}}, {[]int{3, 9, 2}, []int{3, 3, 2}}, {[]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, make([]int, 11)}} {
		all := cells(c.lengths...)
		api.CapCells(all, 10)
		for i, cell := range all {
			if len(cell.Cases) != c.want[i] || cell.N != c.lengths[i] {
				t.Errorf("of cells of %v, the one of %d lists %d, want %d", c.lengths, cell.N, len(cell.Cases), c.want[i])
			}
		}
	}
}

// Findings are listed by whether they are present, with the probability of that.
func TestCellsOfFindings(t *testing.T) {
	s, catalog := newService(t, false)
	task := store.Task{Name: "finding", Classes: []string{"a", "b"}, Multi: true}
	put(t, catalog, patients(emptied(t, s, task), 120, 2, .5, 1, 9)...)
	e := evaluated(t, s, api.EvaluateOptions{Cases: 1000, Methods: []string{"ridge"}})
	seen, known := map[string]int{}, 0
	for _, c := range e.Cells {
		for _, one := range c.Cases {
			of, err := catalog.Instance(t.Context(), "c", one.ID)
			if has := slices.Contains(of.Labels["finding"].Classes, c.Class); err != nil || has != (c.Truth == 0) {
				t.Fatalf("%s is of %v (%v), and in row %d of %s", one.ID, of.Labels["finding"].Classes, err, c.Truth, c.Class)
			}
			if one.Probability != nil {
				known++
				if *one.Probability < 0 || *one.Probability > 1 {
					t.Errorf("%s has the probability %v", one.ID, *one.Probability)
				}
			}
		}
		seen[c.Class] += len(c.Cases)
	}
	if want := map[string]int{"a": 240, "b": 240}; !maps.Equal(seen, want) || known == 0 {
		t.Errorf("cells list %v, %d with a probability, want %v", seen, known, want)
	}
}

func TestWhatCannotBeEvaluatedIsRefused(t *testing.T) {
	s, catalog := newService(t, false)
	full := func(n int) func(*testing.T) {
		return func(t *testing.T) { put(t, catalog, patients(emptied(t, s, ab, sides), n, 2, 1, .5, 10)...) }
	}
	hundred := store.Task{Name: "finding"}
	for c := range 100 {
		hundred.Classes = append(hundred.Classes, fmt.Sprintf("class %02d", c))
	}
	alike := func(t *testing.T) {
		records := patients(emptied(t, s, ab), 10, 2, 1, .5, 10)
		for i := range records {
			records[i].Labels[0].Classes = []string{"a"}
		}
		put(t, catalog, records...)
	}
	for _, c := range []struct {
		fact string
		data func(*testing.T)
		o    api.EvaluateOptions
		want error
		says string
	}{
		{"no label", func(t *testing.T) { emptied(t, s, ab) }, api.EvaluateOptions{}, api.ErrNotEnough, "no instance has one"},
		{"one class", alike, api.EvaluateOptions{}, api.ErrNotEnough, "do not tell any class from another"},
		{"fewer patients than folds", full(4), api.EvaluateOptions{Task: "finding"}, api.ErrNotEnough, "4 labelled patients cannot make 5 folds"},
		{"a class of one patient", full(2), api.EvaluateOptions{Task: "finding", Folds: 2}, api.ErrNotEnough, "are all of one class"},
		{"an unknown task", full(20), api.EvaluateOptions{Task: "x"}, store.ErrTask, "x"},
		{"no task of two", nil, api.EvaluateOptions{}, api.ErrQuery, "name the task"},
		{"an unknown method", nil, api.EvaluateOptions{Task: "finding", Methods: []string{"magic"}}, api.ErrQuery, "magic"},
		{"one fold", nil, api.EvaluateOptions{Task: "finding", Folds: 1}, api.ErrQuery, "folds is 1"},
		{"too many neighbours", nil, api.EvaluateOptions{Task: "finding", K: 1e6}, api.ErrQuery, "k is 1000000"},
		{"too many cases", nil, api.EvaluateOptions{Task: "finding", Cases: 1001}, api.ErrQuery, "cases is 1001"},
		{"too many rounds", nil, api.EvaluateOptions{Task: "finding", Rounds: 1e6}, api.ErrQuery, "rounds is 1000000"},
		{"a split by an unknown field", nil, api.EvaluateOptions{Task: "finding", Split: &api.Split{By: "x"}}, api.ErrQuery, "no image has such a metadata field"},
		{"a split by the task itself", nil, api.EvaluateOptions{Task: "finding", Split: &api.Split{By: "finding", Test: "a"}}, api.ErrQuery, "is the task that is evaluated"},
		{"a split without a test side", nil, api.EvaluateOptions{Task: "finding", Split: &api.Split{By: "PatientSex"}}, api.ErrQuery, `its values are "F", "M"`},
		{"subgroups by an unknown field", nil, api.EvaluateOptions{Task: "finding", Subgroups: []string{"x"}}, api.ErrQuery, "no image has such a metadata field"},
		{"an unknown collection", nil, api.EvaluateOptions{Task: "finding", Collections: []string{"x"}}, store.ErrCollection, "x"},
		{"a collection twice", nil, api.EvaluateOptions{Task: "finding", Collections: []string{"c"}}, api.ErrQuery, "named twice"},
		{"texts of a network without", nil, api.EvaluateOptions{Task: "finding", Methods: []string{"zero-shot"}}, api.ErrQuery, "none of the methods"},
		{"more figures than can be kept", func(t *testing.T) { emptied(t, s, hundred) }, api.EvaluateOptions{Rounds: 10_000}, api.ErrQuery, "10000 rounds of the figures of so many classes"},
	} {
		if c.data != nil {
			c.data(t)
		}
		_, err := s.Evaluate(t.Context(), "c", c.o, nil)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %v saying %q", c.fact, err, c.want, c.says)
		}
	}
}
