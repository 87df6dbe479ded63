package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/store"
)

// DescribeSettings answers with the settings of a task.
func (s handlers) DescribeSettings(c echo.Context, name CollectionName, task TaskName) error {
	found, err := s.service.Settings(c.Request().Context(), name, task)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

// ConfigureTask replaces the settings of a task and answers with those it has then.
func (s handlers) ConfigureTask(c echo.Context, name CollectionName, task TaskName) error {
	var settings store.Settings
	if err := decode(c, &settings); err != nil {
		return err
	}
	if err := s.service.Configure(c.Request().Context(), name, task, settings); err != nil {
		return inBody{err}
	}
	return s.DescribeSettings(c, name, task)
}
