package rest

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/store"
)

// ListProbes answers with the probes of every task.
func (s handlers) ListProbes(c echo.Context, name CollectionName) error {
	probes, err := s.service.Probes(c.Request().Context(), name)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"probes": all(probes)})
}

// DescribeProbe answers with one version of a task's probes, the one that answers if none
// is named.
func (s handlers) DescribeProbe(c echo.Context, name CollectionName, task TaskName, p DescribeProbeParams) error {
	found, err := s.service.Probe(c.Request().Context(), name, task, store.Key(p.Version))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

// RetrainProbe answers when the version is made; in the background at once.
func (s handlers) RetrainProbe(c echo.Context, name CollectionName, task TaskName, p RetrainProbeParams) error {
	if err := decodeAny(c, &struct{}{}); err != nil {
		return err
	}
	return s.long(c, job{api.KindRetrain, name, p.Background, api.RetrainOptions{Task: task}}, func(ctx context.Context, progress func(done, total int)) (any, error) {
		return s.service.Retrain(ctx, name, task, progress)
	})
}

// RollBackProbe lets the version named in the body answer, 0 for the newest.
func (s handlers) RollBackProbe(c echo.Context, name CollectionName, task TaskName) error {
	var body RollBackProbeJSONBody
	if err := decode(c, &body); err != nil {
		return err
	}
	found, err := s.service.Rollback(c.Request().Context(), name, task, store.Key(body.Version))
	if err != nil {
		return inBody{err}
	}
	return reply(c, http.StatusOK, found)
}

// CompareProbes sets two versions side by side, of which 0 or none is the one that
// answers.
func (s handlers) CompareProbes(c echo.Context, name CollectionName, task TaskName, p CompareProbesParams) error {
	found, err := s.service.Compare(c.Request().Context(), name, task, store.Key(p.A), store.Key(p.B))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}
