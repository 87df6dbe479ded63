package rest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
)

// beats is how often who follows the changes is told that there is none.
const beats = 15 * time.Second

// ListChanges answers with what has happened, or goes on doing so line by line. It
// leaves out what is of collections that who asks may not see.
func (s handlers) ListChanges(c echo.Context, p ListChangesParams) error {
	wait, err := time.ParseDuration(cmp.Or(p.Wait, "0s"))
	if err != nil {
		return problem.New(problem.QueryParameter, fmt.Sprintf("wait=%.80q cannot be read", p.Wait))
	}
	q := api.ChangesQuery{Since: p.Since, Collection: p.Collection, Limit: p.Limit, Wait: wait}
	ctx, stop := s.untilDrained(c.Request().Context())
	defer stop()
	if accepted(c, mimeLines) != "" {
		return s.follow(ctx, c, q)
	}
	found, err := s.changes(ctx, c, q)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

// untilDrained returns a context in which nothing is waited for once the server is
// about to end.
func (s *Server) untilDrained(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	unlink := context.AfterFunc(s.drained, stop)
	return ctx, func() { unlink(); stop() }
}

// changes are those that who asks may see. It waits until there is one.
func (s handlers) changes(ctx context.Context, c echo.Context, q api.ChangesQuery) (api.Changes, error) {
	if q.Collection != "" && !visible(ctx, q.Collection) {
		return api.Changes{}, problem.New(problem.CollectionForbidden, fmt.Sprintf("the key is not for collection %.100q", q.Collection))
	}
	for until := time.Now().Add(q.Wait); ; {
		found, err := s.service.Changes(ctx, q)
		if ctx.Err() != nil && c.Request().Context().Err() == nil { // the server is about to end
			q.Wait = 0
			found, err = s.service.Changes(c.Request().Context(), q)
		}
		if err != nil {
			return found, err
		}
		seen := []api.Change{}
		for _, one := range found.Changes {
			if visible(ctx, one.Collection) {
				seen = append(seen, one)
			}
		}
		left := time.Until(until)
		if len(seen) > 0 || found.More || len(found.Changes) == 0 || left <= 0 {
			found.Changes = seen
			return found, nil
		}
		q.Since, q.Wait = found.Next, left
	}
}

// changeLine is a change as it is followed, with the cursor after it.
type changeLine struct {
	api.Change
	Next string `json:"next,omitempty"`
}

// follow answers line by line until the sender leaves, their key counts no more or
// the server is about to end. The last change of those that came together has the
// cursor.
func (s handlers) follow(ctx context.Context, c echo.Context, q api.ChangesQuery) error {
	q.Wait = 0 // so that what is wrong is an answer of its own
	found, err := s.changes(ctx, c, q)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentType, mimeLines)
	c.Response().WriteHeader(http.StatusOK)
	for q.Wait = beats; ; {
		if err := lines(c, found); err != nil || ctx.Err() != nil {
			return err
		}
		q.Since = found.Next
		if found, err = s.changes(ctx, c, q); err != nil {
			return err
		}
		if _, err := s.keeper.authenticate(c); err != nil {
			return nil // what comes is not for them
		}
	}
}

// lines writes changes, or an empty line for none.
func lines(c echo.Context, found api.Changes) error {
	var text []byte
	for i, one := range found.Changes {
		l := changeLine{Change: one}
		if i == len(found.Changes)-1 {
			l.Next = found.Next
		}
		data, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text = append(append(text, data...), '\n')
	}
	if len(text) == 0 {
		text = []byte{'\n'}
	}
	if _, err := (slowly{c}).Write(text); err != nil {
		return err
	}
	return http.NewResponseController(c.Response().Writer).Flush()
}
