package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"nearcase/store"
)

// verifiedDocument is the kind and the name of what is remembered of the last
// verification by a job.
const verifiedDocument = "verified"

// lastVerified is what is remembered of a verification: no more than an answer to
// whether all was well.
type lastVerified struct {
	// Ended is when it was, and before there was any, since when one is waited for.
	Ended time.Time `json:"ended"`
	Found int       `json:"found,omitempty"`
	// Wrong tells that something is wrong that is not mended by itself.
	Wrong bool `json:"wrong,omitempty"`
}

// scheduleVerifications verifies the store as often as is configured, until the
// context ends.
func (s *Service) scheduleVerifications(ctx context.Context) {
	s.regularly(ctx, s.VerifyEvery, "the store was not verified", s.verifyIfDue)
}

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

// verifyIfDue verifies the store if it is time, by a job, and waits for it.
func (s *Service) verifyIfDue(ctx context.Context, now time.Time) error {
	last, err := s.lastVerified(ctx)
	if err != nil {
		return err
	}
	if last.Ended.IsZero() { // from now on
		return s.saveVerified(ctx, lastVerified{Ended: now})
	}
	if now.Sub(last.Ended) < s.VerifyEvery {
		return nil
	}
	tried, err := s.lastEnded(ctx, KindVerify, JobDone, JobFailed, JobCancelled)
	if err != nil || now.Sub(tried) < min(s.VerifyEvery, time.Hour) {
		return err
	}
	j, err := s.Enqueue(ctx, KindVerify, "", VerifyOptions{})
	if err == nil {
		j, err = s.Await(ctx, j.ID)
	}
	if err != nil {
		return err
	}
	return j.Err
}

// noteVerified remembers what a verification has found, if it can.
func (s *Service) noteVerified(ctx context.Context, v Verified) {
	if !v.IsWhole() {
		s.Logger.Error("the verification has found what is wrong", "findings", v.Found, "see", "the result of its job, or nearcase verify")
	}
	if err := s.saveVerified(ctx, lastVerified{Ended: time.Now().UTC(), Found: v.Found, Wrong: !v.IsWhole()}); err != nil {
		s.Logger.Warn("it is not remembered when the store was verified", "error", err)
	}
}

func (s *Service) saveVerified(ctx context.Context, v lastVerified) error {
	data, err := json.Marshal(v)
	if err == nil {
		err = s.Catalog.SaveDocument(ctx, verifiedDocument, verifiedDocument, data)
	}
	return err
}

// lastVerified returns what is remembered; nothing if that cannot be read, so that the
// store is verified anew.
func (s *Service) lastVerified(ctx context.Context) (v lastVerified, err error) {
	data, err := s.Catalog.Document(ctx, verifiedDocument, verifiedDocument)
	if errors.Is(err, store.ErrDocument) || errors.Is(err, store.ErrDamaged) {
		return lastVerified{}, nil
	}
	if err != nil {
		return v, err
	}
	if json.Unmarshal(data, &v) != nil {
		return lastVerified{}, nil
	}
	return v, nil
}

// VerifyState says how the verifications are that are made by themselves, and what the
// last has found: empty where there are none, ok, or what is wrong.
func (s *Service) VerifyState(ctx context.Context, now time.Time) string {
	last, err := s.lastVerified(ctx)
	switch {
	case err != nil:
		return "degraded: not known"
	case last.Wrong:
		return fmt.Sprintf("degraded: the last one has findings (%d), see nearcase verify", last.Found)
	case s.VerifyEvery <= 0:
		return ""
	case !last.Ended.IsZero() && now.Sub(last.Ended) > 2*s.VerifyEvery:
		return fmt.Sprintf("degraded: the last one is %s old", now.Sub(last.Ended).Round(time.Minute))
	}
	return "ok"
}
