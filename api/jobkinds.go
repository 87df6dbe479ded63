package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nearcase/store"
)

// The kinds of jobs that are begun again after a restart.
const (
	KindEvaluate = "evaluate"
	KindReview   = "review"
	KindReindex  = "reindex"
	KindRetrain  = "retrain"
	KindImport   = "import"
	KindSweep    = "delete"
)

// errand is what a job of a kind does, of which the turn tells the parameters.
// Begun again it does the same, or goes on from what it has kept.
type errand func(ctx context.Context, t *turn) (any, error)

// errands are those that can be begun again, by kind.
func (s *Service) errands() map[string]errand {
	return map[string]errand{
		KindEvaluate: s.evaluateJob,
		KindReview:   s.reviewJob,
		KindReindex:  s.reindexJob,
		KindRetrain:  s.retrainJob,
		KindImport:   s.importJob,
		KindCompact:  func(ctx context.Context, t *turn) (any, error) { return s.Compact(ctx, t.progress) },
		KindSweep:    s.sweepJob,
		KindReembed:  s.reembedJob,
		KindSwitch:   s.switchJob,
		KindVerify:   s.verifyJob,
		KindBackup:   s.backupJob,
	}
}

// RetrainOptions are the parameters of a job that makes a version of probes.
type RetrainOptions struct {
	Task string `json:"task,omitempty"`
}

func (s *Service) evaluateJob(ctx context.Context, t *turn) (any, error) {
	var o EvaluateOptions
	if err := t.parameters(&o); err != nil {
		return nil, err
	}
	o.Doing = t.stage
	return s.Evaluate(s.Catalog.Hold(ctx), t.job.Collection, o, t.progress)
}

func (s *Service) reviewJob(ctx context.Context, t *turn) (any, error) {
	var o ReviewOptions
	if err := t.parameters(&o); err != nil {
		return nil, err
	}
	return s.Review(s.Catalog.Hold(ctx), t.job.Collection, o, t.progress)
}

func (s *Service) reindexJob(ctx context.Context, t *turn) (any, error) {
	var to store.Reindexing
	if err := t.parameters(&to); err != nil {
		return nil, err
	}
	return s.Reindex(ctx, t.job.Collection, to, t.progress)
}

func (s *Service) retrainJob(ctx context.Context, t *turn) (any, error) {
	var o RetrainOptions
	if err := t.parameters(&o); err != nil {
		return nil, err
	}
	return s.Retrain(s.Catalog.Hold(ctx), t.job.Collection, o.Task, t.progress)
}

// Enqueue is Start of one of the kinds that are begun again after a restart, with
// the parameters of its operation: EvaluateOptions, ReviewOptions,
// store.Reindexing, RetrainOptions, ImportRequest or SweepOptions. Another kind is
// store.ErrInvalid and a collection that is not there store.ErrCollection; what is
// of no collection has the empty name.
func (s *Service) Enqueue(ctx context.Context, kind, collection string, parameters any) (Job, error) {
	work, ok := s.jobs.kinds[kind]
	if !ok {
		return Job{}, fmt.Errorf("job of kind %.40q: %w: there are %s", kind, store.ErrInvalid, strings.Join(s.jobs.kindNames(), ", "))
	}
	var made time.Time
	if collection != "" {
		c, err := s.Catalog.Collection(ctx, collection)
		if err != nil {
			return Job{}, err
		}
		made = c.Created
	}
	encoded, err := json.Marshal(parameters)
	if err != nil {
		return Job{}, fmt.Errorf("parameters of %s: %w", kind, err)
	}
	return s.jobs.add(ctx, &job{
		Job: Job{Kind: kind, Collection: collection, Parameters: encoded}, of: made, lasting: true, errand: work,
	})
}

func (j *jobs) kindNames() (names []string) {
	for name := range j.kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// resumeJobs begins the jobs that another run of the program left, unless they cannot
// be: those have failed.
func (s *Service) resumeJobs(ctx context.Context) error {
	j := s.jobs
	if err := j.load(ctx); err != nil {
		return err
	}
	for _, one := range j.left() {
		if err := s.resumable(ctx, one); err != nil {
			j.end(one, nil, err)
			continue
		}
		j.mu.Lock()
		if j.ctx.Err() == nil {
			j.active.Add(1)
			go j.run(one)
		}
		j.mu.Unlock()
	}
	return nil
}

// left takes the jobs that wait for the service to begin them.
func (j *jobs) left() (found []*job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, one := range j.all {
		if one.waiting && one.resuming && j.ctx.Err() == nil {
			one.waiting, one.resuming, one.errand = false, false, j.kinds[one.Kind]
			found = append(found, one)
		}
	}
	return found
}

// resumable reports why a job is not begun again.
func (s *Service) resumable(ctx context.Context, one *job) error {
	switch {
	case !one.lasting || one.errand == nil:
		return fmt.Errorf("%w by the end of the program: start it again", ErrInterrupted)
	case one.Attempts >= one.mayBegin():
		return fmt.Errorf("%w: it was begun %d times, and the program ended each time before it did", ErrInterrupted, one.Attempts)
	}
	if one.of.IsZero() {
		return nil // it is of no collection
	}
	c, err := s.Catalog.Collection(ctx, one.Collection)
	if err == nil && !c.Created.Equal(one.of) {
		err = fmt.Errorf("collection %s: %w: it is another by now", one.Collection, store.ErrCollection)
	}
	if errors.Is(err, store.ErrCollection) {
		return fmt.Errorf("%w: %w", ErrCancelled, err)
	}
	return err
}

// mayBegin is how often a job is begun without getting on.
func (o *job) mayBegin() int {
	if o.Kind == KindReembed { // of hours, which many restarts may come into
		return maxBegun
	}
	return maxAttempts
}

// turn is a job that runs, as its work knows it.
type turn struct {
	jobs *jobs
	job  *job
}

// parameters decodes what the job was asked.
func (t *turn) parameters(v any) error {
	t.jobs.mu.Lock()
	data := t.job.Parameters
	t.jobs.mu.Unlock()
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("parameters of a job of kind %s: %w: %w", t.job.Kind, store.ErrInvalid, err)
	}
	return nil
}

// stage tells what is being done.
func (t *turn) stage(name string) { t.told(func(j *Job) { j.Stage = name }) }

// progress tells how far the job is; calls may overtake each other.
func (t *turn) progress(done, total int) {
	t.told(func(j *Job) { j.Done, j.Total = max(j.Done, done), total })
}

// savesProgress is how often it is kept how far a job is.
const savesProgress = 5 * time.Second

func (t *turn) told(change func(*Job)) {
	t.jobs.mu.Lock()
	change(&t.job.Job)
	due := time.Since(t.job.savedAt) >= savesProgress
	if due {
		t.job.savedAt = time.Now() // by none beside
	}
	t.jobs.mu.Unlock()
	if due {
		t.jobs.saveLogged(t.job)
	}
}

// advanced notes that something is kept of what this attempt has done: a job that gets
// on is begun again however often the program ends.
func (t *turn) advanced() {
	t.jobs.mu.Lock()
	again := t.job.Attempts > 1
	t.job.Attempts = 1
	t.jobs.mu.Unlock()
	if again {
		t.jobs.saveLogged(t.job)
	}
}

// keep makes durable how far the job is, so that it goes on from there.
func (t *turn) keep(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	t.jobs.mu.Lock()
	t.job.kept = data
	t.jobs.mu.Unlock()
	return t.jobs.save(t.job)
}

// before decodes what was kept last; it reports false if that is nothing.
func (t *turn) before(v any) bool {
	t.jobs.mu.Lock()
	data := t.job.kept
	t.jobs.mu.Unlock()
	return data != nil && json.Unmarshal(data, v) == nil
}

// bared are the parameters without what may name an image: the collections.
func (o *job) bared() json.RawMessage {
	others := o.others()
	if len(others) == 0 {
		return nil
	}
	data, _ := json.Marshal(map[string][]string{"collections": others}) // of strings
	return data
}

// others are the collections beside its own that a job is about.
func (o *job) others() []string {
	var p struct {
		Collections []string `json:"collections"`
	}
	_ = json.Unmarshal(o.Parameters, &p) // other parameters name none
	return p.Collections
}
