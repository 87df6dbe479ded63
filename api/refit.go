package api

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"nearcase/store"
)

// Refit says when the softmax probes, calibrations and votes of a task are chosen
// anew. The ridge probe knows every label at once in any case. The zero value works.
type Refit struct {
	// When is Background, Asked or Never.
	When string
	// Labels is how many labels have changed, or a fiftieth of all if that is
	// more, when it is due; 0 means 20.
	Labels int
	// After is when it is due with fewer; 0 means 5 minutes.
	After time.Duration
	// Share of the time that may go into it; 0 means a tenth.
	Share float64
	// Progress, if not nil, is told how far a refit is that an answer waits for.
	Progress func(done, total int)
}

// The values of Refit.When.
const (
	Background = ""      // while answers go on with the version before
	Asked      = "asked" // before an answer that has no version
	Never      = "never" // by Retrain alone
)

// looking is how often it is looked whether a refit is due.
const looking = 2 * time.Second

func (r Refit) withDefaults() Refit {
	if r.Labels <= 0 {
		r.Labels = 20
	}
	if r.After <= 0 {
		r.After = 5 * time.Minute
	}
	if r.Share <= 0 || r.Share > 1 {
		r.Share = 0.1
	}
	return r
}

// refits are those of a service. One runs at a time.
type refits struct {
	ctx    context.Context
	stop   context.CancelFunc
	turn   chan struct{}
	begin  sync.Once
	active sync.WaitGroup
	// notBefore is when the next in the background may begin; its goroutine's own.
	notBefore time.Time
}

func newRefits() *refits {
	r := &refits{turn: make(chan struct{}, 1)}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// close ends the refits under way and waits for them.
func (r *refits) close() {
	r.begin.Do(func() {}) // no other begins
	r.stop()
	r.active.Wait()
}

// refitting begins to look for refits that are due.
func (s *Service) refitting() {
	if s.Refit.When != Background {
		return
	}
	s.refits.begin.Do(func() { s.refits.active.Go(s.lookForRefits) })
}

func (s *Service) lookForRefits() {
	ticker := time.NewTicker(looking)
	defer ticker.Stop()
	for {
		select {
		case <-s.refits.ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.refitDue(s.refits.ctx); err != nil && s.refits.ctx.Err() == nil {
			s.Logger.WarnContext(s.refits.ctx, "probes cannot be refitted", "error", err)
		}
	}
}

// refitDue refits the tasks of all collections for which that is due.
func (s *Service) refitDue(ctx context.Context) error {
	collections, err := s.Catalog.Collections(ctx)
	for _, c := range collections {
		for _, task := range c.Tasks {
			if time.Now().Before(s.refits.notBefore) || ctx.Err() != nil {
				return err
			}
			due, failed := s.isDue(ctx, c, task.Name)
			if failed == nil && due {
				failed = s.refitInBackground(ctx, c, task.Name)
			}
			err = errors.Join(err, failed)
		}
	}
	return err
}

func (s *Service) refitInBackground(ctx context.Context, c store.Collection, task string) error {
	began := time.Now()
	_, err := s.refit(ctx, c, task, 1, nil)
	took := time.Since(began)
	s.refits.notBefore = time.Now().Add(time.Duration(float64(took) * (1/s.Refit.Share - 1)))
	if errors.Is(err, ErrNotEnough) || errors.Is(err, store.ErrCollection) {
		return nil
	}
	return err
}

// isDue reports whether a task's probes are to be refitted.
func (s *Service) isDue(ctx context.Context, c store.Collection, task string) (bool, error) {
	status, err := s.Catalog.Status(ctx, c.Name)
	if err != nil || status.LabelHead == 0 {
		return false, err
	}
	t, err := s.training(ctx, c, task)
	if err != nil {
		return false, err
	}
	defer t.mu.RUnlock()
	p := t.tasks[task]
	return p != nil && p.isDue(s.Refit, time.Now()), nil
}

// isDue reports whether enough has changed since the newest version, or since it
// was last tried to make one.
func (p *taskProbe) isDue(r Refit, now time.Time) bool {
	if p.running || p.enough() != "" {
		return false
	}
	if !p.tried && (len(p.versions) == 0 || p.current != nil && !reflect.DeepEqual(taught(p.current.Settings), taught(p.task.Settings))) {
		return true
	}
	return len(p.since) >= max(r.Labels, p.ridge.Examples()/50) || len(p.since) > 0 && now.Sub(p.first) >= r.After
}

// taught are the settings that change what a version is.
func taught(s store.Settings) store.Settings {
	s.Priors, s.MinPatients, s.Head, s.Pinned, s.Neighbours = nil, 0, "", 0, 0
	return s
}

// refit makes a version of a task's probes from the labels there are and lets it
// answer. Nothing waits for it but other refits. It returns ErrNotEnough where
// there are too few labels.
func (s *Service) refit(ctx context.Context, c store.Collection, task string, workers int, progress func(done, total int)) (*version, error) {
	select {
	case s.refits.turn <- struct{}{}:
		defer func() { <-s.refits.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx = s.Catalog.Hold(ctx)
	c, err := s.Catalog.Collection(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	ended := s.begun(c, task)
	v, err := s.makeVersion(ctx, c, task, workers, progress)
	if err == nil {
		err = s.publish(ctx, c, v)
	}
	defer ended(err) // with the reference, which the version's answers need, too
	if err != nil {
		return nil, fmt.Errorf("refit task %s of %s: %w", task, c.Name, err)
	}
	if err := s.refreshReference(ctx, c); err != nil {
		return nil, fmt.Errorf("novelty in %s: %w", c.Name, err)
	}
	return v, s.saveRidges(ctx, c.Name, s.trainingOf(c))
}

// begun notes that a refit runs, and returns how to note that it has ended. What
// changes meanwhile counts for the next. One that was cancelled is as none.
func (s *Service) begun(c store.Collection, task string) (ended func(err error)) {
	t := s.trainingOf(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.tasks[task]
	if p == nil {
		return func(error) {}
	}
	before := p.since
	p.running, p.tried, p.since = true, true, nil
	return func(err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		p.running = false
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			p.tried, p.since = false, append(before, p.since...)
			return
		}
		p.first = time.Now()
	}
}

// ensureVersions makes the versions that are missing for an answer, where such are
// made when asked for.
func (s *Service) ensureVersions(ctx context.Context, c store.Collection, tasks []string) error {
	s.refitting()
	if s.Refit.When != Asked {
		return nil
	}
	for _, task := range c.Tasks {
		if !among(tasks, task.Name) {
			continue
		}
		t, err := s.training(ctx, c, task.Name)
		if err != nil {
			return err
		}
		p := t.tasks[task.Name]
		missing := !p.tried && len(p.versions) == 0 && p.enough() == ""
		t.mu.RUnlock()
		if !missing {
			continue
		}
		if _, err := s.refit(ctx, c, task.Name, s.Workers, s.Refit.Progress); err != nil && !errors.Is(err, ErrNotEnough) {
			return err
		}
	}
	return nil
}
