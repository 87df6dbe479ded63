package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/store"
)

func (s *Server) models(c echo.Context) error {
	models, err := s.service.ListModels(c.Request().Context())
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"models": all(models)})
}

// all returns a slice that is [] in JSON when it has nothing.
func all[T any](s []T) []T { return append([]T{}, s...) }

func (s *Server) collections(c echo.Context) error {
	collections, err := s.service.Collections(c.Request().Context())
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"collections": all(collections)})
}

func (s *Server) create(c echo.Context) error {
	var n api.NewCollection
	if err := decode(c, &n); err != nil {
		return err
	}
	made, err := s.service.Create(c.Request().Context(), n)
	if err != nil {
		return inBody{err}
	}
	c.Response().Header().Set(echo.HeaderLocation, "/v1/collections/"+url.PathEscape(made.Name))
	return reply(c, http.StatusCreated, made)
}

func (s *Server) collection(c echo.Context) error {
	found, err := s.service.Collection(c.Request().Context(), segment(c, "c"))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

// drop deletes a collection whose name is given twice.
func (s *Server) drop(c echo.Context) error {
	name := segment(c, "c")
	if c.QueryParam("confirm") != name {
		return problem.New(problem.NotConfirmed,
			fmt.Sprintf("this deletes everything in the collection; confirm it by its name: ?confirm=%s", url.QueryEscape(name)))
	}
	if err := s.service.Drop(c.Request().Context(), name); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *Server) declare(c echo.Context) error {
	var body struct {
		Tasks []store.Task `json:"tasks"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	changed, err := s.service.Declare(c.Request().Context(), segment(c, "c"), body.Tasks)
	if err != nil {
		return inBody{err}
	}
	return reply(c, http.StatusOK, changed)
}

func (s *Server) reindex(c echo.Context) error {
	var to store.Reindexing
	if err := decode(c, &to); err != nil {
		return err
	}
	name := segment(c, "c")
	return s.long(c, "reindex", name, func(ctx context.Context, progress func(done, total int)) (any, error) {
		return s.service.Reindex(ctx, name, to, progress)
	})
}
