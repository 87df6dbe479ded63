package api

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"nearcase/probe"
	"nearcase/store"
)

// mostDifferent is how much a coefficient of a served probe may differ from one that
// was fitted to all labels at once, by the largest coefficient of its class.
const mostDifferent = 1e-6

// maxFits is how often probes are compared that labels change meanwhile.
const maxFits = 5

// fitAgain compares the ridge probes that answer with fits to all that the log has.
// Where that changes meanwhile they are compared once more.
func (v *verifier) fitAgain(ctx context.Context, c store.Collection) error {
	for range maxFits {
		found, steady, err := v.fitAll(ctx, c)
		if err != nil {
			return err
		}
		if len(found) > 0 && !steady {
			continue
		}
		for _, task := range slices.Sorted(maps.Keys(found)) {
			v.find(c, store.OfProbe, store.Finding{Name: task}, found[task])
		}
		return nil
	}
	return nil // what has changed each time has been learnt each time
}

// servedProbes are those of a collection that answer at a position of its log.
type servedProbes struct {
	at     store.Key
	probes map[string]*probe.Linear // by task
}

// servedProbes returns the probes that there are.
func (s *Service) servedProbes(ctx context.Context, c store.Collection) (a servedProbes, err error) {
	t, err := s.training(ctx, c)
	if err != nil {
		return a, err
	}
	defer t.mu.RUnlock()
	a = servedProbes{t.at, map[string]*probe.Linear{}}
	for name, p := range t.tasks {
		if l, err := p.all(); err == nil { // why there is none is said by every answer
			a.probes[name] = l
		}
	}
	return a, nil
}

// fitAll returns what is wrong with the probes, by task, and whether the log stood
// still meanwhile.
func (v *verifier) fitAll(ctx context.Context, c store.Collection) (found map[string]error, steady bool, err error) {
	a, err := v.s.servedProbes(ctx, c)
	if err != nil || len(a.probes) == 0 {
		return nil, true, err
	}
	all, err := v.examples(ctx, c, a.at)
	if err != nil {
		return nil, false, err
	}
	found = map[string]error{}
	for _, task := range c.Tasks {
		if l := a.probes[task.Name]; l != nil {
			if err := v.fit(task, l, all, c.Dimension); err != nil {
				found[task.Name] = err
			}
		}
	}
	status, err := v.s.Catalog.Status(ctx, c.Name)
	return found, status.Head == a.at, err
}

// examples are those that the log tells of up to a key, with what is stored of them.
func (v *verifier) examples(ctx context.Context, c store.Collection, to store.Key) (map[string]*example, error) {
	read := &training{examples: map[string]*example{}}
	for e, err := range v.s.Catalog.Log(ctx, c.Name, 0) {
		if err != nil {
			return nil, err
		}
		if e.Key > to {
			break
		}
		read.apply(e)
	}
	for id, x := range read.examples {
		if err := x.meet(ctx, v.s.Catalog, c.Name, id); err != nil {
			return nil, err
		}
	}
	return read.examples, nil
}

// fit returns how a probe differs from one that is fitted to all examples at once.
func (v *verifier) fit(task store.Task, served *probe.Linear, all map[string]*example, dimension int) error {
	var lessons []lesson
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if l, ok := all[id].lesson(task); ok {
			lessons = append(lessons, l)
		}
	}
	fresh := newTaskProbe(task, dimension)
	if err := fresh.learnAll(lessons, dimension); err != nil {
		return err
	}
	batch, err := fresh.ridge.Fit(served.Lambda)
	if err != nil {
		return err
	}
	d, err := difference(served, batch)
	if err != nil {
		return err
	}
	if v.Probes++; v.Difference == nil || d > *v.Difference {
		v.Difference = &d
	}
	if !(d <= mostDifferent) {
		return fmt.Errorf("%w: its coefficients differ by %.1e of the largest from those of a fit to all %d labels", store.ErrDamaged, d, len(lessons))
	}
	return nil
}

// difference is the largest difference of two probes' coefficients by the largest
// coefficient of their class.
func difference(a, b *probe.Linear) (most float64, err error) {
	if !slices.Equal(a.Classes, b.Classes) {
		return 0, fmt.Errorf("%w: its classes are %q, and those of the labels %q", store.ErrDamaged, a.Classes, b.Classes)
	}
	for c := range a.Classes {
		x, y := append(slices.Clone(a.Weights[c]), a.Intercept[c]), append(slices.Clone(b.Weights[c]), b.Intercept[c])
		if len(x) != len(y) {
			return 0, fmt.Errorf("%w: it has %d coefficients, not %d", store.ErrDamaged, len(x), len(y))
		}
		largest, apart := 1e-12, 0.0
		for i := range y {
			largest, apart = max(largest, math.Abs(y[i])), max(apart, math.Abs(x[i]-y[i]))
		}
		most = max(most, apart/largest)
	}
	return most, nil
}
