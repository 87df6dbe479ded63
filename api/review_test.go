package api_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nearcase/api"
	"nearcase/probe"
	"nearcase/store"
)

var kindTask = store.Task{Name: "kind", Classes: []string{"a", "b"}}

// record is an image of a patient at a point, labelled unless the class is empty.
func record(fingerprint, id, patient, class string, v ...float64) store.Record {
	r := store.Record{Fingerprint: fingerprint, Vector: unit(v...), Instance: store.Instance{ID: id, Patient: patient, Name: id + ".png"}}
	if class != "" {
		r.Labels = []store.Label{{Task: "kind", Classes: []string{class}}}
	}
	return r
}

// twoClasses are two images each of n patients, in turn of class a at one place and b
// at another; of every tenth patient the first image has the other's label.
func twoClasses(fingerprint string, n int) (records []store.Record, flipped []string) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func() float64 { return 0.1 * rng.NormFloat64() }
	for p := range n {
		for image := range 2 {
			class, at := "a", [2]float64{1, 0}
			if p%2 == 1 {
				class, at = "b", [2]float64{0, 1}
			}
			id := fmt.Sprintf("p%d.%d", p, image)
			if p%10 == 4 && image == 0 {
				class = map[string]string{"a": "b", "b": "a"}[class]
				flipped = append(flipped, id)
			}
			records = append(records, record(fingerprint, id, fmt.Sprint("p", p), class, at[0]+noise(), at[1]+noise(), noise(), noise()))
		}
	}
	return records, flipped
}

func review(t testing.TB, s *api.Service, o api.ReviewOptions) api.Review {
	t.Helper()
	r, err := s.Review(t.Context(), "c", o, nil)
	if err != nil {
		t.Fatalf("Review %+v: %v", o, err)
	}
	return r
}

// only is the one list of a kind.
func only(t testing.TB, s *api.Service, o api.ReviewOptions, kind string) api.ReviewList {
	t.Helper()
	o.Kinds = []string{kind}
	r := review(t, s, o)
	if len(r.Lists) != 1 || r.Lists[0].Kind != kind {
		t.Fatalf("Review %+v: got %+v, want one list", o, r.Lists)
	}
	for i, item := range r.Lists[0].Items {
		if item.Rank != i+1 || item.Kind != kind || item.Reason == "" || i > 0 && kind != api.ReviewDuplicates && kind != api.ReviewUncertain && item.Score > r.Lists[0].Items[i-1].Score {
			t.Errorf("item %d: got %+v, want it ranked with a reason", i+1, item)
		}
	}
	return r.Lists[0]
}

func ids(items []api.ReviewItem) (ids []string) {
	for _, i := range items {
		ids = append(ids, i.ID)
	}
	return ids
}

func TestFlippedLabelsAreListedFirst(t *testing.T) {
	s, catalog := newService(t, false)
	records, flipped := twoClasses(emptied(t, s, kindTask), 60)
	put(t, catalog, records...)
	list := only(t, s, api.ReviewOptions{Limit: len(flipped)}, api.ReviewLabelErrors)
	got := ids(list.Items)
	slices.Sort(got)
	slices.Sort(flipped)
	if !slices.Equal(got, flipped) || list.Found == 0 || list.Found > len(flipped) || list.Judged != len(records) {
		t.Errorf("label errors: got %v, %d of %d, want the flipped %v", got, list.Found, list.Judged, flipped)
	}
	first := list.Items[0]
	if !first.Likely || !first.Labelled || *first.Alternative < 0.9 || *first.Probability > 0.1 || first.Given == first.Suggested ||
		!strings.HasPrefix(first.Reason, "given b, but images of other patients say a with 0.9") || !strings.Contains(first.Reason, "of the 20 nearest cases are a") {
		t.Errorf("label error: got %+v", first)
	}
	if n := len(first.Neighbours); n != 5 || first.NeighboursOf != 20 || first.Agreement["a"]+first.Agreement["b"] != 20 {
		t.Errorf("evidence: got %+v, want 5 neighbours and the labels of 20", first)
	}
}

// More labels than a probe is tuned by are all judged.
func TestEveryLabelOfManyIsJudged(t *testing.T) {
	s, catalog := newService(t, false)
	records, flipped := twoClasses(emptied(t, s, kindTask), probe.MostSwept/2+100)
	for some := range slices.Chunk(records, 2000) {
		put(t, catalog, some...)
	}
	list := only(t, s, api.ReviewOptions{Limit: len(flipped)}, api.ReviewLabelErrors)
	got := ids(list.Items)
	slices.Sort(got)
	slices.Sort(flipped)
	if list.Judged != len(records) || !slices.Equal(got, flipped) {
		t.Errorf("label errors: %d judged, want %d and the %d flipped ones first", list.Judged, len(records), len(flipped))
	}
}

func TestDuplicatesAreGroupedAndContradictionsComeFirst(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, kindTask)
	records, _ := twoClasses(fingerprint, 40)
	same := func(id, patient, class, file string, of int) store.Record {
		r := record(fingerprint, id, patient, class, 1)
		r.Vector = records[of].Vector
		if r.Instance.File = file; file != "" {
			r.Instance.Frame = 1
		}
		return r
	}
	put(t, catalog, records...)
	put(t, catalog,
		same("copy", "p0", "a", "", 0),                                // of p0.0, the same patient
		same("other", "q", "b", "", 4), same("again", "q", "", "", 5), // of p2.0 and p2.1, of class a
		same("loop:1", "r", "a", "loop", 7), same("loop:2", "r", "b", "loop", 7)) // of p3.1, of class b
	list := only(t, s, api.ReviewOptions{}, api.ReviewDuplicates)
	var got []string
	for _, i := range list.Items {
		var group []string
		for _, image := range i.Group {
			group = append(group, image.ID)
		}
		got = append(got, strings.Join(group, " ")+" "+strings.Join(i.Contradicts, " "))
	}
	want := []string{"p2.0 other kind", "p3.1 loop:1 loop:2 kind", "p2.1 again ", "p0.0 copy "}
	if !slices.Equal(got, want) || list.Found != 4 || list.Similarity <= 0.9 || list.Similarity > 0.9999 {
		t.Errorf("duplicates from %g: got %q, want %q", list.Similarity, got, want)
	}
	if want := "2 images are nearly identical (similarity 1.0000), and their labels for kind contradict each other: a, b, under 2 patients: p2, q"; list.Items[0].Reason != want {
		t.Errorf("reason: got %q, want %q", list.Items[0].Reason, want)
	}
	if len(list.Patients) != 2 || list.PatientsFound != 2 || list.Patients[0].Patients != [2]string{"p2", "q"} || list.Patients[0].Pairs != 2 ||
		list.Patients[1].Patients != [2]string{"p3", "r"} {
		t.Errorf("patients: got %+v, want p2 and q by two pairs, p3 and r by two", list.Patients)
	}
	if all := only(t, s, api.ReviewOptions{Similarity: 0.5, Limit: 1000}, api.ReviewDuplicates); all.Found > 2 || all.Similarity != 0.5 {
		t.Errorf("from a similarity of 0.5: got %d groups, want all images of a class in one", all.Found)
	}
}

func TestUncertainImagesAreUnlabelledFirst(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, kindTask)
	records, _ := twoClasses(fingerprint, 40)
	put(t, catalog, records...)
	put(t, catalog, record(fingerprint, "between", "u", "", 1, 1, 0, 0), record(fingerprint, "too", "u", "", 1, 1.02, 0, 0),
		record(fingerprint, "clear", "v", "", 1, 0, 0, 0))
	list := only(t, s, api.ReviewOptions{Limit: 3}, api.ReviewUncertain)
	if got := ids(list.Items); len(got) != 3 || got[0] != "between" && got[0] != "too" || got[1] != "clear" || !list.Items[2].Labelled || list.Items[0].Labelled {
		t.Errorf("uncertain: got %v, want one of the patient between, then the other unlabelled, then a labelled", got)
	}
	if first := list.Items[0]; len(first.Probabilities) != 2 || first.Score < 0.5 || !strings.HasPrefix(first.Reason, "no label; the probe says ") {
		t.Errorf("uncertain: got %+v", first)
	}
	if all := only(t, s, api.ReviewOptions{EveryImage: true, Limit: 2}, api.ReviewUncertain); len(all.Items) != 2 || all.Items[1].Patient != "u" {
		t.Errorf("every image: got %v, want both of the patient", ids(all.Items))
	}
}

// Law: whatever the labels of its own patient say, the probabilities of an image
// without a label are the same.
func TestAPatientsOwnLabelsDoNotReachItsOtherImages(t *testing.T) {
	s, catalog := newService(t, false)
	asked := func(own func(i int) string) api.ReviewItem {
		fingerprint := emptied(t, s, kindTask)
		records, _ := twoClasses(fingerprint, 40)
		for i := range 6 {
			records = append(records, record(fingerprint, fmt.Sprint("own", i), "own", own(i), .1, .1, 1, float64(i)/100))
		}
		put(t, catalog, append(records, record(fingerprint, "asked", "own", "", .1, .1, 1, 0))...)
		list := only(t, s, api.ReviewOptions{}, api.ReviewUncertain)
		if len(list.Items) == 0 || list.Items[0].ID != "asked" || len(list.Items[0].Probabilities) != 2 {
			t.Fatalf("uncertain: got %v, want the image without a label first", ids(list.Items))
		}
		return list.Items[0]
	}
	b := asked(func(int) string { return "b" })
	for labels, own := range map[string]func(int) string{"a": func(int) string { return "a" }, "a and b": func(i int) string { return "ab"[i%2 : i%2+1] }} {
		if got := asked(own); !slices.Equal(got.Probabilities, b.Probabilities) {
			t.Errorf("probabilities: got %v with its patient labelled %s, want %v as with b", got.Probabilities, labels, b.Probabilities)
		}
	}
}

// deleting is a catalog in which an instance is deleted once it has been listed.
type deleting struct {
	store.Catalog
	id string
}

func (d deleting) Vector(ctx context.Context, collection, id string) ([]float32, error) {
	if id == d.id {
		return nil, fmt.Errorf("%s: %w", id, store.ErrInstance)
	}
	return d.Catalog.Vector(ctx, collection, id)
}

func TestAnImageDeletedMeanwhileIsLeftOut(t *testing.T) {
	s, catalog := newService(t, false)
	records, _ := twoClasses(emptied(t, s, kindTask), 40)
	put(t, catalog, records...)
	s.Catalog = deleting{catalog, "p3.1"}
	r := review(t, s, api.ReviewOptions{Limit: 100, EveryImage: true})
	if r.Instances != 79 || r.Labelled != 79 || r.Patients != 40 {
		t.Errorf("review: %d images, %d labelled, of %d patients, want 79, 79 and 40", r.Instances, r.Labelled, r.Patients)
	}
	for _, list := range r.Lists {
		if list.Problem != "" || slices.Contains(ids(list.Items), "p3.1") {
			t.Errorf("%s: problem %q, items %v, want those that are left", list.Kind, list.Problem, ids(list.Items))
		}
	}
	if e, err := s.Evaluate(t.Context(), "c", api.EvaluateOptions{Rounds: 100, Methods: []string{"votes"}}, nil); err != nil || e.Data.Images != 79 {
		t.Errorf("Evaluate: got %d images, %v, want 79", e.Data.Images, err)
	}
}

func TestNovelAndDiverseImagesAreFarFromTheRest(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, kindTask)
	records, _ := twoClasses(fingerprint, 40)
	put(t, catalog, records...)
	put(t, catalog, record(fingerprint, "odd", "o", "", 0, 0, 1, 0), record(fingerprint, "odd too", "o", "", 0, 0, 1, .01), record(fingerprint, "odder", "x", "", 0, 0, 0, -1),
		record(fingerprint, "usual", "y", "", 1, 0, 0, 0))
	novel := only(t, s, api.ReviewOptions{Limit: 2}, api.ReviewNovel)
	if got := ids(novel.Items); len(got) != 2 || !strings.HasPrefix(got[0], "odd") || !strings.HasPrefix(got[1], "odd") || novel.Items[0].Patient == novel.Items[1].Patient || *novel.Items[0].Percentile < .9 {
		t.Errorf("novel: got %+v, want one of each odd patient", novel.Items)
	}
	diverse := only(t, s, api.ReviewOptions{}, api.ReviewDiverse)
	got := ids(diverse.Items)
	if len(got) != 3 || !strings.HasPrefix(got[0], "odd") || !strings.HasPrefix(got[1], "odd") || got[2] != "usual" || diverse.Judged != 4 || len(diverse.Notes) > 0 {
		t.Errorf("diverse: got %v of %d, want those without a label, one of each patient", got, diverse.Judged)
	}
	if _, err := s.Label(t.Context(), "c", []api.LabelRequest{{Instance: "odd", Task: "kind", Classes: []string{"a"}}}); err != nil {
		t.Fatal(err)
	}
	if got := ids(only(t, s, api.ReviewOptions{}, api.ReviewDiverse).Items); got[0] != "odder" || got[2] != "odd too" {
		t.Errorf("diverse once an odd image is labelled: got %v, want its twin last", got)
	}
}

// Law: no evidence is of the image's own patient, study or image, and each list
// has each image once.
func TestNoEvidenceIsOfTheImagesOwnPatient(t *testing.T) {
	s, catalog := newService(t, false)
	rapid.Check(t, func(rt *rapid.T) {
		records := drawRecords(rt, emptied(t, s, finding))
		put(t, catalog, records...)
		own := map[string]map[string]bool{}
		for _, r := range records {
			own[r.Instance.ID] = belongTogether(records, r)
		}
		o := api.ReviewOptions{Limit: 100, EveryImage: rapid.Bool().Draw(rt, "every image")}
		for _, list := range review(t, s, o).Lists {
			seen := map[string]bool{}
			for _, item := range list.Items {
				if seen[item.ID] {
					rt.Errorf("%s: %s is there twice", list.Kind, item.ID)
				}
				seen[item.ID] = true
				for _, n := range item.Neighbours {
					if own[item.ID][n.ID] {
						rt.Errorf("%s: neighbour %s of %s is of its own patient, study or image", list.Kind, n.ID, item.ID)
					}
				}
			}
			if list.Problem != "" && len(list.Items) > 0 {
				rt.Errorf("%s: got items and problem %q", list.Kind, list.Problem)
			}
		}
	})
}

func TestWhatCannotBeListedSaysWhy(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s)
	problems := func(o api.ReviewOptions) (all []string) {
		for _, list := range review(t, s, o).Lists {
			all = append(all, list.Problem)
		}
		return all
	}
	check := func(state string, want ...string) {
		t.Helper()
		got := problems(api.ReviewOptions{})
		for i := range want {
			if (want[i] == "") != (got[i] == "") || !strings.Contains(got[i], want[i]) {
				t.Errorf("%s, %s: got problem %q, want %q", state, []string{"label errors", "duplicates", "uncertain", "novel", "diverse"}[i], got[i], want[i])
			}
		}
	}
	empty := "the collection has no images"
	check("an empty collection", empty, empty, empty, empty, empty)
	records, _ := twoClasses(fingerprint, 40)
	for i := range records {
		records[i].Labels = nil
	}
	put(t, catalog, records[:10]...)
	check("no task and few patients", "the collection has no task yet", "", "the collection has no task yet", "images of fewer than 19 patients", "")
	put(t, catalog, records[10:]...)
	if _, err := s.Declare(t.Context(), "c", []store.Task{kindTask}); err != nil {
		t.Fatal(err)
	}
	check("no labels", "no instance has one", "", "no instance has one", "", "")
	label := func(class string, n int) {
		for i := range n {
			id := records[i*2].Instance.ID
			if _, err := s.Label(t.Context(), "c", []api.LabelRequest{{Instance: id, Task: "kind", Classes: []string{class}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	label("a", 10)
	check("one class", "all of one class", "", "all of one class", "", "")
	label("b", 3)
	few := fmt.Sprintf("want %d of each", probe.MinCalibrated)
	check("few of a class", few, "", few, "", "")
	if _, err := s.Declare(t.Context(), "c", []store.Task{finding}); err != nil {
		t.Fatal(err)
	}
	check("two tasks", "name the task, one of kind, finding", "", "name the task, one of kind, finding", "", "")
	for o, want := range map[*api.ReviewOptions]error{
		{Task: "age"}: store.ErrTask, {Kinds: []string{"odd"}}: api.ErrQuery, {Limit: -1}: api.ErrQuery, {Limit: 10_001}: api.ErrQuery,
		{Similarity: 2}: api.ErrQuery, {Filter: new(store.Among("PatientName", "x"))}: store.ErrInvalid,
	} {
		if _, err := s.Review(t.Context(), "c", *o, nil); !errors.Is(err, want) {
			t.Errorf("Review %+v: got %v, want %v", *o, err, want)
		}
	}
	if _, err := s.Review(t.Context(), "none", api.ReviewOptions{}, nil); !errors.Is(err, store.ErrCollection) {
		t.Errorf("Review of no collection: got %v, want ErrCollection", err)
	}
}
