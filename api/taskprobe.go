package api

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"nearcase/probe"
	"nearcase/store"
)

// taskProbe is the ridge probe of one task, current with the labels, and the
// versions of what was chosen for its answers.
type taskProbe struct {
	task store.Task
	// ridge are the statistics. Where solved is set it is taken over by that.
	ridge  *probe.Ridge
	solved *probe.Solved
	// linear is the probe at fittedAt, or err why there is none, of a task without
	// a version: its regularisation is chosen anew with every label.
	linear   *probe.Linear
	err      error
	fittedAt store.Key
	fitted   bool
	// solvedBy is the version that solved has its regularisation from.
	solvedBy *version
	// version is the log entry that changed the probe last.
	version store.Key
	dirty   map[string]bool // examples that may teach something else by now
	// gathering tells that lessons are noted alone, to be learnt all together,
	// which is much faster.
	gathering bool
	// has and lacks count the lessons by class and patient.
	has, lacks map[string]map[string]int

	versions []store.Key // there are, ascending
	current  *version    // that answers; nil for none
	since    []store.Key // changes after the newest version
	first    time.Time   // when the first of them was noticed
	tried    bool        // to make a version, since something changed
	running  bool        // a refit is
}

func newTaskProbe(task store.Task, dimension int) *taskProbe {
	p := &taskProbe{dirty: map[string]bool{}}
	p.relearn(task, dimension)
	return p
}

// relearn begins with no examples; they are learnt when they are settled.
func (p *taskProbe) relearn(task store.Task, dimension int) {
	p.task, p.gathering = task, true
	p.ridge, p.solved, p.fitted = probe.NewRidge(dimension, balanceOf(task)), nil, false
	if p.has == nil {
		p.has, p.lacks = map[string]map[string]int{}, map[string]map[string]int{}
	}
}

func balanceOf(task store.Task) probe.Balance {
	switch {
	case !task.Settings.Balanced:
		return probe.Unbalanced
	case task.Multi:
		return probe.ByFinding
	}
	return probe.ByClass
}

// pending notes a change that no version knows.
func (p *taskProbe) pending(key store.Key) {
	if n := len(p.versions); n > 0 && key <= p.versions[n-1] {
		return
	}
	if len(p.since) == 0 {
		p.first = time.Now()
	}
	if n := len(p.since); n == 0 || p.since[n-1] != key {
		p.since = append(p.since, key)
	}
}

// says reports whether a target says anything.
func says(y []float64) bool {
	return slices.ContainsFunc(y, func(v float64) bool { return !math.IsNaN(v) })
}

// teaching is a change of what an example teaches: from one lesson, or none, to
// another, or none.
type teaching struct {
	from, to   lesson
	had, wants bool
}

// changes finds what the marked examples teach otherwise than before, in the
// order of their IDs, and notes it as taught.
func (t *training) changes(ctx context.Context, catalog store.Catalog, collection string, p *taskProbe) ([]teaching, error) {
	var changed []teaching
	for _, id := range slices.Sorted(maps.Keys(p.dirty)) {
		x := t.examples[id]
		if x == nil {
			continue
		}
		if err := x.meet(ctx, catalog, collection, id); err != nil {
			return nil, err
		}
		c := x.teach(p.task)
		p.count(c) // also where it teaches the same: its task may have more classes
		if c.had != c.wants || c.had && !c.from.equals(c.to) {
			changed = append(changed, c)
		}
		if len(x.labels) == 0 && len(x.taught) == 0 {
			delete(t.examples, id)
		}
	}
	clear(p.dirty)
	return changed, nil
}

// teach notes what an example teaches of a task by now.
func (x *example) teach(task store.Task) (c teaching) {
	c.from, c.had = x.taught[task.Name]
	if c.to, c.wants = x.lesson(task); c.wants {
		x.taught[task.Name] = c.to
	} else {
		delete(x.taught, task.Name)
	}
	return c
}

// equals reports whether two lessons teach the same.
func (l lesson) equals(o lesson) bool {
	return l.patient == o.patient && l.target.Weight == o.target.Weight &&
		slices.Equal(l.vector, o.vector) && maps.Equal(l.degrees(), o.degrees())
}

// degrees are those of the classes that a lesson does not merely lack; -1 stands
// for one to ignore.
func (l lesson) degrees() map[string]float64 {
	degrees := map[string]float64{}
	for i, class := range l.target.Classes {
		switch d := l.target.Degrees[i]; {
		case math.IsNaN(d):
			degrees[class] = -1
		case d > 0:
			degrees[class] = d
		}
	}
	return degrees
}

// count brings the counts of patients up to date.
func (p *taskProbe) count(c teaching) {
	if c.had {
		p.tally(c.from, -1)
	}
	if c.wants {
		p.tally(c.to, 1)
	}
}

func (p *taskProbe) tally(l lesson, by int) {
	for i, class := range l.target.Classes {
		counts := p.lacks
		switch d := l.target.Degrees[i]; {
		case math.IsNaN(d):
			continue
		case d >= 0.5:
			counts = p.has
		}
		if counts[class] == nil {
			counts[class] = map[string]int{}
		}
		if counts[class][l.patient] += by; counts[class][l.patient] == 0 {
			delete(counts[class], l.patient)
		}
	}
}

// fewChanges is up to how many changes are followed one by one.
const fewChanges = 64

// learn follows changes.
func (p *taskProbe) learn(changes []teaching) error {
	if len(changes) == 0 || p.gathering {
		return nil
	}
	if p.fitted = false; p.solved == nil || len(changes) > fewChanges {
		return p.learnMany(changes)
	}
	for _, c := range changes {
		if err := p.follow(c); err != nil {
			return err
		}
	}
	return nil
}

// follow keeps the probe solved through one change.
func (p *taskProbe) follow(c teaching) error {
	switch {
	case c.had && c.wants && slices.Equal(c.from.vector, c.to.vector):
		return p.solved.Change(c.to.vector, c.from.target, c.to.target)
	case c.had && c.wants:
		return errors.Join(p.solved.Remove(c.from.vector, c.from.target), p.solved.Add(c.to.vector, c.to.target))
	case c.had:
		return p.solved.Remove(c.from.vector, c.from.target)
	}
	return p.solved.Add(c.to.vector, c.to.target)
}

// learnMany changes the statistics, which are to be solved afterwards.
func (p *taskProbe) learnMany(changes []teaching) error {
	p.solved, p.solvedBy = nil, nil
	var xs [][]float32
	var targets []probe.Target
	for _, c := range changes {
		if c.wants {
			xs, targets = append(xs, c.to.vector), append(targets, c.to.target)
		}
		if !c.had {
			continue
		}
		if err := p.ridge.Remove(c.from.vector, c.from.target); err != nil {
			return err
		}
	}
	return p.ridge.AddAll(xs, targets)
}

// learnAll makes the statistics of lessons.
func (p *taskProbe) learnAll(lessons []lesson, dimension int) error {
	p.ridge, p.solved, p.solvedBy, p.fitted = probe.NewRidge(dimension, balanceOf(p.task)), nil, nil, false
	xs, targets := make([][]float32, len(lessons)), make([]probe.Target, len(lessons))
	for i, l := range lessons {
		xs[i], targets[i] = l.vector, l.target
	}
	return p.ridge.AddAll(xs, targets)
}

// lessons are all that a task is taught, in the order of the instances' IDs.
func (t *training) lessons(task string) []lesson {
	var lessons []lesson
	for _, id := range slices.Sorted(maps.Keys(t.examples)) {
		if l, ok := t.examples[id].taught[task]; ok {
			lessons = append(lessons, l)
		}
	}
	return lessons
}

// prepare makes the probes of tasks ready to answer, of all tasks if none is
// named. The caller holds the lock.
func (t *training) prepare(ctx context.Context, s *Service, c store.Collection, tasks []string) error {
	for _, task := range c.Tasks {
		p := t.tasks[task.Name]
		if !among(tasks, task.Name) || p.prepared() {
			continue
		}
		if err := p.choose(ctx, s, c); err != nil {
			return err
		}
		p.solve()
	}
	if t.novelty == nil {
		t.novelty = s.loadReference(ctx, c)
	}
	return nil
}

// prepared reports whether a probe can answer as it is.
func (p *taskProbe) prepared() bool {
	if p.current == nil && len(p.versions) > 0 || !p.rightVersion() {
		return false
	}
	if p.current == nil {
		return p.fitted && p.fittedAt == p.version
	}
	return p.solvedBy == p.current && (p.solved != nil || p.fitted)
}

// solve makes the probe of the statistics.
func (p *taskProbe) solve() {
	if p.solved != nil {
		p.ridge, p.solved = p.solved.Ridge(), nil
	}
	p.linear, p.err, p.fitted, p.fittedAt, p.solvedBy = nil, nil, true, p.version, p.current
	lambda := p.current.lambda(allFolds)
	if lambda == 0 {
		p.linear, p.err = p.ridge.Fit(0)
		return
	}
	p.solved, p.err = p.ridge.Solve(lambda)
	if p.err != nil {
		p.solved = nil
	}
}

// all returns the probe of all examples. A probe that there is not is an error
// that says why.
func (p *taskProbe) all() (*probe.Linear, error) {
	if p.solved != nil {
		return p.solved.Linear()
	}
	return p.linear, p.err
}

// without returns the probe as it would be if some lessons had never been
// learnt, with a regularisation that knows nothing of them either.
func (p *taskProbe) without(lambda float64, lessons []lesson) (*probe.Linear, error) {
	xs, targets := make([][]float32, len(lessons)), make([]probe.Target, len(lessons))
	for i, l := range lessons {
		xs[i], targets[i] = l.vector, l.target
	}
	return p.ridge.FitWithout(lambda, xs, targets)
}

// patients counts the patients that have a class, or lack it, beside those of
// some lessons.
func patients(counts map[string]map[string]int, class string, of map[string]int) int {
	n := len(counts[class])
	for patient, lessons := range of {
		if counts[class][patient] == lessons && lessons > 0 {
			n--
		}
	}
	return n
}
