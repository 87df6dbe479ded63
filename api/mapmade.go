package api

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"nearcase/probe"
	"nearcase/store"
)

// The axes of a map are those of so many vectors at most, and of fewer where these
// have more than so many components together.
const (
	mostFitted  = 10_000
	mostNumbers = 1 << 24
)

// spot is an instance on a map.
type spot struct {
	store.Case
	family      string
	at          []float64 // nil where it has been deleted meanwhile
	predictions []int32   // of each task
}

// make makes the map.
func (m *mapping) make(ctx context.Context) (Map, error) {
	all, err := m.all(ctx)
	if err != nil {
		return Map{}, err
	}
	foretelling, err := m.foretelling(ctx, all)
	if err != nil {
		return Map{}, err
	}
	passing := slices.DeleteFunc(all, func(p spot) bool { return !m.filter.Holds(&p.Instance, p.Labels) })
	places := evenly(passing, m.o.Limit)
	axes, err := m.axes(ctx, places)
	if err != nil {
		return Map{}, err
	}
	if err := m.fill(ctx, places, axes, foretelling); err != nil {
		return Map{}, err
	}
	c := m.collection
	made := Map{Collection: c.Name, Model: c.Model, Fingerprint: c.Fingerprint, Head: m.status.Head, Watermark: m.status.LabelHead,
		Instances: len(passing), Sampled: len(places) < len(passing), Components: m.o.Components, Explained: axes.Explained, Tag: m.tag()}
	made.draw(slices.DeleteFunc(places, func(p spot) bool { return p.at == nil }), foretelling)
	return made, nil
}

// all are the collection's instances with their families.
func (m *mapping) all(ctx context.Context) ([]spot, error) {
	all, err := m.s.everything(ctx, m.collection.Name)
	if err != nil {
		return nil, err
	}
	each, places := make([]store.Instance, len(all)), make([]spot, len(all))
	for i, c := range all {
		each[i] = c.Instance
	}
	families := familyNames(each)
	for i, c := range all {
		places[i] = spot{Case: c, family: families[i]}
	}
	return places, nil
}

// evenly returns up to most of a list, in its order, each in the middle of an equal
// part of it.
func evenly[T any](list []T, most int) []T {
	n := len(list)
	if n <= most {
		return list
	}
	some := make([]T, most)
	for i := range some {
		some[i] = list[(2*i+1)*n/(2*most)]
	}
	return some
}

// axes are the components of a sample of the places.
func (m *mapping) axes(ctx context.Context, places []spot) (*probe.Components, error) {
	none := &probe.Components{Explained: make([]float64, m.o.Components)}
	var cases []store.Case
	for _, p := range evenly(places, min(mostFitted, max(1, mostNumbers/m.collection.Dimension))) {
		cases = append(cases, p.Case)
	}
	vectors, err := m.s.vectorsLeft(ctx, m.collection.Name, cases)
	if err != nil {
		return nil, err
	}
	vectors = slices.DeleteFunc(vectors, func(x []float32) bool { return x == nil })
	if len(vectors) == 0 {
		return none, nil
	}
	return probe.NewComponents(ctx, vectors, m.o.Components)
}

// fill places the instances and predicts their classes. Their vectors are in memory
// one by one.
func (m *mapping) fill(ctx context.Context, places []spot, axes *probe.Components, all []*foretelling) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(m.s.Workers)
	for part := range slices.Chunk(places, 256) {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error {
			for i := range part {
				if err := m.fillOne(inner, &part[i], axes, all); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmp.Or(group.Wait(), ctx.Err())
}

func (m *mapping) fillOne(ctx context.Context, p *spot, axes *probe.Components, all []*foretelling) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x, err := m.s.Catalog.Vector(ctx, m.collection.Name, p.Instance.ID)
	if errors.Is(err, store.ErrInstance) || err == nil && len(axes.Directions) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if p.at, err = axes.Place(x); err != nil {
		return err
	}
	p.predictions = make([]int32, len(all))
	for i, f := range all {
		if p.predictions[i], err = f.predict(x, p); err != nil {
			return err
		}
	}
	return nil
}

// draw makes lists of places.
func (m *Map) draw(places []spot, all []*foretelling) {
	m.IDs, m.Coordinates = make([]string, len(places)), make([]float32, 0, len(places)*m.Components)
	for i, p := range places {
		m.IDs[i] = p.Instance.ID
		for _, v := range p.at {
			m.Coordinates = append(m.Coordinates, rounded(v))
		}
	}
	m.Tasks = make([]MapTask, len(all))
	for t, f := range all {
		task := MapTask{Name: f.task.Name, Multi: f.task.Multi, Classes: append([]string{}, f.task.Classes...), Version: f.number(),
			Labels: make([]int32, len(places)), Predictions: make([]int32, len(places)), Problem: f.problem}
		for i, p := range places {
			task.Labels[i], task.Predictions[i] = labelled(p.Labels, f.task), p.predictions[t]
		}
		m.Tasks[t] = task
	}
}

// rounded is a coordinate to five decimals, which are enough for any display.
func rounded(v float64) float32 { return float32(math.Round(v*1e5)/1e5 + 0) }

// labelled is the number of the class that a label gives.
func labelled(labels map[string]store.Label, task store.Task) int32 {
	label, ok := labels[task.Name]
	for _, class := range label.Classes {
		return number(task.Classes, class)
	}
	if ok && task.Multi && !label.Partial && len(label.Uncertain) == 0 {
		return nothingPresent
	}
	return -1
}
