package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"nearcase/store"
)

// KindVerify is the kind of job that verifies the store.
const KindVerify = "verify"

// VerifyOptions say how much Verify does beyond reading. The zero value works.
type VerifyOptions struct {
	// Sample is how many instances of each collection are embedded again from their
	// originals; 0 means 16, and -1 none.
	Sample int `json:"sample,omitempty"`
	// Seed chooses them; 0 is another choice each time.
	Seed uint64 `json:"seed,omitempty"`
	// Doing, if set, is told what is being done.
	Doing func(stage string) `json:"-"`
}

// verification is what a job that verifies is asked.
type verification struct {
	VerifyOptions
	// Scheduled tells that nobody asked for it: see VerifyState.
	Scheduled bool `json:"scheduled,omitempty"`
}

// defaultSample is how many instances of a collection are embedded again.
const defaultSample = 16

// Verified is what Verify has read, and what is wrong.
type Verified struct {
	store.Verified
	Began time.Time `json:"began"`
	// Embedded counts the instances that were embedded again, and Furthest is the
	// cosine similarity of the one furthest from its stored vector; nil for none.
	Embedded int      `json:"embedded"`
	Furthest *float64 `json:"furthest,omitempty"`
	// Probes counts the ridge probes that were fitted anew to all of their labels,
	// and Difference is the largest of their coefficients' relative differences.
	Probes     int      `json:"probes"`
	Difference *float64 `json:"difference,omitempty"`
}

// Verify re-reads everything that is stored and says what is wrong with it: the log,
// the originals by their digests, the index beside the log, what is derived and
// kept; then it embeds a sample of the originals again, and fits every ridge probe
// anew. What is wrong is among the findings; the error is of what could not be done
// at all. VerifyState tells of it from then on.
func (s *Service) Verify(ctx context.Context, o VerifyOptions, progress func(done, total int)) (Verified, error) {
	return s.verify(ctx, verification{VerifyOptions: o}, progress)
}

func (s *Service) verify(ctx context.Context, o verification, progress func(done, total int)) (Verified, error) {
	v := verifier{s: s, o: o.VerifyOptions, progress: progress}
	if v.o.Doing == nil {
		v.o.Doing = func(string) {}
	}
	v.Began = time.Now().UTC()
	v.o.Doing("store")
	var err error
	if v.Verified.Verified, err = s.Catalog.Verify(ctx, progress); err != nil {
		return Verified{}, err
	}
	collections, err := s.Catalog.Collections(ctx)
	if err != nil {
		return Verified{}, err
	}
	for _, c := range collections {
		if err := v.look(ctx, c); err != nil {
			return Verified{}, fmt.Errorf("verify collection %s: %w", c.Name, err)
		}
	}
	v.Took = time.Since(v.Began)
	s.noteVerified(ctx, v.Verified, o)
	return v.Verified, nil
}

// verifier is one call of Verify.
type verifier struct {
	Verified
	s        *Service
	o        VerifyOptions
	progress func(done, total int)
}

// look embeds again and fits anew what there is of a collection. One that is dropped
// meanwhile is passed over.
func (v *verifier) look(ctx context.Context, c store.Collection) error {
	v.o.Doing("models")
	err := v.embedAgain(ctx, c)
	if err == nil {
		v.o.Doing("probes")
		err = v.fitAgain(ctx, c)
	}
	if errors.Is(err, store.ErrCollection) {
		return nil
	}
	return err
}

// find adds a finding of a collection.
func (v *verifier) find(c store.Collection, what string, f store.Finding, err error) {
	f.Collection, f.What, f.Reason = c.Name, what, err.Error()
	v.Find(f)
}

func (o VerifyOptions) sample() int { return max(0, cmp.Or(o.Sample, defaultSample)) }

func (s *Service) verifyJob(ctx context.Context, t *turn) (any, error) {
	var o verification
	if err := t.parameters(&o); err != nil {
		return nil, err
	}
	o.Doing = t.stage
	return s.verify(ctx, o, t.progress)
}
