package client

import (
	"context"
	"time"
)

// Pausing has a client tell how long it would wait in place of waiting.
func (c *Client) Pausing(told func(time.Duration)) {
	c.pause = func(ctx context.Context, d time.Duration) error {
		told(d)
		return ctx.Err()
	}
}

// Address is the base URL of a client's server.
func (c *Client) Address() string { return c.base.String() }
