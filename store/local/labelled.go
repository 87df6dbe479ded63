package local

import (
	"sync/atomic"

	"nearcase/index"
	"nearcase/store"
)

// keySet is a set of keys that searches may go on reading while it changes: it
// is copied before the first change after one was given it.
type keySet struct {
	set  *index.Set
	lent atomic.Bool
}

// lend returns the set as it is, for good. The caller holds the lock, perhaps
// shared with others.
func (s *keySet) lend() *index.Set {
	s.lent.Store(true)
	return s.set
}

// put adds a key or removes it. The caller holds the lock alone.
func (s *keySet) put(key store.Key, in bool) {
	if s.lent.Load() {
		s.set = s.set.Or(&index.Set{})
		s.lent.Store(false)
	}
	if in {
		s.set.Add(uint64(key))
	} else {
		s.set.Remove(uint64(key))
	}
}

// labelled are the keys of the instances that have a label for a task: all of
// them, and those of each class.
type labelled struct {
	all     keySet
	classes map[string]*keySet
}

func newLabelled() *labelled {
	return &labelled{all: keySet{set: &index.Set{}}, classes: map[string]*keySet{}}
}

// mark puts a key into the sets of its label, or takes it out.
func (c *collection) mark(l store.Label, key store.Key, in bool) {
	t, ok := c.labelled[l.Task]
	if !ok {
		t = newLabelled()
		c.labelled[l.Task] = t
	}
	t.all.put(key, in)
	for _, class := range l.Classes {
		s, ok := t.classes[class]
		if !ok {
			s = &keySet{set: &index.Set{}}
			t.classes[class] = s
		}
		s.put(key, in)
	}
}

// markAll marks a key with all labels of its instance.
func (c *collection) markAll(key store.Key, id string, in bool) {
	for _, l := range c.resolved(id) {
		c.mark(l, key, in)
	}
}

// having returns the keys whose label for a task has one of the classes, or
// that have any label for it if no class is named. The caller holds the lock.
func (c *collection) having(task string, classes []string) *index.Set {
	t, ok := c.labelled[task]
	switch {
	case !ok:
		return &index.Set{}
	case len(classes) == 0:
		return t.all.lend()
	}
	var some *index.Set
	for _, class := range classes {
		if s, ok := t.classes[class]; ok && some == nil {
			some = s.lend()
		} else if ok {
			some = some.Or(s.set)
		}
	}
	if some == nil {
		return &index.Set{}
	}
	return some
}

// counts are the numbers of instances with each class of a task.
func (c *collection) counts(task string) map[string]int {
	counts := map[string]int{}
	if t, ok := c.labelled[task]; ok {
		for class, s := range t.classes {
			if n := s.set.Len(); n > 0 {
				counts[class] = n
			}
		}
	}
	return counts
}
