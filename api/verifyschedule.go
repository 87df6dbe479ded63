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
// verification.
const verifiedDocument = "verified"

// lastVerified is what is remembered of verifications: no more than an answer to
// whether all is well.
type lastVerified struct {
	// Ended is when the last was, and before there was any, since when one is waited for.
	Ended time.Time `json:"ended"`
	// Found counts the findings of the last that found what is wrong and is not mended
	// by itself, 0 if nothing is.
	Found int `json:"found,omitempty"`
}

// scheduleVerifications verifies the store as often as is configured, until the
// context ends.
func (s *Service) scheduleVerifications(ctx context.Context) {
	s.regularly(ctx, s.VerifyEvery, "the store was not verified", s.verifyIfDue)
}

// verifyAgain is how long to wait at least after one that did not come to its end, or
// of which it could not be remembered that it had.
const verifyAgain = 24 * time.Hour

// verifyIfDue verifies the store if it is time, by a job, and waits for it.
func (s *Service) verifyIfDue(ctx context.Context, now time.Time) error {
	last, err := s.lastVerified(ctx)
	switch {
	case errors.Is(err, store.ErrDamaged): // due: it may have told anything
	case err != nil:
		return err
	case last.Ended.IsZero(): // from now on
		return s.saveVerified(ctx, lastVerified{Ended: now})
	case now.Sub(last.Ended) < s.VerifyEvery:
		return nil
	}
	tried, err := s.lastEnded(ctx, KindVerify, JobDone, JobFailed, JobCancelled)
	if err != nil || now.Sub(tried) < min(s.VerifyEvery, verifyAgain) {
		return err
	}
	j, err := s.Enqueue(ctx, KindVerify, "", verification{Scheduled: true})
	return s.awaitDone(ctx, j, err)
}

// noteVerified remembers what a verification has found, if it can.
func (s *Service) noteVerified(ctx context.Context, v Verified, o verification) {
	note := lastVerified{Ended: time.Now().UTC()}
	if !v.IsWhole() {
		note.Found = v.Found
		s.Logger.Error("the verification has found what is wrong", "findings", v.Found, "see", "its result, or nearcase verify")
	} else if o.Scheduled || o.sample() < defaultSample { // it has looked at less, or by chance at others
		last, _ := s.lastVerified(ctx) // where that cannot be read, this is what is known
		note.Found = last.Found
	}
	if err := s.saveVerified(ctx, note); err != nil {
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

// lastVerified returns what is remembered: ErrDamaged where that cannot be read.
func (s *Service) lastVerified(ctx context.Context) (v lastVerified, err error) {
	data, err := s.Catalog.Document(ctx, verifiedDocument, verifiedDocument)
	if errors.Is(err, store.ErrDocument) {
		return v, nil
	}
	if err == nil && json.Unmarshal(data, &v) != nil {
		err = fmt.Errorf("%w: note of the last verification", store.ErrDamaged)
	}
	return v, err
}

// VerifyState says how the verifications are that are made by themselves, and what the
// last has found: empty where there are none, ok, or what is wrong. What was found is
// told until somebody asks for a verification with a full sample, which finds nothing:
// a scheduled one draws other images to embed again.
func (s *Service) VerifyState(ctx context.Context, now time.Time) string {
	last, err := s.lastVerified(ctx)
	switch {
	case err != nil:
		return "degraded: what the last one found cannot be read"
	case last.Found > 0:
		return fmt.Sprintf("degraded: one has found what is wrong (%d), see nearcase verify", last.Found)
	case s.VerifyEvery <= 0:
		return ""
	case !last.Ended.IsZero() && now.Sub(last.Ended) > 2*s.VerifyEvery:
		return fmt.Sprintf("degraded: the last one is %s old", now.Sub(last.Ended).Round(time.Minute))
	}
	return "ok"
}
