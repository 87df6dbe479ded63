package api

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"nearcase/probe"
	"nearcase/probe/eval"
	"nearcase/store"
)

// soleTask returns the task named, or the only one.
func soleTask(c store.Collection, name string) (store.Task, error) {
	if name == "" && len(c.Tasks) == 1 {
		return c.Tasks[0], nil
	}
	if name == "" && len(c.Tasks) > 1 {
		names := make([]string, len(c.Tasks))
		for i, t := range c.Tasks {
			names[i] = t.Name
		}
		return store.Task{}, fmt.Errorf("%w: name the task, one of %s", ErrQuery, strings.Join(names, ", "))
	}
	return c.Task(name)
}

// load reads the labelled images that are in every collection.
func (v *evaluation) load(ctx context.Context, c store.Collection) error {
	set, err := v.s.labelledSet(ctx, c, v.task)
	if err != nil {
		return err
	}
	v.watermark = set.watermark
	v.networks = []*network{{Collection: c}}
	keep := v.passing(set)
	if len(keep) == 0 {
		return fmt.Errorf("task %s: %w: no labelled image passes the filter", v.task.Name, ErrNotEnough)
	}
	passing := len(keep)
	for _, name := range v.o.Collections {
		if keep, err = v.join(ctx, name, set, keep); err != nil {
			return err
		}
	}
	if n := passing - len(keep); n > 0 {
		v.warn("%d of %d labelled images are not in every collection and were left out", n, passing)
	}
	if len(keep) == 0 {
		return fmt.Errorf("task %s: %w: no labelled image is in every collection; they are matched by ID", v.task.Name, ErrNotEnough)
	}
	v.keep(set, keep)
	for i, w := range v.networks {
		w.examples = v.examples
		if w.examples.X = set.examples.Subset(keep).X; i > 0 {
			if w.examples.X, err = v.s.vectors(ctx, w.Name, v.cases); err != nil {
				return err
			}
		}
		if w.about, err = v.s.network(ctx, w.Collection); err != nil {
			return err
		}
	}
	return nil
}

// passing returns the positions of the images that the filter lets take part.
func (v *evaluation) passing(set labelledSet) []int {
	keep := make([]int, 0, len(set.cases))
	for i, c := range set.cases {
		if v.filter.Holds(&c.Instance, c.Labels) {
			keep = append(keep, i)
		}
	}
	if n := len(set.cases) - len(keep); n > 0 {
		v.warn("%d of %d labelled images do not pass the filter and were left out", n, len(set.cases))
	}
	return keep
}

// join adds a collection, and returns those of the positions whose images it has.
func (v *evaluation) join(ctx context.Context, name string, set labelledSet, keep []int) ([]int, error) {
	c, err := v.s.Catalog.Collection(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, w := range v.networks {
		if w.Name == name {
			return nil, fmt.Errorf("%w: collection %s is named twice", ErrQuery, name)
		}
	}
	v.networks = append(v.networks, &network{Collection: c})
	all, err := v.s.everything(ctx, name)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]store.Case, len(all))
	for _, found := range all {
		byID[found.Instance.ID] = found
	}
	differ := 0
	keep = slices.DeleteFunc(slices.Clone(keep), func(i int) bool {
		mine := set.cases[i]
		other, ok := byID[mine.Instance.ID]
		if theirs, labelled := other.Labels[v.task.Name]; labelled && !slices.Equal(theirs.Classes, mine.Labels[v.task.Name].Classes) {
			differ++
		}
		return !ok
	})
	if differ > 0 {
		v.warn("%d images have another label in collection %s; those of %s counted", differ, name, v.networks[0].Name)
	}
	return keep, nil
}

// keep takes the images at these positions, and sorts them by ID, so that nothing
// depends on the order in which they were stored.
func (v *evaluation) keep(set labelledSet, at []int) {
	slices.SortFunc(at, func(i, j int) int {
		return strings.Compare(set.cases[i].Instance.ID, set.cases[j].Instance.ID)
	})
	v.examples = set.examples.Subset(at)
	v.examples.X = nil
	v.cases, v.families, v.at = nil, nil, map[string]int32{}
	for n, i := range at {
		v.cases, v.families = append(v.cases, set.cases[i]), append(v.families, set.families[i])
		v.at[set.cases[i].Instance.ID] = int32(n)
	}
	v.truth = eval.Truth{Classes: v.task.Classes, Multi: v.task.Multi, Groups: v.families}
	for i, c := range v.cases {
		v.truth.Y = append(v.truth.Y, truthOf(v.task, c.Labels[v.task.Name], v.examples.Y[i]))
	}
}

// truthOf returns what is known of an image: what its label teaches, as far as
// that is certain, and otherwise what the label of all readers together says.
func truthOf(task store.Task, l store.Label, taught []float64) []float64 {
	y := make([]float64, len(taught))
	for c, class := range task.Classes {
		switch state := l.State(class); {
		case task.Multi && (taught[c] == 0 || taught[c] == 1):
			y[c] = taught[c]
		case state == store.Present:
			y[c] = 1
		case task.Multi && state != store.Absent:
			y[c] = math.NaN()
		}
	}
	return y
}

// tells returns ErrNotEnough unless some class can be told from another.
func (v *evaluation) tells() error {
	classes := 0
	for c := range v.task.Classes {
		has, lacks := v.patients(c)
		if v.task.Multi && has > 0 && lacks > 0 {
			return nil
		}
		if has > 0 {
			classes++
		}
	}
	if !v.task.Multi && classes > 1 {
		return nil
	}
	return fmt.Errorf("task %s: %w: its %d labels do not tell any class from another; label images of other classes", v.task.Name, ErrNotEnough, len(v.cases))
}

// patients counts those with an image that has a class, and with one that has not.
func (v *evaluation) patients(c int) (has, lacks int) {
	with, without := map[string]bool{}, map[string]bool{}
	for i, y := range v.truth.Y {
		switch y[c] {
		case 1:
			with[v.families[i]] = true
		case 0:
			without[v.families[i]] = true
		}
	}
	return len(with), len(without)
}

// warn adds to what a reader must know of the data as a whole.
func (v *evaluation) warn(format string, a ...any) {
	v.warnings = append(v.warnings, fmt.Sprintf(format, a...))
}

// value returns what an image has for a metadata field or another task.
func (v *evaluation) value(i int, by string) (value string, ok bool) {
	c := v.cases[i]
	if l, labelled := c.Labels[by]; labelled {
		return strings.Join(l.Classes, "|"), true
	}
	value, ok = c.Instance.Metadata[by]
	return value, ok
}

// values returns what the images have, or ErrQuery if none has anything.
func (v *evaluation) values(what, by string) ([]string, error) {
	values, any := make([]string, len(v.cases)), false
	for i := range v.cases {
		var ok bool
		values[i], ok = v.value(i, by)
		any = any || ok
	}
	if by == v.task.Name {
		return nil, fmt.Errorf("%w: %s by %s is the task that is evaluated", ErrQuery, what, by)
	}
	if !any {
		return nil, fmt.Errorf("%w: %s by %q: no image has such a metadata field or a label of such a task", ErrQuery, what, by)
	}
	return values, nil
}

// headOptions are what the settings of a task ask of its probes.
func headOptions(t store.Task) probe.HeadOptions {
	return probe.HeadOptions{
		Sets: probe.SetOptions{Coverage: t.Settings.Coverage},
		Aims: probe.Aims{Sensitivity: t.Settings.Sensitivity, Specificity: t.Settings.Specificity},
	}
}
