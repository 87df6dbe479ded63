package rest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"

	"nearcase/api/problem"
)

// ServeAdmin answers those who operate the server on a listener of its own, which
// it closes, until the context ends: the metrics, profiles of the program, and the
// routes about its health. It asks for no key, and therefore serves loopback
// addresses alone.
func (s *Server) ServeAdmin(ctx context.Context, listener net.Listener, metrics http.Handler) error {
	if err := CheckListen(listener.Addr().String()); err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{
		Handler: s.admin(metrics), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); ctx.Err() == nil {
		return fmt.Errorf("serve admin: %w", err)
	}
	return nil
}

func (s *Server) admin(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	for _, route := range []string{"/livez", "/readyz", "/version"} {
		mux.Handle("GET "+route, s)
	}
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(hostname(r.Host)) { // a page that calls this address by a name of its own
			p := problem.New(problem.HostNotAllowed, "ask it by its loopback address or as localhost")
			http.Error(w, p.Title+": "+p.Detail, p.Status)
			return
		}
		secure(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// Metrics answers with what is measured, where that is not for the admin listener
// alone.
func (s handlers) Metrics(c echo.Context) error {
	if s.Options.Metrics == nil {
		return problem.New(problem.RouteNotFound, "metrics are on the admin listener")
	}
	s.Options.Metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}
