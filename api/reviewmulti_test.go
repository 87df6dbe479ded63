package api_test

import (
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

// Findings are judged one by one, as present or absent, and what a label does not
// say is not judged.
func TestFindingsAreReviewedOneByOne(t *testing.T) {
	s, catalog := newService(t, false)
	marks := store.Task{Name: "marks", Multi: true, Classes: []string{"drain", "line"}}
	records, _ := twoClasses(emptied(t, s, marks), 60)
	var silent int
	for i := range records {
		l := store.Label{Task: "marks"}
		if i/2%2 == 1 {
			l.Classes = []string{"line"}
		}
		switch {
		case i == 23: // of b
			l.Classes = nil
		case i == 40: // of a
			l.Classes = []string{"line"}
		case i%7 == 0:
			l = store.Label{Task: "marks", Partial: true, Uncertain: []string{"line"}}
			silent++
		}
		if i%4 == 3 {
			records[i].Instance.Metadata = map[string]string{"Modality": "CR"}
		}
		records[i].Labels = []store.Label{l}
	}
	records[22].Labels = nil
	put(t, catalog, records...)
	list := only(t, s, api.ReviewOptions{Task: "marks", Limit: 2}, api.ReviewLabelErrors)
	got := ids(list.Items)
	slices.Sort(got)
	if !slices.Equal(got, []string{"p11.1", "p20.0"}) || list.Judged != len(records)-1-silent {
		t.Errorf("label errors: got %v of %d, want the two wrong ones of %d labels of line", got, list.Judged, len(records)-1-silent)
	}
	for _, i := range list.Items {
		if i.Finding != "line" || i.ID == "p20.0" && (i.Given != "present" || !strings.HasPrefix(i.Reason, "line given as present, but images of other patients say absent with ")) {
			t.Errorf("label error: got %+v", i)
		}
	}
	if !slices.ContainsFunc(list.Notes, func(n string) bool { return strings.Contains(n, "drain") }) {
		t.Errorf("notes: got %q, want why there is nothing on drain", list.Notes)
	}
	uncertain := only(t, s, api.ReviewOptions{}, api.ReviewUncertain)
	if first := uncertain.Items[0]; first.ID != "p11.0" || len(first.Probabilities) != 1 || !strings.HasPrefix(first.Reason, "no label; the probe is least sure of line: ") {
		t.Errorf("uncertain: got %+v, want the image without a label", first)
	}
	for _, list := range review(t, s, api.ReviewOptions{Filter: new(store.Among("Modality", "CR")), Limit: 100}).Lists {
		for _, i := range list.Items {
			if list.Kind != api.ReviewDuplicates && !strings.HasSuffix(i.ID, ".1") {
				t.Errorf("%s: got %s, want those of the modality alone", list.Kind, i.ID)
			}
		}
		if list.Kind != api.ReviewDuplicates && len(list.Items) < 10 {
			t.Errorf("%s: got %d items, want those of the modality", list.Kind, len(list.Items))
		}
	}
}
