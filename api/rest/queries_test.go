package rest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
)

func TestListsAreFilteredAndSortedOverHTTP(t *testing.T) {
	w := cases(t, 9)
	const at = "/v1/collections/cases/instances"
	filter := "&filter=" + url.QueryEscape(`{"any":[{"field":"id","in":["i1","i3","i5"]},{"field":"patient","eq":"p7"}]}`)
	var ids []string
	for cursor := ""; ; {
		page := decoded[api.Page](w.get(at + "?sort=id&order=desc&limit=3&count=true" + filter + cursor).want(200))
		for _, i := range page.Instances {
			ids = append(ids, i.ID)
		}
		if *page.Count != 4 {
			t.Errorf("list: counts %d, want 4", *page.Count)
		}
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
		w.get(at+"?sort=name"+cursor).problem(400, "cursor_invalid")
	}
	if got := strings.Join(ids, " "); got != "i7 i5 i3 i1" {
		t.Errorf("list: got %s, want i7 to i1", got)
	}
	for query, code := range map[string]problem.Code{
		"?sort=score": problem.QueryParameter, "?order=up": problem.QueryParameter, "?after=3": problem.QueryParameter, "?count=maybe": problem.QueryParameter,
		"?cursor=x": "cursor_invalid", "?filter=x": problem.QueryParameter, "?filter=%7B%22filed%22%3A1%7D": problem.QueryParameter,
		"?limit=1001": problem.QueryParameter, "?filter=" + url.QueryEscape(`{"field":"Modality","eq":3}`): "invalid",
		"?filter=" + url.QueryEscape(`{"task":"age","labelled":true}`):   "task_not_found",
		"?filter=" + url.QueryEscape(`{"task":"finding","has":["odd"]}`): "class_not_found",
	} {
		a := w.get(at + query)
		if p := a.problem(a.status, code); a.status/100 != 4 {
			t.Errorf("list %s: got %+v", query, p)
		}
	}
}

func TestInstancesAreDeletedByFilter(t *testing.T) {
	w := cases(t, 9)
	const at = "/v1/collections/cases/instances/delete"
	const some = `"filter":{"field":"id","in":["i1","i2","x"]}`
	if got := decoded[api.Swept](w.json(http.MethodPost, at, `{`+some+`,"dry_run":true}`).want(200)); got != (api.Swept{Matched: 2, DryRun: true}) {
		t.Errorf("dry run: got %+v, want 2 that match", got)
	}
	w.json(http.MethodPost, at, `{`+some+`,"expected":3}`).problem(409, "count_differs")
	w.json(http.MethodPost, at, `{`+some+`}`).problem(422, "query_invalid")
	w.json(http.MethodPost, at, `{`+some+`,"confirm":"other"}`).problem(422, "query_invalid")
	w.json(http.MethodPost, at, `{"dry_run":true}`).problem(400, problem.JSONInvalid)
	w.json(http.MethodPost, at, `{"filter":{},"dry_run":true}`).problem(422, "invalid")
	w.json(http.MethodPost, "/v1/collections/none/instances/delete", `{`+some+`,"dry_run":true}`).problem(404, "collection_not_found")
	if got := decoded[api.Swept](w.json(http.MethodPost, at, `{`+some+`,"expected":2}`).want(200)); got != (api.Swept{Matched: 2, Deleted: 2}) {
		t.Errorf("delete: got %+v, want 2 deleted", got)
	}
	job := decoded[problem.Job](w.json(http.MethodPost, at+"?background=true", `{"filter":{"field":"id","eq":"i3"},"confirm":"cases"}`).want(202))
	ended := decoded[problem.Job](w.get("/v1/jobs/" + job.ID + "?wait=10s").want(200))
	if string(ended.Result) != `{"matched":1,"deleted":1}` || ended.Kind != "delete" {
		t.Errorf("delete in the background: got %s of %+v", ended.Result, ended.Job)
	}
	if page := decoded[api.Page](w.get("/v1/collections/cases/instances?count=true").want(200)); *page.Count != 6 {
		t.Errorf("list: counts %d, want 6", *page.Count)
	}
}

func TestSeveralQueriesInOneRequest(t *testing.T) {
	w := cases(t, 9)
	const similar, classify = "/v1/collections/cases/similar/batch", "/v1/collections/cases/classify/batch"
	a := w.json(http.MethodPost, similar, `{"queries":[{"instance":"i0","k":2},{"instance":"none"},{"like":["i1"],"unlike":["i2"],"k":1}]}`).want(207)
	got := decoded[problem.Answers[api.Similar]](a)
	if got.Counts != (problem.Counts{OK: 2, Failed: 1}) || len(got.Items) != 3 || got.RequestID != a.header.Get("X-Request-Id") {
		t.Fatalf("batch: got %+v, want two of three", got)
	}
	for i, item := range got.Items {
		if item.Index != i || (item.Problem != nil) != (i == 1) || (item.Status == "answered") != (i != 1) {
			t.Errorf("batch: item %d is %+v", i, item)
		}
	}
	if p := got.Items[1].Problem; p.Code != "instance_not_found" || p.Status != 422 {
		t.Errorf("batch: got %+v for an unknown instance", p)
	}
	one := decoded[api.Similar](w.json(http.MethodPost, "/v1/collections/cases/similar", `{"instance":"i0","k":2}`).want(200))
	if one.RequestID == "" || one.RequestID == got.RequestID || fmt.Sprint(one.Cases) != fmt.Sprint(got.Items[0].Answer.Cases) {
		t.Errorf("batch: got %+v, alone %+v", got.Items[0].Answer, one)
	}
	f := newForm(t)
	f.part("image", string(picture(t, 70)))
	f.part("query", `{"instance":"i0"}`)
	f.part("query", `{"patient":"p1"}`)
	f.part("image", string(picture(t, 71)))
	f.part("query", `{"instance":"i2"}`)
	classes := decoded[problem.Answers[api.Classification]](w.form(classify, f).want(200))
	if classes.Counts.OK != 4 || classes.Items[1].Answer.Query.Instance != "i0" || classes.Items[2].Answer.Query.Excluded != 1 || classes.Items[0].Answer.RequestID != classes.RequestID {
		t.Errorf("batch by form: got %+v, want an image, i0, an image of p1, and i2", classes)
	}
	w.json(http.MethodPost, similar, `{"queries":[{"instance":"none"},{"instance":"neither"}]}`).problem(422, "instance_not_found")
	w.json(http.MethodPost, similar, `{"queries":[]}`).problem(422, "query_invalid")
	w.json(http.MethodPost, similar, `{"queries":[{"instance":"i0","where":{}}]}`).problem(400, problem.JSONInvalid)
	w.json(http.MethodPost, similar, `{"queries":[`+strings.Repeat(`{"instance":"i0"},`, 1000)+`{"instance":"i0"}]}`).problem(422, "query_invalid")
	w.json(http.MethodPost, "/v1/collections/none/classify/batch", `{"queries":[{"instance":"i0"}]}`).problem(404, "collection_not_found")
	w.send(http.MethodPost, similar, "image/png", "x").problem(415, problem.MediaTypeUnknown)
	w.form(similar, newForm(t)).problem(422, "query_invalid")
	odd := newForm(t)
	odd.part("query", `{"instance":"i0"}`)
	odd.part("odd", "x")
	w.form(similar, odd).problem(400, problem.MultipartInvalid)
}

func TestStudiesExamplesAndFieldsOverHTTP(t *testing.T) {
	w := cases(t, 9)
	const at = "/v1/collections/cases/similar"
	for query, want := range map[string]string{
		`{"like":["i0"],"k":3,"fields":["labels"]}`:             "",
		`{"instance":"i0","group_by":"patient","k":3}`:          "",
		`{"instance":"i0","exclude":{"instances":["i1","i2"]}}`: "i1",
	} {
		a := decoded[api.Similar](w.json(http.MethodPost, at, query).want(200))
		for _, c := range a.Cases {
			if c.ID == want || strings.Contains(query, "fields") && (c.Patient != "" || len(c.Labels) == 0) {
				t.Errorf("similar %s: got %+v", query, c)
			}
		}
	}
	for query, code := range map[string]problem.Code{
		`{"instance":"i0","fields":["pixels"]}`:                        "query_invalid",
		`{"instance":"i0","group_by":"series"}`:                        "query_invalid",
		`{"instance":"i0","one_per_patient":true}`:                     problem.JSONInvalid,
		`{"instance":"i0","exclude":{"series":["x"]}}`:                 problem.JSONInvalid,
		`{"unlike":["i0"]}`:                                            "query_invalid",
		`{"study":"none"}`:                                             "instance_not_found",
		`{"instance":"i0","filter":{"all":[]}}`:                        problem.JSONInvalid,
		`{"instance":"i0","filter":{"field":"id","like":"x"}}`:         problem.JSONInvalid,
		`{"instance":"i0","filter":{"field":"width","eq":"wide"}}`:     "invalid",
		`{"instance":"i0","filter":{"task":"finding","since":"then"}}`: "invalid",
	} {
		a := w.json(http.MethodPost, at, query)
		if a.problem(a.status, code); a.status/100 != 4 {
			t.Errorf("similar %s: got %d", query, a.status)
		}
	}
}
