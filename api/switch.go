package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nearcase/store"
)

// SwitchModel lets the model of the vectors behind a collection answer, once they have
// all that the collection has: the other model of Reembed, or with o.Back the one that
// answered before. It is one change: queries that have begun end with the model that
// they began with, and others have the new one. Where nothing stands behind it is
// store.ErrShadow, and ErrReembedding where that is not what was asked for.
func (s *Service) SwitchModel(ctx context.Context, collection string, o SwitchOptions, progress func(done, total int)) (Reembedding, error) {
	p, end, err := s.reembeds.begin(ctx, collection)
	if err != nil {
		return Reembedding{}, err
	}
	defer end()
	r, err := s.linked(ctx, collection, o)
	if err != nil {
		return Reembedding{}, fmt.Errorf("switch %s: %w", collection, err)
	}
	r.pace, r.progress = p, progress
	if err = r.follow(ctx); err == nil {
		err = s.exchange(ctx, r)
	}
	if err != nil {
		return Reembedding{}, fmt.Errorf("switch %s: %w", collection, err)
	}
	return s.Reembedding(ctx, collection, "")
}

// linked returns what lets the vectors behind a collection follow it.
func (s *Service) linked(ctx context.Context, collection string, o SwitchOptions) (*reembedder, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return nil, err
	}
	hidden, err := s.Catalog.Collection(ctx, store.ShadowName(collection))
	if errors.Is(err, store.ErrCollection) {
		err = store.ErrShadow
	}
	if err != nil {
		return nil, err
	}
	switch {
	case hidden.Shadow.Previous && !o.Back:
		return nil, fmt.Errorf("%w: it has been switched, and %s is the model before: ask for the way back", ErrReembedding, hidden.Model)
	case !hidden.Shadow.Previous && o.Back:
		return nil, fmt.Errorf("%w: it has not been switched to %s yet", ErrReembedding, hidden.Model)
	case hidden.Shadow.Whole.IsZero():
		return nil, fmt.Errorf("%w: %s has not embedded all of it yet", ErrReembedding, hidden.Model)
	}
	m, err := s.modelOf(hidden)
	if err != nil {
		return nil, err
	}
	return s.newReembedder(c, hidden, m, ReembedOptions{LeaveOut: o.LeaveOut || hidden.Shadow.LeaveOut, Share: 1}), nil
}

// mostApproaches is how often the log is followed anew when more has come than changes
// may wait for.
const mostApproaches = 20

// exchange lets a collection and what follows it take each other's place.
func (s *Service) exchange(ctx context.Context, r *reembedder) error {
	last := *r
	last.turn, last.workers = s.slots.take, s.Workers // changes wait
	rest := func(entries []store.Entry) (map[store.Key][]float32, error) { return last.vectors(ctx, entries) }
	for n := 0; ; n++ {
		err := s.Catalog.Exchange(ctx, r.c.Name, rest)
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrBehind) || n == mostApproaches {
			return err
		}
		if err := r.follow(ctx); err != nil {
			return err
		}
	}
	return s.journal.note(Change{
		ID: changeID(CollectionReembedded, r.c.Name, newID()), Type: CollectionReembedded, Collection: r.c.Name, Time: time.Now().UTC(),
	})
}

// DropReembedding gives up the vectors behind a collection, and with them the way to
// that model: what Reembed has done, or the model before a switch. A job that works
// on them is cancelled.
func (s *Service) DropReembedding(ctx context.Context, collection string) error {
	before, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return err
	}
	for id := s.jobOf(ctx, collection); id != ""; id = s.jobOf(ctx, collection) {
		if _, err := s.Cancel(ctx, id); err != nil {
			return err
		}
		if _, err := s.Await(ctx, id); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	_, end, err := s.reembeds.begin(ctx, collection)
	if err != nil {
		return err
	}
	defer end()
	if now, err := s.Catalog.Collection(ctx, collection); err != nil || now.Fingerprint != before.Fingerprint {
		return errors.Join(err, fmt.Errorf("collection %s: %w: its model was changed meanwhile, and the one before stands behind it now", collection, ErrReembedding))
	}
	err = s.Catalog.Drop(ctx, store.ShadowName(collection))
	if errors.Is(err, store.ErrCollection) {
		err = fmt.Errorf("collection %s: %w", collection, store.ErrShadow)
	}
	return err
}

// followShadows lets what stands behind collections, and has had all of it once, follow
// them, at the lowest priority, until the context ends: the way to the other model
// stays short, and what is deleted is deleted there too.
func (s *Service) followShadows(ctx context.Context) {
	failed := map[string]stuck{}
	for {
		wake := s.Catalog.Changed()
		all, err := s.Catalog.Collections(ctx)
		if err != nil {
			return
		}
		for _, c := range all {
			s.followShadow(ctx, c, failed)
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// stuck is where a shadow could not follow, and since when.
type stuck struct {
	head store.Key
	at   time.Time
}

// stuckFor is how long a shadow that could not follow is left alone at least.
const stuckFor = time.Minute

// followShadow is followShadows of one collection. What cannot go on is logged, and
// tried again when more has come, after a while.
func (s *Service) followShadow(ctx context.Context, c store.Collection, failed map[string]stuck) {
	hidden, err := s.Collection(ctx, store.ShadowName(c.Name))
	if err != nil || hidden.Shadow.Whole.IsZero() {
		return
	}
	status, err := s.Catalog.Status(ctx, c.Name)
	last := failed[c.Name]
	if err != nil || hidden.Status.Head >= status.Head || last.head == status.Head || time.Since(last.at) < stuckFor {
		return
	}
	until, end, ok := s.reembeds.follow(ctx, c.Name)
	if !ok {
		return
	}
	defer end()
	ctx = until
	r, err := s.linked(ctx, c.Name, SwitchOptions{Back: hidden.Shadow.Previous})
	if err == nil {
		r.workers = 1
		err = r.follow(ctx)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrCollection) && !errors.Is(err, store.ErrShadow) {
		failed[c.Name] = stuck{status.Head, time.Now()}
		s.Logger.WarnContext(ctx, "the vectors of the other model stay behind", "collection", c.Name, "model", hidden.Model, "reason", retold(err))
	}
}

// reembedJob is Reembed as a job. It is begun again as often as it takes while it gets
// on.
func (s *Service) reembedJob(ctx context.Context, t *turn) (any, error) {
	var o ReembedOptions
	if err := t.parameters(&o); err != nil {
		return nil, err
	}
	o.Doing, o.advanced = t.stage, t.advanced
	r, err := s.Reembed(ctx, t.job.Collection, o, t.progress)
	if r.Report != nil { // which goes when something is erased
		r.Report = r.Report.withoutExamples()
	}
	return r, err
}

func (s *Service) switchJob(ctx context.Context, t *turn) (any, error) {
	var o SwitchOptions
	if err := t.parameters(&o); err != nil {
		return nil, err
	}
	done, err := s.hasSwitched(ctx, t)
	if err != nil {
		return nil, err
	}
	var r Reembedding
	if done {
		r, err = s.Reembedding(ctx, t.job.Collection, "")
	} else {
		r, err = s.SwitchModel(ctx, t.job.Collection, o, t.progress)
	}
	if r.Report != nil {
		r.Report = r.Report.withoutExamples()
	}
	return r, err
}

// keptSwitch is the fingerprint of the model that a job is to let answer.
type keptSwitch struct {
	To string `json:"to"`
}

// hasSwitched reports whether a job had changed the model before the program ended: the
// way back, taken twice, would lead to where it began. Otherwise it keeps which model it
// is to be.
func (s *Service) hasSwitched(ctx context.Context, t *turn) (bool, error) {
	c, err := s.Catalog.Collection(ctx, t.job.Collection)
	var kept keptSwitch
	if err != nil || t.before(&kept) {
		return err == nil && c.Fingerprint == kept.To, err
	}
	hidden, err := s.Catalog.Collection(ctx, store.ShadowName(c.Name))
	if errors.Is(err, store.ErrCollection) {
		return false, nil // which SwitchModel says
	}
	if err != nil {
		return false, err
	}
	return false, t.keep(keptSwitch{hidden.Fingerprint})
}
