package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/store"
)

func (s *Server) settings(c echo.Context) error {
	found, err := s.service.Settings(c.Request().Context(), segment(c, "c"), segment(c, "task"))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

// configure replaces the settings of a task and answers with those it has then.
func (s *Server) configure(c echo.Context) error {
	var settings store.Settings
	if err := decode(c, &settings); err != nil {
		return err
	}
	if err := s.service.Configure(c.Request().Context(), segment(c, "c"), segment(c, "task"), settings); err != nil {
		return inBody{err}
	}
	return s.settings(c)
}
