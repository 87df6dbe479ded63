package rest

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/store"
)

// ListInstances answers with a page of instances.
func (s handlers) ListInstances(c echo.Context, name CollectionName, p ListInstancesParams) error {
	filter, err := filterOf(p.Filter)
	if err != nil {
		return err
	}
	return s.list(c, name, api.ListOptions{Filter: filter, Sort: string(p.Sort), Descending: p.Order == "desc", Limit: p.Limit, Cursor: p.Cursor, Count: p.Count})
}

// ListInstancesBy answers with a page of instances by a filter in the body.
func (s handlers) ListInstancesBy(c echo.Context, name CollectionName) error {
	var o api.ListOptions
	if err := decode(c, &o); err != nil {
		return err
	}
	return s.list(c, name, o)
}

func (s handlers) list(c echo.Context, name string, o api.ListOptions) error {
	page, err := s.service.List(c.Request().Context(), name, o)
	if err != nil {
		return err
	}
	for _, one := range page.Instances {
		saw(c.Request().Context(), one.ID)
	}
	return reply(c, http.StatusOK, page)
}

// filterOf reads a filter that is a query parameter; nil where it is left out.
func filterOf(text string) (*store.Filter, error) {
	if text == "" {
		return nil, nil
	}
	f, err := store.ParseFilter([]byte(text))
	if err != nil {
		return nil, problem.New(problem.QueryParameter, err.Error())
	}
	return f, nil
}

// DeleteInstances deletes what a filter lets pass, at once if that are few, and
// otherwise in the background.
func (s handlers) DeleteInstances(c echo.Context, name CollectionName, p DeleteInstancesParams) error {
	var o api.SweepOptions
	if err := decode(c, &o); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := o.Check(name); err != nil {
		return err
	}
	if many, err := s.isLarge(ctx, name, o); err != nil {
		return inBody{err}
	} else if !many && !p.Background {
		swept, err := s.service.Sweep(ctx, name, o, nil)
		counted(ctx, "deleted", swept.Deleted)
		if err != nil {
			return inBody{err}
		}
		return reply(c, http.StatusOK, swept)
	}
	return s.started(c)(s.service.Enqueue(ctx, api.KindSweep, name, o))
}

// isLarge reports whether a deletion takes more than one commit.
func (s handlers) isLarge(ctx context.Context, name string, o api.SweepOptions) (bool, error) {
	if o.DryRun {
		return false, nil
	}
	page, err := s.service.List(ctx, name, api.ListOptions{Filter: o.Filter, Limit: 1, Count: true})
	return err == nil && *page.Count > store.MaxDeletes, err
}
