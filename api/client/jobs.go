package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"nearcase/api"
	"nearcase/api/problem"
)

const (
	// between is how long the server is asked to wait for a job's end before it
	// says how far the job is.
	between = 500 * time.Millisecond
	// toCancel is how long the server has to take the cancellation of a job.
	toCancel = 5 * time.Second
)

func jobRequest(method, id string) request {
	return request{method: method, path: []string{"v1", "jobs", id}}
}

// received returns a job with its problem as the error.
func received(j problem.Job) api.Job {
	if j.Problem != nil {
		j.Err = j.Problem
	}
	return j.Job
}

// Jobs returns all jobs that are remembered, the last started first, without
// their results.
func (c *Client) Jobs(ctx context.Context) ([]api.Job, error) {
	answer, err := ask[struct{ Jobs []problem.Job }](ctx, c, request{method: http.MethodGet, path: []string{"v1", "jobs"}})
	var all []api.Job
	for _, j := range answer.Jobs {
		all = append(all, received(j))
	}
	return all, err
}

// Job returns a job as it is, or api.ErrJob.
func (c *Client) Job(ctx context.Context, id string) (api.Job, error) {
	j, err := ask[problem.Job](ctx, c, jobRequest(http.MethodGet, id))
	return received(j), err
}

// Cancel asks a job to end, which may take it a while. One that has ended stays
// as it is.
func (c *Client) Cancel(ctx context.Context, id string) (api.Job, error) {
	j, err := ask[problem.Job](ctx, c, jobRequest(http.MethodDelete, id))
	return received(j), err
}

// inBackground has a job do what a request asks, and follows it to its end. It is
// cancelled when the context ends, or when it can no longer be followed: nobody
// would learn how it ended.
func inBackground[T any](ctx context.Context, c *Client, r request, body any, progress func(done, total int)) (T, error) {
	r.query = url.Values{"background": {"true"}}
	return asJob[T](ctx, c, func(ctx context.Context) (problem.Job, error) { return tell[problem.Job](ctx, c, r, body) }, progress)
}

// asJob is inBackground of a job that a request begins.
func asJob[T any](ctx context.Context, c *Client, begin func(context.Context) (problem.Job, error), progress func(done, total int)) (v T, err error) {
	if err := ctx.Err(); err != nil {
		return v, c.unanswered(err)
	}
	longer, stop := outliving(ctx)
	defer stop()
	started, err := begin(longer)
	if err != nil {
		return v, err
	}
	ended, err := c.follow(ctx, started.ID, progress)
	if err != nil {
		c.abandon(longer, started.ID)
		return v, err
	}
	if ended.Err != nil {
		return v, ended.Err
	}
	if err := json.Unmarshal(ended.Result, &v); err != nil {
		return v, fmt.Errorf("%s: %w: the result of job %s: %w", c.base.Redacted(), ErrAnswer, ended.ID, err)
	}
	return v, nil
}

// abandon cancels a job that nobody follows. It may have ended, or the server.
func (c *Client) abandon(ctx context.Context, id string) {
	ctx, stop := context.WithTimeout(ctx, toCancel)
	defer stop()
	_, _ = c.Cancel(ctx, id)
}

// outliving returns a context that ends a while after another, so that a job that
// has been asked for becomes known and can be cancelled.
func outliving(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, stop := context.WithCancel(context.WithoutCancel(ctx))
	unlink := context.AfterFunc(ctx, func() { time.AfterFunc(toCancel, stop) })
	return longer, func() {
		unlink()
		stop()
	}
}

// follow asks for a job until it has ended.
func (c *Client) follow(ctx context.Context, id string, progress func(done, total int)) (api.Job, error) {
	r := jobRequest(http.MethodGet, id)
	r.query = url.Values{"wait": {between.String()}}
	for {
		answer, err := ask[problem.Job](ctx, c, r)
		if err != nil {
			return api.Job{}, err
		}
		if progress != nil && answer.Total > 0 {
			progress(answer.Done, answer.Total)
		}
		if answer.HasEnded() {
			return received(answer), nil
		}
	}
}
