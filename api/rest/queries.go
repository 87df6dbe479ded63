package rest

import (
	"cmp"
	"context"
	"io"
	"iter"
	"mime/multipart"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
)

// queries are several in one body.
type queries struct {
	Queries []api.Query `json:"queries"`
}

// SimilarBatch answers several queries.
func (s handlers) SimilarBatch(c echo.Context, name CollectionName) error {
	return answerAll(s.Server, c, name, s.service.SimilarAll, func(a *api.Similar) *api.Provenance { return &a.Provenance })
}

// ClassifyBatch answers several queries.
func (s handlers) ClassifyBatch(c echo.Context, name CollectionName) error {
	return answerAll(s.Server, c, name, s.service.ClassifyAll, func(a *api.Classification) *api.Provenance { return &a.Provenance })
}

// askingAll asks several queries.
type askingAll[T any] func(context.Context, string, iter.Seq[api.Query]) ([]api.Answered[T], error)

// answerAll asks several queries while they arrive, and answers with an item for
// each. Where none is answered the request fails for the reason of the first.
func answerAll[T any](s *Server, c echo.Context, name string, ask askingAll[T], of func(*T) *api.Provenance) error {
	asked, err := s.queries(c)
	if err != nil {
		return err
	}
	answers, err := ask(c.Request().Context(), name, asked.all)
	if err := cmp.Or(asked.fault, err); err != nil {
		return err
	}
	all := problem.Answers[T]{RequestID: c.Get(requestKey).(string)}
	for _, a := range answers {
		sawAnswer(c.Request().Context(), a.Answer)
		of(&a.Answer).RequestID = all.RequestID
		all.Add(a.Answer, s.itemProblem(c, a.Err))
	}
	switch {
	case all.Counts.OK == 0:
		return inBody{answers[0].Err}
	case all.Counts.Failed > 0:
		return reply(c, http.StatusMultiStatus, all)
	}
	return reply(c, http.StatusOK, all)
}

// itemProblem is the problem that a part of the request has ended in, if it has.
func (s *Server) itemProblem(c echo.Context, err error) *problem.Problem {
	if err == nil {
		return nil
	}
	p := problem.InBody(err)
	if p.Status >= http.StatusInternalServerError {
		s.failed(c, err)
	}
	return p
}

// queryStream has the queries of a body as they arrive. What is wrong with the body ends
// them, and is then the fault.
type queryStream struct {
	all   iter.Seq[api.Query]
	fault error
}

func (s *Server) queries(c echo.Context) (*queryStream, error) {
	switch mediaType(c) {
	case echo.MIMEApplicationJSON:
		var q queries
		err := decode(c, &q)
		return &queryStream{all: slices.Values(q.Queries)}, err
	case echo.MIMEMultipartForm:
		limited(c, s.MaxBody)
		parts, err := c.Request().MultipartReader()
		if err != nil {
			return nil, problem.New(problem.MultipartInvalid, err.Error())
		}
		q := &queryStream{}
		q.all = func(yield func(api.Query) bool) { q.fault = s.eachQuery(c, parts, yield) }
		return q, nil
	}
	return nil, unacceptable(c, "application/json and multipart/form-data")
}

// eachQuery yields the queries of a form: a part query, a part image, or both.
func (s *Server) eachQuery(c echo.Context, parts *multipart.Reader, yield func(api.Query) bool) error {
	var q api.Query
	waiting := false // for an image that may follow
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			if waiting {
				yield(q)
			}
			return nil
		}
		if err != nil {
			return received(err, problem.MultipartInvalid)
		}
		name := part.FormName()
		if waiting && name != partImage {
			if !yield(q) {
				return nil
			}
			q = api.Query{}
		}
		if err := s.queryPart(c, &q, part); err != nil {
			return err
		}
		if waiting = name == partQuery; !waiting {
			if !yield(q) {
				return nil
			}
			q = api.Query{}
		}
	}
}
