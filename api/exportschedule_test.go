package api

import (
	"context"
	"time"
)

// BackUpIfDue is what the schedule does from time to time.
func (s *Service) BackUpIfDue(ctx context.Context, now time.Time) error {
	return s.backUpIfDue(ctx, now)
}

// VerifyIfDue is what the schedule does from time to time.
func (s *Service) VerifyIfDue(ctx context.Context, now time.Time) error {
	return s.verifyIfDue(ctx, now)
}
