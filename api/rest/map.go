package rest

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"nearcase/api"
)

// DescribeMap answers with the places of a collection's instances.
func (s handlers) DescribeMap(c echo.Context, name CollectionName, p DescribeMapParams) error {
	o := api.MapOptions{Components: p.Components, Limit: p.Limit}
	if p.Tasks != "" {
		o.Tasks = strings.Split(p.Tasks, "|")
	}
	var err error
	if o.Filter, err = filterOf(p.Filter); err != nil {
		return err
	}
	tag, err := s.service.MapTag(c.Request().Context(), name, o)
	if err != nil {
		return err
	}
	if known, err := unchanged(c, `"`+tag+`"`); known || err != nil {
		return err
	}
	return s.place(c, name, o)
}

// DescribeMapBy answers with the places of what a filter in the body lets pass.
func (s handlers) DescribeMapBy(c echo.Context, name CollectionName) error {
	var o api.MapOptions
	if err := decode(c, &o); err != nil {
		return err
	}
	return s.place(c, name, o)
}

func (s handlers) place(c echo.Context, name string, o api.MapOptions) error {
	m, err := s.service.Map(c.Request().Context(), name, o)
	if err != nil {
		return err
	}
	c.Response().Header().Set(headETag, `"`+m.Tag+`"`)
	counted(c.Request().Context(), "instances", len(m.IDs))
	return reply(c, http.StatusOK, m)
}
