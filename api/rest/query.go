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

func (s *Server) similar(c echo.Context) error  { return answer(s, c, s.service.Similar) }
func (s *Server) classify(c echo.Context) error { return answer(s, c, s.service.Classify) }

// answer asks one of the two questions about an image.
func answer[T any](s *Server, c echo.Context, ask func(context.Context, string, api.Query) (T, error)) error {
	q, err := s.query(c)
	if err != nil {
		return err
	}
	a, err := ask(c.Request().Context(), segment(c, "c"), q)
	if err != nil {
		return inBody{err}
	}
	return reply(c, http.StatusOK, a)
}

// query reads a query: JSON, an image, or both as parts in any order.
func (s *Server) query(c echo.Context) (q api.Query, err error) {
	switch t := mediaType(c); {
	case t == echo.MIMEApplicationJSON:
		err = decode(c, &q)
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
		if err := s.queryPart(&q, part); err != nil {
			return q, err
		}
	}
	if !seen[partImage] {
		return q, problem.New(problem.NoImages, "send it as a part named image")
	}
	return q, nil
}

func (s *Server) queryPart(q *api.Query, part *multipart.Part) error {
	switch part.FormName() {
	case partImage:
		image, large, err := readImage(part, s.MaxImageBytes)
		q.Image = image
		if large != nil {
			return large
		}
		return err
	case partQuery:
		return decodeJSON(part, q)
	}
	return problem.New(problem.MultipartInvalid, "unknown part "+part.FormName()+"; parts are image and query")
}
