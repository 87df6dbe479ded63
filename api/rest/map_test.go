package rest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/keys"
	"nearcase/api/rest"
)

func TestTheMapOfACollection(t *testing.T) {
	w := open(t, api.Options{Refit: api.Refit{When: api.Never}}, rest.Options{}) // a version that is fitted meanwhile is another map
	w.fill(20)
	got := w.get(at + "/map").want(200)
	m := decoded[api.Map](got)
	if len(m.IDs) != 20 || m.IDs[0] != "i0" || len(m.Coordinates) != 40 || m.Instances != 20 || m.Sampled || len(m.Tasks) != 2 {
		t.Errorf("map: got %s", got.body)
	}
	for i, task := range m.Tasks[0].Labels {
		if task != int32(i%2) {
			t.Errorf("label of %s: got %d, want %d", m.IDs[i], task, i%2)
		}
	}
	if strings.Contains(string(got.body), `"p1"`) {
		t.Errorf("the map tells of patients: %s", got.body)
	}
	again := w.request(http.MethodGet, at+"/map", "", nil)
	again.Header.Set("If-None-Match", got.header.Get("ETag"))
	if a := w.do(again); a.status != http.StatusNotModified {
		t.Errorf("the map that is known: got %d, want 304", a.status)
	}
	w.json(http.MethodPost, at+"/labels", `{"labels":[{"instance":"i0","task":"finding","classes":["light"]}]}`).want(200)
	if a := w.do(again); a.status != http.StatusOK || a.header.Get("ETag") == got.header.Get("ETag") {
		t.Errorf("the map after a label: got %d, %s, want another", a.status, a.header.Get("ETag"))
	}
	few := decoded[api.Map](w.get(at + "/map?components=3&limit=4&tasks=marks&filter=" + url.QueryEscape(`{"field":"patient","in":["p1","p2","p3","p4","p5","p6","p7","p8"]}`)).want(200))
	if len(few.IDs) != 4 || len(few.Coordinates) != 12 || !few.Sampled || few.Instances != 8 || len(few.Tasks) != 1 || few.Tasks[0].Name != "marks" {
		t.Errorf("a part of the map: got %+v", few)
	}
	for query, want := range map[string]verdict{
		"?components=1": {400, "query_parameter", "components"}, "?components=33": {400, "query_parameter", "components"}, "?limit=100001": {400, "query_parameter", "limit"},
		"?limit=0": {400, "query_parameter", "limit"}, "?filter=%7B": {400, "query_parameter", "filter"}, "?tasks=none": {422, "task_not_found", "none"}, "?x=1": {400, "query_parameter", "x"},
	} {
		if p := w.get(at+"/map"+query).problem(want.status, want.code); !strings.Contains(p.Detail, want.detail) {
			t.Errorf("map%s: got %q, want %q in it", query, p.Detail, want.detail)
		}
	}
	w.get("/v1/collections/none/map").problem(404, "collection_not_found")
	quiet(t, w)
}

func TestAMapIsOfACollectionThatTheKeyIsFor(t *testing.T) {
	g := guard(t, rest.Options{})
	g.json(http.MethodPost, "/v1/collections", `{"name":"other","model":"quadrants"}`).want(201)
	for collection, want := range map[string]int{"cases": 200, "other": 403} {
		r := g.request(http.MethodGet, at+"/map", "", nil)
		r.Header.Set("Authorization", "Bearer "+g.key([]string{collection}, keys.Read))
		if a := g.do(r); a.status != want {
			t.Errorf("map of cases by a key for %s: got %d %s, want %d", collection, a.status, a.body, want)
		}
	}
}
