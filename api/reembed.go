package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"nearcase/store"
)

// The kinds of jobs that change the model of a collection.
const (
	KindReembed = "reembed"
	KindSwitch  = "switch"
)

var (
	// ErrReembedding says that the model of a collection is being changed already, or
	// is not at the step that was asked for.
	ErrReembedding = errors.New("the collection is being re-embedded")
	// ErrNotKept are instances that cannot be embedded again.
	ErrNotKept = errors.New("not everything can be embedded again")
)

// ReembedOptions say with what model to embed a collection again, and how.
type ReembedOptions struct {
	Model string `json:"model"`
	// LeaveOut leaves out the instances that cannot be embedded again: they will be
	// missing once the model is changed, and stay with the one before.
	LeaveOut bool `json:"leave_out,omitempty"`
	// PerSecond bounds how many images are embedded in a second; 0 is no bound.
	PerSecond float64 `json:"images_per_second,omitempty"`
	// Share of the workers that may be used, 0 to 1; 0 means half. Queries go first in
	// any case.
	Share float64 `json:"share,omitempty"`
	// Switch changes the model when all is embedded and the two agree within bounds.
	Switch bool `json:"switch,omitempty"`
	// MinOverlap is the least mean overlap of the ten nearest, 0 to 1, and MaxAUCLoss how
	// much the macro AUC of votes and of the probe may be less for any task.
	MinOverlap float64  `json:"min_overlap,omitempty"`
	MaxAUCLoss *float64 `json:"max_auc_loss,omitempty"`
	// Sample is of how many images the neighbours are compared; 0 means 1000. Seed draws
	// them, and the folds.
	Sample int   `json:"sample,omitempty"`
	Seed   int64 `json:"seed,omitempty"`
	// Doing, if not nil, is told what is being done.
	Doing func(what string) `json:"-"`

	advanced func() // is told that something is kept of what was done
}

// SwitchOptions say which way to change the model.
type SwitchOptions struct {
	// Back returns to the model before.
	Back bool `json:"back,omitempty"`
	// LeaveOut leaves out what came meanwhile and cannot be embedded again.
	LeaveOut bool `json:"leave_out,omitempty"`
}

// The values of Reembedding.State.
const (
	Planned   = "planned"   // nothing has begun
	Embedding = "embedding" // the other model has not had all of it yet
	Embedded  = "embedded"  // the model can be changed
	Switched  = "switched"  // it was, and the one before is kept and follows
)

// Reembedding is how far a collection has been embedded by another model.
type Reembedding struct {
	Collection string `json:"collection"`
	State      string `json:"state"`
	// Model is the one that answers, Other that of the vectors behind.
	Model            string `json:"model"`
	Fingerprint      string `json:"fingerprint"`
	Other            string `json:"other_model"`
	OtherFingerprint string `json:"other_fingerprint"`
	// Instances that the collection has, Done those that the other model has embedded.
	Instances int `json:"instances"`
	Done      int `json:"done"`
	// Missing counts those that it will not have: they cannot be embedded again.
	Missing int `json:"missing"`
	// Behind is how many entries of the log it has not yet.
	Behind store.Key `json:"behind"`
	// PerSecond is how many images are embedded in a second, and Remaining how many
	// seconds are left; both 0 where that is not known.
	PerSecond float64 `json:"images_per_second"`
	Remaining float64 `json:"seconds_remaining"`
	// Job that works on it; empty for none.
	Job string `json:"job,omitempty"`
	// Cost of keeping both.
	Cost ReembedCost `json:"cost"`
	// Report of how the two agree, once there is one.
	Report *ModelAgreement `json:"report,omitempty"`
}

// ReembedCost is about what the vectors of another model take beside a collection.
type ReembedCost struct {
	Disk   int64 `json:"disk_bytes"`
	Memory int64 `json:"memory_bytes"`
}

// costOf is about what instances take: a log entry of 500 bytes with 100 of index, and
// the vector, on the disk twice.
func costOf(instances, dimension int) ReembedCost {
	vectors := 4 * int64(instances) * int64(dimension)
	return ReembedCost{Disk: 2*vectors + 600*int64(instances), Memory: vectors + 1500*int64(instances)}
}

// Reembed embeds a collection with another model, beside the one that answers, until
// that has everything, labels with their history too, and reports how the two agree.
// What was embedded is kept: called again after it was interrupted, it goes on. A
// second model at the same time is store.ErrExists; instances that cannot be
// embedded again are ErrNotKept unless they may be left out. With o.Switch it changes
// the model, unless the report is out of bounds.
func (s *Service) Reembed(ctx context.Context, collection string, o ReembedOptions, progress func(done, total int)) (Reembedding, error) {
	if err := o.check(); err != nil {
		return Reembedding{}, err
	}
	p, end, err := s.reembeds.begin(ctx, collection)
	if err != nil {
		return Reembedding{}, err
	}
	defer end()
	if err := s.reembed(ctx, collection, o, p, progress); err != nil {
		return Reembedding{}, fmt.Errorf("re-embed %s: %w", collection, err)
	}
	return s.Reembedding(ctx, collection, "")
}

func (o ReembedOptions) check() error {
	switch {
	case o.Model == "":
		return fmt.Errorf("%w: name the model", ErrQuery)
	case !(o.PerSecond >= 0) || !(o.Share >= 0 && o.Share <= 1) || !(o.MinOverlap >= 0 && o.MinOverlap <= 1):
		return fmt.Errorf("%w: images_per_second is 0 or more, share and min_overlap are 0 to 1", ErrQuery)
	case o.MaxAUCLoss != nil && !(*o.MaxAUCLoss >= 0 && *o.MaxAUCLoss <= 1):
		return fmt.Errorf("%w: max_auc_loss is %g, use 0 to 1", ErrQuery, *o.MaxAUCLoss)
	case o.Sample < 0 || o.Sample > maxCompared:
		return fmt.Errorf("%w: sample is %d, use up to %d", ErrQuery, o.Sample, maxCompared)
	}
	return nil
}

func (o ReembedOptions) doing(what string) {
	if o.Doing != nil {
		o.Doing(what)
	}
}

func (s *Service) reembed(ctx context.Context, collection string, o ReembedOptions, p *pace, progress func(done, total int)) error {
	if done, err := s.isSwitched(ctx, collection, o); done || err != nil {
		return err
	}
	o.doing("embedding")
	r, err := s.reembedder(ctx, collection, o)
	if err != nil {
		return err
	}
	r.pace, r.progress = p, progress
	if err := r.follow(ctx); err != nil {
		return err
	}
	o.doing("learning")
	if err := s.learnBehind(ctx, r.hidden); err != nil {
		return err
	}
	o.doing("comparing")
	report, err := s.agree(ctx, r, o)
	if err != nil || !o.Switch {
		return err
	}
	if why := report.outOf(o); why != "" {
		s.Logger.WarnContext(ctx, "the model is not changed", "collection", collection, "reason", why)
		return nil
	}
	return s.exchange(ctx, r)
}

// isSwitched reports whether all that is asked for has been done, as a job that is begun
// again finds it.
func (s *Service) isSwitched(ctx context.Context, collection string, o ReembedOptions) (bool, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil || !o.Switch || c.Model != o.Model {
		return false, err
	}
	hidden, err := s.Catalog.Collection(ctx, store.ShadowName(collection))
	if errors.Is(err, store.ErrCollection) {
		return false, nil
	}
	return err == nil && hidden.Shadow.Previous, err
}

// reembedder makes the shadow that a model is to fill, or takes the one that it has
// begun to fill.
func (s *Service) reembedder(ctx context.Context, collection string, o ReembedOptions) (*reembedder, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return nil, err
	}
	m, err := s.opened(o.Model)
	if err != nil {
		return nil, err
	}
	missing, err := s.notKept(ctx, c)
	if err == nil && missing > 0 && !o.LeaveOut {
		err = fmt.Errorf("%w: of %d instances no original is stored; store them again first, or leave them out: they are missing then once the model is changed", ErrNotKept, missing)
	}
	if err != nil {
		return nil, err
	}
	hidden, err := s.Catalog.Collection(ctx, store.ShadowName(collection))
	if errors.Is(err, store.ErrCollection) {
		err = s.Catalog.Shadow(ctx, collection, store.Collection{
			Model: o.Model, Fingerprint: m.m.Fingerprint(), Dimension: m.m.Dimension(), Index: c.Index,
			Shadow: &store.Shadow{LeaveOut: o.LeaveOut},
		})
		if err == nil {
			hidden, err = s.Catalog.Collection(ctx, store.ShadowName(collection))
		}
	}
	if err != nil {
		return nil, err
	}
	if hidden.Fingerprint != m.m.Fingerprint() || hidden.Shadow.Previous {
		return nil, fmt.Errorf("%w: the vectors of %s stand behind it already: drop them first, or go on with that model", store.ErrExists, hidden.Model)
	}
	return s.newReembedder(c, hidden, m, o), nil
}

// mostTogether is how many images a turn embeds at most: so long a query may wait for
// one.
const mostTogether = 4

func (s *Service) newReembedder(c, hidden store.Collection, m *model, o ReembedOptions) *reembedder {
	workers := max(1, int(float64(s.Workers)*cmp.Or(o.Share, 0.5)+0.5))
	return &reembedder{
		s: s, c: c, hidden: hidden, m: m.m, size: min(s.batchOf(m.m), mostTogether), workers: workers, turn: s.slots.takeLast,
		leaveOut: o.LeaveOut, perSecond: o.PerSecond, advanced: o.advanced, pace: &pace{began: time.Now()},
	}
}

// notKept counts the instances of a collection of which no original is stored.
func (s *Service) notKept(ctx context.Context, c store.Collection) (missing int, err error) {
	all, err := s.everything(ctx, c.Name)
	for _, one := range all {
		if c.DiscardOriginals || one.Instance.Original() == "" {
			missing++
		}
	}
	return missing, err
}

// learnBehind lets the probes of a shadow learn what it has, so that they can answer
// at once when it is no shadow any more.
func (s *Service) learnBehind(ctx context.Context, hidden store.Collection) error {
	if s.Refit.When == Never {
		return nil
	}
	for _, task := range hidden.Tasks {
		if _, err := s.refit(ctx, hidden, task.Name, 1, nil); err != nil && !errors.Is(err, ErrNotEnough) {
			return err
		}
	}
	return nil
}

// Reembedding returns how far a collection has been embedded by another model, or what
// a model that is named would cost. Without either it is store.ErrShadow.
func (s *Service) Reembedding(ctx context.Context, collection, model string) (Reembedding, error) {
	c, err := s.Collection(ctx, collection)
	if err != nil {
		return Reembedding{}, err
	}
	r := Reembedding{
		Collection: collection, State: Embedding, Model: c.Model, Fingerprint: c.Fingerprint,
		Instances: c.Status.Instances, Job: s.jobOf(ctx, collection),
	}
	if r.Missing, err = s.notKept(ctx, c.Collection); err != nil {
		return r, err
	}
	hidden, err := s.Collection(ctx, store.ShadowName(collection))
	if asked := s.modelAsked(ctx, r.Job); errors.Is(err, store.ErrCollection) && asked != "" { // its job has not begun
		r.State = Embedding
		return s.planned(r, asked)
	}
	if errors.Is(err, store.ErrCollection) && model != "" {
		r.State = Planned
		return s.planned(r, model)
	}
	if errors.Is(err, store.ErrCollection) {
		return r, fmt.Errorf("collection %s: %w", collection, store.ErrShadow)
	}
	if err != nil {
		return r, err
	}
	r.Other, r.OtherFingerprint, r.Done = hidden.Model, hidden.Fingerprint, hidden.Status.Instances
	r.Behind, r.Cost = c.Status.Head-min(hidden.Status.Head, c.Status.Head), costOf(r.Instances, hidden.Dimension)
	switch {
	case hidden.Shadow.Previous:
		r.State = Switched
	case !hidden.Shadow.Whole.IsZero():
		r.State = Embedded
	}
	if r.Behind == 0 {
		r.Missing = max(0, r.Instances-r.Done)
	}
	if p := s.reembeds.of(collection); p != nil && r.State == Embedding {
		if r.PerSecond = p.perSecond(); r.PerSecond > 0 {
			r.Remaining = float64(max(0, r.Instances-r.Missing-r.Done)) / r.PerSecond
		}
	}
	if kept, err := s.agreement(ctx, collection); err == nil {
		r.Report = &kept.ModelAgreement
	}
	return r, nil
}

// planned adds what a model would cost.
func (s *Service) planned(r Reembedding, model string) (Reembedding, error) {
	m, err := s.opened(model)
	if err != nil {
		return r, err
	}
	r.Other, r.OtherFingerprint = model, m.m.Fingerprint()
	r.Cost = costOf(r.Instances, m.m.Dimension())
	return r, nil
}

// modelAsked returns the model that a job embeds with; empty for none.
func (s *Service) modelAsked(ctx context.Context, job string) string {
	j, err := s.Job(ctx, job)
	var o ReembedOptions
	if err != nil || j.Kind != KindReembed || json.Unmarshal(j.Parameters, &o) != nil {
		return ""
	}
	return o.Model
}

// jobOf returns the job that changes the model of a collection; empty for none.
func (s *Service) jobOf(ctx context.Context, collection string) string {
	all, err := s.Jobs(ctx)
	if err != nil {
		return ""
	}
	for _, j := range all {
		if j.Collection == collection && (j.Kind == KindReembed || j.Kind == KindSwitch) && !j.HasEnded() {
			return j.ID
		}
	}
	return ""
}
