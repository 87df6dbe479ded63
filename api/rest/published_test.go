package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"nearcase/api"
	"nearcase/api/rest"
)

func TestTheContractIsPublished(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	a := w.get("/openapi.json").want(200)
	doc, err := openapi3.NewLoader().LoadFromData(a.body)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Errorf("/openapi.json: %v", err)
	}
	if want := document(t); doc.Paths.Len() != want.Paths.Len() || len(doc.Components.Schemas) != len(want.Components.Schemas) || strings.Contains(string(a.body), "x-go-") {
		t.Errorf("/openapi.json: got %d paths and %d schemas, want those of openapi.yaml without names of Go", doc.Paths.Len(), len(doc.Components.Schemas))
	}
	page := w.get("/reference")
	for _, item := range doc.Paths.Map() {
		for _, o := range item.Operations() {
			if !strings.Contains(string(page.body), `<article id="`+o.OperationID+`">`) {
				t.Errorf("/reference: got nothing of %s", o.OperationID)
			}
		}
	}
	if policy := page.header.Get("Content-Security-Policy"); page.status != 200 || !strings.Contains(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("/reference: got %d with policy %q, want its own style alone", page.status, policy)
	}
}

// Who has the contract already is told so.
func TestThePublishedContractIsCached(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	for _, path := range []string{"/openapi.json", "/reference"} {
		tag := w.get(path).header.Get("ETag")
		for has, status := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, "": 200} {
			r := w.request(http.MethodGet, path, "", nil)
			if has != "" {
				r.Header.Set("If-None-Match", has)
			}
			if a := w.do(r); a.status != status || a.header.Get("ETag") != tag || a.header.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s with If-None-Match %s: got %d, tag %s and %s, want %d", path, has, a.status, a.header.Get("ETag"), a.header.Get("Cache-Control"), status)
			}
		}
	}
}
