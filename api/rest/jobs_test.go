package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
	"nearcase/store"
)

// awaited asks for a job until it has ended.
func (w *world) awaited(id string) problem.Job {
	w.t.Helper()
	for {
		j := decoded[problem.Job](w.get("/v1/jobs/" + id + "?wait=10s").want(200))
		if j.HasEnded() {
			return j
		}
	}
}

// timeless is an evaluation without when it was and how long it took.
func timeless(result []byte) string {
	when := regexp.MustCompile(`"time":"[^"]*"|"took_seconds":[^,}]*`)
	return strings.TrimSpace(when.ReplaceAllString(string(result), ""))
}

func TestLongWorkIsDoneInTheBackground(t *testing.T) {
	w := cases(t, 20)
	for route, body := range map[string]string{"evaluate": `{"task":"finding"}`, "reindex": `{"engine":"coder"}`} {
		at := "/v1/collections/cases/" + route
		a := w.json(http.MethodPost, at+"?background=true", body).want(202)
		j := decoded[problem.Job](a)
		if j.Kind != route || j.Collection != "cases" || a.header.Get("Location") != "/v1/jobs/"+j.ID || j.HasEnded() {
			t.Errorf("%s: got %+v at %s, want a job that has not ended", route, j, a.header.Get("Location"))
		}
		done := w.awaited(j.ID)
		if done.State != api.JobDone || done.Problem != nil || done.Done != done.Total || done.Total == 0 {
			t.Errorf("%s: got %+v, want all of it done", route, done)
		}
		direct := w.json(http.MethodPost, at+"?background=false", body).want(200)
		if got, want := timeless(done.Result), timeless(direct.body); route == "evaluate" && got != want {
			t.Errorf("%s in the background: got %s, want %s", route, got, want)
		}
		if !json.Valid(done.Result) {
			t.Errorf("%s: got result %q, want JSON", route, done.Result)
		}
	}
	list := decoded[struct{ Jobs []problem.Job }](w.get("/v1/jobs").want(200))
	if len(list.Jobs) != 2 || list.Jobs[0].Result != nil {
		t.Errorf("jobs: got %+v, want both without results", list.Jobs)
	}
}

func TestAJobThatFailsTellsItsProblem(t *testing.T) {
	w := cases(t, 4)
	j := decoded[problem.Job](w.json(http.MethodPost, "/v1/collections/cases/evaluate?background=true", `{"task":"age"}`).want(202))
	if j = w.awaited(j.ID); j.State != api.JobFailed || j.Problem == nil || j.Problem.Status != 422 || !errors.Is(j.Problem, store.ErrTask) || j.Problem.RequestID == "" || j.Result != nil {
		t.Errorf("a job for an unknown task: got %+v with %+v", j, j.Problem)
	}
	started, err := w.service.Start("test", "cases", func(context.Context, func(int, int)) (any, error) { panic("/secret") })
	if err != nil {
		t.Fatal(err)
	}
	if j = w.awaited(started.ID); j.State != api.JobFailed || j.Problem.Code != problem.Internal || strings.Contains(j.Problem.Error(), "secret") {
		t.Errorf("a job that panics: got %+v with %+v, want it to tell nothing", j, j.Problem)
	}
	if log := w.log.String(); !strings.Contains(log, "/secret") || !strings.Contains(log, j.Problem.RequestID) {
		t.Errorf("log: got %s, want why under request %s", log, j.Problem.RequestID)
	}
}

func TestAJobIsCancelled(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	begun := make(chan struct{})
	started, err := w.service.Start("test", "cases", func(ctx context.Context, _ func(int, int)) (any, error) {
		close(begun)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if j := decoded[problem.Job](w.get("/v1/jobs/" + started.ID).want(200)); j.State != api.JobRunning {
		t.Errorf("job: got %+v, want it running", j)
	}
	w.send(http.MethodDelete, "/v1/jobs/"+started.ID, "", "").want(200)
	if j := w.awaited(started.ID); j.State != api.JobCancelled || j.Problem.Code != "job_cancelled" {
		t.Errorf("job: got %+v with %+v, want it cancelled", j, j.Problem)
	}
}

func TestBadRequestsForJobs(t *testing.T) {
	w := cases(t, 0)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		w.send(method, "/v1/jobs/none", "", "").problem(404, "job_not_found")
	}
	w.get("/v1/jobs/none?wait=long").problem(400, problem.QueryParameter)
	w.get("/v1/jobs?wait=1s").problem(400, problem.QueryParameter)
	w.json(http.MethodPost, "/v1/collections/cases/reindex?background=perhaps", `{}`).problem(400, problem.QueryParameter)
	w.json(http.MethodPost, "/v1/collections/none/reindex?background=true", `{}`).problem(404, "collection_not_found")
	w.json(http.MethodPost, "/v1/collections/none/evaluate?background=true", `{}`).problem(404, "collection_not_found")
}
