package rest

import (
	"cmp"
	"io"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"nearcase/store"
)

func (s *Server) list(c echo.Context) error {
	var after store.Key
	var limit int
	if err := cmp.Or(parameter(c, "after", &after, parseKey), parameter(c, "limit", &limit, parseCount)); err != nil {
		return err
	}
	page, err := s.service.List(c.Request().Context(), segment(c, "c"), after, limit)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, page)
}

func parseKey(text string) (store.Key, error) {
	k, err := strconv.ParseUint(text, 10, 64)
	return store.Key(k), err
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}

func (s *Server) instance(c echo.Context) error {
	found, err := s.service.Instance(c.Request().Context(), segment(c, "c"), segment(c, "id"))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

func (s *Server) remove(c echo.Context) error {
	if err := s.service.Delete(c.Request().Context(), segment(c, "c"), segment(c, "id")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// original sends an image as it was received. What it is was found out from
// its content when it was stored, and browsers are told to take it for nothing
// else and not to show it within a page.
func (s *Server) original(c echo.Context) error {
	found, err := s.service.Instance(c.Request().Context(), segment(c, "c"), segment(c, "id"))
	if err != nil {
		return err
	}
	image, err := s.service.Original(c.Request().Context(), segment(c, "c"), segment(c, "id"))
	if err != nil {
		return err
	}
	defer image.Close()
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, cmp.Or(found.MediaType, echo.MIMEOctetStream))
	h.Set(echo.HeaderContentDisposition, "attachment")
	c.Response().WriteHeader(http.StatusOK)
	_, err = io.Copy(slowly{c}, image)
	return err
}
