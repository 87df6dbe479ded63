package rest

import (
	"fmt"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
)

// PutInstance stores one image under an ID, in place of what is there: 201 if that
// was nothing.
func (s handlers) PutInstance(c echo.Context, name CollectionName, id InstanceID, p PutInstanceParams) error {
	key, err := s.expected(c, name, id)
	if err != nil {
		return err
	}
	image, err := s.oneImage(c, id)
	if err != nil {
		return err
	}
	o := api.IngestOptions{Source: p.Source, IfKey: key}
	found, created, err := s.service.Put(c.Request().Context(), name, image, o)
	if err != nil {
		return inBody{err}
	}
	tagged(c, found.Key)
	if !created {
		return reply(c, http.StatusOK, found)
	}
	c.Response().Header().Set(echo.HeaderLocation, c.Request().URL.EscapedPath())
	return reply(c, http.StatusCreated, found)
}

// oneImage reads the only image of a request.
func (s *Server) oneImage(c echo.Context, id string) (api.Image, error) {
	if t := mediaType(c); t == mimeZip || t == mimeLines {
		return api.Image{}, unacceptable(c, "multipart/form-data, application/dicom, image/* and application/octet-stream")
	}
	u, err := s.upload(c)
	if err != nil {
		return api.Image{}, err
	}
	defer u.leave()
	image, err := u.next()
	if err == io.EOF {
		err = problem.New(problem.NoImages, "send it as a part named image")
	}
	if err != nil {
		return api.Image{}, err
	}
	if _, err := u.next(); err == nil {
		return api.Image{}, problem.New(problem.TooManyImages, "an ID is that of one image, and an archive has none")
	} else if err != io.EOF {
		return api.Image{}, err
	}
	if image.ID != "" && image.ID != id {
		return api.Image{}, problem.New("invalid", fmt.Sprintf("metadata: id %.80q is not the one of the path", image.ID))
	}
	image.ID = id
	return image, nil
}
