package local

import (
	"context"
	"maps"
	"slices"

	"nearcase/store"
)

// Excluded implements store.Catalog.
func (l *Catalog) Excluded(ctx context.Context, name string, e store.Exclude) ([]string, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	keys := slices.Sorted(maps.Keys(c.excluded(e)))
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = c.rows[key].ID
	}
	return ids, nil
}

// excluded returns the keys that an exclusion covers. The caller holds the lock.
func (c *collection) excluded(e store.Exclude) map[store.Key]bool {
	keys := map[store.Key]bool{}
	for _, id := range e.Instances {
		for _, key := range c.ofFile(id) {
			keys[key] = true
		}
	}
	c.cover(keys, c.digests, e.Digests)
	c.cover(keys, c.patients, e.Patients)
	if e.Kin && !slices.ContainsFunc(e.Patients, func(p string) bool { return p != "" }) {
		c.cover(keys, c.studies, e.Studies)
		c.cover(keys, c.series, e.Series)
	}
	if e.Kin {
		c.addKin(keys)
	}
	c.cover(keys, c.studies, e.Studies)
	c.cover(keys, c.series, e.Series)
	return keys
}

func (c *collection) cover(keys map[store.Key]bool, by map[string][]store.Key, values []string) {
	for _, value := range values {
		for _, key := range by[value] {
			keys[key] = true
		}
	}
}

// addKin adds all kin of the keys, as store.Families defines it.
func (c *collection) addKin(keys map[store.Key]bool) {
	type identifier struct {
		field int
		value string
	}
	followed := map[identifier]bool{}
	todo := slices.Collect(maps.Keys(keys))
	for len(todo) > 0 {
		i := c.rows[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		for field, by := range c.byField(i) {
			id := identifier{field, by.value}
			if by.value == "" || followed[id] {
				continue
			}
			followed[id] = true
			if by.unsure && !c.isUnsure(by) {
				continue
			}
			for _, key := range by.keys[by.value] {
				if !keys[key] {
					keys[key] = true
					todo = append(todo, key)
				}
			}
		}
	}
}

// isUnsure reports whether some patient of a study or series is unknown.
func (c *collection) isUnsure(by field) bool {
	return slices.ContainsFunc(by.keys[by.value], func(k store.Key) bool { return c.rows[k].Patient == "" })
}
