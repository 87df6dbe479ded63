package client

import (
	"context"
	"io"
	"net/http"
	"net/url"

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
	return tell[api.Collection](ctx, c, collection(http.MethodPost, name, "tasks"), map[string]any{"tasks": all(tasks)})
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

// Evaluate measures how well the labels can be predicted, in a job of the server.
func (c *Client) Evaluate(ctx context.Context, name string, o api.EvaluateOptions, progress func(done, total int)) (api.Evaluation, error) {
	return inBackground[api.Evaluation](ctx, c, collection(http.MethodPost, name, "evaluate"), o, progress)
}

// Reindex rebuilds a collection's index while the old one serves, in a job of the
// server.
func (c *Client) Reindex(ctx context.Context, name string, to store.Reindexing, progress func(done, total int)) (store.Reindexed, error) {
	return inBackground[store.Reindexed](ctx, c, collection(http.MethodPost, name, "reindex"), to, progress)
}
