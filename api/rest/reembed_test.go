package rest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/problem"
	"nearcase/api/rest"
	"nearcase/embed"
)

// corners is another network than that of apitest: the first and the last of each
// channel, and a constant.
type corners struct{}

func (corners) Close() error { return nil }

func (corners) Run(_ context.Context, batch []float32, n int) ([]float32, []int, error) {
	var out []float32
	plane := len(batch) / n / 3
	for i := range n {
		for c := range 3 {
			out = append(out, batch[(3*i+c)*plane], batch[(3*i+c+1)*plane-1])
		}
		out = append(out, 0.25)
	}
	return out, []int{n, 7}, nil
}

func openTwo(name string) (*embed.Model, error) {
	if name != "corners" {
		return apitest.OpenModel(name)
	}
	return embed.NewModel(embed.Manifest{
		Name: name, Input: "image", Output: "corners", Dimension: 7,
		Resize: embed.Resize{Mode: embed.Fixed, Size: 8, Interpolation: embed.Bilinear}, Std: [3]float64{1, 1, 1},
	}, strings.Repeat("1", 64), corners{})
}

// ended waits for the job that an answer has begun.
func (w *world) ended(a answer) problem.Job {
	w.t.Helper()
	return w.awaited(decoded[problem.Job](a.want(202)).ID)
}

// A collection is embedded again, switched, and back, over HTTP; every answer is as the
// contract says, and what is hidden has no route.
func TestACollectionIsEmbeddedAgainOverHTTP(t *testing.T) {
	w := open(t, api.Options{OpenModel: openTwo, Refit: api.Refit{When: api.Never}}, rest.Options{})
	w.fill(20)
	const path = "/v1/collections/cases/reembedding"
	w.get(path).want(404)
	w.get(path + "?model=corners").want(200)
	w.json(http.MethodPost, path, `{"model":"corners","sample":30000}`).want(422)
	w.json(http.MethodPost, "/v1/collections/~cases/tasks", `{"tasks":[]}`).want(404)
	if j := w.ended(w.json(http.MethodPost, path, `{"model":"corners","leave_out":true}`)); j.State != api.JobDone || strings.Contains(string(j.Result), "examples") {
		t.Fatalf("job: got %+v, want it done, naming no image", j)
	}
	if now := decoded[api.Reembedding](w.get(path).want(200)); now.State != api.Embedded || now.Report == nil {
		t.Fatalf("GET: got %+v", now)
	}
	if page := w.asking(path+"?task=finding", "text/html"); page.status != 200 || !strings.Contains(string(page.body), "after: corners") {
		t.Errorf("the page: got %d %.200s", page.status, page.body)
	}
	for _, name := range []string{"~cases", "~nothing"} {
		w.get("/v1/collections/" + name).want(404)
	}
	if listed := string(w.get("/v1/collections").want(200).body); strings.Contains(listed, "~cases") {
		t.Errorf("GET /v1/collections: got %s, want nothing hidden", listed)
	}
	if j := w.ended(w.json(http.MethodPost, path+"/back", `{}`)); j.State != api.JobFailed {
		t.Errorf("the way back before a switch: got %+v, want it refused", j)
	}
	const vector = "/v1/collections/cases/instances/i1/vector"
	for _, step := range []struct{ to, model string }{{"/switch", "corners"}, {"/back", "quadrants"}} {
		tag := w.get(vector).want(200).header.Get("ETag")
		if a := w.with(http.MethodGet, vector, "", "", "If-None-Match", tag); a.status != http.StatusNotModified {
			t.Errorf("a vector that is known: got %d, want 304", a.status)
		}
		if j := w.ended(w.send(http.MethodPost, path+step.to, "", "")); j.State != api.JobDone {
			t.Errorf("%s: got %+v", step.to, j)
		}
		w.with(http.MethodGet, vector, "", "", "If-None-Match", tag).want(200) // it is another's
		if c := string(w.get("/v1/collections/cases").want(200).body); !strings.Contains(c, `"model":"`+step.model+`"`) {
			t.Errorf("after %s: got %s, want %s", step.to, c, step.model)
		}
	}
	w.send(http.MethodDelete, path, "", "").want(204)
	w.send(http.MethodDelete, path, "", "").want(404)
}
