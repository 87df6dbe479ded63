package local

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
	"nearcase/store/disk"
)

// Badger makes a table of a write-ahead log, cuts that to nothing and removes it, but
// does not sync the folder in between: POSIX lets power loss leave neither the name of
// the table nor the log. So no log goes before the folder was synced. Badger keeps one
// while anybody reads it, by which it is pinned; and of those that it finds when it is
// opened, which it makes tables of before anybody can read them, there are copies of
// keptSuffix until then.

// pin holds the write-ahead logs that Badger has at one moment.
type pin struct {
	txn *badger.Txn
	it  *badger.Iterator
}

// pinLogs pins what an open log has, and no tables.
func pinLogs(db *badger.DB) (p pin, err error) {
	err = guarded(func() error { // it may be being closed
		p.txn = db.NewTransaction(false)
		p.it = p.txn.NewIterator(badger.IteratorOptions{SinceTs: math.MaxUint64})
		return nil
	})
	return p, err
}

func (p pin) release() {
	p.it.Close()
	p.txn.Discard()
}

// renew syncs the folder and pins what there is now in place of what was pinned before:
// what is not there any more had become tables with names by then. It is to be called
// between any two tables that are made.
func (a *ahead) renew() error {
	if a.db == nil || a.db.IsClosed() {
		return syncFolder(a.dir)
	}
	p, err := pinLogs(a.db)
	if err != nil {
		return err
	}
	a.pins = append(a.pins, p)
	if err := syncFolder(a.dir); err != nil {
		return err
	}
	a.release(len(a.pins) - 1)
	return nil
}

func (a *ahead) release(n int) {
	for _, p := range a.pins[:n] {
		p.release()
	}
	a.pins = append([]pin(nil), a.pins[n:]...)
}

// end gives up what is pinned of a log that was closed. Where the folder cannot be
// synced the files stay, and whoever opens the log makes tables of them again.
func (a *ahead) end() error {
	defer func() { a.pins = nil }()
	if len(a.pins) == 0 {
		return nil
	}
	if err := syncFolder(a.dir); err != nil {
		return err
	}
	a.release(len(a.pins))
	return syncFolder(a.dir)
}

// keptSuffix ends the names of copies of write-ahead logs.
const keptSuffix = ".kept"

// keep copies the write-ahead logs of a log that is to be opened, but where there is
// little room.
func keep(f files, dir string) error {
	var size int64
	for _, path := range memFiles(dir) {
		if info, err := os.Stat(path); err == nil {
			size += occupied(info)
		}
	}
	if free, err := f.Free(dir); size == 0 || err == nil && int64(min(free, 1<<62)) < f.room()+size {
		return nil
	}
	for _, path := range memFiles(dir) {
		err := fault(keepOne(path))
		if errors.Is(err, store.ErrFull) { // a quota, of which the system does not say
			return dropKept(dir)
		}
		if err != nil {
			return fmt.Errorf("copy %s: %w", filepath.Base(path), err)
		}
	}
	return nil
}

// keepOne copies what Badger reads of a write-ahead log.
func keepOne(path string) error {
	data, err := os.ReadFile(path)
	if err != nil || len(data) <= walHeader {
		return err
	}
	end := (writeAhead{data: data}).sound()
	if end == walHeader {
		return nil
	}
	return disk.WriteAtomic(disk.System{}, path+keptSuffix, data[:end])
}

// putKept puts the copies in the place of what they are of, which opening the log has
// not come to its end with, and removes what was not written to its end.
func putKept(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	changed := false
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		of, kept := strings.CutSuffix(path, keptSuffix)
		switch {
		case kept:
			err = errors.Join(err, os.Rename(path, of))
		case strings.HasPrefix(e.Name(), halfWritten):
			err = errors.Join(err, os.Remove(path))
		default:
			continue
		}
		changed = true
	}
	if changed && err == nil {
		err = syncFolder(dir)
	}
	return fault(err)
}

// dropKept removes the copies, durably: what is deleted from here on must not come
// back.
func dropKept(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	changed := false
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), keptSuffix) {
			changed = true
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	if !changed {
		return nil
	}
	return fault(errors.Join(err, syncFolder(dir)))
}
