package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
	"nearcase/store"
)

func TestEveryRouteAnswers(t *testing.T) {
	w := cases(t, 20)
	w.get("/").want(200)
	w.get("/livez").want(200)
	w.get("/readyz").want(200)
	w.get("/version").want(200)
	if got := decoded[struct{ Models []api.ModelInfo }](w.get("/v1/models").want(200)); len(got.Models) != 1 || got.Models[0].Name != "quadrants" {
		t.Errorf("models: got %+v, want quadrants", got)
	}
	if got := decoded[struct{ Collections []api.Collection }](w.get("/v1/collections").want(200)); len(got.Collections) != 1 {
		t.Errorf("collections: got %+v, want one", got)
	}
	if got := decoded[api.Collection](w.get("/v1/collections/cases").want(200)); got.Status.Instances != 20 {
		t.Errorf("collection: got %d instances, want 20", got.Status.Instances)
	}
	if got := decoded[struct{ Probes []api.ProbeInfo }](w.get("/v1/collections/cases/probes").want(200)); len(got.Probes) != 2 || got.Probes[0].Examples != 20 {
		t.Errorf("probes: got %+v, want two with 20 examples in the first", got)
	}
	w.send(http.MethodPost, "/v1/collections/cases/evaluate", "", "").problem(422, "query_invalid") // it has two
	if got := decoded[api.Evaluation](w.json(http.MethodPost, "/v1/collections/cases/evaluate", `{"task":"finding"}`).want(200)); len(got.Results) != 8 {
		t.Errorf("evaluate: got %d results, want 8", len(got.Results))
	}
	if got := decoded[store.Reindexed](w.json(http.MethodPost, "/v1/collections/cases/reindex", `{"engine":"coder"}`).want(200)); got.To.Engine != "coder" || got.Instances != 20 {
		t.Errorf("reindex: got %+v, want 20 instances in coder", got)
	}
	if got := decoded[api.Collection](w.get("/v1/collections/cases").want(200)); got.Status.Engine != "coder" || got.Status.Index.Rows != 20 || got.Status.Index.Bytes == 0 {
		t.Errorf("collection after reindex: got %+v, want coder with 20 rows", got.Status)
	}
	declared := decoded[api.Collection](w.json(http.MethodPost, "/v1/collections/cases/tasks", `{"tasks":[{"name":"view","classes":["pa","ap"]}]}`).want(200))
	if len(declared.Tasks) != 3 {
		t.Errorf("declare: got %d tasks, want 3", len(declared.Tasks))
	}
	w.send(http.MethodDelete, "/v1/collections/cases?confirm=cases", "", "").want(204)
	w.get("/v1/collections/cases").problem(404, "collection_not_found")
}

func TestTheIndexNamesEveryRoute(t *testing.T) {
	w := cases(t, 0)
	got := decoded[struct {
		Name    string
		Version any
		Routes  []string
	}](w.get("/").want(200))
	for _, r := range []string{"GET /livez", "POST /v1/collections/{collection}/instances", "GET /v1/collections/{collection}/instances/{id}/original"} {
		if !strings.Contains(strings.Join(got.Routes, "\n"), r) {
			t.Errorf("GET /: got routes %q, want %q among them", got.Routes, r)
		}
	}
}

// A query is narrowed alike as JSON and beside an image.
func TestSimilarIsNarrowedOverHTTP(t *testing.T) {
	w := cases(t, 20)
	const narrow = `"k":4,"group_by":"patient","filter":{"task":"finding","has":["light"]}`
	byID := decoded[api.Similar](w.json(http.MethodPost, "/v1/collections/cases/similar", `{"instance":"i0",`+narrow+`}`).want(200))
	f := newForm(t)
	f.part("query", "{"+narrow+"}")
	f.part("image", string(picture(t, 0)))
	byImage := decoded[api.Similar](w.form("/v1/collections/cases/similar", f).want(200))
	for _, a := range []api.Similar{byID, byImage} {
		if len(a.Cases) != 4 {
			t.Errorf("similar: got %d cases, want 4", len(a.Cases))
		}
		for _, c := range a.Cases {
			if c.Labels["finding"][0] != "light" {
				t.Errorf("similar among the light: got %s with %v", c.ID, c.Labels)
			}
		}
	}
}

func TestVersionIsWhatTheProgramSays(t *testing.T) {
	type version struct{ Version, Commit string }
	w := open(t, api.Options{}, rest.Options{Version: version{"1.2", "abc"}})
	if got := decoded[version](w.get("/version").want(200)); got != (version{"1.2", "abc"}) {
		t.Errorf("/version: got %+v, want 1.2 abc", got)
	}
}

func TestInstancesAreListedPageByPage(t *testing.T) {
	w := cases(t, 5)
	var ids []string
	for path := "/v1/collections/cases/instances?limit=2"; ; {
		page := decoded[api.Page](w.get(path).want(200))
		for _, i := range page.Instances {
			ids = append(ids, i.ID)
		}
		if page.Next == "" {
			break
		}
		path = "/v1/collections/cases/instances?limit=2&cursor=" + page.Next
	}
	if got := strings.Join(ids, " "); got != "i0 i1 i2 i3 i4" {
		t.Errorf("list: got %s, want i0 to i4", got)
	}
}

func TestAnOriginalComesBackAsItWasSent(t *testing.T) {
	w := cases(t, 1)
	a := w.get("/v1/collections/cases/instances/i0/original")
	if a.status != 200 || !bytes.Equal(a.body, picture(t, 0)) {
		t.Errorf("original: got %d with %d bytes, want the PNG sent", a.status, len(a.body))
	}
	for name, want := range map[string]string{
		"Content-Type": "image/png", "Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("original: got %s %q, want %q", name, got, want)
		}
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") {
		t.Errorf("original: got Content-Security-Policy %q, want a sandbox", csp)
	}
}

func TestAnInstanceIsDeleted(t *testing.T) {
	w := cases(t, 2)
	w.send(http.MethodDelete, "/v1/collections/cases/instances/i0", "", "").want(204)
	w.get("/v1/collections/cases/instances/i0").problem(404, "instance_not_found")
	w.get("/v1/collections/cases/instances/i1").want(200)
}

func TestIdentifiersMayHoldWhatPathsUseOtherwise(t *testing.T) {
	w := cases(t, 0)
	for n, id := range []string{"a/b", "a b", "100%", "a?b=c", "a%2Fb", "ü", "a/original", "..", "a+b", "a;b", "#1"} {
		metadata, err := json.Marshal(map[string]string{"id": id})
		if err != nil {
			t.Fatal(err)
		}
		w.form("/v1/collections/cases/instances", newForm(t).part("metadata", string(metadata)).part("image", string(picture(t, uint64(n))))).want(200)
		path := "/v1/collections/cases/instances/" + url.PathEscape(id)
		if got := decoded[api.Instance](w.get(path).want(200)); got.ID != id {
			t.Errorf("GET %s: got %q, want %q", path, got.ID, id)
		}
		if got := w.get(path + "/original"); !bytes.Equal(got.body, picture(t, uint64(n))) {
			t.Errorf("GET %s/original: got %d %.80q, want the image of %q", path, got.status, got.body, id)
		}
		w.send(http.MethodDelete, path, "", "").want(204)
	}
}

func TestAQueryMayBeAnInstanceAVectorOrAnImage(t *testing.T) {
	w := cases(t, 6)
	fingerprint := decoded[api.Collection](w.get("/v1/collections/cases").want(200)).Fingerprint
	stranger := string(picture(t, 100))
	queries := map[string]func(path string) answer{
		"instance": func(path string) answer { return w.json(http.MethodPost, path, `{"instance":"i0","k":3}`) },
		"vector": func(path string) answer {
			return w.json(http.MethodPost, path, `{"vector":[1,0,0,0,0,0,0,0,0,0,0,0],"k":3,"fingerprint":"`+fingerprint+`"}`)
		},
		"image alone": func(path string) answer { return w.form(path, newForm(t).part("image", stranger)) },
		"image before query": func(path string) answer {
			return w.form(path, newForm(t).part("image", stranger).part("query", `{"k":3}`))
		},
		"image after query": func(path string) answer {
			return w.form(path, newForm(t).part("query", `{"k":3}`).part("image", stranger))
		},
		"image as the body":    func(path string) answer { return w.send(http.MethodPost, path, "image/png", stranger) },
		"octets as the body":   func(path string) answer { return w.send(http.MethodPost, path, "application/octet-stream", stranger) },
		"an image that's kept": func(path string) answer { return w.send(http.MethodPost, path, "image/png", string(picture(t, 0))) },
	}
	for name, ask := range queries {
		t.Run(name, func(t *testing.T) {
			if got := decoded[api.Similar](ask("/v1/collections/cases/similar").want(200)); len(got.Cases) < 3 || got.Fingerprint != fingerprint {
				t.Errorf("similar: got %d cases by %s, want at least 3 by %s", len(got.Cases), got.Fingerprint, fingerprint)
			}
			if got := decoded[api.Classification](ask("/v1/collections/cases/classify").want(200)); len(got.Tasks) != 1 || len(got.Tasks[0].Votes) != 2 {
				t.Errorf("classify: got %+v, want votes for two classes of one task", got)
			}
		})
	}
}

// A label that is acknowledged changes the next answer, its versions and its
// scores; before and after, nothing else does.
func TestALabelChangesTheNextAnswer(t *testing.T) {
	w := cases(t, 12)
	w.form("/v1/collections/cases/instances", newForm(t).part("metadata", `{"id":"new"}`).part("image", string(picture(t, 50)))).want(200)
	ask := func() api.TaskAnswer {
		t.Helper()
		return decoded[api.Classification](w.send(http.MethodPost, "/v1/collections/cases/classify", "image/png", string(picture(t, 100))).want(200)).Tasks[0]
	}
	before, again := ask(), ask()
	if fmt.Sprint(before.Probe) != fmt.Sprint(again.Probe) {
		t.Errorf("two answers without a label between: got %v and %v, want the same", before.Probe, again.Probe)
	}
	stored := decoded[api.Labelled](w.json(http.MethodPost, "/v1/collections/cases/labels", `{"labels":[{"instance":"new","task":"finding","classes":["light"]}]}`).want(200))
	after := ask()
	if after.Probe.Version != stored.Watermark || after.Probe.Version <= before.Probe.Version {
		t.Errorf("probe version: got %d after %d, want the label's, %d", after.Probe.Version, before.Probe.Version, stored.Watermark)
	}
	if fmt.Sprint(after.Probe.Scores) == fmt.Sprint(before.Probe.Scores) || after.Counts.Examples != before.Counts.Examples+1 {
		t.Errorf("probe: got %v of %d examples, before %v of %d, want other scores of one more", after.Probe.Scores, after.Counts.Examples, before.Probe.Scores, before.Counts.Examples)
	}
	if len(after.Neighbours) != len(before.Neighbours)+1 {
		t.Errorf("neighbours: got %d, want one more than %d", len(after.Neighbours), len(before.Neighbours))
	}
}

func TestABatchAnswersForEachImage(t *testing.T) {
	w := cases(t, 0)
	f, bad := newForm(t), map[int]problem.Code{3: "image_unknown", 7: "class_not_found", 19: "image_empty"}
	for i := range 20 {
		content, class := string(picture(t, uint64(i))), "dark"
		switch i {
		case 3:
			content = "not an image at all"
		case 7:
			class = "grey"
		case 19:
			content = ""
		}
		f.part("metadata", fmt.Sprintf(`{"id":"i%d","name":"film %d","labels":{"finding":[%q]}}`, i, i, class)).part("image", content)
	}
	got := decoded[problem.Batch](w.form("/v1/collections/cases/instances", f).want(207))
	if got.Counts != (problem.Counts{OK: 17, Failed: 3}) || len(got.Items) != 20 {
		t.Fatalf("batch: got %+v of %d items, want 17 and 3 of 20", got.Counts, len(got.Items))
	}
	for i, item := range got.Items {
		want, failed := bad[i], item.Problem != nil
		if item.Index != i || item.ID != fmt.Sprintf("i%d", i) || item.Name != fmt.Sprintf("film %d", i) || failed != (want != "") {
			t.Errorf("item %d: got %+v, want failure %q", i, item, want)
		} else if failed && (item.Problem.Code != want || item.Status != "failed") {
			t.Errorf("item %d: got %s %s, want failed %s", i, item.Status, item.Problem.Code, want)
		}
	}
	if status := decoded[api.Collection](w.get("/v1/collections/cases").want(200)).Status; status.Instances != 17 || status.Labelled["finding"]["dark"] != 17 {
		t.Errorf("stored: got %+v, want 17 labelled", status)
	}
}

func TestTheNameOfAnUploadedFileIsNotKept(t *testing.T) {
	w := cases(t, 0)
	w.form("/v1/collections/cases/instances", newForm(t).part("image", string(picture(t, 1)))).want(200)
	if list := w.get("/v1/collections/cases/instances").want(200); strings.Contains(string(list.body), "Mustermann") {
		t.Errorf("list: got %s, want no file name", list.body)
	}
	if strings.Contains(w.log.String(), "Mustermann") {
		t.Errorf("log: got %s, want no file name", w.log)
	}
}

func TestAnImageMayBeTheWholeBody(t *testing.T) {
	w := cases(t, 0)
	for _, mediaType := range []string{"image/png", "application/octet-stream"} {
		got := decoded[problem.Batch](w.send(http.MethodPost, "/v1/collections/cases/instances", mediaType, string(picture(t, 1))).want(200))
		if len(got.Items) != 1 || len(got.Items[0].ID) != 64 {
			t.Errorf("%s: got %+v, want one item with its digest for ID", mediaType, got)
		}
	}
}

func TestReplaceAndRepeatsAreObeyed(t *testing.T) {
	w := cases(t, 1)
	other := func() *form {
		return newForm(t).part("metadata", `{"id":"i0","patient":"p0"}`).part("image", string(picture(t, 9)))
	}
	w.form("/v1/collections/cases/instances", other()).problem(409, "instance_conflict")
	if got := decoded[problem.Batch](w.form("/v1/collections/cases/instances?replace=true", other()).want(200)); got.Items[0].Status != "replaced" {
		t.Errorf("replace: got %+v, want replaced", got.Items[0])
	}
	twice := newForm(t).part("image", string(picture(t, 20))).part("image", string(picture(t, 20)))
	got := decoded[problem.Batch](w.form("/v1/collections/cases/instances?repeats=true", twice).want(200))
	if got.Items[1].ID != got.Items[0].ID+"-2" || got.Items[1].Status != "created" {
		t.Errorf("repeats: got %+v, want the second created with -2", got.Items)
	}
}

// Figures that do not exist, as of a class that no image has, are left out of
// the JSON rather than failing it.
func TestAnEvaluationWithAnEmptyClassAnswers(t *testing.T) {
	w := cases(t, 12)
	w.json(http.MethodPost, at+"/tasks", `{"tasks":[{"name":"finding","classes":["grey"]}]}`).want(200)
	w.json(http.MethodPost, at+"/labels", `{"labels":[{"instance":"i0","task":"marks","classes":["a"]},{"instance":"i1","task":"marks","classes":[]},{"instance":"i2","task":"marks","classes":["a"]}]}`).want(200)
	for _, body := range []string{`{"task":"finding","folds":2}`, `{"task":"finding","folds":2,"k":1}`, `{"task":"marks","folds":2}`} {
		a := w.json(http.MethodPost, at+"/evaluate", body)
		if a.status != 200 && a.status != 422 {
			t.Errorf("evaluate %s: got %d %s, want an answer or 422", body, a.status, a.body)
		}
	}
	w.get(at + "/probes").want(200)
	w.json(http.MethodPost, at+"/classify", `{"instance":"i0","tasks":["marks","finding"]}`).want(200)
}

// A task that nothing is labelled for has no probe, and says so.
func TestATaskWithoutLabelsIsAnswered(t *testing.T) {
	w := cases(t, 4)
	got := decoded[api.Classification](w.json(http.MethodPost, at+"/classify", `{"instance":"i0","tasks":["marks"]}`).want(200))
	if len(got.Tasks) != 1 || got.Tasks[0].Probe.Problem == "" || len(got.Tasks[0].Vote) != 0 || got.Tasks[0].Agree != nil {
		t.Errorf("classify for a task without labels: got %+v, want no vote and why there is no probe", got.Tasks)
	}
}
