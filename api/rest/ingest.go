package rest

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/store"
)

// ingest stores the images of a request while they arrive, and answers with
// what became of each: 200 if all are stored, 207 if some are. If none is, the
// answer is the problem of the first with those of all as its errors.
func (s *Server) ingest(c echo.Context) error {
	o := api.IngestOptions{Source: c.QueryParam("source")}
	err := cmp.Or(parameter(c, "replace", &o.Replace, strconv.ParseBool), parameter(c, "repeats", &o.Repeats, strconv.ParseBool))
	if err != nil {
		return err
	}
	u, err := s.upload(c)
	if err != nil {
		return err
	}
	var b problem.Batch
	for item, err := range s.service.Ingest(c.Request().Context(), segment(c, "c"), u.images, o) {
		if err != nil {
			err = s.halt(c, err)
		}
		if err != nil && (len(b.Items) == 0 || gone(c)) {
			return err
		}
		s.add(c, &b, item, err)
	}
	return s.outcome(c, b)
}

// halt stops reading the images, or the work that has ended with an error would
// wait for the next of them, and returns why it has ended.
func (s *Server) halt(c echo.Context, err error) error {
	body, ok := c.Get(bodyKey).(*pacedBody)
	if !ok || gone(c) {
		return err
	}
	if errors.Is(err, context.Canceled) && body.isStopped() {
		err = problem.New(problem.BodyTimeout, "")
	}
	body.stop()
	return err
}

// add appends what became of an image. An error that ended the work appears as
// an item of its own: some images may have been read that have none.
func (s *Server) add(c echo.Context, b *problem.Batch, item api.Item, err error) {
	i := problem.Item{Index: item.Index, ID: item.ID, Name: item.Name, Status: string(item.Status)}
	if item.Instances > 1 {
		i.Instances = item.Instances
	}
	if err != nil {
		i.Index, i.Status = len(b.Items), string(store.Failed)
	}
	if err = cmp.Or(err, item.Err); err != nil {
		i.Problem = problem.InBody(err)
		if i.Problem.Status >= http.StatusInternalServerError {
			s.failed(c, err)
		}
	}
	b.Add(i)
}

func (s *Server) outcome(c echo.Context, b problem.Batch) error {
	switch {
	case len(b.Items) == 0:
		return problem.New(problem.NoImages, "send each as a part named image")
	case b.Counts.OK == 0:
		first := *b.Items[0].Problem
		first.Errors = b.Items
		return &first
	case b.Counts.Failed > 0:
		return reply(c, http.StatusMultiStatus, b)
	}
	return reply(c, http.StatusOK, b)
}
