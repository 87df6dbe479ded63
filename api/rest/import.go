package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/api"
)

// importsAtOnce is how many images are stored before a request is answered; more
// are a job's work.
const importsAtOnce = 100

// ImportImages stores images that lie in a folder that is allowed.
func (s handlers) ImportImages(c echo.Context, name CollectionName, p ImportImagesParams) error {
	var r api.ImportRequest
	if err := decode(c, &r); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if _, err := s.service.Catalog.Collection(ctx, name); err != nil {
		return err
	}
	source, err := s.service.OpenFolder(r)
	if err != nil {
		return inBody{err}
	}
	count := source.Count
	if err := source.Close(); err != nil {
		return err
	}
	if p.Background || count > importsAtOnce {
		return s.started(c)(s.service.Enqueue(ctx, api.KindImport, name, r))
	}
	done, err := s.service.Import(ctx, name, r, nil)
	for status, n := range done.Counts {
		counted(ctx, status, n)
	}
	if err != nil {
		return inBody{err}
	}
	return reply(c, http.StatusOK, done)
}
