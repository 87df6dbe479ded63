package rest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api/problem"
)

// Keys of what a request's context carries.
const (
	requestKey = "request" // its ID
	failureKey = "failure" // the error that the log is to have
	bodyKey    = "body"    // its pacedBody, if it has one
)

// statusGone is what the log says of a request whose sender has left. nginx
// has it from no standard either.
const statusGone = 499

var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// record gives a request its ID, answers for errors and panics, and writes one
// line to the log. The line has the route's pattern, not the path, as
// identifiers in it may be those of patients.
func (s *Server) record(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := time.Now()
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !requestID.MatchString(id) {
			id = rand.Text()
		}
		c.Set(requestKey, id)
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		secure(c.Response().Header())
		s.paced(c)
		aborted := s.answer(c, next)
		s.log(c, id, time.Since(started))
		if aborted {
			panic(http.ErrAbortHandler) // net/http closes the connection
		}
		return nil
	}
}

// answer runs the handler and answers for its error or panic. It reports
// whether the request is left without a whole answer.
func (s *Server) answer(c echo.Context, next echo.HandlerFunc) (aborted bool) {
	defer func() {
		if v := recover(); v != nil {
			aborted = !s.refuse(c, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
		}
	}()
	if err := next(c); err != nil {
		return !s.refuse(c, err)
	}
	return false
}

func (s *Server) log(c echo.Context, id string, took time.Duration) {
	status, level := c.Response().Status, slog.LevelInfo
	attributes := []slog.Attr{
		slog.String("method", c.Request().Method), slog.String("route", c.Path()), slog.Int("status", status),
		slog.Duration("took", took), slog.Int64("bytes", c.Response().Size),
		slog.String("remote", c.RealIP()), slog.String("request", id),
	}
	if err, ok := c.Get(failureKey).(error); ok {
		level = slog.LevelError
		attributes = append(attributes, slog.String("error", err.Error()))
	}
	s.Logger.LogAttrs(c.Request().Context(), level, "request", attributes...)
}

// secure sets the headers that keep browsers from making more of an answer
// than it is, and from keeping it.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// guard refuses what a page of another site makes a browser send: requests to
// this address under another name (DNS rebinding), and changes.
func (s *Server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !s.isOwn(hostname(c.Request().Host)) {
			return problem.New(problem.HostNotAllowed,
				fmt.Sprintf("this server is not %q; ask it by its loopback address or as localhost", c.Request().Host))
		}
		if err := s.foreign.Check(c.Request()); err != nil {
			return problem.New(problem.CrossOrigin, err.Error())
		}
		return next(c)
	}
}

func (s *Server) isOwn(host string) bool {
	return isLoopback(host) || slices.ContainsFunc(s.Hosts, func(own string) bool { return strings.EqualFold(own, host) })
}

// hostname returns a Host header without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// refuse answers with the problem that an error is. It reports false if it
// cannot: an answer has begun, or nobody is there to take it.
func (s *Server) refuse(c echo.Context, err error) bool {
	response := c.Response()
	if gone(c) {
		response.Status = statusGone
		return false
	}
	p := *toProblem(err)
	if response.Committed || p.Status >= http.StatusInternalServerError {
		s.failed(c, err)
	}
	if response.Committed {
		return false
	}
	p.Instance, p.RequestID = c.Request().URL.EscapedPath(), c.Get(requestKey).(string)
	err = write(c, p.Status, problem.MediaType, p)
	if err != nil {
		s.failed(c, err)
	}
	return err == nil
}

// gone reports whether the sender of a request has left, or is to be left.
func gone(c echo.Context) bool {
	body, ok := c.Get(bodyKey).(*pacedBody)
	return c.Request().Context().Err() != nil && !(ok && body.isStopped())
}

// failed remembers the first error that the log is to have.
func (s *Server) failed(c echo.Context, err error) {
	if c.Get(failureKey) == nil {
		c.Set(failureKey, err)
	}
}

// inBody is an error about what the body of the request names.
type inBody struct{ error }

// Unwrap returns the error itself.
func (b inBody) Unwrap() error { return b.error }

// toProblem is problem.Of for the errors of echo as well.
func toProblem(err error) *problem.Problem {
	if named, ok := errors.AsType[inBody](err); ok {
		return problem.InBody(named.error)
	}
	h, ok := errors.AsType[*echo.HTTPError](err)
	switch {
	case !ok:
		return problem.Of(err)
	case h.Code == http.StatusNotFound:
		return problem.New(problem.RouteNotFound, "GET / names the routes")
	case h.Code == http.StatusMethodNotAllowed:
		return problem.New(problem.MethodNotAllowed, "the Allow header names the methods there are")
	}
	return problem.Of(err)
}
