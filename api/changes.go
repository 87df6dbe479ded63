package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"time"

	"nearcase/store"
)

// ChangesQuery says which changes to tell.
type ChangesQuery struct {
	// Since is where to go on: Next of an answer. Empty is the beginning, and Now
	// what comes from now on.
	Since string
	// Collection asks for the changes of one; empty for all. A cursor belongs to one
	// of the two.
	Collection string
	// Limit is 1 to 1000 changes; 0 means 100.
	Limit int
	// Wait is how long to wait for a change if there is none, up to 30 seconds.
	Wait time.Duration
}

// Now is the cursor of what has not happened yet.
const Now = "now"

// Bounds of a ChangesQuery.
const (
	MaxChanges = 1000
	MaxWait    = 30 * time.Second
)

// Changes are some of what has happened, those of a collection's log in its order.
type Changes struct {
	Changes []Change `json:"changes"`
	// Next is where to go on. Kept after the changes have been dealt with, it makes
	// sure that each is told at least once.
	Next string `json:"next"`
	// More tells that there is more already.
	More bool `json:"more"`
}

// Changes returns what has happened after a cursor, oldest first. What was retired
// meanwhile may be missing, as an instance that has been replaced; what retired it
// never is. A cursor that is none, or of more than the log has, is ErrCursor; of a
// collection that is dropped it tells that once, and is store.ErrCollection then.
func (s *Service) Changes(ctx context.Context, q ChangesQuery) (Changes, error) {
	p, err := s.begins(ctx, q)
	if err != nil {
		return Changes{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, min(q.Wait, MaxWait))
	defer cancel()
	for {
		wake := s.waking()
		changes, more, err := s.changesAfter(ctx, &p, cmp.Or(q.Limit, 100), nil)
		if err != nil {
			return Changes{}, err
		}
		if len(changes) == 0 && !more && wake.wait(waiting) {
			continue
		}
		return Changes{Changes: append([]Change{}, changes...), Next: p.String(), More: more}, ctx.Err()
	}
}

// begins checks a query and returns where it begins.
func (s *Service) begins(ctx context.Context, q ChangesQuery) (position, error) {
	if q.Limit < 0 || q.Limit > MaxChanges {
		return position{}, fmt.Errorf("%w: limit is %d, use 1 to %d", ErrQuery, q.Limit, MaxChanges)
	}
	if q.Wait < 0 || q.Wait > MaxWait {
		return position{}, fmt.Errorf("%w: wait is %s, use 0s to %s", ErrQuery, q.Wait, MaxWait)
	}
	if q.Since == Now {
		return s.now(ctx, q.Collection)
	}
	p, err := parsePosition(q.Since)
	if err == nil && q.Since != "" && p.only != q.Collection {
		err = fmt.Errorf("%w: it is of %s", ErrCursor, cmp.Or(p.only, "all collections"))
	}
	p.only = q.Collection
	return p, err
}

// now returns the position after all that has happened.
func (s *Service) now(ctx context.Context, only string) (position, error) {
	p := position{only: only, at: map[string]placed{}}
	var err error
	if p.journal, err = s.journal.head(); err != nil {
		return p, err
	}
	collections, err := s.concerned(ctx, p)
	for _, c := range collections {
		status, failed := s.Catalog.Status(ctx, c.Name)
		if errors.Is(failed, store.ErrCollection) {
			continue // dropped meanwhile
		}
		err = errors.Join(err, failed)
		p.at[c.Name] = placed{c.Created, checksum(c), status.Head}
	}
	return p, err
}

// checksum is that of a collection's description.
func checksum(c store.Collection) uint32 {
	data, _ := json.Marshal(c) // of strings and numbers
	return crc32.ChecksumIEEE(data)
}

// concerned returns the collections there are of those that a position is about.
func (s *Service) concerned(ctx context.Context, p position) ([]store.Collection, error) {
	if p.only == "" {
		return s.Catalog.Collections(ctx)
	}
	c, err := s.Catalog.Collection(ctx, p.only)
	if _, was := p.at[p.only]; errors.Is(err, store.ErrCollection) && was {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []store.Collection{c}, nil
}

// reading is a part of the changes as it is gathered.
type reading struct {
	s       *Service
	p       *position
	until   *position // not beyond, if set
	limit   int
	changes []Change
}

func (r *reading) isFull() bool { return len(r.changes) >= r.limit }

// add tells of a change. Of several entries in a row of which nothing is known but
// that they were erased the last tells.
func (r *reading) add(c Change) {
	if n := len(r.changes); n > 0 && c.Type == InstanceErased && r.changes[n-1].Type == InstanceErased && r.changes[n-1].Collection == c.Collection {
		r.changes = r.changes[:n-1]
	}
	r.changes = append(r.changes, c)
}

// changesAfter returns up to limit changes after a position, which it moves, and
// whether there are more. Collections take turns to be read first, so that none
// with much news keeps others from being told.
func (s *Service) changesAfter(ctx context.Context, p *position, limit int, until *position) (changes []Change, more bool, err error) {
	r := &reading{s: s, p: p, until: until, limit: limit}
	collections, err := s.concerned(ctx, *p)
	if err != nil {
		return nil, false, err
	}
	r.dropped(collections)
	at := slices.IndexFunc(collections, func(c store.Collection) bool { return c.Name >= p.turn })
	at = max(at, 0)
	for _, c := range append(slices.Clone(collections[at:]), collections[:at]...) {
		if r.isFull() {
			p.turn = c.Name
			return r.changes, true, nil
		}
		if err := r.collection(ctx, c); err != nil {
			return nil, false, err
		}
	}
	if p.turn = ""; !r.isFull() {
		err = r.journal()
	}
	return r.changes, r.isFull(), err
}

// dropped tells of the collections that are gone, or have made way for others of
// the name.
func (r *reading) dropped(there []store.Collection) {
	for _, name := range slices.Sorted(maps.Keys(r.p.at)) {
		at := r.p.at[name]
		is := slices.ContainsFunc(there, func(c store.Collection) bool { return c.Name == name && c.Created.Equal(at.created) })
		if is || r.isFull() {
			continue
		}
		if _, known := r.bound(name, at.created); known {
			continue // it was there at the end
		}
		r.add(ofCollection(CollectionDropped, name, at))
		delete(r.p.at, name)
	}
}

// bound returns up to where a collection is read, and whether it is known there.
func (r *reading) bound(name string, created time.Time) (store.Key, bool) {
	if r.until == nil {
		return 0, false
	}
	at, ok := r.until.at[name]
	return at.key, ok && at.created.Equal(created)
}

// collection reads what is new of one.
func (r *reading) collection(ctx context.Context, c store.Collection) error {
	last, bounded := r.bound(c.Name, c.Created)
	if r.until != nil && !bounded {
		return nil // made after the end
	}
	at, known := r.p.at[c.Name]
	if known && !at.created.Equal(c.Created) {
		return nil // that it was dropped is to be told first
	}
	sum := checksum(c)
	if bounded {
		sum = r.until.at[c.Name].described // what is of after the end is not told
	}
	switch {
	case !known:
		at = placed{created: c.Created}
		r.add(ofCollection(CollectionCreated, c.Name, at))
	case at.described != sum:
		r.add(ofCollection(CollectionChanged, c.Name, placed{c.Created, sum, 0}))
	}
	at.described = sum
	r.p.at[c.Name] = at
	if r.until == nil {
		last = math.MaxUint64
	}
	return r.log(ctx, c.Name, at, last)
}

// log reads what is new in a collection's log, up to last.
func (r *reading) log(ctx context.Context, name string, at placed, last store.Key) error {
	status, err := r.s.Catalog.Status(ctx, name)
	if errors.Is(err, store.ErrCollection) {
		return nil // dropped meanwhile: told next time
	}
	if err != nil {
		return err
	}
	if at.key > status.Head {
		return fmt.Errorf("%w: it is at entry %d of collection %s, which has %d: the data is older than the cursor", ErrCursor, at.key, name, status.Head)
	}
	defer func() { r.p.at[name] = at }()
	for e, err := range r.s.Catalog.Log(ctx, name, at.key) {
		if errors.Is(err, store.ErrCollection) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.isFull() || e.Key > last {
			return nil
		}
		r.add(ofEntry(name, at, e))
		at.key = e.Key
	}
	at.key = max(at.key, status.Head) // what is missing was retired
	return nil
}

// journal reads what is new of what no log has.
func (r *reading) journal() error {
	last := uint64(math.MaxUint64)
	if r.until != nil {
		last = r.until.journal
	}
	changes, upTo, err := r.s.journal.between(r.p.journal, last, r.p.only, r.limit-len(r.changes))
	if err != nil {
		return err
	}
	for _, c := range changes {
		r.add(c)
	}
	r.p.journal = upTo
	return nil
}
