package client

import (
	"context"
	"net/http"

	"nearcase/api"
	"nearcase/api/problem"
)

// Verify re-reads all that the server has stored, in a job of the server, and returns
// what is wrong with it.
func (c *Client) Verify(ctx context.Context, o api.VerifyOptions, progress func(done, total int)) (api.Verified, error) {
	return asJob[api.Verified](ctx, c, func(ctx context.Context) (problem.Job, error) {
		return tell[problem.Job](ctx, c, request{method: http.MethodPost, path: []string{"v1", "verifications"}}, o)
	}, progress)
}
