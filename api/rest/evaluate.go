package rest

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/probe/eval/report"
)

// Media types of an evaluation beside JSON.
const (
	typeHTML = "text/html"
	typeCSV  = "text/csv"
)

// Evaluate answers when it is done, which can take minutes, and ends when the
// sender leaves; in the background it does neither. The answer is JSON or, if
// that is what Accept names, the report as a page of HTML or as CSV.
func (s handlers) Evaluate(c echo.Context, name CollectionName, p EvaluateParams) error {
	var o api.EvaluateOptions
	if err := decodeAny(c, &o); err != nil {
		return err
	}
	if err := reaches(c, o.Collections); err != nil {
		return err
	}
	as := accepted(c, typeHTML, typeCSV)
	if as == "" {
		return s.long(c, job{api.KindEvaluate, name, p.Background, o}, func(ctx context.Context, progress func(done, total int)) (any, error) {
			return s.service.Evaluate(ctx, name, o, progress)
		})
	}
	if p.Background {
		return problem.New(problem.QueryParameter, "background: the result of a job is JSON; ask for that with Accept")
	}
	o.Cases = 0 // neither lists them
	e, err := s.service.Evaluate(c.Request().Context(), name, o, nil)
	if err != nil {
		return inBody{err}
	}
	sawAnswer(c.Request().Context(), e)
	render := report.CSV
	if as == typeHTML {
		render = report.HTML
	}
	return rendered(c, as, func(w io.Writer) error { return render(w, e.Report) })
}

// accepted returns the first media type that the Accept header names if that is
// one of those offered, and nothing otherwise.
func accepted(c echo.Context, offered ...string) string {
	first, _, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAccept), ",")
	t, _, err := mime.ParseMediaType(first)
	if err != nil || !slices.Contains(offered, t) {
		return ""
	}
	return t
}

// rendered answers with text. What cannot be written is an error before anything
// is sent.
func rendered(c echo.Context, mediaType string, render func(io.Writer) error) error {
	var b bytes.Buffer
	if err := render(&b); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, mediaType+"; charset=utf-8")
	h.Set(echo.HeaderContentLength, strconv.Itoa(b.Len()))
	if mediaType == typeHTML { // the page has a policy of its own, which is stricter than the usual one but for its style and pictures
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox")
	}
	c.Response().WriteHeader(http.StatusOK)
	_, err := slowly{c}.Write(b.Bytes())
	return err
}
