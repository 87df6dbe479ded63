package api_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/store"
)

// Each example of docs/filters.md lets some images of this collection pass and not
// others.
func TestTheExamplesOfFiltersWork(t *testing.T) {
	text, err := os.ReadFile("../docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s,
		store.Task{Name: "finding", Classes: []string{"normal", "pneumonia"}},
		store.Task{Name: "findings", Multi: true, Classes: []string{"edema", "effusion"}})
	early, late := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	of := func(i store.Instance, labels ...store.Label) {
		put(t, catalog, store.Record{Instance: i, Vector: unit(1, 0, 0, 0), Fingerprint: fingerprint, Labels: labels})
	}
	of(store.Instance{ID: "a", Patient: "MRN-12345", Study: "1.2.3.9", Name: "ward 3/a.dcm", Width: 1024, Metadata: map[string]string{
		"Modality": "CR", "PatientAge": "040Y", "AcquisitionDate": "20260301", "BodyPartExamined": "CHEST"}},
		store.Label{Task: "finding", Classes: []string{"pneumonia"}, Reader: "anna", Confidence: 0.5, Time: late},
		store.Label{Task: "finding", Classes: []string{"normal"}, Reader: "ben", Confidence: 0.4, Time: late},
		store.Label{Task: "findings", Uncertain: []string{"edema"}, Source: "reader 2", Time: late})
	of(store.Instance{ID: "b", Patient: "p", Study: "1.2.3.1", Name: "ward 4/b.dcm", Width: 256, Metadata: map[string]string{
		"Modality": "DX", "PatientAge": "009Y", "AcquisitionDate": "20250301"}},
		store.Label{Task: "finding", Classes: []string{"normal"}, Time: early},
		store.Label{Task: "findings", Classes: []string{"effusion"}, Source: "reader 1", Time: early})
	of(store.Instance{ID: "c", Metadata: map[string]string{"BodyPartExamined": "CHEST"}})
	examples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(text, -1)
	for _, example := range examples {
		page, err := s.List(t.Context(), "c", api.ListOptions{Filter: filterOf(t, string(example[1])), Count: true})
		if err != nil {
			t.Errorf("%s: %v", example[1], err)
		} else if *page.Count == 0 || *page.Count == 3 {
			t.Errorf("%s: passed by %d of 3 images, want some and not all: %v", example[1], *page.Count, fmt.Sprint(idsOf(page)))
		}
	}
	if len(examples) < 10 {
		t.Errorf("docs/filters.md has %d examples, want all of them found", len(examples))
	}
}
