package rest_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
	"nearcase/store"
)

// clinic is a world whose patients have pseudonyms, with n images of patients
// MRN-1000 and on.
func clinic(t *testing.T, n int) *world {
	w := open(t, api.Options{Privacy: api.Privacy{Key: []byte("0123456789abcdef")}}, rest.Options{})
	w.json(http.MethodPost, "/v1/collections", `{"name":"cases","description":"Films","model":"quadrants","tasks":[{"name":"finding","classes":["dark","light"]}]}`).want(201)
	f := newForm(t)
	for i := range n {
		f.part("metadata", fmt.Sprintf(`{"id":"1.2.840.99999.%d","patient":"MRN-%d","labels":{"finding":["light"]}}`, i, 1000+i))
		f.part("image", string(picture(t, uint64(i))))
	}
	w.form("/v1/collections/cases/instances", f).want(200)
	return w
}

func TestAPatientIsErasedOverHTTP(t *testing.T) {
	w := clinic(t, 4)
	const at = "/v1/collections/cases/erasures"
	w.json(http.MethodPost, at, `{"patient":"MRN-1001","confirm":"MRN-1002"}`).problem(422, problem.NotConfirmed)
	w.json(http.MethodPost, at, `{"patient":"MRN-9","confirm":"MRN-9"}`).problem(422, "instance_not_found")
	w.json(http.MethodPost, at, `{"patient":"MRN-9","confirm":"MRN-9","why":1}`).problem(400, problem.JSONInvalid)
	w.json(http.MethodPost, "/v1/collections/none/erasures", `{"patient":"MRN-9","confirm":"MRN-9"}`).problem(404, "collection_not_found")
	first := decoded[api.Receipt](w.json(http.MethodPost, at, `{"patient":"MRN-1001","confirm":"MRN-1001"}`).want(200))
	if !first.IsVerified() || first.Instances != 1 || first.Labels != 1 || first.Originals != 1 || first.Check(nil) != nil {
		t.Errorf("erasure: got %+v, want it verified", first)
	}
	w.get("/v1/collections/cases/instances/1.2.840.99999.1").problem(404, "instance_not_found")
	a := w.json(http.MethodPost, at+"?background=true", `{"patient":"MRN-1002","confirm":"MRN-1002"}`).want(202)
	j := w.awaited(decoded[problem.Job](a).ID)
	if j.State != api.JobDone || j.Kind != api.KindErase || strings.Contains(string(j.Parameters), "MRN") {
		t.Errorf("erasure in the background: got %+v with %+v", j, j.Problem)
	}
	list := decoded[struct {
		Receipts []api.Receipt
		Problem  string
	}](w.get("/v1/erasures").want(200))
	if len(list.Receipts) != 2 || list.Problem != "" || list.Receipts[1].Check(&list.Receipts[0]) != nil {
		t.Errorf("receipts: got %+v, want both in a chain", list)
	}
	if one := decoded[api.Receipt](w.get("/v1/erasures/" + first.ID).want(200)); one.Hash != first.Hash {
		t.Errorf("receipt: got %+v, want %+v", one, first)
	}
	w.get("/v1/erasures/none").problem(404, "receipt_not_found")
	w.forge(first)
}

// forge changes a receipt, which is told.
func (w *world) forge(r api.Receipt) {
	t := w.t
	t.Helper()
	documents, err := w.catalog.Documents(t.Context(), "erasure")
	if err == nil {
		err = w.catalog.SaveDocument(t.Context(), "erasure", documents[0].Name, []byte(strings.Replace(string(documents[0].Data), `"labels":1`, `"labels":0`, 1)))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.get("/v1/erasures/"+r.ID).problem(500, "receipt_changed")
	if a := w.get("/v1/erasures").want(200); !strings.Contains(string(a.body), r.ID+": "+api.ErrForged.Error()) {
		t.Errorf("receipts: got %s, want the one that was changed named", a.body)
	}
}

func TestTheStoreIsCompactedOverHTTP(t *testing.T) {
	w := clinic(t, 4)
	w.send(http.MethodDelete, "/v1/collections/cases/instances/1.2.840.99999.3", "", "").want(204)
	if s := decoded[store.Statistics](w.get("/v1/collections/cases/statistics").want(200)); s.Deleted != 1 || s.Instances != 3 || s.Tasks["finding"].Classes["light"] != 3 {
		t.Errorf("statistics: got %+v, want 3 instances and 1 deleted", s)
	}
	a := w.send(http.MethodPost, "/v1/compactions", "", "").want(202)
	j := decoded[problem.Job](a)
	if a.header.Get("Location") != "/v1/jobs/"+j.ID || j.Kind != api.KindCompact {
		t.Errorf("compaction: got %+v at %s", j, a.header.Get("Location"))
	}
	if j = w.awaited(j.ID); j.State != api.JobDone || !strings.Contains(string(j.Result), `"kept":`) || j.Done != j.Total || j.Total == 0 {
		t.Errorf("compaction: got %+v, want all of it done", j)
	}
	if s := decoded[store.Statistics](w.get("/v1/collections/cases/statistics").want(200)); s.Deleted != 0 {
		t.Errorf("statistics after a compaction: got %+v, want none deleted", s)
	}
	w.get("/v1/collections/none/statistics").problem(404, "collection_not_found")
}

func TestACollectionIsAmendedOverHTTP(t *testing.T) {
	w := clinic(t, 2)
	const at = "/v1/collections/cases"
	if c := decoded[api.Collection](w.get(at).want(200)); c.Description != "Films" {
		t.Errorf("collection: got %+v, want its description", c)
	}
	w.json(http.MethodPatch, at, `{"discard_originals":true}`).problem(422, problem.NotConfirmed)
	w.json(http.MethodPatch, at, `{"name":"other"}`).problem(400, problem.JSONInvalid)
	w.json(http.MethodPatch, at, `{"description":"\u0000"}`).problem(422, "invalid")
	w.json(http.MethodPatch, "/v1/collections/none", `{"description":"x"}`).problem(404, "collection_not_found")
	c := decoded[api.Collection](w.json(http.MethodPatch, at, `{"description":"Films of 2026","discard_originals":true,"confirm":"cases"}`).want(200))
	if c.Description != "Films of 2026" || !c.DiscardOriginals || c.Status.Instances != 2 {
		t.Errorf("amended: got %+v", c)
	}
	w.get(at+"/instances/1.2.840.99999.0/original").problem(404, "original_not_stored")
	left := 0
	if err := filepath.WalkDir(filepath.Join(w.dir, "originals"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left++
		}
		return err
	}); err != nil || left != 0 {
		t.Errorf("originals: %d left, %v, want none", left, err)
	}
}
