package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nearcase/store"
)

// Jobs returns all jobs that are remembered, the last started first, without
// their parameters and results.
func (s *Service) Jobs(ctx context.Context) ([]Job, error) {
	if err := s.jobs.load(ctx); err != nil {
		return nil, err
	}
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	var all []Job
	for _, o := range slices.Backward(s.jobs.all) {
		all = append(all, o.brief())
	}
	return all, nil
}

// Job returns a job as it is, or ErrJob.
func (s *Service) Job(ctx context.Context, id string) (Job, error) {
	found, err := s.jobs.named(ctx, id)
	if err != nil {
		return Job{}, err
	}
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	return found.Job, nil
}

// Await returns a job once it has ended, or as it is when the context ends or the
// service is closed.
func (s *Service) Await(ctx context.Context, id string) (Job, error) {
	found, err := s.jobs.named(ctx, id)
	if err != nil {
		return Job{}, err
	}
	select {
	case <-found.ended:
	case <-ctx.Done():
	}
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	return found.Job, nil
}

// Cancel asks a job to end, which may take it a while; one that waits has ended at
// once. One that has ended stays as it is.
func (s *Service) Cancel(ctx context.Context, id string) (Job, error) {
	found, err := s.jobs.named(ctx, id)
	if err != nil {
		return Job{}, err
	}
	s.jobs.cancelled(found, ErrCancelled)
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	return found.Job, nil
}

// named returns a job of any run of the program.
func (j *jobs) named(ctx context.Context, id string) (*job, error) {
	if err := j.load(ctx); err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.find(id)
}

// cancelled stops a job that has not ended, for a reason.
func (j *jobs) cancelled(one *job, why error) {
	j.mu.Lock()
	idle := one.waiting
	one.waiting = false
	j.mu.Unlock()
	if idle && j.ctx.Err() == nil { // no goroutine has it
		j.end(one, nil, why)
	}
	one.cancel(why)
}

// endOf ends the jobs of a collection that is dropped, and forgets what those that
// have ended tell of it.
func (j *jobs) endOf(ctx context.Context, collection string) error {
	if err := j.load(ctx); err != nil {
		return err
	}
	for _, one := range j.about(collection) {
		j.cancelled(one, fmt.Errorf("%w: collection %s is dropped: %w", ErrCancelled, collection, store.ErrCollection))
	}
	return j.dropResults(ctx, collection)
}

// about returns the jobs of a collection.
func (j *jobs) about(collection string) (found []*job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, one := range j.all {
		if one.Collection == collection {
			found = append(found, one)
		}
	}
	return found
}

// dropJobResults forgets what jobs tell of the images of a collection: the results
// and parameters of those that have ended, and the parameters of others once they
// have. What such as run would return that read it before is not kept: they fail
// with ErrChanged. Imports, which tell of files, go on.
func (s *Service) dropJobResults(ctx context.Context, collection string) error {
	if err := s.jobs.load(ctx); err != nil {
		return err
	}
	return s.jobs.dropResults(ctx, collection)
}

func (j *jobs) dropResults(ctx context.Context, collection string) (err error) {
	for _, one := range j.telling(collection) {
		err = errors.Join(err, j.save(one))
	}
	if err != nil {
		return fmt.Errorf("forget results of jobs of %s: %w", collection, err)
	}
	return ctx.Err()
}

// tellsNothing reports whether what a job returns names no image that may be erased
// meanwhile: it goes on then.
func (o *job) tellsNothing() bool {
	return slices.Contains([]string{KindImport, KindErase, KindReembed, KindSwitch}, o.Kind)
}

// isAbout reports whether a job may tell of a collection, as verifications do of all.
func (o *job) isAbout(collection string) bool {
	return o.Kind == KindVerify || o.Collection == collection || slices.Contains(o.others(), collection)
}

// telling takes away what jobs tell of a collection, and returns those that have to be
// kept anew.
func (j *jobs) telling(collection string) (changed []*job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, one := range j.all {
		switch {
		case !one.isAbout(collection):
		case one.HasEnded():
			one.Dropped = one.Dropped || one.Result != nil
			one.Result, one.Parameters = nil, nil
			if one.Err != nil { // its text may name an image
				one.Err = retold(one.Err)
			}
			changed = append(changed, one)
		default:
			one.bare = true // before it ends it may be begun again, and has to know
			changed = append(changed, one)
			if one.State == JobRunning && !one.tellsNothing() {
				one.forget = fmt.Errorf("%w: images of %s were erased: start the job again", ErrChanged, collection)
			}
		}
	}
	return changed
}
