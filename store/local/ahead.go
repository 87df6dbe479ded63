package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// ahead has blocks of the disk for what Badger writes next. Badger maps its
// write-ahead log, a file of memSuffix with holes for each table in memory, and a
// page for which the disk has no block when it is written ends the process. So the
// file that is written has blocks ahead, and the one after it is there already,
// empty, with blocks beyond its end, where Badger makes it its own. Its name is
// durable then too.
type ahead struct {
	dir    string
	table  int64  // bytes after which Badger begins the next
	active string // the file that is written
	next   string // empty if it is to be made
	// used is not less than what the active one has, reserved what there are blocks
	// for.
	used, reserved int64
	off            bool // the file system cannot reserve
	db             *badger.DB
	pins           []pin
}

const (
	memSuffix    = ".mem"
	manifestFile = "MANIFEST"
	// manifestAhead is what the list of tables may grow by: half an entry of it
	// would make it unreadable.
	manifestAhead = 256 << 10
)

// begin reserves for a log that has just been opened, and holds it.
func (a *ahead) begin(db *badger.DB) error {
	a.db, a.active, a.next, a.used, a.reserved = db, "", "", 0, 0
	if err := a.prepare(0); err != nil {
		return err
	}
	return dropKept(a.dir)
}

// prepare reserves for a commit of n bytes, or returns why it cannot: nothing has
// been written then.
func (a *ahead) prepare(n int64) error {
	if err := a.advance(n); err != nil {
		return fault(err)
	}
	a.used += n
	return nil
}

func (a *ahead) advance(n int64) error {
	if info, err := os.Stat(a.next); a.next == "" || err != nil || info.Size() > 0 {
		if err := a.turn(); err != nil {
			return err
		}
	}
	if a.used+n+a.ahead()/2 <= a.reserved {
		return nil
	}
	reserved := a.used + n + a.ahead()
	if err := a.reserve(a.active, reserved); err != nil {
		return err
	}
	a.reserved = reserved
	return a.renew() // gives up what has become a table since
}

// reserve makes a file, if it is not there, and gives it blocks where the file system
// can.
func (a *ahead) reserve(path string, n int64) error {
	if !a.off {
		err := reserve(path, n)
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		a.off = true
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// turn finds the file that is written since Badger has begun another, and makes the
// one after it.
func (a *ahead) turn() error {
	a.next = ""
	last, err := a.last()
	if err != nil {
		return err
	}
	if a.used, a.reserved = 0, 0; a.active != "" {
		a.used = a.table / 8 // the last commit may be in it
	}
	a.active = a.path(last)
	if err := a.makeNext(a.path(last + 1)); err != nil {
		return err
	}
	return a.renew()
}

// makeNext makes the file that Badger will make its own, and lets its list of tables
// grow.
func (a *ahead) makeNext(path string) error {
	if err := a.reserve(path, a.ahead()); err != nil {
		return errors.Join(err, removeEmpty(path))
	}
	a.next = path
	manifest := filepath.Join(a.dir, manifestFile)
	info, err := os.Stat(manifest)
	if err != nil {
		return err
	}
	return a.reserve(manifest, info.Size()+manifestAhead)
}

// last is the number of the file that is written.
func (a *ahead) last() (last int, err error) {
	for _, path := range memFiles(a.dir) {
		number, bad := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), memSuffix))
		if info, gone := os.Stat(path); bad == nil && gone == nil && info.Size() > 0 {
			last = max(last, number)
		}
	}
	if last == 0 {
		err = fmt.Errorf("%w: the log has no file that is written", store.ErrDamaged)
	}
	return last, err
}

func (a *ahead) path(number int) string {
	return filepath.Join(a.dir, fmt.Sprintf("%05d%s", number, memSuffix))
}

// ahead is how many bytes are reserved at once.
func (a *ahead) ahead() int64 { return bounds{table: a.table}.ahead() }

// turns reports whether Badger may begin another file in a commit of n bytes, and
// make a table of the one before.
func (a *ahead) turns(n int64) bool { return a.used+n >= a.table }

// unwritten is not less than what a table takes of what is in memory.
func (a *ahead) unwritten() int64 { return min(a.used, a.table)*5/4 + 1<<20 }

// clear removes the files that Badger has not made its own: it cannot open them.
func (a *ahead) clear() (err error) {
	a.next = ""
	for _, path := range memFiles(a.dir) {
		err = errors.Join(err, removeEmpty(path))
	}
	return err
}

func removeEmpty(path string) error {
	if info, err := os.Stat(path); err != nil || info.Size() > 0 {
		return nil
	}
	return os.Remove(path)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// clearLog makes a log fit to be opened: Badger writes tables of what it finds in
// files of memSuffix, and ends the process where there is no room for them. The
// ballast gives it.
func clearLog(f files, dir string) error {
	if err := (&ahead{dir: dir}).clear(); err != nil {
		return err
	}
	need := f.ahead()
	for _, path := range memFiles(dir) {
		if info, err := os.Stat(path); err == nil {
			need += occupied(info) * 5 / 4
		}
	}
	free, err := f.Free(dir)
	if err != nil || int64(min(free, 1<<62)) >= need {
		return nil // the system does not say, or there is enough
	}
	if err := f.remove(filepath.Join(filepath.Dir(dir), ballastFile)); err != nil {
		return err
	}
	if free, err = f.Free(dir); err == nil && int64(min(free, 1<<62)) < need {
		return fmt.Errorf("%w: %d bytes are free, and %d are needed to open the log", store.ErrFull, free, need)
	}
	return nil
}

// memFiles are the files that Badger has its tables in memory in.
func memFiles(dir string) []string {
	entries, _ := os.ReadDir(dir) // none where it cannot be read, which opening it tells
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), memSuffix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}
