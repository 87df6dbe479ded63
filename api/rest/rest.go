// Package rest puts the operations of api on HTTP: routes, limits, and errors
// as problem documents (RFC 9457). It is the only importer of echo.
//
// It has no authentication and therefore serves loopback addresses alone.
// Every answer is JSON, save the originals of images and exports. What a request says that
// is not known here, such as a query parameter or a JSON key, is refused by
// name.
package rest

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
)

// Options of New. The zero value works.
type Options struct {
	// MaxBody is how many bytes a request with images may have; 0 means 1 GiB.
	MaxBody int64
	// MaxImageBytes is how many bytes an image may have; 0 means 256 MiB.
	MaxImageBytes int64
	// MaxFiles is how many images a request may have; 0 means 1000.
	MaxFiles int
	// Hosts are names beside those of the loopback that requests may be for:
	// what an authenticating proxy in front passes on.
	Hosts []string
	// Drain is how long requests under way may take when the server ends; 0
	// means 30 seconds.
	Drain time.Duration
	// Logger gets one line for each request; nil means none.
	Logger *slog.Logger
	// Version answers /version, as JSON.
	Version any
}

// maxJSON is how many bytes a JSON body may have.
const maxJSON = 32 << 20

// Server answers requests. It is an http.Handler; Serve serves a listener with
// the limits on time that a server needs. Close the service only after Serve
// has returned.
type Server struct {
	Options
	service *api.Service
	echo    *echo.Echo
	foreign *http.CrossOriginProtection

	bodyTimeout time.Duration // a constant save in tests

	draining atomic.Bool
	serving  sync.RWMutex // read by requests under way
	closed   bool
}

// New returns a server for a service.
func New(s *api.Service, o Options) *Server {
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 30
	}
	if o.MaxImageBytes <= 0 {
		o.MaxImageBytes = 256 << 20
	}
	if o.MaxFiles <= 0 {
		o.MaxFiles = 1000
	}
	if o.Drain <= 0 {
		o.Drain = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Server{Options: o, service: s, echo: echo.New(), foreign: http.NewCrossOriginProtection(), bodyTimeout: bodyTimeout}
	r.echo.IPExtractor = echo.ExtractIPDirect()
	r.echo.Pre(r.record, r.guard)
	r.routes()
	return r
}

func (s *Server) routes() {
	s.route(http.MethodGet, "/", s.index)
	s.route(http.MethodGet, "/livez", s.live)
	s.route(http.MethodGet, "/readyz", s.ready)
	s.route(http.MethodGet, "/version", s.version)
	s.route(http.MethodGet, "/v1/models", s.models)
	s.route(http.MethodGet, "/v1/collections", s.collections)
	s.route(http.MethodPost, "/v1/collections", s.create)
	s.route(http.MethodGet, "/v1/collections/:c", s.collection)
	s.route(http.MethodDelete, "/v1/collections/:c", s.drop, "confirm")
	s.route(http.MethodPost, "/v1/collections/:c/tasks", s.declare)
	s.route(http.MethodGet, "/v1/collections/:c/tasks/:task/settings", s.settings)
	s.route(http.MethodPut, "/v1/collections/:c/tasks/:task/settings", s.configure)
	s.route(http.MethodGet, "/v1/collections/:c/instances", s.list, "after", "limit")
	s.route(http.MethodPost, "/v1/collections/:c/instances", s.ingest, "replace", "repeats", "source")
	s.route(http.MethodGet, "/v1/collections/:c/instances/:id", s.instance)
	s.route(http.MethodDelete, "/v1/collections/:c/instances/:id", s.remove)
	s.route(http.MethodGet, "/v1/collections/:c/instances/:id/original", s.original)
	s.route(http.MethodGet, "/v1/collections/:c/instances/:id/history", s.history)
	s.route(http.MethodPost, "/v1/collections/:c/labels", s.label)
	s.route(http.MethodPost, "/v1/collections/:c/similar", s.similar)
	s.route(http.MethodPost, "/v1/collections/:c/classify", s.classify)
	s.route(http.MethodGet, "/v1/collections/:c/probes", s.probes)
	s.route(http.MethodGet, "/v1/collections/:c/probes/:task", s.probe, "version")
	s.route(http.MethodPost, "/v1/collections/:c/probes/:task/retrain", s.retrain, "background")
	s.route(http.MethodPost, "/v1/collections/:c/probes/:task/rollback", s.rollback)
	s.route(http.MethodGet, "/v1/collections/:c/probes/:task/compare", s.compare, "a", "b")
	s.route(http.MethodPost, "/v1/collections/:c/evaluate", s.evaluate, "background")
	s.route(http.MethodPost, "/v1/collections/:c/review", s.review, "background")
	s.route(http.MethodPost, "/v1/collections/:c/reindex", s.reindex, "background")
	s.route(http.MethodGet, "/v1/collections/:c/export", s.export, "format", "tasks", "where", "vectors")
	s.route(http.MethodGet, "/v1/jobs", s.jobs)
	s.route(http.MethodGet, "/v1/jobs/:id", s.job, "wait")
	s.route(http.MethodDelete, "/v1/jobs/:id", s.cancel)
}

// route adds a route that takes the query parameters named and no others.
func (s *Server) route(method, path string, h echo.HandlerFunc, parameters ...string) {
	s.echo.Add(method, path, func(c echo.Context) error {
		if err := checkParameters(c, parameters); err != nil {
			return err
		}
		return h(c)
	})
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serving.RLock()
	defer s.serving.RUnlock()
	if s.closed {
		w.Header().Set("Connection", "close")
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	s.echo.ServeHTTP(w, r)
}

// index names the routes.
func (s *Server) index(c echo.Context) error {
	var routes []string
	for _, r := range s.echo.Routes() {
		routes = append(routes, r.Path+" "+r.Method)
	}
	slices.Sort(routes)
	for i, r := range routes {
		path, method, _ := strings.Cut(r, " ")
		routes[i] = method + " " + path
	}
	return reply(c, http.StatusOK, map[string]any{"name": "nearcase", "version": s.Version, "routes": routes})
}

func (s *Server) live(c echo.Context) error {
	return reply(c, http.StatusOK, map[string]string{"status": "live"})
}

// ready answers whether requests are welcome, and which check says otherwise.
func (s *Server) ready(c echo.Context) error {
	checks := map[string]string{"serving": "ok", "catalog": "ok"}
	failed := problem.New(problem.NotReady, "")
	if s.draining.Load() {
		checks["serving"] = "shutting down"
	}
	if err := s.service.Ready(c.Request().Context()); err != nil {
		checks["catalog"] = problem.Of(err).Title
	}
	for _, name := range []string{"catalog", "serving"} {
		if checks[name] != "ok" {
			failed.Detail = name + ": " + checks[name]
			failed.Errors = append(failed.Errors, problem.Item{Index: len(failed.Errors), Name: name, Status: checks[name]})
		}
	}
	if len(failed.Errors) > 0 {
		return failed
	}
	return reply(c, http.StatusOK, map[string]any{"status": "ready", "checks": checks})
}

func (s *Server) version(c echo.Context) error { return reply(c, http.StatusOK, s.Version) }
