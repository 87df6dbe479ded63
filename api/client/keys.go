package client

import (
	"context"
	"net/http"
	"time"

	"nearcase/api/keys"
)

// CreateKey makes an API key. Its token cannot be asked for again.
func (c *Client) CreateKey(ctx context.Context, n keys.New) (keys.Issued, error) {
	return tell[keys.Issued](ctx, c, request{method: http.MethodPost, path: []string{"v1", "keys"}}, n)
}

// Keys returns the API keys there are or were, oldest first.
func (c *Client) Keys(ctx context.Context) ([]keys.Key, error) {
	answer, err := ask[struct{ Keys []keys.Key }](ctx, c, request{method: http.MethodGet, path: []string{"v1", "keys"}})
	return answer.Keys, err
}

// RotateKey gives a key another token; the one it had is valid for a grace period
// more, in whole seconds.
func (c *Client) RotateKey(ctx context.Context, id string, grace time.Duration) (keys.Issued, error) {
	body := map[string]int64{"grace_seconds": int64(grace / time.Second)}
	return tell[keys.Issued](ctx, c, request{method: http.MethodPost, path: []string{"v1", "keys", id, "rotate"}}, body)
}

// RevokeKey ends a key at once and for ever.
func (c *Client) RevokeKey(ctx context.Context, id string) (keys.Key, error) {
	return ask[keys.Key](ctx, c, request{method: http.MethodDelete, path: []string{"v1", "keys", id}})
}
