package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/store"
)

// ErasePatient answers with the receipt, or with the job. It goes on whoever has
// asked and gone: what is begun is to be brought to its end.
func (s handlers) ErasePatient(c echo.Context, name CollectionName, p ErasePatientParams) error {
	var body ErasePatientJSONRequestBody
	if err := decode(c, &body); err != nil {
		return err
	}
	if body.Confirm != body.Patient {
		return problem.New(problem.NotConfirmed, "this erases all that is stored of the patient for good; confirm it by the patient once more: confirm")
	}
	sawPatient(c.Request().Context(), body.Patient)
	return s.long(c, job{api.KindErase, name, p.Background, nil}, func(ctx context.Context, progress func(done, total int)) (any, error) {
		if !p.Background {
			ctx = context.WithoutCancel(ctx)
		}
		return s.service.Erase(ctx, name, body.Patient, progress)
	})
}

// ListReceipts answers with all receipts, and says if one has been changed.
func (s handlers) ListReceipts(c echo.Context) error {
	var answer struct {
		Receipts []api.Receipt `json:"receipts"`
		Problem  string        `json:"problem,omitempty"`
	}
	found, err := s.service.Receipts(c.Request().Context())
	if answer.Receipts = all(found); errors.Is(err, api.ErrForged) {
		answer.Problem, err = err.Error(), nil
	}
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, answer)
}

// DescribeReceipt answers with a receipt.
func (s handlers) DescribeReceipt(c echo.Context, id string) error {
	found, err := s.service.Receipt(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

// Compact answers with the job.
func (s handlers) Compact(c echo.Context) error {
	return s.started(c)(s.service.Enqueue(c.Request().Context(), api.KindCompact, "", struct{}{}))
}

// DescribeStatistics answers with counts.
func (s handlers) DescribeStatistics(c echo.Context, name CollectionName) error {
	found, err := s.service.Statistics(c.Request().Context(), name)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

// AmendCollection answers with the collection as it is then.
func (s handlers) AmendCollection(c echo.Context, name CollectionName) error {
	var body struct {
		store.Amendment
		Confirm string `json:"confirm"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	if body.DiscardOriginals != nil && *body.DiscardOriginals && body.Confirm != name {
		return problem.New(problem.NotConfirmed, fmt.Sprintf("this removes the originals of the collection; confirm it by its name: \"confirm\": %q", name))
	}
	changed, err := s.service.Amend(c.Request().Context(), name, body.Amendment)
	if err != nil {
		return inBody{err}
	}
	return reply(c, http.StatusOK, changed)
}
