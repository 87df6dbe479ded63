package local

import (
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"nearcase/store"
)

// fill shows the rows of a file to the empty collection. With an error the
// collection is as empty as before.
func (c *collection) fill(h rowsHead, rows []instanceRow) error {
	at := slices.IndexFunc(rows, func(r instanceRow) bool { return r.key != 0 })
	if at < 0 {
		at = len(rows)
	}
	if err := checkRows(rows[at:]); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.lastLabel, c.deleted, c.rowsAt = h.Head, h.LastLabel, h.Deleted, h.Head
	c.fillAll(rows, rows[at:])
	if len(c.ids) != len(c.rows) || len(c.labels) != spokenOf(rows) {
		c.clear()
		return fmt.Errorf("%w: rows file: an ID is there twice", store.ErrDamaged)
	}
	return nil
}

// checkRows makes sure that keys grow.
func checkRows(rows []instanceRow) error {
	for i, r := range rows {
		if r.key == 0 || i > 0 && r.key <= rows[i-1].key {
			return fmt.Errorf("%w: rows file: key %d is not after the one before", store.ErrDamaged, r.key)
		}
	}
	return nil
}

func spokenOf(rows []instanceRow) (n int) {
	for _, r := range rows {
		if r.said != nil {
			n++
		}
	}
	return n
}

// fillAll makes of rows, of which the last are there, what add and label would have
// made. Each goroutine fills maps of its own.
func (c *collection) fillAll(all, there []instanceRow) {
	n := len(there)
	c.rows, c.ids = make(map[store.Key]*store.Instance, n), make(map[string]store.Key, n)
	c.labels = make(map[string]*said, n)
	c.digests = make(map[string][]store.Key, n)
	var group errgroup.Group
	each := func(f func(r instanceRow)) {
		group.Go(func() error {
			for _, r := range there {
				f(r)
			}
			return nil
		})
	}
	each(func(r instanceRow) {
		c.rows[r.key] = r.instance
		c.order = append(c.order, r.key)
	})
	each(func(r instanceRow) { c.ids[r.instance.ID] = r.key })
	each(func(r instanceRow) { collect(c.digests, r.instance.Digest, r.key) })
	each(func(r instanceRow) {
		collect(c.files, r.instance.File, r.key)
		collect(c.series, r.instance.Series, r.key)
	})
	each(func(r instanceRow) {
		collect(c.patients, r.instance.Patient, r.key)
		c.numbers.add(r.key, patientOf(r.instance))
	})
	each(func(r instanceRow) {
		collect(c.studies, r.instance.Study, r.key)
		c.studyNumbers.add(r.key, studyOf(r.instance))
	})
	group.Go(func() error {
		for _, r := range all {
			c.tellOf(r)
		}
		return nil
	})
	_ = group.Wait() // none fails
}

// collect adds a key to those of a value, unless that is empty.
func collect(keys map[string][]store.Key, value string, key store.Key) {
	if value != "" {
		keys[value] = append(keys[value], key)
	}
}

// tellOf shows what has been said of an instance.
func (c *collection) tellOf(r instanceRow) {
	if r.said == nil {
		return
	}
	for i, l := range r.said.current {
		r.said.current[i] = c.frugal(c.taskOf(l.Task), l)
	}
	if c.labels[r.instance.ID] = r.said; r.key == 0 {
		return
	}
	current := r.said.current
	for len(current) > 0 {
		of := r.said.of(current[0].Task)
		if l, ok := store.Resolve(c.taskOf(of[0].Task), of); ok {
			c.mark(l, r.key, true)
		}
		current = current[len(of):]
	}
}

// keepOriginals counts what the collection needs of the originals.
func (c *collection) keepOriginals() {
	for _, i := range c.rows {
		c.catalog.originals.keep(c.original(i))
	}
}
