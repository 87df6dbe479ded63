package client

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"nearcase/api"
	"nearcase/api/problem"
)

// Reembed embeds a collection with another model, in a job of the server, and returns
// how far it is and how the two agree. Cancelled with the context it goes on when it is
// called again.
func (c *Client) Reembed(ctx context.Context, name string, o api.ReembedOptions, progress func(done, total int)) (api.Reembedding, error) {
	_, err := asJob[api.Reembedding](ctx, c, func(ctx context.Context) (problem.Job, error) {
		return tell[problem.Job](ctx, c, collection(http.MethodPost, name, "reembedding"), o)
	}, progress)
	if err != nil {
		return api.Reembedding{}, err
	}
	return c.Reembedding(ctx, name, "") // with the examples, which a job does not keep
}

// SwitchModel lets the other model of a collection answer, or the one before, in a job
// of the server.
func (c *Client) SwitchModel(ctx context.Context, name string, o api.SwitchOptions, progress func(done, total int)) (api.Reembedding, error) {
	return asJob[api.Reembedding](ctx, c, func(ctx context.Context) (problem.Job, error) {
		if o.Back {
			return tell[problem.Job](ctx, c, collection(http.MethodPost, name, "reembedding", "back"), map[string]bool{"leave_out": o.LeaveOut})
		}
		return ask[problem.Job](ctx, c, collection(http.MethodPost, name, "reembedding", "switch"))
	}, progress)
}

// Reembedding returns how far a collection has been embedded by another model, or what
// a model that is named would cost.
func (c *Client) Reembedding(ctx context.Context, name, model string) (api.Reembedding, error) {
	r := collection(http.MethodGet, name, "reembedding")
	if model != "" {
		r.query = url.Values{"model": {model}}
	}
	return ask[api.Reembedding](ctx, c, r)
}

// AgreementPage writes the report of a task as a page of HTML. An empty task is the
// only one.
func (c *Client) AgreementPage(ctx context.Context, name, task string, w io.Writer) error {
	r := collection(http.MethodGet, name, "reembedding")
	r.accept = "text/html"
	if task != "" {
		r.query = url.Values{"task": {task}}
	}
	answer, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(w, answer.Body)
	return err
}

// DropReembedding gives up the vectors behind a collection: those of the other model,
// or after a switch of the one before.
func (c *Client) DropReembedding(ctx context.Context, name string) error {
	return c.do(ctx, collection(http.MethodDelete, name, "reembedding"))
}
