package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"nearcase/api"
	"nearcase/store"
)

// Probes describes the probes of a collection, in the order of its tasks.
func (c *Client) Probes(ctx context.Context, name string) ([]api.ProbeInfo, error) {
	answer, err := ask[struct{ Probes []api.ProbeInfo }](ctx, c, collection(http.MethodGet, name, "probes"))
	return answer.Probes, err
}

// Probe returns a version of a task's probes, the one that answers for 0.
func (c *Client) Probe(ctx context.Context, name, task string, version store.Key) (api.ProbeVersion, error) {
	r := collection(http.MethodGet, name, "probes", task)
	r.query = url.Values{"version": {strconv.FormatUint(uint64(version), 10)}}
	return ask[api.ProbeVersion](ctx, c, r)
}

// Retrain makes a version of a task's probes now, in a job of the server.
func (c *Client) Retrain(ctx context.Context, name, task string, progress func(done, total int)) (api.ProbeVersion, error) {
	return inBackground[api.ProbeVersion](ctx, c, collection(http.MethodPost, name, "probes", task, "retrain"), struct{}{}, progress)
}

// Rollback lets a version of a task's probes answer; 0 is the newest again.
func (c *Client) Rollback(ctx context.Context, name, task string, version store.Key) (api.ProbeInfo, error) {
	return tell[api.ProbeInfo](ctx, c, collection(http.MethodPost, name, "probes", task, "rollback"), map[string]any{"version": version})
}

// Compare sets two versions of a task's probes side by side.
func (c *Client) Compare(ctx context.Context, name, task string, a, b store.Key) (api.Comparison, error) {
	r := collection(http.MethodGet, name, "probes", task, "compare")
	r.query = url.Values{"a": {strconv.FormatUint(uint64(a), 10)}, "b": {strconv.FormatUint(uint64(b), 10)}}
	return ask[api.Comparison](ctx, c, r)
}
