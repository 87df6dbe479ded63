package local

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"nearcase/index"
	"nearcase/store"
)

// whole is a series or study. Those of different patients may be called alike.
type whole struct{ patient, study, series string }

// wholeOf returns the group that an instance is in, and false for none.
func wholeOf(of string, i *store.Instance) (whole, bool) {
	switch of {
	case store.Series:
		return whole{i.Patient, i.Study, i.Series}, i.Series != ""
	default:
		return whole{i.Patient, i.Study, ""}, i.Study != ""
	}
}

// levels are the indexes of pooled vectors, each made when it is asked for
// first. The collection's lock guards touch, and so what is stale.
type levels struct {
	of [4]*level // see place
}

func place(l store.Level) int {
	n := 0
	if l.Of == store.Studies {
		n += 2
	}
	if l.Pool == store.Max {
		n++
	}
	return n
}

// level is an index of groups. Every one of its keys is of one state of a
// group, and is new when that changes.
type level struct {
	store.Level
	stale map[whole]bool // guarded by the collection's lock

	mu     sync.RWMutex
	idx    index.Index
	next   uint64
	keys   map[whole]uint64
	groups map[uint64]*members
}

// members are the keys of a group's instances, ascending. They do not change.
type members struct {
	whole
	keys []store.Key
}

// touch notes that an instance has come or gone. The caller holds the lock.
func (l *levels) touch(i *store.Instance) {
	for _, v := range l.of {
		if v == nil {
			continue
		}
		if g, ok := wholeOf(v.Of, i); ok {
			v.stale[g] = true
		}
	}
}

// level returns the index of a level as of now.
func (c *collection) level(of store.Level) (*level, error) {
	c.mu.Lock()
	at := &c.levels.of[place(of)]
	if *at == nil {
		idx, err := index.New(index.Spec{Engine: index.EngineExact}, c.meta.Dimension)
		if err != nil {
			c.mu.Unlock()
			return nil, err
		}
		*at = &level{Level: of, stale: map[whole]bool{}, idx: idx, keys: map[whole]uint64{}, groups: map[uint64]*members{}}
		for _, i := range c.rows {
			if g, ok := wholeOf(of.Of, i); ok {
				(*at).stale[g] = true
			}
		}
	}
	l := *at
	c.mu.Unlock()
	return l, l.refresh(c)
}

// refresh pools the groups that have changed.
func (l *level) refresh(c *collection) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.mu.Lock()
	todo, engine := make([]*members, 0, len(l.stale)), c.idx
	for g := range l.stale {
		todo = append(todo, c.members(g))
	}
	clear(l.stale)
	c.mu.Unlock()
	slices.SortFunc(todo, func(a, b *members) int { // the same whatever the map's order
		return cmp.Or(cmp.Compare(a.patient, b.patient), cmp.Compare(a.study, b.study), cmp.Compare(a.series, b.series))
	})
	var keys []uint64
	var vectors [][]float32
	for _, m := range todo {
		if key, ok := l.keys[m.whole]; ok {
			l.idx.Remove(key)
			delete(l.keys, m.whole)
			delete(l.groups, key)
		}
		if v, ok := l.pooled(engine, m); ok {
			l.next++
			l.keys[m.whole], l.groups[l.next] = l.next, m
			keys, vectors = append(keys, l.next), append(vectors, v)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return l.idx.AddAll(keys, vectors)
}

// pooled returns a group's vector, and false if it has none, because its
// members are gone or their vectors cancel out.
func (l *level) pooled(engine index.Index, m *members) ([]float32, bool) {
	vectors := make([][]float32, 0, len(m.keys))
	for _, key := range m.keys {
		if v, ok := engine.Vector(uint64(key)); ok {
			vectors = append(vectors, v)
		}
	}
	return store.Pooled(vectors, l.Pool)
}

// members returns the keys of a group. The caller holds the lock.
func (c *collection) members(g whole) *members {
	by := c.studies[g.study]
	if g.series != "" {
		by = c.series[g.series]
	}
	m := &members{whole: g}
	for _, key := range by {
		if i := c.rows[key]; i != nil && i.Patient == g.patient && i.Study == g.study {
			m.keys = append(m.keys, key)
		}
	}
	slices.Sort(m.keys)
	return m
}

// searchLevel is search for groups.
func (c *collection) searchLevel(q store.Query) ([]store.Case, bool, error) {
	l, err := c.level(q.Level)
	if err != nil {
		return nil, false, err
	}
	c.mu.RLock()
	err, excluded := c.checkClasses(q), c.excludedBy(q)
	c.mu.RUnlock()
	if err != nil {
		return nil, false, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	f := index.Filter{Accept: func(key uint64) bool { return c.groupAnswers(q, l.groups[key], excluded) }}
	if q.OnePer != "" {
		f.Group = l.numbering(q.OnePer)
	}
	found, err := l.idx.Search(q.Vector, q.K, f)
	if err != nil {
		return nil, false, err
	}
	cases := make([]store.Case, 0, len(found))
	for _, n := range found {
		if one, ok := c.groupCase(l.groups[n.Key]); ok {
			one.Score = n.Score
			cases = append(cases, one)
		}
	}
	return cases, len(cases) == len(found), nil
}

// groupAnswers reports whether a group may answer a query.
func (c *collection) groupAnswers(q store.Query, m *members, excluded map[store.Key]bool) bool {
	if m == nil {
		return false
	}
	matches := false
	for _, key := range m.keys {
		if excluded[key] {
			return false
		}
		matches = matches || c.mayAnswer(q, key)
	}
	return matches
}

// groupCase makes the case of a group; false if a member is gone since.
func (c *collection) groupCase(m *members) (store.Case, bool) {
	if m == nil {
		return store.Case{}, false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []store.Case
	for _, key := range m.keys {
		if c.rows[key] == nil {
			return store.Case{}, false
		}
		all = append(all, c.found(key))
	}
	one := store.Case{Key: all[0].Key, Instance: all[0].Instance, Labels: map[string]store.Label{}}
	for _, member := range all {
		one.Members = append(one.Members, member.Instance.ID)
	}
	for _, t := range c.meta.Tasks {
		if label, ok := together(t, all); ok {
			one.Labels[t.Name] = label
		}
	}
	return one, true
}

// together is what the labels of a group's members say for a task.
func together(t store.Task, members []store.Case) (store.Label, bool) {
	var labels []store.Label
	for _, m := range members {
		if l, ok := m.Labels[t.Name]; ok {
			labels = append(labels, l)
		}
	}
	return store.Together(t, labels)
}

// numbering numbers the patients or studies of groups, as for instances. The caller
// holds the lock.
func (l *level) numbering(per string) func(key uint64) uint64 {
	of, numbers := make(map[uint64]uint64, len(l.groups)), map[patient]uint64{}
	for key, m := range l.groups {
		who := patientOf(&store.Instance{Patient: m.patient, Study: m.study})
		if per == store.Studies {
			who = studyOf(&store.Instance{Patient: m.patient, Study: m.study})
		}
		if who == (patient{}) {
			continue
		}
		if numbers[who] == 0 {
			numbers[who] = uint64(len(numbers)) + 1
		}
		of[key] = numbers[who]
	}
	return func(key uint64) uint64 { return of[key] }
}

// Pooled implements store.Catalog.
func (l *Catalog) Pooled(ctx context.Context, name, id string, of store.Level) ([]float32, error) {
	if err := of.Check(); err != nil {
		return nil, err
	}
	c, err := l.collection(ctx, name)
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	m, err := c.pool(id, of)
	engine := c.idx
	c.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	v, ok := (&level{Level: of}).pooled(engine, m)
	if !ok {
		return nil, fmt.Errorf("%s of instance %q: %w: its vectors cancel out", of.Of, id, store.ErrVector)
	}
	return v, nil
}

// pool returns what is pooled for an instance, or a file with several, at a level.
// The caller holds the lock.
func (c *collection) pool(id string, of store.Level) (*members, error) {
	keys := c.ofFile(id)
	if len(keys) == 0 {
		return nil, fmt.Errorf("instance %q in collection %s: %w", id, c.meta.Name, store.ErrInstance)
	}
	if of.Of == store.Instances {
		return &members{keys: keys}, nil
	}
	g, ok := wholeOf(of.Of, c.rows[keys[0]])
	if !ok {
		return nil, fmt.Errorf("instance %q: %w: it is in no %s", id, store.ErrInvalid, of.Of)
	}
	return c.members(g), nil
}
