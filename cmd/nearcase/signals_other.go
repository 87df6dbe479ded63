//go:build !unix

package main

import "context"

// obey waits until the context ends: there are no signals to obey.
func (*running) obey(ctx context.Context) { <-ctx.Done() }
