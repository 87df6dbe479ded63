package client

import (
	"context"
	"net/http"

	"nearcase/api"
)

// Review lists what is worth an annotator's look, in a job of the server.
func (c *Client) Review(ctx context.Context, name string, o api.ReviewOptions, progress func(done, total int)) (api.Review, error) {
	return inBackground[api.Review](ctx, c, collection(http.MethodPost, name, "review"), o, progress)
}
