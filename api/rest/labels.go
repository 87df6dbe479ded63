package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/api"
)

func (s *Server) label(c echo.Context) error {
	var body struct {
		Labels []api.LabelRequest `json:"labels"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	stored, err := s.service.Label(c.Request().Context(), segment(c, "c"), body.Labels)
	if err != nil {
		return inBody{err}
	}
	return reply(c, http.StatusOK, stored)
}

func (s *Server) history(c echo.Context) error {
	history, err := s.service.History(c.Request().Context(), segment(c, "c"), segment(c, "id"))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"history": all(history)})
}
