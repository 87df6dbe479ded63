package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/store"
)

// ListModels answers with the models that can be used.
func (s handlers) ListModels(c echo.Context) error {
	models, err := s.service.ListModels(c.Request().Context())
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"models": all(models)})
}

// all returns a slice that is [] in JSON when it has nothing.
func all[T any](s []T) []T { return append([]T{}, s...) }

// ListCollections answers with all collections that who asks may see.
func (s handlers) ListCollections(c echo.Context) error {
	collections, err := s.service.Collections(c.Request().Context())
	if err != nil {
		return err
	}
	shown := slices.DeleteFunc(collections, func(one api.Collection) bool { return !visible(c.Request().Context(), one.Name) })
	return reply(c, http.StatusOK, map[string]any{"collections": all(shown)})
}

// CreateCollection answers with the collection and where it is.
func (s handlers) CreateCollection(c echo.Context) error {
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

// DescribeCollection answers with a collection and what it holds.
func (s handlers) DescribeCollection(c echo.Context, name CollectionName) error {
	found, err := s.service.Collection(c.Request().Context(), name)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

// DropCollection deletes a collection whose name is given twice.
func (s handlers) DropCollection(c echo.Context, name CollectionName, p DropCollectionParams) error {
	if p.Confirm != name {
		return problem.New(problem.NotConfirmed,
			fmt.Sprintf("this deletes everything in the collection; confirm it by its name: ?confirm=%s", url.QueryEscape(name)))
	}
	if err := s.service.Drop(c.Request().Context(), name); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// DeclareTasks answers with the collection as it is then.
func (s handlers) DeclareTasks(c echo.Context, name CollectionName) error {
	var body DeclareTasksJSONBody
	if err := decode(c, &body); err != nil {
		return err
	}
	changed, err := s.service.Declare(c.Request().Context(), name, body.Tasks)
	if err != nil {
		return inBody{err}
	}
	return reply(c, http.StatusOK, changed)
}

// Reindex answers when the new index serves, or with the job.
func (s handlers) Reindex(c echo.Context, name CollectionName, p ReindexParams) error {
	var to store.Reindexing
	if err := decode(c, &to); err != nil {
		return err
	}
	return s.long(c, job{api.KindReindex, name, p.Background, to}, func(ctx context.Context, progress func(done, total int)) (any, error) {
		return s.service.Reindex(ctx, name, to, progress)
	})
}
