package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"nearcase/api"
	"nearcase/store"
)

// Export writes a collection. The server does not tell how far it is: progress is
// called at the beginning and at the end. An export that the server gives up in
// the middle is an error, and what was written then is worth nothing.
func (c *Client) Export(ctx context.Context, name string, o api.ExportOptions, w io.Writer, progress func(done, total int)) (api.Exported, error) {
	r, err := collection(http.MethodPost, name, "export").repeatable().with(o)
	if err != nil {
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
