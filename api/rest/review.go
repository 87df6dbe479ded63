package rest

import (
	"context"

	"github.com/labstack/echo/v4"

	"nearcase/api"
)

// Review answers with the worklist, or with the job that makes it.
func (s handlers) Review(c echo.Context, name CollectionName, p ReviewParams) error {
	var o api.ReviewOptions
	if err := decodeAny(c, &o); err != nil {
		return err
	}
	return s.long(c, job{api.KindReview, name, p.Background, o}, func(ctx context.Context, progress func(done, total int)) (any, error) {
		return s.service.Review(ctx, name, o, progress)
	})
}
