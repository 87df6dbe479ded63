package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// ErrExposed is an address that others than this machine can reach.
var ErrExposed = errors.New("listening beyond loopback needs API keys, which this version does not have; " +
	"listen on 127.0.0.1 and put an authenticating proxy in front")

// Limits on how long a connection may keep the server waiting.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second // for some more of a body to arrive
	writeTimeout  = 30 * time.Second // for some of an answer to be taken
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// CheckListen returns ErrExposed for a host:port that is not of the loopback.
// A host name other than localhost counts as exposed: what it means can change.
func CheckListen(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", address, err)
	}
	if !isLoopback(host) {
		return fmt.Errorf("listen address %q: %w", address, ErrExposed)
	}
	return nil
}

// isLoopback reports whether a host, without its port, is this machine as only
// this machine can name it.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return strings.EqualFold(host, "localhost")
	}
	return a.Unmap().IsLoopback()
}

// Serve answers requests on a listener, which it closes, until the context
// ends. Then readiness fails, no further connection is accepted and requests
// under way are finished; those that take longer than Options.Drain are cut
// off. When Serve returns none is under way and the server cannot be used again.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	if listener.Addr().Network() != "unix" {
		if err := CheckListen(listener.Addr().String()); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           s,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended: // the listener failed
		return errors.Join(fmt.Errorf("serve: %w", err), s.shut(server, cut))
	case <-ctx.Done():
	}
	err := s.shut(server, cut)
	<-ended
	return err
}

// shut finishes what is under way.
func (s *Server) shut(server *http.Server, cut context.CancelFunc) error {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), s.Drain)
	defer cancel()
	err := server.Shutdown(ctx)
	if err != nil {
		cut()
		err = errors.Join(fmt.Errorf("requests cut off after %s: %w", s.Drain, err), server.Close())
	}
	s.serving.Lock() // waits for every request
	defer s.serving.Unlock()
	s.closed = true
	return err
}
