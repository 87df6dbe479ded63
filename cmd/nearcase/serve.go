package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"

	"nearcase/api"
	"nearcase/api/rest"
)

type serveCommand struct {
	Listen string `help:"Address to listen on (default: 127.0.0.1:8417)." placeholder:"ADDRESS"`
}

func (serveCommand) Help() string {
	return `Ends on an interrupt: requests under way are finished first.

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
	if err := rest.CheckListen(c.Listen); err != nil {
		return err
	}
	s.serves = true
	s.measureServing(ctx, newLogger(c.Log, s.stderr))
	service, done, err := s.openLocal(c, orNew)
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, c, service, s.stderr, nil), done())
}

// serve answers HTTP until the context ends. ready, if set, is told the base
// URL once connections are accepted.
func serve(ctx context.Context, c config, service *api.Service, stderr io.Writer, ready func(url string)) error {
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	logger := newLogger(c.Log, stderr)
	server := rest.New(service, rest.Options{
		MaxBody: c.Limits.RequestBytes, MaxImageBytes: c.Limits.ImageBytes, MaxFiles: c.Limits.RequestImages,
		Logger: logger, Version: currentVersions(),
	})
	var warming sync.WaitGroup
	defer warming.Wait()
	warming.Go(func() { warm(ctx, service, logger) })
	url := "http://" + listener.Addr().String()
	logger.Info("listening", "url", url, "data", c.Data)
	if ready != nil {
		ready(url)
	}
	err = server.Serve(ctx, listener)
	logger.Info("stopped")
	return err
}

// warm opens the models of all collections, for which requests wait meanwhile.
func warm(ctx context.Context, service *api.Service, logger *slog.Logger) {
	err := service.Warm(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		logger.Warn("a model cannot be used", "error", err)
	default:
		logger.Info("models are ready")
	}
}
