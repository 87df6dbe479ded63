package api

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"nearcase/probe"
	"nearcase/store"
)

// training is what the probes of one collection have learnt from its log. It
// is derived: made from the log, and caught up with it before every answer.
// Readers hold mu shared; what changes it holds it alone.
type training struct {
	name    string    // of the collection, also of one that stands behind it
	model   string    // fingerprint of what made its vectors
	created time.Time // of the collection, whose name may be used again

	// updating is held by the one that makes it ready, while others wait for that.
	updating sync.Mutex
	mu       sync.RWMutex
	at       store.Key // position in the log
	labelAt  store.Key // of the last label up to there
	examples map[string]*example
	tasks    map[string]*taskProbe
	declared []store.Task // as the probes have learnt them
	novelty  *reference
	saved    *savedRidges // statistics that may be used once the log is read so far
	kept     store.Key    // position that the statistics were saved at
}

// example is an instance that is or was labelled.
type example struct {
	patient string    // whom it counts for: see patientName
	vector  []float32 // nil until it is needed, and of one that is gone
	labels  []store.Label
	taught  map[string]lesson // by task
}

// lesson is exactly what a task's probe was taught of an example, so that it can
// be taken back whatever has become of the instance.
type lesson struct {
	patient string
	vector  []float32
	target  probe.Target
}

// training returns a collection's training set, caught up with its log and ready
// to answer for the tasks named, or for all if none is. It is locked for reading:
// the caller calls mu.RUnlock.
func (s *Service) training(ctx context.Context, c store.Collection, tasks ...string) (*training, error) {
	t := s.trainingOf(c)
	status, err := s.Catalog.Status(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	for head := status.Head; ; { // another may change it before it is locked again
		if t.lockReady(head, c, tasks) {
			return t, nil
		}
		if head, err = t.update(ctx, s, c, tasks, head); err != nil {
			return nil, fmt.Errorf("catch up probes of %s: %w", c.Name, err)
		}
	}
}

// lockReady locks for reading if nothing is left to do before an answer, and reports
// whether it has.
func (t *training) lockReady(head store.Key, c store.Collection, tasks []string) bool {
	t.mu.RLock()
	if t.ready(head, c, tasks) {
		return true
	}
	t.mu.RUnlock()
	return false
}

// update makes the probes of tasks ready, and returns up to where the log is
// known then. Of many who ask at once one does it, for all: were each to wait for
// all readers in turn, they would wait for each other's answers. What is known of a
// log already is not given up, and learnt anew from its beginning, because one who
// asked has gone.
func (t *training) update(ctx context.Context, s *Service, c store.Collection, tasks []string, head store.Key) (store.Key, error) {
	t.updating.Lock()
	defer t.updating.Unlock()
	if t.lockReady(head, c, tasks) {
		t.mu.RUnlock()
		return head, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at > 0 {
		ctx = context.WithoutCancel(ctx)
	}
	if err := t.catchUp(ctx, s, c); err != nil {
		return 0, err
	}
	return t.at, t.prepare(ctx, s, c, tasks)
}

// trainingOf returns the training set of a collection as it is.
func (s *Service) trainingOf(c store.Collection) *training {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.trainings[trainingKey(c)]
	if !ok || !t.created.Equal(c.Created) {
		t = &training{
			name: visibleName(c.Name), model: c.Fingerprint, created: c.Created,
			examples: map[string]*example{}, tasks: map[string]*taskProbe{},
		}
		s.trainings[trainingKey(c)] = t
	}
	return t
}

// trainingKey is that of a collection's training set, whether it has its name or
// stands behind what has it.
func trainingKey(c store.Collection) string { return visibleName(c.Name) + " " + c.Fingerprint }

// visibleName is that of the collection that another of the name stands behind, if it
// does.
func visibleName(name string) string { return strings.TrimPrefix(name, store.ShadowName("")) }

// nameOf returns what the collection of a training set is called by now; false if it
// is gone.
func (s *Service) nameOf(ctx context.Context, t *training) (string, bool) {
	for _, name := range []string{t.name, store.ShadowName(t.name)} {
		c, err := s.Catalog.Collection(ctx, name)
		if err == nil && c.Fingerprint == t.model && c.Created.Equal(t.created) {
			return name, true
		}
	}
	return "", false
}

// ready reports whether nothing is left to do before an answer.
func (t *training) ready(head store.Key, c store.Collection, tasks []string) bool {
	if t.at < head || !reflect.DeepEqual(t.declared, c.Tasks) {
		return false
	}
	for _, task := range c.Tasks {
		if p := t.tasks[task.Name]; p == nil || among(tasks, task.Name) && !p.prepared() {
			return false
		}
	}
	return true
}

// among reports whether a name is one of names; all are among none.
func among(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return len(names) == 0
}

// catchUp learns what the log has beyond t.at, and what tasks there are by now.
// The caller holds the lock. What fails leaves nothing half learnt: it is begun
// anew.
func (t *training) catchUp(ctx context.Context, s *Service, c store.Collection) error {
	err := t.learn(ctx, s, c)
	if errors.Is(err, errErased) {
		t.forget()
		t.novelty = nil
		err = t.learn(ctx, s, c)
	}
	if err == nil {
		err = t.settle(ctx, s.Catalog, c)
	}
	if err != nil {
		t.forget()
	}
	return err
}

// errErased is an instance that was erased after the probes have learnt from the
// log, perhaps from it.
var errErased = errors.New("something was erased")

// learn takes over what tasks there are and what the log has that is new.
func (t *training) learn(ctx context.Context, s *Service, c store.Collection) error {
	if err := t.declare(ctx, s, c); err != nil {
		return err
	}
	return t.read(ctx, s, c)
}

// declare takes over tasks and their settings. What these teach otherwise is
// found when the examples are settled.
func (t *training) declare(ctx context.Context, s *Service, c store.Collection) error {
	if t.declared != nil && reflect.DeepEqual(t.declared, c.Tasks) {
		return nil
	}
	for _, task := range c.Tasks {
		p := t.tasks[task.Name]
		if p == nil {
			p = newTaskProbe(task, c.Dimension)
			names, err := s.versionsOf(ctx, c.Name, task.Name)
			if err != nil {
				return err
			}
			p.versions = names
			t.tasks[task.Name] = p
			for id := range t.examples { // whose labels may be older than c
				p.dirty[id] = true
			}
			continue
		}
		if balanceOf(p.task) != balanceOf(task) {
			p.relearn(task, c.Dimension)
		}
		if !reflect.DeepEqual(p.task, task) {
			p.task, p.tried = task, false
			for id := range t.examples {
				p.dirty[id] = true
			}
		}
	}
	t.declared = c.Tasks
	return nil
}

// read applies the log's entries. On the way it passes the position at which
// statistics were saved. What was erased since a position that is not 0 is
// errErased: it does not tell what to take back.
func (t *training) read(ctx context.Context, s *Service, c store.Collection) error {
	began := t.at
	if began == 0 {
		t.saved = s.loadRidges(ctx, c.Name)
		for _, p := range t.tasks {
			p.gathering = true
		}
	}
	for e, err := range s.Catalog.Log(ctx, c.Name, t.at) {
		if err == nil && t.saved != nil && e.Key > t.saved.At {
			err = t.resume(ctx, s.Catalog, c)
		}
		if err != nil {
			return fmt.Errorf("log entry %d: %w", e.Key, err)
		}
		if began > 0 && e.Kind == store.KindErased && e.Retires != 0 {
			return errErased
		}
		t.apply(e)
		t.at = e.Key
	}
	if t.saved != nil {
		return t.resume(ctx, s.Catalog, c)
	}
	return nil
}

// forget begins anew, since an entry may have been applied in part.
func (t *training) forget() {
	t.at, t.labelAt, t.declared, t.saved, t.kept = 0, 0, nil, nil, 0
	clear(t.examples)
	clear(t.tasks)
}

// apply notes one entry of the log. Instances without labels take nothing.
func (t *training) apply(e store.Entry) {
	switch e.Kind {
	case store.KindPut:
		if x := t.examples[e.Instance.ID]; x != nil {
			x.vector, x.patient = e.Vector, patientName(*e.Instance)
			t.touch(e.Key, e.Instance.ID, x)
		}
	case store.KindDelete:
		if x := t.examples[e.Instance.ID]; x != nil {
			t.touch(e.Key, e.Instance.ID, x)
			x.vector, x.labels = nil, nil
		}
	case store.KindErased:
		if e.Of == store.KindLabel {
			t.labelAt = e.Key
		}
	case store.KindLabel:
		t.labelAt = e.Key
		x := t.examples[e.Label.Instance]
		if x == nil {
			x = &example{taught: map[string]lesson{}}
			t.examples[e.Label.Instance] = x
		}
		x.labels = store.Revise(x.labels, *e.Label)
		t.change(e.Key, e.Label.Instance, e.Label.Task)
	}
}

// touch marks an example for all tasks that it teaches.
func (t *training) touch(key store.Key, id string, x *example) {
	for task := range x.taught {
		t.change(key, id, task)
	}
	for _, l := range x.labels {
		t.change(key, id, l.Task)
	}
}

// change marks an example of a task as changed by a log entry.
func (t *training) change(key store.Key, id, task string) {
	p := t.tasks[task]
	if p == nil {
		return // declared since: its examples are all looked at then
	}
	p.dirty[id] = true
	p.version = key
	p.pending(key)
}

// patientName is whom an instance counts for: its patient, or where that is not
// known its study, or itself.
func patientName(i store.Instance) string {
	switch {
	case i.Patient != "":
		return "patient " + i.Patient
	case i.Study != "":
		return "study " + i.Study
	}
	return "instance " + i.ID
}

// settle teaches the probes what has changed.
func (t *training) settle(ctx context.Context, catalog store.Catalog, c store.Collection) error {
	for _, task := range c.Tasks {
		p := t.tasks[task.Name]
		changes, err := t.changes(ctx, catalog, c.Name, p)
		if err == nil {
			err = p.learn(changes)
		}
		if err == nil && p.gathering {
			p.gathering, err = false, p.learnAll(t.lessons(task.Name), c.Dimension)
		}
		if err != nil {
			return fmt.Errorf("task %s: %w", task.Name, err)
		}
	}
	return nil
}

// meet learns the vector and patient of an example's instance. They may be newer
// than the position in the log; the entries that brought them change nothing then.
func (x *example) meet(ctx context.Context, catalog store.Catalog, collection, id string) error {
	if x.vector != nil || len(x.labels) == 0 {
		return nil
	}
	found, err := catalog.Instance(ctx, collection, id)
	if err == nil {
		x.patient = patientName(found.Instance)
		x.vector, err = catalog.Vector(ctx, collection, id)
	}
	if errors.Is(err, store.ErrInstance) { // deleted since, as a later entry says
		return nil
	}
	return err
}

// lesson returns what an example teaches of a task, and false for nothing.
func (x *example) lesson(task store.Task) (lesson, bool) {
	if x.vector == nil {
		return lesson{}, false
	}
	var said []store.Label
	for _, l := range x.labels {
		if l.Task == task.Name {
			said = append(said, l)
		}
	}
	l, ok := store.Resolve(task, said)
	if !ok {
		return lesson{}, false
	}
	y, weight := task.Target(l)
	target := probe.Target{Classes: task.Classes, Degrees: y, Weight: weight}
	return lesson{x.patient, x.vector, target}, says(y)
}
