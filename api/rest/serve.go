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

var (
	// ErrExposed is an address that others than this machine can reach.
	ErrExposed = errors.New("listening beyond loopback needs API keys: make one with nearcase keys create, or listen on 127.0.0.1")
	// ErrPlain is such an address without TLS.
	ErrPlain = errors.New("listening beyond loopback needs TLS: name tls.certificate and tls.key, or set tls.terminated_by_proxy if a proxy in front has them")
)

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

// CheckListen returns ErrExposed for a host:port that is not of the loopback if
// nobody could have a key, and ErrPlain if keys would be sent in the clear.
func (a Access) CheckListen(address string) error {
	err := CheckListen(address)
	switch {
	case !errors.Is(err, ErrExposed):
		return err
	case !a.hasKeys():
		return err
	case !a.TLS.IsSet() && !a.BehindTLS:
		return fmt.Errorf("listen address %q: %w", address, ErrPlain)
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
	serve, err := s.prepare(listener)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           s.sparing(s),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(server) }()
	if err := s.until(ctx, ended); err != nil {
		return errors.Join(fmt.Errorf("serve: %w", err), s.shut(server, cut))
	}
	err = errors.Join(s.shut(server, cut), s.saveUsed(context.WithoutCancel(ctx)))
	<-ended
	return err
}

// sparing closes connections after their answer while there are many, so that those
// that are idle do not keep others out.
func (s *Server) sparing(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.Crowded != nil && s.Crowded() {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// prepare checks whether a listener may be served and returns what does, with
// TLS if there are certificates.
func (s *Server) prepare(listener net.Listener) (func(*http.Server) error, error) {
	if listener.Addr().Network() != "unix" {
		if err := s.listens(listener.Addr().String()); err != nil {
			return nil, err
		}
	}
	if !s.Access.TLS.IsSet() {
		return func(server *http.Server) error { return server.Serve(listener) }, nil
	}
	certificates, err := openCertificates(s.Access.TLS, s.Logger)
	if err != nil {
		return nil, err
	}
	s.certificates.Store(certificates)
	return func(server *http.Server) error {
		server.TLSConfig = certificates.config()
		return server.ServeTLS(listener, "", "")
	}, nil
}

// Reload reads the files of TLS again; those before stay if they cannot be used.
// Connections there are stay as they are.
func (s *Server) Reload() error {
	if c := s.certificates.Load(); c != nil {
		return c.reload()
	}
	return nil
}

// savesEvery is how often it is saved when keys were used last.
const savesEvery = 10 * time.Minute

// until waits for the end of a context, or of a server before, whose error it
// returns.
func (s *Server) until(ctx context.Context, ended <-chan error) error {
	save := time.NewTicker(savesEvery)
	defer save.Stop()
	for {
		select {
		case err := <-ended: // the listener failed
			return err
		case <-ctx.Done():
			return nil
		case <-save.C:
			if err := s.saveUsed(ctx); err != nil {
				s.Logger.Error("it is not saved when API keys were used last", "error", err)
			}
		}
	}
}

func (s *Server) saveUsed(ctx context.Context) error {
	if !s.begun.Load() || s.Access.Keys == nil {
		return nil
	}
	return s.Access.Keys.SaveUsed(ctx)
}

// shut finishes what is under way.
func (s *Server) shut(server *http.Server, cut context.CancelFunc) error {
	s.draining.Store(true)
	s.drain()
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
