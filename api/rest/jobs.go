package rest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
)

// maxWait is how long a request may wait for a job to end.
const maxWait = 10 * time.Second

// long does what may take minutes, and answers with its result; with
// ?background=true it answers at once with the job that does it.
func (s *Server) long(c echo.Context, kind, collection string, work api.Work) error {
	background := false
	if err := parameter(c, "background", &background, strconv.ParseBool); err != nil {
		return err
	}
	if !background {
		result, err := work(c.Request().Context(), func(int, int) {})
		if err != nil {
			return inBody{err}
		}
		return reply(c, http.StatusOK, result)
	}
	if _, err := s.service.Collection(c.Request().Context(), collection); err != nil {
		return err
	}
	started, err := s.service.Start(kind, collection, work)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/v1/jobs/"+started.ID)
	return reply(c, http.StatusAccepted, s.described(c, started))
}

func (s *Server) jobs(c echo.Context) error {
	found, err := s.service.Jobs(c.Request().Context())
	if err != nil {
		return err
	}
	all := make([]problem.Job, len(found))
	for i, one := range found {
		all[i] = s.described(c, one)
	}
	return reply(c, http.StatusOK, map[string]any{"jobs": all})
}

// job answers with a job as it is, or once it has ended if that is within the
// time to wait.
func (s *Server) job(c echo.Context) error {
	var wait time.Duration
	if err := parameter(c, "wait", &wait, time.ParseDuration); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), min(wait, maxWait))
	defer cancel()
	found, err := s.service.Await(ctx, segment(c, "id"))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, s.described(c, found))
}

// cancel answers at once; the job ends when it has noticed.
func (s *Server) cancel(c echo.Context) error {
	found, err := s.service.Cancel(c.Request().Context(), segment(c, "id"))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, s.described(c, found))
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
