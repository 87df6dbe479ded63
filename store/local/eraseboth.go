package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"nearcase/store"
)

// both are the erasers of the collection and of its shadow.
func (e *eraser) both() []*eraser {
	if e.behind == nil {
		return []*eraser{e}
	}
	return []*eraser{e, e.behind}
}

// begin waits for the places in building, always in the same order.
func (e *eraser) begin(ctx context.Context) (done func(), err error) {
	all := e.both()
	slices.SortFunc(all, func(a, b *eraser) int { return cmp.Compare(a.c.number, b.c.number) })
	var begun []func()
	done = func() {
		for _, end := range begun {
			end()
		}
	}
	for _, one := range all {
		end, err := one.c.begin(ctx)
		if err != nil {
			done()
			return nil, err
		}
		begun = append(begun, end)
	}
	return done, nil
}

// isOfAll reports that the collection or its shadow are not any more what they were
// when their places in building were taken.
func (e *eraser) isOfAll() error {
	err := e.c.writable()
	now := e.c.catalog.shadowOf(e.c)
	if err == nil && (now == nil) != (e.behind == nil) || err == nil && now != nil && now != e.behind.c {
		err = errExchanged
	}
	return err
}

// findAll notes what there is of the patient, here and in the shadow: labels of an
// instance that one of the two lacks are in both logs.
func (e *eraser) findAll() error {
	ids := map[string]bool{}
	for _, one := range e.both() {
		one.find(ids)
	}
	if e.patient == "" || len(ids) == 0 {
		return fmt.Errorf("%w of this patient", store.ErrInstance)
	}
	for _, one := range e.both() {
		one.findLabels(ids)
	}
	return nil
}

func (e *eraser) findLabels(ids map[string]bool) {
	e.c.mu.RLock()
	defer e.c.mu.RUnlock()
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if s := e.c.labels[id]; s != nil {
			e.labels = append(e.labels, s.keys...)
		}
	}
}

// planAll makes what is written, to the shadow first, and the entries of the log.
func (e *eraser) planAll() (writes []write, entries []store.Entry, err error) {
	if e.behind != nil {
		if writes, _, err = e.behind.plan(); err != nil {
			return nil, nil, err
		}
	}
	own, entries, err := e.plan()
	return append(writes, own...), entries, err
}

// apply shows what was committed.
func (e *eraser) apply(entries []store.Entry) error {
	err := e.c.applyAll(entries)
	if e.behind == nil {
		return err
	}
	s := e.behind.c
	for _, key := range e.behind.keys { // under no key of its own
		err = errors.Join(err, s.apply(store.Entry{Key: s.head(), Kind: store.KindErased, Of: store.KindPut, Retires: key}))
	}
	e.forgetLabels()
	return err
}

// forgetLabels gives up what was said of instances that one of the two lacks.
func (e *eraser) forgetLabels() {
	for _, one := range e.both() {
		one.c.mu.Lock()
		for _, row := range slices.Concat(e.rows, e.behind.rows) {
			delete(one.c.labels, row.ID)
		}
		one.c.mu.Unlock()
	}
}

// count counts instances and labels that are in one of the two, or in both.
func (e *eraser) count() {
	ids, labels := map[string]bool{}, map[store.Key]bool{}
	for _, one := range e.both() {
		for _, row := range one.rows {
			ids[row.ID] = true
		}
		for _, key := range one.labels {
			labels[key] = true
		}
	}
	e.Instances, e.Labels = len(ids), len(labels)
}

// rebuildAll is rebuild of all indexes that had any of the instances.
func (e *eraser) rebuildAll(ctx context.Context) (err error) {
	for _, one := range e.both() {
		if one.Indexed = one.c.engine().Len(); len(one.keys) > 0 {
			err = errors.Join(err, one.rebuild(ctx))
		}
	}
	return err
}

// unite adds what was left by the shadow's instances.
func (e *eraser) unite() {
	if e.behind == nil {
		return
	}
	o := e.behind.Erased
	e.Derived, e.Indexed = e.Derived+o.Derived, e.Indexed+o.Indexed
	e.SharedVectors += o.SharedVectors
	e.SharedOriginals, e.SharedNames = max(e.SharedOriginals, o.SharedOriginals), max(e.SharedNames, o.SharedNames)
	e.Elsewhere = united(e.Elsewhere, o.Elsewhere)
	e.Studies = united(e.Studies, o.Studies)
	e.Traces.Texts, e.Traces.Digests = united(e.Traces.Texts, o.Traces.Texts), united(e.Traces.Digests, o.Traces.Digests)
	e.Traces.Vectors = append(e.Traces.Vectors, o.Traces.Vectors...)
}

// united are the texts of two lists, sorted and each once.
func united(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}
