package local

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"nearcase/store"
)

// Damages implements store.Catalog.
func (l *Catalog) Damages(ctx context.Context) ([]store.Damage, error) {
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	all := []store.Damage{}
	for number, reason := range l.unreadable {
		all = append(all, store.Damage{Collection: fmt.Sprint("number ", number), What: store.LostDescription, Reason: reason})
	}
	for _, c := range l.all() {
		c.mu.RLock()
		for _, d := range c.lost {
			d.Collection = c.meta.Name
			all = append(all, d)
		}
		c.mu.RUnlock()
	}
	slices.SortFunc(all, func(a, b store.Damage) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.Key, b.Key))
	})
	return all, nil
}

// tellMended tells the witness of lost entries that have been stored again. What
// fails is told at the next start.
func (l *Catalog) tellMended(p planned, said []statement) {
	if mended := p.change.c.mends(p.entries, said); len(mended) > 0 {
		if err := l.witness.add(mended...); err != nil {
			l.Logger.Warn("the witness is not told what was mended", "reason", err)
		}
	}
}

// mends returns what the witness is told of lost entries that are stored again by
// what is committed: they are lost no more.
func (c *collection) mends(entries []store.Entry, said []statement) (mended []statement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; i < len(c.lost); i++ {
		if !c.isMended(c.lost[i], c.lostSaid[i], entries, said) {
			continue
		}
		s := c.lostSaid[i]
		s.kind = attestedErased
		mended = append(mended, s)
		c.lost, c.lostSaid = slices.Delete(c.lost, i, i+1), slices.Delete(c.lostSaid, i, i+1)
		i--
	}
	return mended
}

// isMended reports whether entries say again what is lost, or make it not matter.
func (c *collection) isMended(d store.Damage, lost statement, entries []store.Entry, said []statement) bool {
	for _, s := range said {
		if s.collection == c.number && s.kind == attestedPut && lost.was == attestedPut && lost.vector != 0 && s.vector == lost.vector {
			return true
		}
	}
	for _, e := range entries {
		switch {
		case d.Instance == "":
		case e.Kind == store.KindPut && d.What == store.LostInstance && e.Instance.ID == d.Instance,
			e.Kind == store.KindDelete && d.What == store.LostLabel && e.Instance.ID == d.Instance,
			e.Kind == store.KindLabel && d.What == store.LostLabel && e.Label.Instance == d.Instance && saidBy(e.Label.Task, e.Label.Reader) == lost.said:
			return true
		}
	}
	return false
}
