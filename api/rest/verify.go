package rest

import (
	"github.com/labstack/echo/v4"

	"nearcase/api"
)

// Verify answers with the job.
func (s handlers) Verify(c echo.Context) error {
	var o api.VerifyOptions
	if err := decodeAny(c, &o); err != nil {
		return err
	}
	return s.started(c)(s.service.Enqueue(c.Request().Context(), api.KindVerify, "", o))
}
