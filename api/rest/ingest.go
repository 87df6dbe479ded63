package rest

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/store"
)

// Ingest stores the images of a request while they arrive, and answers with
// what became of each: 200 if all are stored, 207 if some are. If none is, the
// answer is the problem of the first with those of all as its errors.
func (s handlers) Ingest(c echo.Context, name CollectionName, p IngestParams) error {
	u, err := s.upload(c)
	if err != nil {
		return err
	}
	o := api.IngestOptions{Replace: p.Replace, Repeats: p.Repeats, Source: p.Source}
	items := s.service.Ingest(c.Request().Context(), name, u.images, o)
	if accepted(c, mimeLines) != "" {
		return s.ingestLines(c, items)
	}
	var b problem.Batch
	for item, err := range items {
		if err != nil {
			err = s.halt(c, err)
		}
		if err != nil && (len(b.Items) == 0 || gone(c)) {
			return err
		}
		b.Add(s.outcomeOf(c, item, err, len(b.Items)))
	}
	return s.outcome(c, b)
}

// ingestLines answers with what became of each image as soon as that is known, and
// with the counts at the end. An error that comes before all images is an answer of
// its own.
func (s handlers) ingestLines(c echo.Context, items iter.Seq2[api.Item, error]) (err error) {
	var w *lineWriter
	var counts problem.Counts
	defer func() {
		if w != nil {
			err = errors.Join(err, w.end())
		}
	}()
	n := 0
	for item, failed := range items {
		if failed != nil {
			failed = s.halt(c, failed)
		}
		if failed != nil && (w == nil || gone(c)) {
			return failed
		}
		if w == nil {
			w = newLineWriter(c)
		}
		i := s.outcomeOf(c, item, failed, n)
		counts.Add(i)
		if n++; w.add(i) != nil {
			return nil // end says why
		}
	}
	if w == nil {
		return s.outcome(c, problem.Batch{})
	}
	return w.add(map[string]problem.Counts{"counts": counts})
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

// outcomeOf is what is told of an image. An error that ended the work appears as
// an item of its own, after n others: some images may have been read that have none.
func (s *Server) outcomeOf(c echo.Context, item api.Item, err error, n int) problem.Item {
	i := problem.Item{Index: item.Index, ID: item.ID, Name: item.Name, Status: string(item.Status)}
	if item.Instances > 1 {
		i.Instances = item.Instances
	}
	if item.Key != 0 {
		i.ETag = etag(item.Key)
	}
	if err != nil {
		i.Index, i.Status = n, string(store.Failed)
	}
	if err = cmp.Or(err, item.Err); err == nil {
		saw(c.Request().Context(), item.ID)
	} else {
		counted(c.Request().Context(), "failed", 1)
		i.Problem = problem.InBody(err)
		if i.Problem.Status >= http.StatusInternalServerError {
			s.failed(c, err)
		}
	}
	return i
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
