package rest

import (
	"context"

	"github.com/labstack/echo/v4"

	"nearcase/api"
)

// review answers with the worklist, or with the job that makes it.
func (s *Server) review(c echo.Context) error {
	var o api.ReviewOptions
	if err := decodeAny(c, &o); err != nil {
		return err
	}
	name := segment(c, "c")
	return s.long(c, "review", name, func(ctx context.Context, progress func(done, total int)) (any, error) {
		return s.service.Review(ctx, name, o, progress)
	})
}
