package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"nearcase/store"
)

var (
	// ErrJob is a job that is not there, or no longer.
	ErrJob = errors.New("no such job")
	// ErrJobs says that too many jobs wait already.
	ErrJobs = errors.New("too many jobs are waiting")
	// ErrCancelled is how a job ended that was cancelled.
	ErrCancelled = errors.New("the job was cancelled")
)

// JobState is how far a job has come.
type JobState string

const (
	JobQueued    JobState = "queued" // waits for another to end
	JobRunning   JobState = "running"
	JobDone      JobState = "done" // has a result
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

// Job is work in the background.
type Job struct {
	// ID cannot be guessed.
	ID string `json:"id"`
	// Kind names the operation, such as evaluate.
	Kind       string   `json:"kind"`
	Collection string   `json:"collection"`
	State      JobState `json:"state"`
	// Done of Total is how far it is; Total is 0 until that is known.
	Done    int       `json:"done"`
	Total   int       `json:"total"`
	Created time.Time `json:"created"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Err is why it failed, or ErrCancelled.
	Err error `json:"-"`
	// Result is what the operation returned, once it is done. Lists leave it out.
	Result json.RawMessage `json:"result,omitempty"`
}

// HasEnded reports whether nothing more will come of a job.
func (j Job) HasEnded() bool { return j.State != JobQueued && j.State != JobRunning }

// Work is what a job does until its context ends. It may tell from any goroutine
// how far it is, by a progress that is never nil, and returns what can be encoded as
// JSON.
type Work func(ctx context.Context, progress func(done, total int)) (any, error)

// Bounds of what is in the background.
const (
	maxRunning = 2        // jobs at once; each may use all processors
	maxQueued  = 100      // jobs that wait
	maxEnded   = 100      // jobs that are remembered
	maxResults = 64 << 20 // bytes of their results, save the last
)

// jobs are those of a service, in the order in which they were started. They are
// forgotten when it is closed.
type jobs struct {
	ctx    context.Context
	stop   context.CancelFunc
	turns  chan struct{} // one for each that runs
	active sync.WaitGroup

	mu  sync.Mutex
	all []*job
}

type job struct {
	Job    // guarded by jobs.mu
	cancel context.CancelFunc
	ended  chan struct{} // closed when it has
}

func newJobs() *jobs {
	j := &jobs{turns: make(chan struct{}, maxRunning)}
	j.ctx, j.stop = context.WithCancel(context.Background())
	return j
}

// close cancels all jobs and waits for them to end. No other is started.
func (j *jobs) close() {
	j.mu.Lock()
	j.stop()
	j.mu.Unlock()
	j.active.Wait()
}

// Start does work in the background, once fewer than maxRunning jobs run; those
// that wait begin in about the order in which they were started. It ends when it is done, cancelled, or when the service
// is closed, which waits for it. A panic is a failure of the job alone. Too many
// that wait are ErrJobs; a service that is closed is store.ErrClosed.
func (s *Service) Start(kind, collection string, work Work) (Job, error) {
	j := s.jobs
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ctx.Err() != nil {
		return Job{}, fmt.Errorf("start %s: %w", kind, store.ErrClosed)
	}
	waiting := 0
	for _, o := range j.all {
		if o.State == JobQueued {
			waiting++
		}
	}
	if waiting >= maxQueued {
		return Job{}, fmt.Errorf("start %s: %w: %d", kind, ErrJobs, waiting)
	}
	ctx, cancel := context.WithCancel(j.ctx)
	started := &job{cancel: cancel, ended: make(chan struct{}), Job: Job{
		ID: rand.Text(), Kind: kind, Collection: collection, State: JobQueued, Created: time.Now().UTC(),
	}}
	j.all = append(j.all, started)
	j.active.Go(func() {
		defer cancel()
		j.run(ctx, started, work)
	})
	return started.Job, nil
}

// run waits for a turn and works.
func (j *jobs) run(ctx context.Context, one *job, work Work) {
	select {
	case j.turns <- struct{}{}:
		defer func() { <-j.turns }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		j.end(one, nil, ErrCancelled)
		return
	}
	j.mu.Lock()
	one.State, one.Started = JobRunning, time.Now().UTC()
	j.mu.Unlock()
	result, err := attempt(ctx, work, func(done, total int) {
		j.mu.Lock()
		defer j.mu.Unlock()
		one.Done, one.Total = max(one.Done, done), total // calls may overtake each other
	})
	if err != nil && ctx.Err() != nil {
		err = ErrCancelled
	}
	j.end(one, result, err)
}

// attempt works and encodes the result.
func attempt(ctx context.Context, work Work, progress func(done, total int)) (result []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			result, err = nil, fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	value, err := work(ctx, progress)
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// end says what became of a job, and forgets the oldest of those that have ended.
func (j *jobs) end(one *job, result []byte, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	one.Ended, one.Result, one.Err, one.State = time.Now().UTC(), result, err, JobDone
	switch {
	case errors.Is(err, ErrCancelled):
		one.State = JobCancelled
	case err != nil:
		one.State = JobFailed
	}
	close(one.ended)
	j.forget()
}

// forget keeps the jobs that have not ended, and the last of those that have.
func (j *jobs) forget() {
	byEnd := slices.Clone(j.all)
	slices.SortStableFunc(byEnd, func(a, b *job) int { return b.Ended.Compare(a.Ended) })
	ended, size, old := 0, 0, map[*job]bool{}
	for _, o := range byEnd {
		if o.HasEnded() {
			ended, size = ended+1, size+len(o.Result)
			old[o] = ended > maxEnded || ended > 1 && size > maxResults
		}
	}
	j.all = slices.DeleteFunc(j.all, func(o *job) bool { return old[o] })
}

// find returns a job; j.mu is held.
func (j *jobs) find(id string) (*job, error) {
	for _, o := range j.all {
		if o.ID == id {
			return o, nil
		}
	}
	return nil, fmt.Errorf("job %.80q: %w", id, ErrJob)
}

// Jobs returns all jobs that are remembered, the last started first, without
// their results.
func (s *Service) Jobs(context.Context) ([]Job, error) {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	var all []Job
	for _, o := range slices.Backward(s.jobs.all) {
		one := o.Job
		one.Result = nil
		all = append(all, one)
	}
	return all, nil
}

// Job returns a job as it is, or ErrJob.
func (s *Service) Job(_ context.Context, id string) (Job, error) {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	found, err := s.jobs.find(id)
	if err != nil {
		return Job{}, err
	}
	return found.Job, nil
}

// Await returns a job once it has ended, or as it is when the context ends.
func (s *Service) Await(ctx context.Context, id string) (Job, error) {
	s.jobs.mu.Lock()
	found, err := s.jobs.find(id)
	s.jobs.mu.Unlock()
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

// Cancel asks a job to end, which may take it a while. One that has ended stays
// as it is.
func (s *Service) Cancel(_ context.Context, id string) (Job, error) {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	found, err := s.jobs.find(id)
	if err != nil {
		return Job{}, err
	}
	found.cancel()
	return found.Job, nil
}
