package api

import (
	"context"
	"time"

	"nearcase/api/webhook"
)

// Retrying has the webhooks of a service retry so, after what after returns.
func (s *Service) Retrying(r webhook.Retries, after func(time.Duration) <-chan time.Time) {
	s.hooks.retries, s.hooks.after = r, after
}

// CapCells is capCells.
var CapCells = capCells

// DropJobResults is dropJobResults.
func (s *Service) DropJobResults(ctx context.Context, collection string) error {
	return s.dropJobResults(ctx, collection)
}

// NoteErased is noteErased.
func (s *Service) NoteErased(collection, patient string, studies ...string) error {
	return s.noteErased(collection, patient, studies)
}

// Studies watches for studies with a clock of one's own.
type Studies struct{ w *studies }

// WatchStudies begins to, as Resume does.
func (s *Service) WatchStudies(ctx context.Context, now func() time.Time) (Studies, error) {
	w, err := s.openStudies(ctx, now)
	return Studies{w}, err
}

// Round is one look.
func (w Studies) Round(ctx context.Context) (next time.Time, err error) { return w.w.round(ctx) }

// ParseCursor reports whether a cursor can be read, and what it is written as.
func ParseCursor(cursor string) (string, error) {
	p, err := parsePosition(cursor)
	return p.String(), err
}

// Keep saves how far a job is, as those that can be begun again do.
type Turn struct{ t *turn }

// Parameters, Keep and Before are those of turn.
func (t Turn) Parameters(v any) error { return t.t.parameters(v) }
func (t Turn) Keep(v any) error       { return t.t.keep(v) }
func (t Turn) Before(v any) bool      { return t.t.before(v) }
func (t Turn) Stage(name string)      { t.t.stage(name) }

// KeepEvery keeps how far imports are after so many images.
func (s *Service) KeepEvery(images int) { s.jobs.keeps = images }

// Kind adds a kind of job that can be begun again.
func (s *Service) Kind(name string, work func(ctx context.Context, t Turn) (any, error)) {
	s.jobs.kinds[name] = func(ctx context.Context, t *turn) (any, error) { return work(ctx, Turn{t}) }
}
