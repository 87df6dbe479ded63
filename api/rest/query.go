package rest

import (
	"context"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
)

// Similar answers with the cases nearest to what is asked about.
func (s handlers) Similar(c echo.Context, name CollectionName) error {
	return answer(s.Server, c, name, s.service.Similar, func(a *api.Similar) *api.Provenance { return &a.Provenance })
}

// Classify answers which classes it has.
func (s handlers) Classify(c echo.Context, name CollectionName) error {
	return answer(s.Server, c, name, s.service.Classify, func(a *api.Classification) *api.Provenance { return &a.Provenance })
}

// answer asks one of the two questions about an image, and names the request in what
// the answer says of itself.
func answer[T any](s *Server, c echo.Context, name string, ask func(context.Context, string, api.Query) (T, error), of func(*T) *api.Provenance) error {
	q, err := s.query(c)
	if err != nil {
		return err
	}
	a, err := ask(c.Request().Context(), name, q)
	if err != nil {
		return inBody{err}
	}
	sawAnswer(c.Request().Context(), a)
	of(&a).RequestID = c.Get(requestKey).(string)
	return reply(c, http.StatusOK, a)
}

// query reads a query: JSON, an image, or both as parts in any order.
func (s *Server) query(c echo.Context) (q api.Query, err error) {
	switch t := mediaType(c); {
	case t == echo.MIMEApplicationJSON:
		err = decodeQuery(c, &q)
		return q, err
	case t == echo.MIMEMultipartForm:
		limited(c, s.MaxImageBytes+maxJSON)
		return s.queryParts(c)
	case isImage(t):
		var large error
		q.Image, large, err = readImage(limited(c, s.MaxImageBytes+1), s.MaxImageBytes)
		if large != nil {
			err = large
		}
		return q, err
	}
	return q, unacceptable(c, "application/json, multipart/form-data, application/dicom, image/* and application/octet-stream")
}

// decodeQuery is decode for a query, which may have a long vector.
func decodeQuery(c echo.Context, q *api.Query) error {
	body, err := readJSON(c)
	if err != nil {
		return err
	}
	body, vector := cutVector(body)
	if err := decodeBody(c, body, q); err != nil {
		return err
	}
	if vector != nil {
		q.Vector = vector
	}
	return nil
}

func (s *Server) queryParts(c echo.Context) (q api.Query, err error) {
	parts, err := c.Request().MultipartReader()
	if err != nil {
		return q, problem.New(problem.MultipartInvalid, err.Error())
	}
	seen := map[string]bool{}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return q, received(err, problem.MultipartInvalid)
		}
		if seen[part.FormName()] {
			return q, problem.New(problem.MultipartInvalid, "part "+part.FormName()+" is there twice")
		}
		seen[part.FormName()] = true
		if err := s.queryPart(c, &q, part); err != nil {
			return q, err
		}
	}
	if !seen[partImage] {
		return q, problem.New(problem.NoImages, "send it as a part named image")
	}
	return q, nil
}

func (s *Server) queryPart(c echo.Context, q *api.Query, part *multipart.Part) error {
	switch part.FormName() {
	case partImage:
		image, large, err := readImage(part, s.MaxImageBytes)
		q.Image = image
		if large != nil {
			return large
		}
		return err
	case partQuery:
		return decodePart(c, part, q)
	}
	return problem.New(problem.MultipartInvalid, "unknown part "+part.FormName()+"; parts are image and query")
}
