package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
)

func TestAWorklistIsAnsweredAndMadeInTheBackground(t *testing.T) {
	w := cases(t, 26)
	const at, body = "/v1/collections/cases/review", `{"task":"finding","limit":3}`
	a := w.json(http.MethodPost, at, body).want(200)
	r := decoded[api.Review](a)
	if len(r.Lists) != 5 || r.Task != "finding" || r.Instances != 26 || r.Labelled != 26 || r.Patients != 26 || r.Collection != "cases" || r.Watermark == 0 {
		t.Fatalf("review: got %s, want five lists of 26 images", a.body)
	}
	for _, list := range r.Lists {
		if list.Problem != "" || list.Kind != api.ReviewDuplicates && len(list.Items) != 3 {
			t.Errorf("%s: got %+v, want three items", list.Kind, list)
		}
	}
	for _, key := range []string{`"rank":1`, `"reason":"`, `"probability":0`, `"alternative":0`, `"neighbours":[{"id":"`, `"neighbour_labels":{`, `"percentile":`} {
		if !strings.Contains(string(a.body), key) {
			t.Errorf("review: got %s, want %s in it", a.body, key)
		}
	}
	j := w.awaited(decoded[problem.Job](w.json(http.MethodPost, at+"?background=true", body).want(202)).ID)
	if j.State != api.JobDone || j.Kind != "review" || j.Done != j.Total || j.Total == 0 || string(j.Result) != strings.TrimSpace(string(a.body)) {
		t.Errorf("review in the background: got %s, %d of %d and %d bytes, want all of it done with the same answer", j.State, j.Done, j.Total, len(j.Result))
	}
}

func TestBadWorklistsAreRefused(t *testing.T) {
	w := cases(t, 2)
	const at = "/v1/collections/cases/review"
	w.json(http.MethodPost, at, `{"kinds":["odd"]}`).problem(422, "query_invalid")
	w.json(http.MethodPost, at, `{"limit":10001}`).problem(422, "query_invalid")
	w.json(http.MethodPost, at, `{"task":"age"}`).problem(422, "task_not_found")
	w.json(http.MethodPost, at, `{"odd":1}`).problem(400, problem.JSONInvalid)
	w.json(http.MethodPost, at+"?limit=3", `{}`).problem(400, problem.QueryParameter)
	w.json(http.MethodPost, "/v1/collections/none/review", `{}`).problem(404, "collection_not_found")
	r := decoded[api.Review](w.json(http.MethodPost, at, `{"kinds":["novel","label_errors"],"task":"finding"}`).want(200))
	if len(r.Lists) != 2 || r.Lists[0].Kind != "label_errors" || r.Lists[0].Problem == "" || r.Lists[1].Problem == "" || r.Lists[0].Items == nil {
		t.Errorf("review of two images: got %+v, want the reasons why there are no lists", r.Lists)
	}
}
