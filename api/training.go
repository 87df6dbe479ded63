package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"nearcase/probe"
	"nearcase/store"
)

// training is what the probes of one collection have learnt from its log. It
// is derived: made from the log, and caught up with it before every answer.
type training struct {
	created time.Time // of the collection, whose name may be used again

	mu        sync.Mutex
	at        store.Key // position in the log
	labelAt   store.Key // of the last label up to there
	dimension int
	examples  map[string]*example // by instance ID
	tasks     map[string]*taskProbe
	// gathering tells that entries go into examples alone, and the probes
	// learn all of them together afterwards, which is much faster.
	gathering bool
}

// example is an instance, labelled or not yet.
type example struct {
	vector []float32 // nil until the instance is known
	labels map[string][]string
}

// taskProbe is the ridge probe of one task.
type taskProbe struct {
	ridge *probe.Ridge
	// version is the log entry that changed the probe last.
	version store.Key
	// fitted is the probe at fittedAt, or why there is none.
	fitted   *probe.Linear
	err      error
	fittedAt store.Key
}

// training returns a collection's training set, caught up with its log, and
// locked: the caller unlocks it.
func (s *Service) training(ctx context.Context, c store.Collection) (*training, error) {
	s.mu.Lock()
	t, ok := s.trainings[c.Name]
	if !ok || !t.created.Equal(c.Created) {
		t = &training{created: c.Created, dimension: c.Dimension, examples: map[string]*example{}, tasks: map[string]*taskProbe{}}
		s.trainings[c.Name] = t
	}
	s.mu.Unlock()
	t.mu.Lock()
	if err := t.catchUp(ctx, s.Catalog, c.Name); err != nil {
		t.mu.Unlock()
		return nil, fmt.Errorf("catch up probes of %s: %w", c.Name, err)
	}
	return t, nil
}

func (t *training) catchUp(ctx context.Context, catalog store.Catalog, collection string) error {
	status, err := catalog.Status(ctx, collection)
	if err != nil || status.Head == t.at {
		return err
	}
	t.gathering = t.at == 0
	for e, err := range catalog.Log(ctx, collection, t.at) {
		if err == nil {
			err = t.apply(e)
		}
		if err != nil {
			t.forget()
			return fmt.Errorf("log entry %d: %w", e.Key, err)
		}
		t.at = e.Key
	}
	if t.gathering {
		err = t.learn()
	}
	if err != nil {
		t.forget()
	}
	return err
}

// learn adds all examples to their probes.
func (t *training) learn() error {
	for name, p := range t.tasks {
		var xs [][]float32
		var classes [][]string
		for _, id := range slices.Sorted(maps.Keys(t.examples)) {
			if labels, ok := t.examples[id].labels[name]; ok && t.examples[id].vector != nil {
				xs, classes = append(xs, t.examples[id].vector), append(classes, labels)
			}
		}
		if err := p.ridge.AddAll(xs, classes); err != nil {
			return fmt.Errorf("task %s: %w", name, err)
		}
	}
	return nil
}

// forget begins anew, since an entry may have been applied in part.
func (t *training) forget() {
	t.at, t.labelAt = 0, 0
	clear(t.examples)
	clear(t.tasks)
}

// apply learns one entry of the log.
func (t *training) apply(e store.Entry) error {
	switch e.Kind {
	case store.KindPut:
		x := t.example(e.Instance.ID)
		err := t.contribute(x, e.Key, (*probe.Ridge).Remove)
		x.vector = e.Vector
		return errors.Join(err, t.contribute(x, e.Key, (*probe.Ridge).Add))
	case store.KindDelete:
		err := t.contribute(t.example(e.Instance.ID), e.Key, (*probe.Ridge).Remove)
		delete(t.examples, e.Instance.ID)
		return err
	default:
		return t.label(t.example(e.Label.Instance), e.Key, *e.Label)
	}
}

func (t *training) example(id string) *example {
	x, ok := t.examples[id]
	if !ok {
		x = &example{labels: map[string][]string{}}
		t.examples[id] = x
	}
	return x
}

func (t *training) task(name string) *taskProbe {
	p, ok := t.tasks[name]
	if !ok {
		p = &taskProbe{ridge: probe.NewRidge(t.dimension)}
		t.tasks[name] = p
	}
	return p
}

// contribute adds all labels of an example to its probes, or removes them.
func (t *training) contribute(x *example, key store.Key, change func(*probe.Ridge, []float32, []string) error) error {
	if x.vector == nil {
		return nil
	}
	var err error
	for task, classes := range x.labels {
		p := t.task(task)
		if p.version = key; !t.gathering {
			err = errors.Join(err, change(p.ridge, x.vector, classes))
		}
	}
	return err
}

// label replaces what an example says for one task.
func (t *training) label(x *example, key store.Key, l store.Label) (err error) {
	t.labelAt = key
	p := t.task(l.Task)
	p.version = key
	if old, ok := x.labels[l.Task]; ok && x.vector != nil && !t.gathering {
		err = p.ridge.Remove(x.vector, old)
	}
	delete(x.labels, l.Task)
	if l.Removed {
		return err
	}
	x.labels[l.Task] = l.Classes
	if x.vector != nil && !t.gathering {
		err = errors.Join(err, p.ridge.Add(x.vector, l.Classes))
	}
	return err
}

// probe returns the fitted probe of a task at its present version.
func (p *taskProbe) probe() (*probe.Linear, error) {
	if p.fittedAt != p.version || (p.fitted == nil && p.err == nil) {
		p.fitted, p.err = p.ridge.Fit(0)
		p.fittedAt = p.version
	}
	return p.fitted, p.err
}

// without returns the probe as it would be if the excluded instances had no
// labels, and how many that leaves out.
// They do not choose the regularisation either.
func (t *training) without(p *taskProbe, task string, excluded []string) (*probe.Linear, int, error) {
	var xs [][]float32
	var classes [][]string
	for _, id := range excluded {
		if x := t.examples[id]; x != nil && x.vector != nil {
			if labels, ok := x.labels[task]; ok {
				xs, classes = append(xs, x.vector), append(classes, labels)
			}
		}
	}
	if len(xs) == 0 {
		l, err := p.probe()
		return l, 0, err
	}
	l, err := p.ridge.FitWithout(0, xs, classes)
	return l, len(xs), err
}

// ProbeInfo describes the probe of one task.
type ProbeInfo struct {
	Task string `json:"task"`
	// Version is the log entry that changed the probe last.
	Version   store.Key      `json:"version"`
	Watermark store.Key      `json:"label_watermark"`
	Examples  int            `json:"examples"`
	Classes   map[string]int `json:"classes"`
	Lambda    float64        `json:"lambda,omitempty"`
	// Problem says why there is no probe; empty if there is one.
	Problem string `json:"problem,omitempty"`
}

// Probes describes the probes of a collection, in the order of its tasks.
func (s *Service) Probes(ctx context.Context, collection string) ([]ProbeInfo, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return nil, err
	}
	t, err := s.training(ctx, c)
	if err != nil {
		return nil, err
	}
	defer t.mu.Unlock()
	infos := make([]ProbeInfo, len(c.Tasks))
	for i, task := range c.Tasks {
		p := t.task(task.Name)
		infos[i] = ProbeInfo{Task: task.Name, Version: p.version, Watermark: t.labelAt, Examples: p.ridge.Examples(), Classes: map[string]int{}}
		for _, class := range p.ridge.Classes() {
			infos[i].Classes[class] = p.ridge.Count(class)
		}
		if l, err := p.probe(); err != nil {
			infos[i].Problem = err.Error()
		} else {
			infos[i].Lambda = l.Lambda
		}
	}
	return infos, nil
}

// labelled returns the names of tasks that have labels.
func (t *training) labelled(tasks []store.Task) []string {
	var names []string
	for _, task := range tasks {
		if t.task(task.Name).ridge.Examples() > 0 {
			names = append(names, task.Name)
		}
	}
	return slices.Clip(names)
}
