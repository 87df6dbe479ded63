// Package api has the operations of nearcase: ingest, similar, classify, label,
// evaluate, reindex. It knows nothing of HTTP or of command lines; both are
// faces of the one Service.
package api

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"nearcase/embed"
	"nearcase/probe"
	"nearcase/store"
)

// Errors that a caller can act on, beside those of store and embed.
var (
	ErrQuery     = errors.New("query is not valid")
	ErrModel     = errors.New("no such model")
	ErrUnusable  = errors.New("the model cannot be used")
	ErrRuntime   = errors.New("models cannot be run here")
	ErrNotEnough = errors.New("not enough labels")
	ErrSource    = errors.New("source is not valid")
)

// Options of New.
type Options struct {
	Catalog store.Catalog
	// OpenModel opens a model by name; one it does not know is ErrModel, and
	// ErrRuntime says that what runs models is missing. Of any other error the service
	// makes ErrUnusable.
	OpenModel func(name string) (*embed.Model, error)
	// Models describes the models that OpenModel knows.
	Models func() ([]ModelInfo, error)
	// Limits bounds the images accepted.
	Limits embed.Limits
	// Frames says which images of a file with several become instances.
	Frames Frames
	// Folders are those of this machine, by name, from which requests may have
	// images ingested.
	Folders map[string]string
	// Privacy says what is kept of whom an image is of.
	Privacy Privacy
	// Workers is how many images or batches are embedded at the same time;
	// 0 means one for each processor.
	Workers int
	// Batch is how many images go through the network together at most; 0 means
	// what suits the model.
	Batch int
	// Neighbours is how many neighbours vote when a query does not say; 0
	// means 20, which DINOv2 found best most often.
	Neighbours int
	// Weighting of votes; the zero value is DINOv2's.
	Weighting probe.Weighting
	// SeveralPerPatient lets all images of a patient vote, not the nearest alone.
	SeveralPerPatient bool
	// Refit says when probes are refitted.
	Refit Refit
	// Version of the program, which reports name; empty where that is not known.
	Version string
	// Logger is told what goes wrong in the background; nil means nobody is.
	Logger *slog.Logger
	// Begin, if set, is told that a stage of the work begins, and the function that
	// it returns how that ended. The context that it returns is that of the stage.
	Begin func(ctx context.Context, stage string) (context.Context, func(error))
	// Quiet is how long a study must receive nothing to be complete; 0 means a
	// minute.
	Quiet time.Duration
	// Networks that webhooks may go to beside public addresses.
	Networks []netip.Prefix
	// Backups are those that the service makes by itself.
	Backups Backups
	// VerifyEvery is how often the service verifies the store by itself; 0 is never.
	VerifyEvery time.Duration
	// Index of new collections that do not say; the zero value leaves it to the
	// program.
	Index store.Index
}

// Service runs the operations. Its methods are safe for concurrent use.
type Service struct {
	Options
	born  time.Time // when the service was made
	slots *turns    // one for each embedding that may run
	// background are turns of batchers that no caller waits in.
	background sync.WaitGroup
	jobs       *jobs
	refits     *refits
	journal    *journal
	// vrs are the types of the metadata that are kept, by keyword.
	vrs func() map[string]string
	// sealer seals the cursors of lists.
	sealer func() (cipher.AEAD, error)

	hooks *hooks

	// configuring is held from reading a task's settings to changing them.
	configuring sync.Mutex
	// backing has a place for the one that backs up into a folder.
	backing chan struct{}
	// erasing is held while a patient is erased.
	erasing sync.Mutex
	// erasures counts those that have erased something since the start.
	erasures atomic.Int64
	// reembeds are the collections whose model is being changed.
	reembeds reembeds
	// atlas has the maps that were asked for last.
	atlas atlas

	mu        sync.Mutex
	models    map[string]*model
	trainings map[string]*training
}

// model is opened at most once at a time.
type model struct {
	once    sync.Once
	m       *embed.Model
	err     error
	batcher *batcher
	texts   texts
	open    atomic.Bool
}

// ModelInfo describes a model that can be used.
type ModelInfo struct {
	Name         string `json:"name"`
	Description  string `json:"description,omitempty"`
	Dimension    int    `json:"dimension"`
	Licence      string `json:"licence,omitempty"`
	TrainingData string `json:"training_data,omitempty"`
	Builtin      bool   `json:"builtin,omitempty"`
	// Bytes is what its files take; 0 is not known.
	Bytes int64 `json:"bytes,omitempty"`
	// Problem says why the model cannot be used; empty if it can.
	Problem string `json:"problem,omitempty"`
}

// New returns a service over a catalog. Close releases its models, not the
// catalog.
func New(o Options) *Service {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Neighbours <= 0 {
		o.Neighbours = 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Privacy, o.Refit = o.Privacy.withDefaults(), o.Refit.withDefaults()
	s := &Service{
		Options:   o,
		born:      time.Now(),
		slots:     newTurns(o.Workers),
		refits:    newRefits(),
		backing:   make(chan struct{}, 1),
		models:    map[string]*model{},
		trainings: map[string]*training{},
	}
	s.vrs, s.sealer = sync.OnceValue(s.Privacy.vrs), sync.OnceValues(s.Privacy.newSealer)
	s.journal = newJournal(s.Catalog, o.Logger)
	s.jobs = newJobs(s.Catalog, o.Logger, s.jobEnded)
	s.jobs.kinds = s.errands()
	s.hooks = newHooks(s)
	return s
}

// Resume begins what goes on in the background from one run of the program to the
// next: jobs that were left unfinished, webhooks, and the watch for studies that
// are complete. Close ends it.
func (s *Service) Resume(ctx context.Context) error {
	if err := s.resumeJobs(ctx); err != nil {
		return err
	}
	w, err := s.openStudies(ctx, time.Now)
	if err != nil {
		return err
	}
	s.hooks.begin(func(ctx context.Context) { s.watchStudies(ctx, w) })
	s.hooks.begin(s.followShadows)
	s.hooks.begin(s.scheduleBackups)
	s.hooks.begin(s.scheduleVerifications)
	return s.hooks.resume(ctx)
}

// Warm opens the models of all collections, so that nobody waits for that later,
// and begins to keep their probes current.
// The error tells of all that cannot be opened.
func (s *Service) Warm(ctx context.Context) error {
	collections, err := s.Catalog.Collections(ctx)
	s.refitting()
	for _, c := range collections {
		if ctx.Err() != nil {
			break
		}
		_, unusable := s.modelOf(c)
		err = errors.Join(err, unusable)
	}
	return err
}

// Close cancels what is in the background, waits for it, saves the probes, and
// releases the models. No other call may be running.
func (s *Service) Close() error {
	s.jobs.close()
	s.hooks.close()
	s.refits.close()
	s.background.Wait()
	err := s.saveTrainings()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.models {
		if m.m != nil {
			err = errors.Join(err, m.m.Close())
		}
	}
	clear(s.models)
	return err
}

// opened returns the model of that name, opened on first use.
func (s *Service) opened(name string) (*model, error) {
	s.mu.Lock()
	m, ok := s.models[name]
	if !ok {
		m = &model{}
		s.models[name] = m
	}
	s.mu.Unlock()
	m.once.Do(func() {
		m.m, m.err = s.OpenModel(name)
		m.batcher = &batcher{s: s, m: m.m}
		m.open.Store(m.err == nil)
	})
	if m.err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.models[name] == m { // what was wrong may be mended
			delete(s.models, name)
		}
		if errors.Is(m.err, ErrModel) || errors.Is(m.err, ErrRuntime) {
			return nil, fmt.Errorf("model %s: %w", name, m.err)
		}
		return nil, fmt.Errorf("model %s: %w: %w", name, ErrUnusable, m.err)
	}
	return m, nil
}

// modelOf returns the model that made a collection's vectors, or
// store.ErrFingerprint if the model of that name is another one now.
func (s *Service) modelOf(c store.Collection) (*model, error) {
	m, err := s.opened(c.Model)
	if err != nil {
		return nil, err
	}
	if m.m.Fingerprint() != c.Fingerprint {
		return nil, fmt.Errorf("collection %s: %w: it was made with %s %.12s, and %s is now %.12s; restore that model or ingest into a new collection",
			c.Name, store.ErrFingerprint, c.Model, c.Fingerprint, c.Model, m.m.Fingerprint())
	}
	return m, nil
}

// batchOf is how many images go through a model together at most.
func (s *Service) batchOf(m *embed.Model) int {
	if s.Batch > 0 {
		return s.Batch
	}
	return m.Batch()
}

// embedding waits for a turn to use the processor.
func (s *Service) embedding(ctx context.Context) error { return s.slots.take(ctx) }

func (s *Service) embedded() { s.slots.leave() }
