package rest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
)

// maxWait is how long a request may wait for a job to end.
const maxWait = 10 * time.Second

// job is work on a collection that may be done in the background.
type job struct {
	kind, collection string
	background       bool
	// parameters are what it is begun again with after a restart; nil if it is not.
	parameters any
}

// long does what may take minutes, and answers with its result; in the background
// it answers at once with the job that does it.
func (s handlers) long(c echo.Context, j job, work api.Work) error {
	if !j.background {
		result, err := work(c.Request().Context(), func(int, int) {})
		if err != nil {
			return inBody{err}
		}
		sawAnswer(c.Request().Context(), result)
		return reply(c, http.StatusOK, result)
	}
	if _, err := s.service.Collection(c.Request().Context(), j.collection); err != nil {
		return err
	}
	if j.parameters != nil {
		return s.started(c)(s.service.Enqueue(c.Request().Context(), j.kind, j.collection, j.parameters))
	}
	return s.started(c)(s.service.Start(j.kind, j.collection, work))
}

// started answers with a job that waits for its turn.
func (s handlers) started(c echo.Context) func(api.Job, error) error {
	return func(j api.Job, err error) error {
		if err != nil {
			return err
		}
		concerns(c.Request().Context(), j.ID)
		c.Response().Header().Set(echo.HeaderLocation, "/v1/jobs/"+url.PathEscape(j.ID))
		return reply(c, http.StatusAccepted, s.described(c, j))
	}
}

// ListJobs answers with the jobs that are remembered, of collections that who asks
// may see.
func (s handlers) ListJobs(c echo.Context) error {
	found, err := s.service.Jobs(c.Request().Context())
	if err != nil {
		return err
	}
	all := []problem.Job{}
	for _, one := range found {
		if visible(c.Request().Context(), one.Collection) {
			all = append(all, s.described(c, one))
		}
	}
	return reply(c, http.StatusOK, map[string]any{"jobs": all})
}

// DescribeJob answers with a job as it is, or once it has ended if that is within the
// time to wait.
func (s handlers) DescribeJob(c echo.Context, id JobID, p DescribeJobParams) error {
	wait, err := time.ParseDuration(cmp.Or(p.Wait, "0s"))
	if err != nil {
		return problem.New(problem.QueryParameter, fmt.Sprintf("wait=%.80q cannot be read", p.Wait))
	}
	if err := s.mayKnow(c, id); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), min(wait, maxWait))
	defer cancel()
	found, err := s.service.Await(ctx, id)
	if err != nil {
		return err
	}
	if found.Kind == api.KindEvaluate && len(found.Result) > 0 {
		var e api.Evaluation
		if err := json.Unmarshal(found.Result, &e); err != nil {
			return fmt.Errorf("result of job %s: %w", id, err)
		}
		sawAnswer(c.Request().Context(), e)
	}
	return reply(c, http.StatusOK, s.described(c, found))
}

// CancelJob answers at once; the job ends when it has noticed.
func (s handlers) CancelJob(c echo.Context, id JobID) error {
	if err := s.mayKnow(c, id); err != nil {
		return err
	}
	found, err := s.service.Cancel(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, s.described(c, found))
}

// mayKnow returns api.ErrJob for a job on a collection that who asks may not see, and
// refuses one that compares it with such: its result tells of both.
func (s handlers) mayKnow(c echo.Context, id string) error {
	ctx := c.Request().Context()
	found, err := s.service.Job(ctx, id)
	if err == nil && !visible(ctx, found.Collection) {
		err = fmt.Errorf("job %.64q: %w", id, api.ErrJob)
	}
	if err != nil {
		return err
	}
	var compared struct {
		Collections []string `json:"collections"`
	}
	_ = json.Unmarshal(found.Parameters, &compared) // those of other jobs name none
	return reaches(c, compared.Collections)
}

// described returns a job with the problem that it ended in. The log has what is
// told of none but the server.
func (s *Server) described(c echo.Context, j api.Job) problem.Job {
	d := problem.Job{Job: j}
	if j.Err != nil {
		p := *problem.InBody(j.Err)
		p.Instance, p.RequestID = "/v1/jobs/"+j.ID, c.Get(requestKey).(string)
		if p.Status >= http.StatusInternalServerError {
			s.failed(c, j.Err)
		}
		d.Problem = &p
	}
	return d
}
