package api

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// looks is how often it is looked whether something is due.
const looks = time.Minute

// regularly looks until the context ends whether something is due that is done as
// often as every says, 0 being never. What fails is logged.
func (s *Service) regularly(ctx context.Context, every time.Duration, failed string, ifDue func(ctx context.Context, now time.Time) error) {
	if every <= 0 {
		return
	}
	for wait := time.Duration(0); ; wait = min(looks, every) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if err := ifDue(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.Logger.Error(failed, "error", err)
		}
	}
}

// awaitDone waits for a job that was asked for, and returns why it was not or is not done.
func (s *Service) awaitDone(ctx context.Context, j Job, err error) error {
	if err != nil {
		return err
	}
	j, err = s.Await(ctx, j.ID)
	return cmp.Or(err, j.Err)
}

// lastEnded returns when a job of a kind ended last in one of some states, of those
// that are remembered; one that goes on counts as now.
func (s *Service) lastEnded(ctx context.Context, kind string, states ...JobState) (at time.Time, err error) {
	all, err := s.Jobs(ctx)
	for _, j := range all {
		switch {
		case j.Kind != kind:
		case !j.HasEnded():
			return time.Now(), err
		case slices.Contains(states, j.State) && j.Ended.After(at):
			at = j.Ended
		}
	}
	return at, err
}
