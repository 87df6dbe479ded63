// Package rest puts the operations of api on HTTP: routes, limits, and errors
// as problem documents (RFC 9457). It is the only importer of echo.
//
// Without API keys or an issuer of tokens it serves loopback addresses alone, and
// there everybody. Every answer is JSON, save the originals of images and exports. What a request says that
// is not known here, such as a query parameter or a JSON key, is refused by
// name.
package rest

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api"
)

// Options of New. The zero value works.
type Options struct {
	// Crowded, if set, reports whether so many connections are open that none is to be
	// kept after its answer.
	Crowded func() bool
	// MaxBody is how many bytes a request with images may have; 0 means 1 GiB.
	MaxBody int64
	// MaxImageBytes is how many bytes an image may have; 0 means 256 MiB.
	MaxImageBytes int64
	// MaxFiles is how many images a request may have; 0 means 1000.
	MaxFiles int
	// Hosts are names that requests may be for, beside those of the loopback and
	// the address that a connection is to: what clients and proxies call it.
	Hosts []string
	// Timeout is how long a request may take; 0 means an hour.
	Timeout time.Duration
	// Access says who may ask what and how much.
	Access Access
	// Drain is how long requests under way may take when the server ends; 0
	// means 30 seconds.
	Drain time.Duration
	// Logger gets one line for each request; nil means none.
	Logger *slog.Logger
	// Version answers /version, as JSON.
	Version any
	// Observe, if set, is told that a request of that ID begins, whose context it
	// returns, and by the function that it returns how it ended.
	Observe func(r *http.Request, id string) (context.Context, func(Ended))
	// Checks, if set, answers how what the server rests on is, for /readyz. It may be
	// asked before Open.
	Checks func(context.Context) []Check
	// Loading, if set, answers what is loaded before Open and how far that is, empty
	// while nothing is.
	Loading func() string
	// Metrics, if set, answers /metrics for who may know them.
	Metrics http.Handler
}

// maxJSON is how many bytes a JSON body may have.
const maxJSON = 32 << 20

// Server answers requests. It is an http.Handler; Serve serves a listener with
// the limits on time that a server needs. Close the service only after Serve
// has returned.
type Server struct {
	Options
	begun   atomic.Bool // guards the next three
	service *api.Service
	echo    *echo.Echo
	keeper  *gatekeeper
	early   *echo.Echo // answers until then
	foreign *http.CrossOriginProtection
	answers *answers // that are remembered

	address struct {
		sync.Mutex
		at string // where it listens; empty where that is unknown or no network
	}

	certificates atomic.Pointer[certificates] // nil without TLS

	bodyTimeout time.Duration // a constant save in tests

	draining atomic.Bool
	drained  context.Context // ends when that begins
	drain    context.CancelFunc
	serving  sync.RWMutex // read by requests under way
	closed   bool
}

// New returns a server for a service. Without one it answers only for its health
// until Open.
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
	if o.Timeout <= 0 {
		o.Timeout = time.Hour
	}
	if o.Version == nil {
		o.Version = struct{}{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Server{Options: o, foreign: http.NewCrossOriginProtection(), answers: newAnswers(), bodyTimeout: bodyTimeout}
	for _, origin := range o.Access.Origins {
		_ = r.foreign.AddTrustedOrigin(origin) // CheckOrigin has checked it
	}
	r.drained, r.drain = context.WithCancel(context.Background())
	r.early = r.waiting()
	if s != nil {
		r.begin(s)
	}
	return r
}

// begin answers all operations from now on.
func (s *Server) begin(service *api.Service) {
	s.service, s.keeper, s.echo = service, newGatekeeper(s.Access, s.Logger), echo.New()
	s.echo.IPExtractor = s.Access.remote()
	s.echo.Pre(s.record, s.guard)
	s.echo.Use(s.identify, s.keeper.admit, s.validate, s.hold, s.once)
	RegisterHandlers(s.echo, handlers{s})
	s.begun.Store(true)
}

// handlers answer the operations of the contract.
type handlers struct{ *Server }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serving.RLock()
	defer s.serving.RUnlock()
	if s.closed {
		w.Header().Set("Connection", "close")
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	if !s.begun.Load() {
		s.early.ServeHTTP(w, r)
		return
	}
	s.echo.ServeHTTP(w, r)
}

// Live answers that the process lives.
func (s handlers) Live(c echo.Context) error {
	return reply(c, http.StatusOK, map[string]string{"status": "live"})
}

// Version answers with what the program says of itself.
func (s handlers) Version(c echo.Context) error { return reply(c, http.StatusOK, s.Options.Version) }
