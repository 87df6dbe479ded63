package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Label answers when the labels are durable.
func (s handlers) Label(c echo.Context, name CollectionName, _ LabelParams) error {
	if mediaType(c) == mimeLines {
		return s.labelLines(c, name)
	}
	var body LabelJSONBody
	if err := decode(c, &body); err != nil {
		return err
	}
	for _, l := range body.Labels {
		saw(c.Request().Context(), l.Instance)
	}
	stored, err := s.service.Label(c.Request().Context(), name, body.Labels)
	if err != nil {
		return inBody{err}
	}
	return reply(c, http.StatusOK, stored)
}

// ListHistory answers with every label of an instance.
func (s handlers) ListHistory(c echo.Context, name CollectionName, id InstanceID) error {
	history, err := s.service.History(c.Request().Context(), name, id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"history": all(history)})
}
