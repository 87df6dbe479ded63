package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/store"
)

// Reembed answers with the job.
func (s handlers) Reembed(c echo.Context, name CollectionName) error {
	var o api.ReembedOptions
	if err := decode(c, &o); err != nil {
		return err
	}
	if _, err := s.service.Reembedding(c.Request().Context(), name, o.Model); errors.Is(err, api.ErrModel) {
		return inBody{err}
	}
	return s.started(c)(s.service.Enqueue(c.Request().Context(), api.KindReembed, name, o))
}

// DescribeReembedding answers with how far it is, or with the report of a task as a
// page if that is what Accept names.
func (s handlers) DescribeReembedding(c echo.Context, name CollectionName, p DescribeReembeddingParams) error {
	ctx := c.Request().Context()
	if accepted(c, typeHTML) != "" {
		return rendered(c, typeHTML, func(w io.Writer) error { return s.service.AgreementPage(ctx, name, p.Task, w) })
	}
	found, err := s.service.Reembedding(ctx, name, p.Model)
	if errors.Is(err, api.ErrModel) {
		return inBody{err}
	}
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

// DropReembedding answers when what stood behind the collection is gone.
func (s handlers) DropReembedding(c echo.Context, name CollectionName) error {
	if err := s.service.DropReembedding(c.Request().Context(), name); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// SwitchModel answers with the job.
func (s handlers) SwitchModel(c echo.Context, name CollectionName) error {
	return s.started(c)(s.service.Enqueue(c.Request().Context(), api.KindSwitch, name, api.SwitchOptions{}))
}

// SwitchBack answers with the job.
func (s handlers) SwitchBack(c echo.Context, name CollectionName) error {
	o := api.SwitchOptions{Back: true}
	var body SwitchBackJSONRequestBody
	if err := decodeAny(c, &body); err != nil {
		return err
	}
	o.LeaveOut = body.LeaveOut
	return s.started(c)(s.service.Enqueue(c.Request().Context(), api.KindSwitch, name, o))
}

// onward are the operations that have to see at once what has taken a collection's
// place: those that change something, and what tells of changes.
var onward = map[string]bool{
	"listChanges": true, "reembed": true, "describeReembedding": true, "dropReembedding": true, "switchModel": true, "switchBack": true,
	"ingest": true, "putInstance": true, "storeStudies": true, "storeStudy": true, "importImages": true, "label": true,
	"deleteInstances": true, "deleteInstance": true, "declareTasks": true, "configureTask": true,
	"amendCollection": true, "dropCollection": true, "erasePatient": true,
}

// hold lets a request end with the collections that it began with, whatever model takes
// another's place meanwhile. What stands behind a collection has no route.
func (s *Server) hold(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		name := c.Param("collection")
		if store.IsShadowName(name) {
			return fmt.Errorf("collection %.64q: %w", name, store.ErrCollection)
		}
		if o := asked(c); name != "" && o != nil && !onward[o.OperationID] {
			r := c.Request()
			c.SetRequest(r.WithContext(s.service.Catalog.Hold(r.Context())))
		}
		return next(c)
	}
}
