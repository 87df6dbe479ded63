package api

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"golang.org/x/sync/errgroup"

	"nearcase/probe"
	"nearcase/store"
)

// labelledSet is a task's labelled instances as probes see them. Every slice has
// one entry for each, in key order.
type labelledSet struct {
	task      store.Task
	watermark store.Key // of the last label that can be among them
	cases     []store.Case
	families  []string // name of each instance's kin
	examples  probe.Examples
	// all are the collection's instances, labelled or not, in key order, and
	// kin the name of each one's family.
	all []store.Case
	kin []string
}

// labelledSet reads the instances that have a label for a task. Patients of the
// examples number families, in the order of their first instance. It returns
// ErrNotEnough where there are none.
func (s *Service) labelledSet(ctx context.Context, c store.Collection, task store.Task) (labelledSet, error) {
	status, err := s.Catalog.Status(ctx, c.Name)
	if err != nil {
		return labelledSet{}, err
	}
	l := labelledSet{task: task, watermark: status.LabelHead}
	if l.all, err = s.everything(ctx, c.Name); err != nil {
		return labelledSet{}, err
	}
	l.choose()
	vectors, err := s.vectorsLeft(ctx, c.Name, l.cases)
	if err != nil {
		return labelledSet{}, err
	}
	if left := slices.DeleteFunc(slices.Clone(vectors), func(x []float32) bool { return x == nil }); len(left) < len(vectors) {
		l.forget(vectors)
		vectors = left
	}
	if l.examples.X = vectors; len(l.cases) == 0 {
		return labelledSet{}, fmt.Errorf("task %s: %w: no instance has one", task.Name, ErrNotEnough)
	}
	return l, nil
}

// forget leaves out the labelled instances without a vector, which were deleted
// meanwhile.
func (l *labelledSet) forget(vectors [][]float32) {
	gone := map[string]bool{}
	for i, x := range vectors {
		if x == nil {
			gone[l.cases[i].Instance.ID] = true
		}
	}
	l.all = slices.DeleteFunc(l.all, func(c store.Case) bool { return gone[c.Instance.ID] })
	l.choose()
}

// choose takes what is labelled from all, and finds who is kin.
func (l *labelledSet) choose() {
	instances := make([]store.Instance, len(l.all))
	for i, c := range l.all {
		instances[i] = c.Instance
	}
	l.kin = familyNames(instances)
	l.cases, l.families, l.examples = nil, nil, probe.Examples{Classes: l.task.Classes, Multi: l.task.Multi}
	numbers := map[string]int{}
	for i, c := range l.all {
		label, ok := c.Labels[l.task.Name]
		if !ok {
			continue
		}
		family := l.kin[i]
		if _, seen := numbers[family]; !seen {
			numbers[family] = len(numbers)
		}
		y, weight := l.task.Target(label)
		l.cases, l.families = append(l.cases, c), append(l.families, family)
		l.examples.Y, l.examples.Weight = append(l.examples.Y, y), append(l.examples.Weight, weight)
		l.examples.Patient = append(l.examples.Patient, numbers[family])
	}
}

// everything returns all instances of a collection in key order.
func (s *Service) everything(ctx context.Context, collection string) ([]store.Case, error) {
	var all []store.Case
	var after store.Key
	for {
		page, err := s.Catalog.List(ctx, collection, after, maxPage)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < maxPage {
			return all, nil
		}
		after = page[len(page)-1].Key
	}
}

// vectors returns the embeddings of instances.
func (s *Service) vectors(ctx context.Context, collection string, cases []store.Case) ([][]float32, error) {
	vectors, err := s.vectorsLeft(ctx, collection, cases)
	for i, x := range vectors {
		if err == nil && x == nil {
			err = fmt.Errorf("%s in %s: %w: it was deleted meanwhile", cases[i].Instance.ID, collection, store.ErrInstance)
		}
	}
	return vectors, err
}

// vectorsLeft returns the embeddings of instances, nil for those that have been
// deleted since they were listed.
func (s *Service) vectorsLeft(ctx context.Context, collection string, cases []store.Case) ([][]float32, error) {
	vectors := make([][]float32, len(cases))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.Workers)
	for i, c := range cases {
		group.Go(func() (err error) {
			vectors[i], err = s.Catalog.Vector(ctx, collection, c.Instance.ID)
			if errors.Is(err, store.ErrInstance) {
				err = nil
			}
			return err
		})
	}
	return vectors, group.Wait()
}

// familyNames names each instance's family after the smallest patient in it,
// or the smallest ID if none is known, so that the folds do not depend on the
// order in which instances were stored.
func familyNames(all []store.Instance) []string {
	families := store.Families(all)
	smallest := map[int]string{}
	for n, i := range all {
		name := "instance " + i.ID
		if i.Patient != "" {
			name = "a patient " + i.Patient // before instances
		}
		if have, ok := smallest[families[n]]; !ok || name < have {
			smallest[families[n]] = name
		}
	}
	names := make([]string, len(all))
	for n := range all {
		names[n] = smallest[families[n]]
	}
	return names
}

// tuningFolds is how many folds a task's probes are chosen and calibrated by.
const tuningFolds = 5

// foldOf returns the fold of a family, which depends on its name alone: neither
// on labels nor on other patients.
func foldOf(family string) int {
	h := fnv.New64a()
	h.Write([]byte(family))
	return int(h.Sum64() % tuningFolds)
}

// folds returns the fold of each labelled instance.
func (l *labelledSet) folds() []int {
	folds := make([]int, len(l.families))
	for i, family := range l.families {
		folds[i] = foldOf(family)
	}
	return folds
}
