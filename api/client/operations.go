package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"nearcase/api"
	"nearcase/store"
)

// Version names what the server is made of: its version, commit, platform and
// runtime.
func (c *Client) Version(ctx context.Context) (map[string]string, error) {
	return ask[map[string]string](ctx, c, request{method: http.MethodGet, path: []string{"version"}})
}

// ListModels describes the models that the server can use.
func (c *Client) ListModels(ctx context.Context) ([]api.ModelInfo, error) {
	answer, err := ask[struct{ Models []api.ModelInfo }](ctx, c, request{method: http.MethodGet, path: []string{"v1", "models"}})
	return answer.Models, err
}

// Collections returns all collections by name.
func (c *Client) Collections(ctx context.Context) ([]api.Collection, error) {
	answer, err := ask[struct{ Collections []api.Collection }](ctx, c, request{method: http.MethodGet, path: []string{"v1", "collections"}})
	return answer.Collections, err
}

// Create makes an empty collection for a model.
func (c *Client) Create(ctx context.Context, n api.NewCollection) (api.Collection, error) {
	return tell[api.Collection](ctx, c, request{method: http.MethodPost, path: []string{"v1", "collections"}}, n)
}

// Collection returns one collection with its status.
func (c *Client) Collection(ctx context.Context, name string) (api.Collection, error) {
	return ask[api.Collection](ctx, c, collection(http.MethodGet, name))
}

// Drop deletes a collection and everything in it.
func (c *Client) Drop(ctx context.Context, name string) error {
	r := collection(http.MethodDelete, name)
	r.query = url.Values{"confirm": {name}}
	return c.do(ctx, r)
}

// Declare adds tasks or classes to a collection.
func (c *Client) Declare(ctx context.Context, name string, tasks []store.Task) (api.Collection, error) {
	return tell[api.Collection](ctx, c, collection(http.MethodPost, name, "tasks"), map[string]any{"tasks": tasks})
}

// List returns instances in the order they were stored, beginning after a key;
// limit 0 means 100.
func (c *Client) List(ctx context.Context, name string, after store.Key, limit int) (api.Page, error) {
	r := collection(http.MethodGet, name, "instances")
	r.query = url.Values{"after": {strconv.FormatUint(uint64(after), 10)}, "limit": {strconv.Itoa(limit)}}
	return ask[api.Page](ctx, c, r)
}

// Instance returns one instance.
func (c *Client) Instance(ctx context.Context, name, id string) (api.Instance, error) {
	return ask[api.Instance](ctx, c, collection(http.MethodGet, name, "instances", id))
}

// Original opens the bytes of an instance as they were received.
func (c *Client) Original(ctx context.Context, name, id string) (io.ReadCloser, error) {
	answer, err := c.send(ctx, collection(http.MethodGet, name, "instances", id, "original"))
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// Delete removes an instance with its vector, labels and original.
func (c *Client) Delete(ctx context.Context, name, id string) error {
	return c.do(ctx, collection(http.MethodDelete, name, "instances", id))
}

// Similar returns the stored cases nearest to a query.
func (c *Client) Similar(ctx context.Context, name string, q api.Query) (api.Similar, error) {
	return query[api.Similar](ctx, c, collection(http.MethodPost, name, "similar"), q)
}

// Classify answers which classes a query has.
func (c *Client) Classify(ctx context.Context, name string, q api.Query) (api.Classification, error) {
	return query[api.Classification](ctx, c, collection(http.MethodPost, name, "classify"), q)
}

// query asks about an image, which goes beside the rest of the query, or about
// what the query names.
func query[T any](ctx context.Context, c *Client, r request, q api.Query) (v T, err error) {
	if q.Image == nil {
		return tell[T](ctx, c, r, q)
	}
	f := newForm()
	if err := f.json("query", q); err != nil {
		return v, err
	}
	if err := f.file("image", q.Image); err != nil {
		return v, err
	}
	mediaType, body, err := f.close()
	if err != nil {
		return v, err
	}
	return ask[T](ctx, c, r.carrying(mediaType, body))
}

// Evaluate measures how well the labels can be predicted, in a job of the server.
func (c *Client) Evaluate(ctx context.Context, name string, o api.EvaluateOptions, progress func(done, total int)) (api.Evaluation, error) {
	return inBackground[api.Evaluation](ctx, c, collection(http.MethodPost, name, "evaluate"), o, progress)
}

// Reindex rebuilds a collection's index while the old one serves, in a job of the
// server.
func (c *Client) Reindex(ctx context.Context, name string, to store.Reindexing, progress func(done, total int)) (store.Reindexed, error) {
	return inBackground[store.Reindexed](ctx, c, collection(http.MethodPost, name, "reindex"), to, progress)
}
