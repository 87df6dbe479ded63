package main

import (
	"context"
	"errors"

	"nearcase/api"
)

type serveCommand struct {
	Listen string `help:"Address to listen on (default: 127.0.0.1:8417)." placeholder:"ADDRESS"`
}

func (serveCommand) Help() string {
	return `Listens at once and opens the data directory then; /readyz tells when it is open.
Ends on an interrupt: requests under way are finished first. A second one ends it
at once.

  nearcase serve --data /var/lib/nearcase
  curl -F image=@image.png http://127.0.0.1:8417/v1/collections/cxr/classify`
}

func (v serveCommand) Run(ctx context.Context, s *session) error {
	if s.Server != "" {
		return errors.New("serve works on a data directory, not on --server")
	}
	c, err := s.configuration()
	if err != nil {
		return err
	}
	if v.Listen != "" {
		c.Listen = v.Listen
	}
	s.serves, s.ending = true, ctx
	s.measureServing(ctx, s.logger(c))
	r, err := s.newRunning(c)
	if err != nil {
		return err
	}
	return r.run(ctx, func() (*api.Service, func() error, error) { return s.openLocal(c, orNew) }, nil)
}
