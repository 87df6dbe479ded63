package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"nearcase/index"
	"nearcase/store"
)

// retries is how often a search begins anew because a case that it found was
// deleted, replaced or labelled otherwise meanwhile; then the case is left out.
const retries = 10

// Search implements store.Catalog. It holds no lock while the index is searched.
func (l *Catalog) Search(ctx context.Context, name string, q store.Query) ([]store.Case, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(q.Level.Check(), q.CheckOnePer()); err != nil {
		return nil, err
	}
	search := c.search
	if q.Level.Of != store.Instances {
		search = c.searchLevel
	}
	for try := 0; ; try++ {
		cases, all, err := search(q)
		if err != nil {
			return nil, fmt.Errorf("search %s: %w", name, translate(err))
		}
		if all || try == retries {
			return cases, ctx.Err()
		}
	}
}

// search returns the cases that answer a query, and whether all that the index
// found still do.
func (c *collection) search(q store.Query) (cases []store.Case, all bool, err error) {
	idx, f, err := c.prepare(q)
	if err != nil {
		return nil, false, err
	}
	ask := idx.Search
	if q.Exact {
		ask = idx.SearchExact
	}
	neighbours, err := ask(q.Vector, q.K, f)
	if err != nil {
		return nil, false, err
	}
	cases = make([]store.Case, 0, len(neighbours))
	for _, n := range neighbours {
		if found, ok := c.answer(q, store.Key(n.Key)); ok {
			found.Score = n.Score
			cases = append(cases, found)
		}
	}
	return cases, len(cases) == len(neighbours), nil
}

// answer returns the case of a key, and whether it still answers a query.
func (c *collection) answer(q store.Query, key store.Key) (store.Case, bool) {
	if q.Brief && q.Match == nil && q.Filter == nil && len(q.Classes) == 0 {
		return c.brief(q, key)
	}
	found, ok := c.present(key)
	if ok = ok && answers(q, &found.Instance, found.Labels); ok && q.Brief {
		found = store.Case{Key: key, Instance: store.Instance{ID: found.Instance.ID}}
	}
	return found, ok
}

// brief is answer for a query that asks of a case at most whether it has a label for
// a task, of which there are sets.
func (c *collection) brief(q store.Query, key store.Key) (store.Case, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	i := c.rows[key]
	if i == nil || q.Labelled != "" && !c.having(q.Labelled, nil).Has(uint64(key)) {
		return store.Case{}, false
	}
	return store.Case{Key: key, Instance: store.Instance{ID: i.ID}}, true
}

// answers reports whether what is known of an instance is what a query asks for.
func answers(q store.Query, i *store.Instance, labels map[string]store.Label) bool {
	l, labelled := labels[q.Labelled]
	has := func(class string) bool { return slices.Contains(l.Classes, class) }
	return (q.Labelled == "" || labelled) &&
		(len(q.Classes) == 0 || slices.ContainsFunc(q.Classes, has)) &&
		q.Filter.Holds(i, labels) && (q.Match == nil || q.Match(*i, labels))
}

// asksLabels reports whether labels matter to whether an instance answers, beside
// those that there are sets of.
func asksLabels(q store.Query) bool { return q.Match != nil || q.Filter.AsksLabels() }

// mayAnswer reports whether the instance of a key answers a query, what is excluded
// apart.
func (c *collection) mayAnswer(q store.Query, key store.Key) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	i := c.rows[key]
	if i == nil || asksLabels(q) {
		return i != nil && answers(q, i, c.resolved(i.ID))
	}
	return (q.Labelled == "" || c.having(q.Labelled, q.Classes).Has(uint64(key))) && q.Filter.Holds(i, nil)
}

// prepare returns the index to ask for a query and what may answer it. Neither
// needs the lock, whatever is committed meanwhile.
func (c *collection) prepare(q store.Query) (index.Index, index.Filter, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	f := index.Filter{Accept: c.accept(q)}
	if err := c.checkClasses(q); err != nil {
		return nil, f, err
	}
	if q.Labelled != "" {
		f.In = c.having(q.Labelled, q.Classes)
	}
	f.In = c.narrowest(f.In, q.Filter.Bounds())
	switch q.OnePer {
	case store.Patients:
		f.Group = c.numbers.numbering()
	case store.Studies:
		f.Group = c.studyNumbers.numbering()
	}
	return c.idx, f, nil
}

// checkClasses returns why a query's task and classes cannot be asked for.
func (c *collection) checkClasses(q store.Query) error {
	if q.Labelled == "" && len(q.Classes) == 0 {
		return nil
	}
	if q.Labelled == "" {
		return fmt.Errorf("classes: %w: name the task that they are of", store.ErrInvalid)
	}
	task, err := c.meta.Task(q.Labelled)
	if err != nil {
		return err
	}
	for _, class := range q.Classes {
		if !slices.Contains(task.Classes, class) {
			return fmt.Errorf("class %q: %w in task %s", class, store.ErrClass, task.Name)
		}
	}
	return nil
}

// accept says which keys may answer a query: those known by now that are not
// excluded and that match.
func (c *collection) accept(q store.Query) func(key uint64) bool {
	last, excluded := uint64(c.last), c.excludedBy(q)
	accept := func(key uint64) bool { return key <= last && !excluded[store.Key(key)] }
	if q.Match == nil && q.Filter == nil {
		return accept
	}
	return func(key uint64) bool { return accept(key) && c.mayAnswer(q, store.Key(key)) }
}

// excludedBy returns the keys that a query excludes. The caller holds the lock.
func (c *collection) excludedBy(q store.Query) map[store.Key]bool {
	keys := c.excluded(q.Exclude)
	maps.Copy(keys, c.excluded(q.Besides))
	return keys
}

// present returns the case of a key, if it is still there.
func (c *collection) present(key store.Key) (store.Case, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.rows[key] == nil {
		return store.Case{}, false
	}
	return c.found(key), true
}

// translate gives the index's errors the store's names.
func translate(err error) error {
	switch {
	case errors.Is(err, index.ErrDimension):
		return fmt.Errorf("%w: %w", store.ErrDimension, err)
	case errors.Is(err, index.ErrNotUnit):
		return fmt.Errorf("%w: %w", store.ErrVector, err)
	}
	return err
}
