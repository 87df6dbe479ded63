package rest

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"nearcase/api"
)

// Headers that say of an export what its format need not.
const (
	headInstances = "Nearcase-Instances"
	headHead      = "Nearcase-Head"
	headWatermark = "Nearcase-Label-Watermark"
)

// exportTypes are the media types of the formats.
var exportTypes = map[string]string{
	api.NPZ: "application/zip", api.JSONLines: "application/jsonl", api.Parquet: "application/vnd.apache.parquet",
}

// ExportCollection sends a collection as a file. What goes wrong once the answer has begun
// cuts the connection, so that nobody takes what came for the whole.
func (s handlers) ExportCollection(c echo.Context, name CollectionName, p ExportCollectionParams) error {
	o, err := exportOptions(p)
	if err != nil {
		return err
	}
	return s.export(c, name, o)
}

// ExportCollectionBy sends what a filter in the body lets pass.
func (s handlers) ExportCollectionBy(c echo.Context, name CollectionName) error {
	var o api.ExportOptions
	if err := decode(c, &o); err != nil {
		return err
	}
	return s.export(c, name, o)
}

func (s handlers) export(c echo.Context, name string, o api.ExportOptions) error {
	e, err := s.service.BeginExport(c.Request().Context(), name, o)
	if err != nil {
		return err
	}
	counted(c.Request().Context(), "instances", e.Instances)
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, exportTypes[e.Format])
	h.Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": e.Collection + "." + e.Format}))
	h.Set(headInstances, strconv.Itoa(e.Instances))
	h.Set(headHead, strconv.FormatUint(uint64(e.Head), 10))
	h.Set(headWatermark, strconv.FormatUint(uint64(e.Watermark), 10))
	c.Response().WriteHeader(http.StatusOK)
	return e.Write(c.Request().Context(), slowly{c}, nil)
}

func exportOptions(p ExportCollectionParams) (api.ExportOptions, error) {
	o := api.ExportOptions{Format: p.Format, WithoutVectors: p.Vectors != nil && !*p.Vectors}
	if p.Tasks != "" {
		o.Tasks = strings.Split(p.Tasks, "|")
	}
	var err error
	o.Filter, err = filterOf(p.Filter)
	return o, err
}
