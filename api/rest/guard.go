package rest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api/problem"
	"nearcase/store"
)

// Keys of what a request's context carries.
const (
	requestKey   = "request"   // its ID
	failureKey   = "failure"   // the error that the log is to have
	bodyKey      = "body"      // its pacedBody, if it has one
	operationKey = "operation" // of the contract, if there is such
	witnessKey   = "witness"   // of a change
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
		if c.IsTLS() || s.Access.BehindTLS {
			c.Response().Header().Set(echo.HeaderStrictTransportSecurity, "max-age=63072000")
		}
		ctx, cancel := context.WithTimeout(c.Request().Context(), s.Timeout)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		tell := s.observed(c, id)
		s.paced(c)
		aborted := s.answer(c, next)
		if err := finished(c); err != nil {
			s.failed(c, err)
			aborted = true
		}
		ended := s.ended(c, time.Since(started))
		s.log(c, id, ended)
		tell(ended)
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

func (s *Server) log(c echo.Context, id string, e Ended) {
	level := slog.LevelInfo
	attributes := []slog.Attr{
		slog.String("request", id), slog.String("operation", e.Operation), slog.String("collection", e.Collection), slog.Int("status", e.Status),
		slog.Duration("took", e.Took), slog.Int64("received", e.Received), slog.Int64("bytes", e.Sent), slog.String("key", e.Key),
		slog.String("method", c.Request().Method), slog.String("route", c.Path()), slog.String("remote", c.RealIP()),
	}
	if err, ok := c.Get(failureKey).(error); ok {
		if level = slog.LevelError; errors.Is(err, store.ErrQuota) { // as it is set
			level = slog.LevelWarn
		}
		attributes = append(attributes, slog.String("error", withoutIdentifiers(c, err.Error())))
	}
	s.Logger.LogAttrs(c.Request().Context(), level, "request", attributes...)
}

// identifier is a DICOM UID, a digest or a pseudonym.
var identifier = regexp.MustCompile(`[0-9]+(?:\.[0-9]+){4,}|[0-9a-f]{32,}`)

// withoutIdentifiers returns the text of an error without what may name a patient
// or an image: whatever the path of the request names beside collection and task,
// UIDs, digests and pseudonyms.
func withoutIdentifiers(c echo.Context, text string) string {
	const left = "…"
	for _, name := range c.ParamNames() {
		if value := pathValue(c, name); value != "" && name != "collection" && name != "task" {
			text = strings.ReplaceAll(text, value, left)
		}
	}
	return identifier.ReplaceAllString(text, left)
}

// secure sets the headers that keep browsers from making more of an answer
// than it is, and from keeping it.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), midi=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// guard refuses what no operation is to see: requests whose headers or address
// are not right, and what a page of another site makes a browser send, which is
// requests to this address under another name (DNS rebinding), and changes.
func (s *Server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if err := s.keeper.checkAddress(c); err != nil {
			return err
		}
		if !s.isOwn(r) {
			return problem.New(problem.HostNotAllowed,
				fmt.Sprintf("this server is not %.100q; ask it by its address, as localhost, or by a name that hosts in its configuration has", r.Host))
		}
		if answered, err := s.keeper.shares(c); answered {
			return err
		}
		if err := s.foreign.Check(r); err != nil {
			return problem.New(problem.CrossOrigin, err.Error())
		}
		if err := plain(r); err != nil {
			return err
		}
		if most := max(s.MaxBody, maxJSON); r.ContentLength > most {
			return problem.New(problem.BodyTooLarge, fmt.Sprintf("the limit is %d bytes", most))
		}
		return next(c)
	}
}

// isOwn reports whether a request is for this server. The address that it came
// to is this server whatever else it is: a page can have no name for it.
func (s *Server) isOwn(r *http.Request) bool {
	host := hostname(r.Host)
	if isLoopback(host) || slices.ContainsFunc(s.Hosts, func(own string) bool { return strings.EqualFold(own, host) }) {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	asked, err := netip.ParseAddr(host)
	return ok && err == nil && asked.Unmap() == local.AddrPort().Addr().Unmap().WithZone("")
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
	if p.Code == problem.TooManyFiles || p.Code == problem.StoreStopped {
		retryAfter(c, again)
	}
	err = write(c, p.Status, problem.MediaType, p)
	if err != nil {
		s.failed(c, err)
	}
	return err == nil
}

// gone reports whether the sender of a request has left, or is to be left.
func gone(c echo.Context) bool {
	body, ok := c.Get(bodyKey).(*pacedBody)
	ctx := c.Request().Context()
	return ctx.Err() != nil && !isDeadline(ctx) && !(ok && body.isStopped())
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
	case h.Code == http.StatusBadRequest: // a parameter that generated code cannot bind
		return problem.New(problem.QueryParameter, fmt.Sprintf("%.200s", h.Message))
	}
	return problem.Of(err)
}
