package local

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// shadowOf returns the hidden collection behind another, nil if there is none.
func (l *Catalog) shadowOf(c *collection) *collection {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.collections[store.ShadowName(c.description().Name)]
}

// Shadow implements store.Catalog.
func (l *Catalog) Shadow(ctx context.Context, name string, of store.Collection) error {
	return l.changing(ctx, name, func(c *collection) error {
		return l.alone(ctx, func() error {
			if err := errors.Join(c.writable(), areWhole(c)); err != nil {
				return err
			}
			meta := c.meta.Collection
			meta.Model, meta.Fingerprint, meta.Dimension, meta.Index = of.Model, of.Fingerprint, of.Dimension, of.Index
			if err := meta.Validate(); err != nil {
				return err
			}
			if meta.Fingerprint == c.meta.Fingerprint {
				return fmt.Errorf("shadow of %s: %w: its vectors are of this model already", name, store.ErrInvalid)
			}
			meta.Shadow = &store.Shadow{Begun: time.Now().UTC()}
			if of.Shadow != nil {
				meta.Shadow.LeaveOut = of.Shadow.LeaveOut
			}
			meta.Name = store.ShadowName(name)
			return l.createShadow(meta)
		})
	})
}

func (l *Catalog) createShadow(meta store.Collection) (err error) {
	s := newCollection(l, 0, described{Collection: meta})
	if s.idx, err = newIndex(s.meta.spec(), meta.Dimension); err != nil {
		return err
	}
	return l.create(s)
}

// resemble describes a shadow as its collection is: all but what is the model's, and
// its own. It runs in the writer.
func (s *collection) resemble(c *collection) error {
	meta := s.meta
	meta.Collection = c.meta.Collection
	meta.Name, meta.Model, meta.Fingerprint, meta.Dimension = s.meta.Name, s.meta.Model, s.meta.Fingerprint, s.meta.Dimension
	meta.Index, meta.Shadow = s.meta.Index, s.meta.Shadow
	if reflect.DeepEqual(meta, s.meta) {
		return nil
	}
	return errors.Join(s.describe(meta), s.discard(meta.DiscardOriginals))
}

// linked returns a collection and its shadow.
func (l *Catalog) linked(ctx context.Context, name string) (c, s *collection, err error) {
	if c, err = l.named(ctx, name); err != nil {
		return nil, nil, err
	}
	if s, err = l.named(ctx, store.ShadowName(name)); errors.Is(err, store.ErrCollection) {
		err = fmt.Errorf("collection %s: %w", name, store.ErrShadow)
	}
	return c, s, err
}

// areLinked returns why a collection and its shadow are not that any more, if they
// are not. It runs in the writer.
func areLinked(c, s *collection) error {
	if err := c.writable(); err != nil {
		return err
	}
	if s.dropped || s.meta.Shadow == nil || s.meta.Name != store.ShadowName(c.meta.Name) {
		return fmt.Errorf("collection %s: %w", c.meta.Name, store.ErrShadow)
	}
	return nil
}

// mirror is what a shadow gets of its collection's log.
type mirror struct {
	from, to *collection
	upTo     store.Key
	vectors  map[store.Key][]float32
}

// Mirror implements store.Catalog.
func (l *Catalog) Mirror(ctx context.Context, name string, upTo store.Key, vectors map[store.Key][]float32) (key store.Key, err error) {
	c, s, err := l.linked(ctx, name)
	if err != nil {
		return 0, err
	}
	m := mirror{from: c, to: s, upTo: upTo, vectors: vectors}
	if err := errors.Join(m.check(), m.takes()); err != nil {
		return 0, fmt.Errorf("mirror %s: %w", name, err)
	}
	// One that another has planned in the same commit is flushed before.
	if key, err = s.commit(ctx, []string{"mirror"}, m.plan); err != nil {
		return 0, fmt.Errorf("mirror %s: %w", name, err)
	}
	if hasBeenWhole(s.description().Shadow) || key < c.head() {
		return key, nil
	}
	return key, l.alone(ctx, m.complete)
}

// check reports vectors that cannot be the shadow's.
func (m *mirror) check() error {
	dimension := m.to.description().Dimension
	for key, v := range m.vectors {
		if v != nil && len(v) != dimension {
			return fmt.Errorf("log entry %d: %w: %d, the shadow has %d", key, store.ErrDimension, len(v), dimension)
		}
		if v != nil && !isUnit(v) {
			return fmt.Errorf("log entry %d: %w", key, store.ErrVector)
		}
	}
	return nil
}

// takes refuses vectors for which there is no room on the disk. What brings none, as
// deletions do, is taken in any case.
func (m *mirror) takes() error {
	var bytes int64
	for _, v := range m.vectors {
		if v != nil {
			bytes += 4*int64(len(v)) + recordBytes
		}
	}
	if bytes == 0 {
		return nil
	}
	return m.to.catalog.space.take(bytes)
}

// areWhole refuses collections of which log entries are lost: in another's place
// nobody would know of that any more.
func areWhole(all ...*collection) error {
	for _, c := range all {
		c.mu.RLock()
		lost := len(c.lost)
		c.mu.RUnlock()
		if lost > 0 {
			return fmt.Errorf("collection %s: %w: %d log entries are lost", c.meta.Name, store.ErrDamaged, lost)
		}
	}
	return nil
}

// isUnit reports whether a vector has unit length.
func isUnit(v []float32) bool {
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	return math.Abs(math.Sqrt(square)-1) <= unitTolerance // not of NaN
}

// plan makes the shadow's entries from those of the log that it lacks. Both are as
// they are at one moment: what is erased is erased from both.
func (m *mirror) plan(next store.Key) (entries []store.Entry, err error) {
	if err := areLinked(m.from, m.to); err != nil {
		return nil, err
	}
	m.upTo = min(m.upTo, m.from.last) // no entry is beyond
	p := m.from.readPart(next-1, m.upTo, math.MaxUint64)
	if p.err != nil {
		return nil, p.err
	}
	m.from.mu.RLock()
	defer m.from.mu.RUnlock()
	m.to.mu.RLock()
	defer m.to.mu.RUnlock()
	at := next
	for _, e := range p.entries {
		entries, at = m.pass(entries, at, e.Key), e.Key+1
		switch e.Kind {
		case store.KindPut:
			if m.from.rows[e.Key] == nil { // gone, as a later entry says
				entries = m.pass(entries, e.Key, at)
				continue
			}
			if e, err = m.put(e); err != nil {
				return nil, err
			}
		case store.KindLabel:
			if m.isLeftOut(e.Label.Instance, next) {
				e = store.Entry{Key: e.Key, Kind: store.KindErased, Of: store.KindLabel}
			}
		}
		entries = append(entries, e)
	}
	return m.pass(entries, at, m.upTo+1), nil
}

// pass adds entries that name nothing for the keys from one to another, not included,
// whose entries are gone: what retires them is among those that follow.
func (m *mirror) pass(entries []store.Entry, from, to store.Key) []store.Entry {
	for key := from; key < to; key++ {
		entries = append(entries, store.Entry{Key: key, Kind: store.KindErased, Of: store.KindPut})
	}
	return entries
}

// put gives an instance its vector, or leaves it out.
func (m *mirror) put(e store.Entry) (store.Entry, error) {
	v, given := m.vectors[e.Key]
	switch {
	case !given:
		return e, fmt.Errorf("log entry %d: %w: no vector is given for it", e.Key, store.ErrInvalid)
	case v == nil:
		return store.Entry{Key: e.Key, Kind: store.KindErased, Of: store.KindPut, Retires: e.Retires}, nil
	}
	e.Vector = v
	return e, nil
}

// isLeftOut reports whether a label is of an instance that the shadow does not have
// although its log is past it, or that is gone.
func (m *mirror) isLeftOut(id string, next store.Key) bool {
	key, there := m.from.ids[id]
	if !there {
		return true
	}
	v, given := m.vectors[key]
	return given && v == nil || key < next && m.to.rows[key] == nil
}

// hasBeenWhole reports whether a shadow has had all once.
func hasBeenWhole(s *store.Shadow) bool { return s != nil && !s.Whole.IsZero() }

// complete notes that the shadow has all that the collection has, if it still does.
// It runs in the writer.
func (m *mirror) complete() error {
	if err := areLinked(m.from, m.to); err != nil || m.to.last < m.from.last {
		return nil
	}
	meta := m.to.meta
	shadow := *meta.Shadow
	shadow.Whole = time.Now().UTC()
	meta.Shadow = &shadow
	return m.to.describe(meta)
}

// Exchange implements store.Catalog.
func (l *Catalog) Exchange(ctx context.Context, name string, rest func([]store.Entry) (map[store.Key][]float32, error)) error {
	c, s, err := l.linked(ctx, name)
	if err != nil {
		return err
	}
	err = l.alone(ctx, func() error {
		if err := areLinked(c, s); err != nil {
			return err
		}
		if err := areWhole(c, s); err != nil {
			return err
		}
		m := mirror{from: c, to: s, upTo: c.last}
		if err := m.meet(rest); err != nil {
			return err
		}
		if err := s.resemble(c); err != nil {
			return err
		}
		return l.exchange(c, s)
	})
	if err != nil {
		return fmt.Errorf("exchange %s and what stands behind it: %w", name, err)
	}
	l.poke()
	return nil
}

// meet gives the shadow the last entries that it lacks. It runs in the writer.
func (m *mirror) meet(rest func([]store.Entry) (map[store.Key][]float32, error)) error {
	if m.to.last >= m.upTo {
		return nil
	}
	p := m.from.readPart(m.to.last, m.upTo, math.MaxUint64)
	puts := 0
	for _, e := range p.entries {
		if e.Kind == store.KindPut {
			puts++
		}
	}
	if puts > store.MaxRest {
		return fmt.Errorf("%w: by %d instances", store.ErrBehind, puts)
	}
	err := p.err
	if err == nil && puts > 0 && rest != nil {
		m.vectors, err = rest(p.entries)
	}
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return err
	}
	g := group{catalog: m.to.catalog}
	g.add(&change{c: m.to, plan: m.plan, done: func(_ []store.Entry, failed error) { err = failed }})
	g.flush()
	return err
}

// exchange gives a collection and its shadow each other's name. It runs in the
// writer. Which of them has it after a failure only the log can tell.
func (l *Catalog) exchange(c, s *collection) error {
	was, is := c.meta, s.meta
	was.Name, is.Name = s.meta.Name, c.meta.Name
	now := time.Now().UTC()
	was.Shadow, is.Shadow = &store.Shadow{Previous: true, LeaveOut: s.meta.Shadow.LeaveOut, Begun: now, Whole: now}, nil
	behind, err := sealJSON(was)
	if err != nil {
		return err
	}
	before, err := sealJSON(is)
	if err != nil {
		return err
	}
	if err := l.step("exchanging"); err != nil {
		return err
	}
	err = l.update(func(t *badger.Txn) error {
		return errors.Join(t.Set(collectionKey(c.number), behind), t.Set(collectionKey(s.number), before))
	}, describedAs(c.number, behind), describedAs(s.number, before))
	if err != nil {
		return err
	}
	l.rename(c, was, s, is)
	return l.step("exchanged")
}

// rename shows readers which collection has which name.
func (l *Catalog) rename(c *collection, was described, s *collection, is described) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.mu.Lock()
	c.meta = was
	c.mu.Unlock()
	s.mu.Lock()
	s.meta = is
	s.mu.Unlock()
	l.collections[was.Name], l.collections[is.Name] = c, s
}
