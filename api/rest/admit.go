package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api/audit"
	"nearcase/api/problem"
)

// admit lets a request go on to its operation if who asks may ask that, and has
// not asked too much.
func (g *gatekeeper) admit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		o := asked(c)
		guarded := o != nil && o.Scope != public
		who, err := caller{}, error(nil)
		if guarded {
			who, err = g.authenticate(c)
		}
		leave, full := g.charge(c, who, err)
		if full != nil {
			retryAfter(c, full.again)
			return problem.New(problem.QuotaExceeded, fmt.Sprintf("the quota of %s is used up", full.what))
		}
		defer func() { leave(traffic(c)) }()
		if !guarded {
			return next(c)
		}
		if err == nil {
			err = authorize(c, who, o)
		}
		if err != nil {
			g.refused(c, who, o, err)
			return err
		}
		withCaller(c, who)
		return g.recorded(c, who, o, g.inTurn(o, next))
	}
}

// charge counts a request on the quota of who asks, or of the address where nobody
// has proved to be anybody: see meters.enter.
func (g *gatekeeper) charge(c echo.Context, who caller, err error) (leave func(bytes int64), refused *refusedFor) {
	if err != nil || who.name == "" {
		return g.strange.enter(neighbourhood(c.RealIP()), time.Now())
	}
	return g.meters.enter(who.name, time.Now())
}

// traffic is how many bytes a request has cost so far.
func traffic(c echo.Context) int64 {
	n := c.Response().Size
	if b, ok := c.Get(bodyKey).(*pacedBody); ok {
		n += b.taken.Load()
	}
	return n
}

// inTurn makes an operation that takes much wait while too many are under way.
func (g *gatekeeper) inTurn(o *operation, next echo.HandlerFunc) echo.HandlerFunc {
	if !o.heavy {
		return next
	}
	return func(c echo.Context) error {
		if !g.heavy.enter(c.Request().Context().Done(), g.turn) {
			retryAfter(c, time.Second)
			return problem.New(problem.Busy, "")
		}
		defer g.heavy.leave()
		return next(c)
	}
}

// recorded runs an operation that the audit log is to have. A change is not
// made while it cannot be recorded.
func (g *gatekeeper) recorded(c echo.Context, who caller, o *operation, next echo.HandlerFunc) error {
	changes := o.changes(c.Request().Method)
	if g.Audit == nil || !changes && !g.AuditReads {
		return next(c)
	}
	collection, _ := collectionOf(c)
	e := audit.Entry{Operation: o.OperationID, Collection: collection, Key: who.name}
	t := g.follow(c, o)
	if !changes {
		err := next(c)
		e.Status = outcome(c, err)
		t.into(&e)
		g.note(c, e)
		return err
	}
	if err := g.Audit.Ready(c.Request().Context()); err != nil {
		g.logger.Error("no changes are made while they cannot be recorded in the audit log", "error", err)
		retryAfter(c, 5*time.Second)
		return unrecorded("nothing was changed")
	}
	r := &witness{ResponseWriter: c.Response().Writer, c: c, keeper: g, entry: e, trail: t}
	c.Response().Writer = r
	c.Set(witnessKey, r)
	return next(c)
}

// unrecorded is the problem of a change and what became of it.
func unrecorded(detail string) *problem.Problem {
	p := problem.New(problem.AuditUnavailable, "")
	p.Detail = detail
	return p
}

// follow begins the trail of a request, with what its path names.
func (g *gatekeeper) follow(c echo.Context, o *operation) *trail {
	t := &trail{seal: g.Audit.Seal}
	ctx := context.WithValue(c.Request().Context(), trailKey{}, t)
	c.SetRequest(c.Request().WithContext(ctx))
	if id := pathValue(c, "id"); id != "" && strings.Contains(o.path, "/instances/{id}") {
		saw(ctx, id)
	}
	if instance := pathValue(c, "instance"); instance != "" {
		saw(ctx, instance)
	} else if study := pathValue(c, "study"); study != "" {
		sawStudy(ctx, study)
	}
	if key := pathValue(c, "key"); key != "" {
		concerns(ctx, key)
	}
	if patient := pathValue(c, "patient"); patient != "" {
		sawPatient(ctx, patient)
	}
	return t
}

// outcome is the status of an answer, or of the one that an error becomes.
func outcome(c echo.Context, err error) int {
	if gone(c) && !c.Response().Committed {
		return statusGone
	}
	if err != nil && !c.Response().Committed {
		return toProblem(err).Status
	}
	return c.Response().Status
}

// finished completes what the audit log has of a request. An answer that could
// not be recorded wholly is to be cut off.
func finished(c echo.Context) error {
	r, ok := c.Get(witnessKey).(*witness)
	if !ok {
		return nil
	}
	return r.finish()
}

// Limits on the headers of a request.
const maxHeaders = 200

// plain refuses requests whose headers make more of them than meets the eye.
func plain(r *http.Request) error {
	n := 0
	for _, values := range r.Header {
		n += len(values)
	}
	if n > maxHeaders {
		return problem.New(problem.HeadersTooMany, fmt.Sprintf("%d header fields, the limit is %d", n, maxHeaders))
	}
	for _, coding := range r.Header.Values(echo.HeaderContentEncoding) {
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			return problem.New(problem.EncodingUnknown, fmt.Sprintf("content encoding %.40q: send bodies as they are", coding))
		}
	}
	return nil
}

// isDeadline reports whether a request has taken longer than it may.
func isDeadline(ctx context.Context) bool { return errors.Is(ctx.Err(), context.DeadlineExceeded) }
