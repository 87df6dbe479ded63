package rest

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/audit"
	"nearcase/api/keys"
	"nearcase/api/problem"
	"nearcase/api/rest/page"
)

// again is when to ask a server again that is not open yet.
const again = 5 * time.Second

// Open answers all operations from now on, by a service with its keys and its
// audit log, nil for none. A server that listens where it must not without keys is
// ErrExposed, and ErrPlain without TLS. It is called at most once, for a server
// that was made without a service.
func (s *Server) Open(service *api.Service, ring *keys.Ring, log *audit.Log) error {
	s.address.Lock()
	defer s.address.Unlock()
	s.Access.Keys, s.Access.Audit = ring, log
	if s.address.at != "" {
		if err := s.Access.CheckListen(s.address.at); err != nil {
			return err
		}
	}
	s.begin(service)
	s.keeper.exposed.Store(s.address.at != "" && CheckListen(s.address.at) != nil)
	return nil
}

// listens notes where the server listens. Of one that is not open yet it is
// checked when it is: nothing is answered before.
func (s *Server) listens(address string) error {
	s.address.Lock()
	defer s.address.Unlock()
	s.address.at = address
	if !s.begun.Load() {
		return nil
	}
	if err := s.Access.CheckListen(address); err != nil {
		return err
	}
	s.keeper.exposed.Store(CheckListen(address) != nil)
	return nil
}

// waiting answers for a server that is not open yet: for its health and version,
// with the page, which shows that to people, and to all else that it is not ready.
func (s *Server) waiting() *echo.Echo {
	e := echo.New()
	e.IPExtractor = s.Access.remote()
	h := handlers{s}
	known := map[string]echo.HandlerFunc{"/livez": h.Live, "/readyz": h.Ready, "/version": h.Version}
	e.Pre(s.record, func(echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if !s.isOwn(r) {
				return problem.New(problem.HostNotAllowed, "")
			}
			answer, path := known[r.URL.Path], r.URL.Path
			if name, ok := strings.CutPrefix(path, "/page/"); ok {
				answer, path = h.early(name), "/page/{file}"
			} else if path == "/" && wantsPage(r) {
				answer = h.early(page.Home)
			}
			if answer == nil || r.Method != http.MethodGet {
				retryAfter(c, again)
				p := problem.New(problem.NotReady, "")
				p.Detail = "the data directory is being opened: ask again later"
				return p
			}
			c.Set(operationKey, contract()[route{r.Method, path}])
			return answer(c)
		}
	})
	return e
}

// Check is how one thing is that the server rests on.
type Check struct {
	Name string
	// State is ok; or degraded and why, which leaves the server ready; or anything
	// else that says why it is not.
	State string
	// Fails tells that the server is not ready because of it.
	Fails bool
}

// loading is the state of a catalog that is not open yet.
func (s *Server) loading() string {
	if s.Loading != nil {
		if what := s.Loading(); what != "" {
			return "loading: " + what
		}
	}
	return "loading"
}

// checks are all there are, those that the server knows by itself first.
func (s *Server) checks(ctx context.Context) []Check {
	serving, catalog := Check{Name: "serving", State: "ok"}, Check{Name: "catalog", State: "ok"}
	if s.draining.Load() {
		serving.State, serving.Fails = "shutting down", true
	}
	if !s.begun.Load() {
		catalog.State, catalog.Fails = s.loading(), true
	} else if err := s.service.Ready(ctx); err != nil {
		catalog.State, catalog.Fails = problem.Of(err).Title, true
	}
	all := []Check{serving, catalog}
	if s.begun.Load() && s.Access.Audit != nil {
		recorded := Check{Name: "audit", State: "ok"}
		if err := s.Access.Audit.Ready(ctx); err != nil {
			recorded.State, recorded.Fails = problem.Of(err).Title, true
		}
		all = append(all, recorded)
	}
	if s.Options.Checks != nil {
		all = append(all, s.Options.Checks(ctx)...)
	}
	return all
}

// Ready answers whether requests are welcome, and which check says otherwise.
func (s handlers) Ready(c echo.Context) error {
	states, failed := map[string]string{}, problem.New(problem.NotReady, "")
	for _, check := range s.checks(c.Request().Context()) {
		if states[check.Name] = check.State; !check.Fails {
			continue
		}
		if len(failed.Errors) == 0 {
			failed.Detail = check.Name + ": " + check.State
		}
		failed.Errors = append(failed.Errors, problem.Item{Index: len(failed.Errors), Name: check.Name, Status: check.State})
	}
	if len(failed.Errors) > 0 {
		retryAfter(c, again)
		return failed
	}
	return reply(c, http.StatusOK, map[string]any{"status": "ready", "checks": states})
}
