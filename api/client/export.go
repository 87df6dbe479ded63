package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"nearcase/api"
	"nearcase/store"
)

// Export writes a collection. The server does not tell how far it is: progress is
// called at the beginning and at the end. An export that the server gives up in
// the middle is an error, and what was written then is worth nothing.
func (c *Client) Export(ctx context.Context, name string, o api.ExportOptions, w io.Writer, progress func(done, total int)) (api.Exported, error) {
	r := collection(http.MethodGet, name, "export")
	var err error
	if r.query, err = exportQuery(o); err != nil {
		return api.Exported{}, err
	}
	answer, err := c.send(ctx, r)
	if err != nil {
		return api.Exported{}, err
	}
	defer answer.Body.Close()
	e, err := c.exported(name, o, answer.Header)
	if err != nil {
		return e, err
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	progress(0, e.Instances)
	if _, err := io.Copy(w, answer.Body); err != nil {
		return e, fmt.Errorf("export %s: %w", name, err)
	}
	progress(e.Instances, e.Instances)
	return e, nil
}

func exportQuery(o api.ExportOptions) (url.Values, error) {
	q := url.Values{"vectors": {strconv.FormatBool(!o.WithoutVectors)}}
	if o.Format != "" {
		q.Set("format", o.Format)
	}
	if len(o.Tasks) > 0 {
		q.Set("tasks", strings.Join(o.Tasks, "|"))
	}
	return q, setFilter(q, o.Filter)
}

// exported reads what the headers say of an export.
func (c *Client) exported(name string, o api.ExportOptions, h http.Header) (api.Exported, error) {
	n, err := strconv.Atoi(h.Get("Nearcase-Instances"))
	head, err2 := strconv.ParseUint(h.Get("Nearcase-Head"), 10, 64)
	watermark, err3 := strconv.ParseUint(h.Get("Nearcase-Label-Watermark"), 10, 64)
	if err := errors.Join(err, err2, err3); err != nil {
		return api.Exported{}, fmt.Errorf("%s: %w: %w", c.base.Redacted(), ErrAnswer, err)
	}
	return api.Exported{Collection: name, Format: cmp.Or(o.Format, api.NPZ), Instances: n, Head: store.Key(head), Watermark: store.Key(watermark)}, nil
}
