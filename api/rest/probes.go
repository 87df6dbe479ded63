package rest

import (
	"context"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"nearcase/api/problem"
	"nearcase/store"
)

func (s *Server) probes(c echo.Context) error {
	probes, err := s.service.Probes(c.Request().Context(), segment(c, "c"))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"probes": all(probes)})
}

// probe answers with one version of a task's probes, the one that answers if none
// is named.
func (s *Server) probe(c echo.Context) error {
	var number store.Key
	if err := parameter(c, "version", &number, versionNumber); err != nil {
		return err
	}
	found, err := s.service.Probe(c.Request().Context(), segment(c, "c"), segment(c, "task"), number)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

func versionNumber(text string) (store.Key, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	return store.Key(n), err
}

// retrain answers when the version is made; in the background at once.
func (s *Server) retrain(c echo.Context) error {
	if err := decodeAny(c, &struct{}{}); err != nil {
		return err
	}
	name, task := segment(c, "c"), segment(c, "task")
	return s.long(c, "retrain", name, func(ctx context.Context, progress func(done, total int)) (any, error) {
		return s.service.Retrain(ctx, name, task, progress)
	})
}

// rollback lets the version named in the body answer, 0 for the newest.
func (s *Server) rollback(c echo.Context) error {
	var body struct {
		Version *store.Key `json:"version"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	if body.Version == nil {
		return problem.New(problem.JSONInvalid, "name the version; 0 is the newest")
	}
	found, err := s.service.Rollback(c.Request().Context(), segment(c, "c"), segment(c, "task"), *body.Version)
	if err != nil {
		return inBody{err}
	}
	return reply(c, http.StatusOK, found)
}

// compare sets two versions side by side, of which 0 or none is the one that
// answers.
func (s *Server) compare(c echo.Context) error {
	var a, b store.Key
	for name, to := range map[string]*store.Key{"a": &a, "b": &b} {
		if err := parameter(c, name, to, versionNumber); err != nil {
			return err
		}
	}
	found, err := s.service.Compare(c.Request().Context(), segment(c, "c"), segment(c, "task"), a, b)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}
