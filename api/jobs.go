package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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
	// ErrInterrupted is how a job ended that the program left unfinished, and that
	// is not begun again: by itself, or because it was too often.
	ErrInterrupted = errors.New("the job was interrupted")
)

// errClosing is why jobs stop when the service is closed.
var errClosing = errors.New("the service is being closed")

// JobState is how far a job has come.
type JobState string

const (
	JobQueued    JobState = "queued" // waits for another to end, or for the next start
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
	// Stage says what is being done; empty where there is but one thing.
	Stage string `json:"stage,omitempty"`
	// Done of Total is how far it is; Total is 0 until that is known.
	Done  int `json:"done"`
	Total int `json:"total"`
	// Attempts counts how often it was begun: more than once where the program
	// ended before it did.
	Attempts int       `json:"attempts,omitempty"`
	Created  time.Time `json:"created"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	// Err is why it failed, or ErrCancelled.
	Err error `json:"-"`
	// Parameters are what the operation was asked. Lists leave them and the result
	// out.
	Parameters json.RawMessage `json:"parameters,omitempty"`
	// Result is what the operation returned, once it is done.
	Result json.RawMessage `json:"result,omitempty"`
	// Dropped tells that the result is gone before its time: what it told of has
	// been erased, or it was too large to be kept.
	Dropped bool `json:"result_dropped,omitempty"`
}

// HasEnded reports whether nothing more will come of a job.
func (j Job) HasEnded() bool { return j.State != JobQueued && j.State != JobRunning }

// brief is a job as lists have it.
func (j Job) brief() Job {
	j.Parameters, j.Result = nil, nil
	return j
}

// Work is what a job does until its context ends. It may tell from any goroutine
// how far it is, by a progress that is never nil, and returns what can be encoded as
// JSON.
type Work func(ctx context.Context, progress func(done, total int)) (any, error)

// Bounds of what is in the background.
const (
	maxRunning  = 2        // jobs at once; each may use all processors
	maxQueued   = 100      // jobs that wait
	maxEnded    = 100      // jobs that are remembered
	maxResults  = 64 << 20 // bytes of their results, save the last
	maxAttempts = 3        // of a job that the program does not outlive
	maxBegun    = 20       // of one that embeds a collection again
)

// jobs are those of a service, in the order in which they were started. They are
// kept as documents of the catalog.
type jobs struct {
	catalog store.Catalog
	logger  *slog.Logger
	// tell is told of each that ends, before that is kept.
	tell   func(Job)
	kinds  map[string]errand
	keeps  int // images after which it is kept how far an import is
	ctx    context.Context
	stop   context.CancelCauseFunc
	turns  chan struct{} // one for each that runs
	active sync.WaitGroup

	loading sync.Mutex // held while they are read
	mu      sync.Mutex
	loaded  bool
	all     []*job
}

type job struct {
	Job                      // guarded by jobs.mu
	of       time.Time       // when the collection was made; zero for none
	kept     json.RawMessage // by turn.keep
	forget   error           // why the result is not to be kept; nil if it is
	bare     bool            // forgets what it was asked when it ends, save the collections: it may name what was erased
	lasting  bool            // can be begun again
	savedAt  time.Time
	waiting  bool // for the service to begin it: no goroutine has it
	ctx      context.Context
	cancel   context.CancelCauseFunc
	ended    chan struct{} // closed when it has, or when the service is closed
	keeping  sync.Mutex    // held while it is written
	errand   errand
	resuming bool // was left unfinished by another run of the program
}

func newJobs(catalog store.Catalog, logger *slog.Logger, tell func(Job)) *jobs {
	j := &jobs{catalog: catalog, logger: logger, tell: tell, turns: make(chan struct{}, maxRunning), keeps: keepsImages}
	j.ctx, j.stop = context.WithCancelCause(context.Background())
	return j
}

// close stops all jobs and waits for them. No other is started. Those that can be
// begun again are, at the next start; others are cancelled.
func (j *jobs) close() {
	j.mu.Lock()
	j.stop(errClosing)
	j.mu.Unlock()
	j.active.Wait()
}

// Start does work in the background, once fewer than maxRunning jobs run; those
// that wait begin in about the order in which they were started. It ends when it
// is done, cancelled, or when the service is closed, which waits for it; it is not
// begun again. A panic is a failure of the job alone. Too many that wait are
// ErrJobs; a service that is closed is store.ErrClosed.
func (s *Service) Start(kind, collection string, work Work) (Job, error) {
	return s.jobs.add(context.Background(), &job{
		Job:    Job{Kind: kind, Collection: collection},
		errand: func(ctx context.Context, t *turn) (any, error) { return work(ctx, t.progress) },
	})
}

// add keeps a job and begins it.
func (j *jobs) add(ctx context.Context, one *job) (Job, error) {
	if err := j.load(ctx); err != nil {
		return Job{}, fmt.Errorf("start %s: %w", one.Kind, err)
	}
	if err := j.admit(one); err != nil {
		return Job{}, fmt.Errorf("start %s: %w", one.Kind, err)
	}
	if err := j.save(one); err != nil {
		j.mu.Lock()
		j.all = slices.DeleteFunc(j.all, func(o *job) bool { return o == one })
		j.mu.Unlock()
		one.cancel(nil)
		j.active.Done()
		return Job{}, fmt.Errorf("start %s: %w", one.Kind, err)
	}
	j.mu.Lock()
	started := one.Job
	j.mu.Unlock()
	go j.run(one)
	return started, nil
}

// admit puts a job among those that wait.
func (j *jobs) admit(one *job) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ctx.Err() != nil {
		return store.ErrClosed
	}
	waiting := 0
	for _, o := range j.all {
		if o.State == JobQueued {
			waiting++
		}
	}
	if waiting >= maxQueued {
		return fmt.Errorf("%w: %d", ErrJobs, waiting)
	}
	one.ID, one.State, one.Created = newID(), JobQueued, time.Now().UTC()
	j.prepare(one)
	j.active.Add(1)
	j.all = append(j.all, one)
	return nil
}

// prepare gives a job that has not ended what it is stopped by.
func (j *jobs) prepare(one *job) {
	one.ctx, one.cancel = context.WithCancelCause(j.ctx)
	one.ended = make(chan struct{})
}

// run waits for a turn and works.
func (j *jobs) run(one *job) {
	defer j.active.Done()
	defer one.cancel(nil)
	select {
	case j.turns <- struct{}{}:
		defer func() { <-j.turns }()
	case <-one.ctx.Done():
	}
	if one.ctx.Err() != nil {
		j.end(one, nil, context.Cause(one.ctx))
		return
	}
	j.mu.Lock()
	one.State, one.Started, one.Attempts = JobRunning, time.Now().UTC(), one.Attempts+1
	j.mu.Unlock()
	j.saveLogged(one)
	result, err := j.attempt(one)
	if err != nil && one.ctx.Err() != nil {
		err = context.Cause(one.ctx)
	}
	j.end(one, result, err)
}

// attempt works and encodes the result.
func (j *jobs) attempt(one *job) (result []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			result, err = nil, fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	value, err := one.errand(one.ctx, &turn{j, one})
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// end says what became of a job, and forgets the oldest of those that have ended.
// One that stopped for the end of the service, and can be begun again, waits.
func (j *jobs) end(one *job, result []byte, err error) {
	j.mu.Lock()
	if errors.Is(err, errClosing) && one.lasting {
		if one.State == JobRunning {
			one.Attempts-- // it is no fault of the job
		}
		one.State, one.Started, one.waiting = JobQueued, time.Time{}, true
		j.mu.Unlock()
		j.saveLogged(one)
		close(one.ended)
		return
	}
	one.finish(result, err)
	told := one.brief()
	j.mu.Unlock()
	j.tell(told)
	j.saveLogged(one)
	gone := j.forget()
	close(one.ended)
	j.dropAll(gone)
}

// finish sets how a job ended; jobs.mu is held.
func (o *job) finish(result []byte, err error) {
	if errors.Is(err, errClosing) {
		err = ErrCancelled
	}
	if o.bare {
		o.Parameters = o.bared()
	}
	if o.forget != nil && !errors.Is(err, ErrCancelled) { // its error may name an image too
		err = o.forget
	}
	if o.bare && err != nil && (o.Kind == KindReembed || o.Kind == KindSwitch) && !errors.Is(err, ErrCancelled) {
		err = retold(err)
	}
	if err != nil {
		result = nil
	}
	o.Ended, o.Result, o.Err, o.State, o.Stage = time.Now().UTC(), result, err, JobDone, ""
	o.kept, o.waiting = nil, false
	switch {
	case errors.Is(err, ErrCancelled):
		o.State = JobCancelled
	case err != nil:
		o.State = JobFailed
	}
}

// forget keeps the jobs that have not ended, and the last of those that have. It
// returns the IDs of the others.
func (j *jobs) forget() (gone []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	byEnd := slices.Clone(j.all)
	slices.SortStableFunc(byEnd, func(a, b *job) int { return b.Ended.Compare(a.Ended) })
	ended, size, old := 0, 0, map[*job]bool{}
	for _, o := range byEnd {
		if o.HasEnded() {
			ended, size = ended+1, size+len(o.Result)
			if old[o] = ended > maxEnded || ended > 1 && size > maxResults; old[o] {
				gone = append(gone, o.ID)
			}
		}
	}
	j.all = slices.DeleteFunc(j.all, func(o *job) bool { return old[o] })
	return gone
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
