package api

import (
	"context"
	"errors"
	"maps"
	"slices"

	"nearcase/probe"
	"nearcase/store"
)

// foretelling predicts a task's classes of stored instances, each by probes that
// know nothing of the fold of its kin. Of so many instances that is as good as to
// leave out its kin alone.
type foretelling struct {
	task    store.Task
	enough  sufficiency
	current *version // that answers; nil for none
	lessons map[string]lesson
	folds   [tuningFolds]foldProbe
	// mixed are families of which the version knows some in another fold.
	mixed   map[string]bool
	problem string
}

// foldProbe is a task's probe without a fold; neither where there is none.
type foldProbe struct {
	variant        *probe.Tuning
	ridge, softmax *probe.Linear
}

// number is that of the version, 0 for none.
func (f *foretelling) number() store.Key {
	if f.current == nil {
		return 0
	}
	return f.current.Watermark
}

// foretelling returns what predicts each task, by the kin of all instances.
func (m *mapping) foretelling(ctx context.Context, all []spot) ([]*foretelling, error) {
	tasks, err := m.taught(ctx)
	if err != nil {
		return nil, err
	}
	folds := map[string]int{}
	for _, p := range all {
		folds[p.Instance.ID] = foldOf(p.family)
	}
	for _, f := range tasks {
		if f.problem != "" {
			continue
		}
		f.mix(all)
		if err := f.prepare(ctx, m.collection.Dimension, folds); err != nil {
			return nil, err
		}
	}
	return tasks, nil
}

// taught takes down what the probes know.
func (m *mapping) taught(ctx context.Context) ([]*foretelling, error) {
	if len(m.tasks) == 0 {
		return nil, nil
	}
	t, err := m.s.training(ctx, m.collection, m.names()...)
	if err != nil {
		return nil, err
	}
	defer t.mu.RUnlock()
	all := make([]*foretelling, len(m.tasks))
	for i, task := range m.tasks {
		f := &foretelling{task: task, lessons: map[string]lesson{}, mixed: map[string]bool{}}
		if p := t.tasks[task.Name]; p != nil {
			f.current, f.enough = p.current, p.enoughWithout(nil)
			f.problem = f.enough.why
		}
		for id, x := range t.examples {
			if l, ok := x.taught[task.Name]; ok {
				f.lessons[id] = l
			}
		}
		all[i] = f
	}
	return all, nil
}

// mix finds families that were none when the version was made.
func (f *foretelling) mix(all []spot) {
	for _, p := range all {
		if _, one := f.current.ofFold([]int{foldOf(p.family)}, []string{p.Instance.ID}); !one {
			f.mixed[p.family] = true
		}
	}
}

// prepare makes the probe without each fold: a softmax probe where that stands, and
// otherwise a ridge probe.
func (f *foretelling) prepare(ctx context.Context, dimension int, folds map[string]int) (err error) {
	var shards []*probe.Ridge
	for fold := range f.folds {
		one := &f.folds[fold]
		one.variant = f.current.variant(fold)
		if f.softmaxStands(one.variant) {
			one.softmax = one.variant.Softmax.Linear
			continue
		}
		if shards == nil {
			if shards, err = f.shards(ctx, dimension, folds); err != nil {
				return err
			}
		}
		if one.ridge, err = f.without(fold, shards); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// without fits the ridge probe of all folds but one; nil where they have too few
// labels.
func (f *foretelling) without(fold int, shards []*probe.Ridge) (*probe.Linear, error) {
	others := probe.NewRidge(shards[0].Dimension(), balanceOf(f.task))
	for g, shard := range shards {
		if g == fold {
			continue
		}
		if err := others.Merge(shard); err != nil {
			return nil, err
		}
	}
	linear, err := others.Fit(f.current.lambda(fold))
	if errors.Is(err, probe.ErrNotEnough) {
		return nil, nil
	}
	return linear, err
}

// softmaxStands reports whether the prediction of a variant's softmax probe stands.
func (f *foretelling) softmaxStands(u *probe.Tuning) bool {
	if u == nil || u.Softmax == nil || u.Softmax.Linear == nil {
		return false
	}
	head := f.task.Settings.Head
	return head == probe.SoftmaxHead || head == "" && u.Better == probe.SoftmaxHead
}

// shards are the statistics of each fold's lessons.
func (f *foretelling) shards(ctx context.Context, dimension int, folds map[string]int) ([]*probe.Ridge, error) {
	var xs [tuningFolds][][]float32
	var targets [tuningFolds][]probe.Target
	for _, id := range slices.Sorted(maps.Keys(f.lessons)) {
		fold, ok := folds[id]
		if !ok { // it is gone since
			continue
		}
		xs[fold], targets[fold] = append(xs[fold], f.lessons[id].vector), append(targets[fold], f.lessons[id].target)
	}
	shards := make([]*probe.Ridge, tuningFolds)
	for fold := range shards {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		shards[fold] = probe.NewRidge(dimension, balanceOf(f.task))
		if err := shards[fold].AddAll(xs[fold], targets[fold]); err != nil {
			return nil, err
		}
	}
	return shards, nil
}

// predict is the number of the class that is predicted of an instance, -1 for none.
func (f *foretelling) predict(x []float32, p *spot) (int32, error) {
	of := f.folds[foldOf(p.family)]
	if f.problem != "" || f.mixed[p.family] || of.ridge == nil && of.softmax == nil {
		return -1, nil
	}
	a := answering{TaskAnswer: TaskAnswer{Task: f.task.Name, Multi: f.task.Multi}, enough: f.enough, variant: of.variant,
		ridge: newProbe(0.5), softmax: newProbe(0)}
	if err := a.askOf(of, x); err != nil {
		return -1, err
	}
	if err := a.conclude(f.task); err != nil {
		return -1, err
	}
	class := a.foremost()
	if class == "" && f.task.Multi && a.Refused == "" {
		return nothingPresent, nil
	}
	return number(f.task.Classes, class), nil
}

// askOf asks the one probe of a fold.
func (a *answering) askOf(of foldProbe, x []float32) error {
	if of.softmax != nil {
		return a.askHead(&a.softmax, of.softmax, of.variant.Softmax, x)
	}
	a.softmax.Problem = "the ridge probe stands"
	var head *probe.Head
	if of.variant != nil {
		head = &of.variant.Ridge
	}
	return a.askHead(&a.ridge, of.ridge, head, x)
}

// foremost is the most probable of the classes predicted, by score where no
// probability of one is known; empty where none is predicted.
func (a *answering) foremost() string {
	for _, p := range a.Probabilities {
		if slices.Contains(a.Prediction, p.Class) {
			return p.Class
		}
	}
	for _, s := range a.defaultProbe().Scores {
		if slices.Contains(a.Prediction, s.Class) {
			return s.Class
		}
	}
	return ""
}
