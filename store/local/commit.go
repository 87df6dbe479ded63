package local

import (
	"errors"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// commit brings what was staged to the disk. Where it fails after it has begun,
// only the log can tell whether that has it.
func (g *group) commit() error {
	if err := g.catalog.prepare(g.bytes); err != nil {
		if g.partly {
			err = g.catalog.stop("commit", err)
		}
		return err
	}
	_, end := g.catalog.Begin(g.catalog.ctx, "commit")
	err := g.txn.Commit()
	if err == nil {
		err = g.catalog.witness.add(g.said...)
	}
	if end(err); err != nil {
		return g.catalog.stop("commit", err)
	}
	return nil
}

// prepare makes sure that a commit of n bytes does not fail for want of room or of
// descriptors, as far as one can be sure, or says why it would: Badger would end
// the process.
func (l *Catalog) prepare(n int) error {
	if err := canOpen(); err != nil {
		return fault(err)
	}
	if l.wal.turns(int64(n)) {
		if err := l.spareTable(); err != nil {
			return err
		}
	}
	err := l.wal.prepare(int64(n))
	if errors.Is(err, store.ErrFull) {
		if err = l.space.spare(l.files.ahead()); err == nil {
			err = l.wal.prepare(int64(n))
		}
	}
	return err
}

// spareTable makes sure of the room for a table, and for merging some. Where there is
// for the table alone the log is opened again, and merges none: see openBadger.
func (l *Catalog) spareTable() error {
	if l.isStill() {
		return l.space.spare(2 * l.wal.table)
	}
	err := l.space.spare(l.space.needs)
	if err != nil && l.space.spare(2*l.wal.table) == nil {
		err = l.stop("commit", err)
	}
	return err
}

// update commits a change that must be alone, and tells the witness of it.
func (l *Catalog) update(f func(*badger.Txn) error, said ...statement) error {
	if err := l.prepare(maxUpdate); err != nil {
		return err
	}
	txn := l.db.NewTransaction(true)
	defer txn.Discard()
	if err := f(txn); err != nil {
		return err
	}
	err := txn.Commit()
	if err == nil {
		err = l.witness.add(said...)
	}
	if err != nil {
		return l.stop("commit", err)
	}
	return nil
}

// commitAll commits writes, in several transactions if they do not fit one. What
// fails when it has begun leaves memory behind the log.
func (l *Catalog) commitAll(writes []write) error {
	g := group{catalog: l}
	g.begin()
	defer func() { g.txn.Discard() }()
	for _, w := range writes {
		if err := g.stageEntry(w); err != nil {
			if g.partly {
				err = l.stop("commit", err)
			}
			return err
		}
	}
	return g.commit()
}
