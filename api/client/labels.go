package client

import (
	"context"
	"net/http"

	"nearcase/api"
	"nearcase/store"
)

// Label stores labels, all or none.
func (c *Client) Label(ctx context.Context, name string, labels []api.LabelRequest) (api.Labelled, error) {
	labels = all(labels)
	for i := range labels {
		labels[i].Classes = all(labels[i].Classes)
	}
	return tell[api.Labelled](ctx, c, collection(http.MethodPost, name, "labels").once(), map[string]any{"labels": labels})
}

// History returns all labels that were ever stored of an instance, oldest first.
func (c *Client) History(ctx context.Context, name, id string) ([]api.LabelEntry, error) {
	answer, err := ask[struct{ History []api.LabelEntry }](ctx, c, collection(http.MethodGet, name, "instances", id, "history"))
	return answer.History, err
}

// Settings returns the settings of a task.
func (c *Client) Settings(ctx context.Context, name, task string) (store.Settings, error) {
	return ask[store.Settings](ctx, c, collection(http.MethodGet, name, "tasks", task, "settings"))
}

// Configure replaces the settings of a task wholly.
func (c *Client) Configure(ctx context.Context, name, task string, settings store.Settings) error {
	_, err := tell[store.Settings](ctx, c, collection(http.MethodPut, name, "tasks", task, "settings"), settings)
	return err
}
