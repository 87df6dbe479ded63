package api_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
)

// verified is what Verify returns of a whole service.
func verified(t *testing.T, s *api.Service, o api.VerifyOptions) api.Verified {
	t.Helper()
	v, err := s.Verify(t.Context(), o, nil)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return v
}

// kept fills the collection "c" with labelled pictures.
func kept(t *testing.T, s *api.Service, n int) {
	t.Helper()
	emptied(t, s, finding)
	var images []api.Image
	for i := range n {
		data := shade(t, 11*i)
		images = append(images, api.Image{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", i),
			Labels: map[string][]string{"finding": {finding.Classes[i%2]}}, Read: func() ([]byte, error) { return data, nil }})
	}
	for item, err := range s.Ingest(t.Context(), "c", slices.Values(images), api.IngestOptions{}) {
		if err != nil || item.Err != nil {
			t.Fatal(err, item.Err)
		}
	}
}

func TestVerifyFindsNothingInAWholeStore(t *testing.T) {
	s, _ := newService(t, false)
	kept(t, s, 20)
	v := verified(t, s, api.VerifyOptions{Sample: 5})
	if !v.IsWhole() || v.Found != 0 || v.Embedded != 5 || v.Probes != 1 || v.Read[store.OfOriginal] != 20 || v.Read[store.OfVector] != 20 {
		t.Errorf("Verify: got %+v, want nothing found in 20 originals and vectors, 5 embedded again and 1 probe", v)
	}
	if v.Furthest == nil || *v.Furthest < 0.999999 || v.Difference == nil || *v.Difference > 1e-9 {
		t.Errorf("Verify: similarity %v and difference %v, want about 1 and 0", v.Furthest, v.Difference)
	}
}

// What the probes have followed one by one is what a fit to all labels gives.
func TestVerifyComparesProbesThatHaveFollowedLabels(t *testing.T) {
	s, _ := newService(t, false)
	kept(t, s, 20)
	verified(t, s, api.VerifyOptions{})
	for i := range 7 {
		if _, err := s.Label(t.Context(), "c", []api.LabelRequest{{Instance: fmt.Sprint("i", i), Task: "finding", Classes: []string{finding.Classes[1]}, Reader: "r"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Probes(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Catalog.Delete(t.Context(), "c", "i9"); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, s, api.VerifyOptions{Sample: -1}); v.Found != 0 || v.Probes != 1 || v.Embedded != 0 {
		t.Errorf("Verify: got %+v, want one probe and no finding", v)
	}
}

// misplaced stores a picture under the vector of another.
func misplaced(t *testing.T, catalog store.Catalog, id, patient string) {
	t.Helper()
	c, err := catalog.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	data := shade(t, 200)
	put(t, catalog, store.Record{Vector: unit(1, 0, 0, 0), Fingerprint: c.Fingerprint, Original: data,
		Instance: store.Instance{ID: id, Patient: patient, Digest: fmt.Sprintf("%x", sha256.Sum256(data)), MediaType: "image/png"}})
}

// A vector that its model does not make of the original is found, even though its
// checksum is right.
func TestVerifyFindsAVectorOfAnotherImage(t *testing.T) {
	s, catalog := newService(t, false)
	kept(t, s, 3)
	misplaced(t, catalog, "wrong", "")
	v := verified(t, s, api.VerifyOptions{Sample: 100})
	if v.IsWhole() || v.Found != 1 || v.Findings[0].Name != "wrong" || v.Findings[0].What != store.OfVector {
		t.Errorf("Verify: got %+v, want the vector of instance wrong found", v.Findings)
	}
}

func TestVerifyNamesAModelThatIsAnother(t *testing.T) {
	s, catalog := newService(t, false)
	kept(t, s, 3)
	o := api.Options{Catalog: catalog, Refit: api.Refit{When: api.Never}, OpenModel: func(string) (*embed.Model, error) {
		return embed.NewModel(small, strings.Repeat("9", 64), means{})
	}}
	other := api.New(o)
	v := verified(t, other, api.VerifyOptions{})
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if v.Found != 1 || v.Findings[0].What != store.OfModel {
		t.Errorf("Verify: got %+v, want the model found", v.Findings)
	}
}
