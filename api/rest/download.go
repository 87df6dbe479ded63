package rest

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
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

// export sends a collection as a file. What goes wrong once the answer has begun
// cuts the connection, so that nobody takes what came for the whole.
func (s *Server) export(c echo.Context) error {
	o, err := exportOptions(c)
	if err != nil {
		return err
	}
	e, err := s.service.BeginExport(c.Request().Context(), segment(c, "c"), o)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, exportTypes[e.Format])
	h.Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": e.Collection + "." + e.Format}))
	h.Set(headInstances, strconv.Itoa(e.Instances))
	h.Set(headHead, strconv.FormatUint(uint64(e.Head), 10))
	h.Set(headWatermark, strconv.FormatUint(uint64(e.Watermark), 10))
	c.Response().WriteHeader(http.StatusOK)
	return e.Write(c.Request().Context(), slowly{c}, nil)
}

func exportOptions(c echo.Context) (o api.ExportOptions, err error) {
	o.Format = c.QueryParam("format")
	if tasks := c.QueryParam("tasks"); tasks != "" {
		o.Tasks = strings.Split(tasks, "|")
	}
	vectors := true
	if err := parameter(c, "vectors", &vectors, strconv.ParseBool); err != nil {
		return o, err
	}
	o.WithoutVectors = !vectors
	if where := c.QueryParam("where"); where != "" {
		if err := decodeJSON(bytes.NewReader([]byte(where)), &o.Where); err != nil {
			return o, problem.New(problem.QueryParameter, "where: "+err.Error())
		}
	}
	return o, nil
}
