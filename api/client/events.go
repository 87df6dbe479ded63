package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"nearcase/api"
)

// Await returns a job once it has ended. It is not cancelled when the context ends.
func (c *Client) Await(ctx context.Context, id string) (api.Job, error) {
	return c.follow(ctx, id, nil)
}

// Changes returns what has happened after a cursor, oldest first; it may wait for
// that.
func (c *Client) Changes(ctx context.Context, q api.ChangesQuery) (api.Changes, error) {
	r := request{method: http.MethodGet, path: []string{"v1", "changes"}, query: url.Values{}}
	if q.Since != "" {
		r.query.Set("since", q.Since)
	}
	if q.Collection != "" {
		r.query.Set("collection", q.Collection)
	}
	if q.Limit != 0 {
		r.query.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Wait != 0 {
		r.query.Set("wait", q.Wait.String())
	}
	return ask[api.Changes](ctx, c, r)
}

func hook(method, id string, path ...string) request {
	return request{method: method, path: append([]string{"v1", "webhooks", id}, path...)}
}

// CreateWebhook has an address told of changes. Its secret cannot be asked for
// again.
func (c *Client) CreateWebhook(ctx context.Context, n api.NewWebhook) (api.MadeWebhook, error) {
	return tell[api.MadeWebhook](ctx, c, request{method: http.MethodPost, path: []string{"v1", "webhooks"}}.once(), n)
}

// Webhooks returns all webhooks, the oldest first.
func (c *Client) Webhooks(ctx context.Context) ([]api.Webhook, error) {
	answer, err := ask[struct{ Webhooks []api.Webhook }](ctx, c, request{method: http.MethodGet, path: []string{"v1", "webhooks"}})
	return answer.Webhooks, err
}

// Webhook returns a webhook, or api.ErrWebhook.
func (c *Client) Webhook(ctx context.Context, id string) (api.Webhook, error) {
	return ask[api.Webhook](ctx, c, hook(http.MethodGet, id))
}

// UpdateWebhook changes a webhook.
func (c *Client) UpdateWebhook(ctx context.Context, id string, change api.WebhookChange) (api.Webhook, error) {
	return tell[api.Webhook](ctx, c, hook(http.MethodPatch, id), change)
}

// RotateWebhook gives a webhook another secret. For a day messages are signed by
// the one before too.
func (c *Client) RotateWebhook(ctx context.Context, id string) (api.MadeWebhook, error) {
	return ask[api.MadeWebhook](ctx, c, hook(http.MethodPost, id, "rotate"))
}

// DeleteWebhook removes a webhook with its dead letters.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	return c.do(ctx, hook(http.MethodDelete, id))
}

// TestWebhook has a message without changes sent, once.
func (c *Client) TestWebhook(ctx context.Context, id string) (api.Delivery, error) {
	return ask[api.Delivery](ctx, c, hook(http.MethodPost, id, "test"))
}

// DeadLetters returns the messages of a webhook that were given up.
func (c *Client) DeadLetters(ctx context.Context, id string) ([]api.DeadLetter, error) {
	answer, err := ask[struct {
		Letters []api.DeadLetter `json:"dead_letters"`
	}](ctx, c, hook(http.MethodGet, id, "dead-letters"))
	return answer.Letters, err
}

// Redeliver has a dead letter sent once more.
func (c *Client) Redeliver(ctx context.Context, id, message string) (api.Delivery, error) {
	return ask[api.Delivery](ctx, c, hook(http.MethodPost, id, "dead-letters", message))
}

// DropDeadLetter forgets a dead letter.
func (c *Client) DropDeadLetter(ctx context.Context, id, message string) error {
	return c.do(ctx, hook(http.MethodDelete, id, "dead-letters", message))
}
