package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/store"
)

// operation is what an operator has the server do beside the clients.
type operation struct {
	name string
	do   func(context.Context, *client.Client) error
}

func reindexing(engine string) operation {
	return operation{"reindex", func(ctx context.Context, c *client.Client) error {
		_, err := c.Reindex(ctx, collection, store.Reindexing{Index: store.Index{Engine: engine}, MinRecall: 0.5}, nil)
		return err
	}}
}

var operations = []operation{
	reindexing("graph"), reindexing("graph"), reindexing("exact"), reindexing("auto"),
	{"compact", compact}, {"compact", compact},
	{"back up", func(ctx context.Context, c *client.Client) error {
		_, err := c.Backup(ctx, io.Discard, api.BackupRequest{}, nil)
		return err
	}},
	{"verify", func(ctx context.Context, c *client.Client) error { return verify(ctx, c, -1) }},
	{"statistics", func(ctx context.Context, c *client.Client) error {
		_, err := c.Statistics(ctx, collection)
		return err
	}},
	{"list", func(ctx context.Context, c *client.Client) error {
		_, err := c.List(ctx, collection, api.ListOptions{Limit: 1000, Count: true})
		return err
	}},
}

// verify has the server read all that it has stored again, and embed some of it; what
// is derived may have to be derived anew.
func verify(ctx context.Context, c *client.Client, sample int) error {
	v, err := c.Verify(ctx, api.VerifyOptions{Sample: sample}, nil)
	for _, f := range v.Findings {
		if !f.Mended {
			return fmt.Errorf("%w: verify finds %+v", ErrViolated, f)
		}
	}
	return err
}

func compact(ctx context.Context, c *client.Client) error {
	_, err := c.Compact(ctx, nil)
	return err
}

func (r *run) drawOperation() operation { return operations[r.random.IntN(len(operations))] }

// operate waits for its time and then has one thing done. The server may refuse it,
// for it may be busy with the same since it was started; it may not fail.
func (r *run) operate(ctx context.Context, p *phase, o operation) error {
	select {
	case <-p.operate:
	case <-ctx.Done():
		return nil
	}
	err := o.do(ctx, r.server.client)
	refusal, refused := errors.AsType[*client.Problem](err)
	switch {
	case err == nil:
		r.counted(o.name)
	case errors.Is(err, ErrViolated):
		return err
	case refused && refusal.Status >= http.StatusInternalServerError && refusal.Status != http.StatusServiceUnavailable && !p.troubled.Load():
		return fmt.Errorf("%w: %s fails: %w", ErrViolated, o.name, err)
	}
	return nil
}
