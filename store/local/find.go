package local

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"nearcase/index"
	"nearcase/store"
)

// findPage is how many instances are looked at before others may have the lock.
const findPage = 4096

// Find implements store.Catalog. It looks at every instance within the filter's
// bounds, save that in the order of keys it ends with the page.
func (l *Catalog) Find(ctx context.Context, name string, q store.Listing) (store.Found, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return store.Found{}, err
	}
	if err := q.Check(); err != nil {
		return store.Found{}, err
	}
	f := finding{c: c, q: q}
	for keys := range parts(c.within(q), byKey(q) && q.Descending) {
		if err := ctx.Err(); err != nil {
			return store.Found{}, err
		}
		if f.look(keys) {
			break
		}
	}
	found, err := f.end()
	if err != nil {
		return found, fmt.Errorf("find in %s: %w", name, err)
	}
	return found, nil
}

// parts yields keys findPage at a time, from the last on if backward.
func parts(keys []store.Key, backward bool) iter.Seq[[]store.Key] {
	if !backward {
		return slices.Chunk(keys, findPage)
	}
	return func(yield func([]store.Key) bool) {
		for len(keys) > 0 {
			from := max(0, len(keys)-findPage)
			part := slices.Clone(keys[from:])
			slices.Reverse(part)
			if keys = keys[:from]; !yield(part) {
				return
			}
		}
	}
}

// within returns the keys among which a listing's instances are, ascending. If those
// need not be counted that are not on the page it has none before that where the
// order is of keys.
func (c *collection) within(q store.Listing) []store.Key {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var keys []store.Key
	if in := c.narrowest(nil, q.Filter.Bounds()); in != nil {
		keys = make([]store.Key, 0, in.Len())
		for key := range in.All() {
			keys = append(keys, store.Key(key))
		}
	} else {
		keys = c.order // of which what is there by now does not change
	}
	if !byKey(q) || q.After == nil || q.Count {
		return keys
	}
	at, found := slices.BinarySearch(keys, store.Key(q.After.Number))
	switch {
	case q.Descending:
		return keys[:at]
	case found:
		at++
	}
	return keys[at:]
}

// narrowest returns the smallest of a set, nil for none, and those of some bounds.
// The caller holds the lock.
func (c *collection) narrowest(in *index.Set, bounds []store.Bound) *index.Set {
	for _, b := range bounds {
		var of *index.Set
		if b.Task != "" {
			of = c.having(b.Task, b.Classes)
		} else {
			of = c.named(b)
		}
		if in == nil || of.Len() < in.Len() {
			in = of
		}
	}
	return in
}

// named returns the keys of the instances, patients and studies of a bound. The
// caller holds the lock.
func (c *collection) named(b store.Bound) *index.Set {
	set := &index.Set{}
	for _, id := range b.Instances {
		if key, ok := c.ids[id]; ok {
			set.Add(uint64(key))
		}
	}
	for _, by := range []struct {
		keys   map[string][]store.Key
		values []string
	}{{c.patients, b.Patients}, {c.studies, b.Studies}} {
		for _, value := range by.values {
			for _, key := range by.keys[value] {
				set.Add(uint64(key))
			}
		}
	}
	return set
}

func byKey(q store.Listing) bool { return q.Sort == "" || q.Sort == store.ByAdded }

// behind reports whether a place is behind where a listing begins.
func behind(q store.Listing, p store.Place) bool {
	switch {
	case q.After == nil:
		return true
	case q.Descending:
		return p.Compare(*q.After) < 0
	}
	return p.Compare(*q.After) > 0
}

// finding is one call of Find.
type finding struct {
	c     *collection
	q     store.Listing
	count int
	first []placed // up to twice as many as are wanted and one more, the first of all
}

// placed is an instance at its place.
type placed struct {
	store.Place
	key store.Key
}

// look looks at some keys, and reports whether no more need be looked at.
func (f *finding) look(keys []store.Key) (enough bool) {
	f.c.mu.RLock()
	defer f.c.mu.RUnlock()
	for _, key := range keys {
		i := f.c.rows[key]
		if i == nil {
			continue
		}
		var labels map[string]store.Label
		if f.q.AsksLabels() {
			labels = f.c.resolved(i.ID)
		}
		if !f.q.Filter.Holds(i, labels) {
			continue
		}
		f.count++
		if p := f.q.PlaceOf(key, i, labels); behind(f.q, p) {
			f.add(placed{p, key})
		}
		if len(f.first) > f.q.Limit && byKey(f.q) && !f.q.Count {
			return true
		}
	}
	return false
}

// add keeps an instance unless it is behind what is wanted.
func (f *finding) add(p placed) {
	f.first = append(f.first, p)
	if len(f.first) > 2*f.q.Limit+1 {
		f.trim()
	}
}

// trim keeps the first, and one more to know whether something follows.
func (f *finding) trim() {
	slices.SortFunc(f.first, func(a, b placed) int {
		if f.q.Descending {
			a, b = b, a
		}
		return a.Compare(b.Place)
	})
	f.first = f.first[:min(len(f.first), f.q.Limit+1)]
}

// end returns what was found and is still there.
func (f *finding) end() (store.Found, error) {
	f.trim()
	found := store.Found{Cases: []store.Case{}}
	if f.q.Count {
		found.Count = f.count
	}
	if len(f.first) > f.q.Limit && f.q.Limit > 0 {
		found.Next = &f.first[f.q.Limit-1].Place
	}
	f.c.mu.RLock()
	defer f.c.mu.RUnlock()
	for _, p := range f.first[:min(len(f.first), f.q.Limit)] {
		if f.c.rows[p.key] != nil {
			found.Cases = append(found.Cases, f.c.found(p.key))
		}
	}
	return found, f.c.gone()
}
