package local

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"nearcase/store"
	"nearcase/store/disk"
)

// openLog locks a data directory and opens its log, which it makes if it may. It says
// what was damaged of it.
func openLog(from files, dir string, mustExist bool) (f files, lock disk.File, db *badger.DB, found []string, err error) {
	f = from
	if !mustExist {
		err = f.makeDirs(dir)
	}
	if err == nil {
		lock, err = lockDir(f, dir)
	}
	logs := filepath.Join(dir, logDir)
	if errors.Is(err, store.ErrLocked) {
		err = inUse(f, logs)
	}
	if err != nil {
		return f, nil, nil, nil, err
	}
	if err = checkRestored(f, dir); err == nil {
		err = settleLog(f, dir)
	}
	if err == nil && mustExist {
		_, err = f.Stat(logs)
	}
	if err == nil {
		f, err = f.unlock(dir)
	}
	if err == nil {
		err = f.MkdirAll(logs, 0o700)
	}
	if err == nil {
		err = putKept(logs)
	}
	if err == nil {
		found, err = inspect(f, logs)
	}
	if err == nil {
		err = keep(f, logs)
	}
	if err == nil {
		db, err = openBadger(f, logs)
	}
	if err != nil {
		return f, nil, nil, found, errors.Join(err, lock.Close())
	}
	return f, lock, db, found, nil
}

func openBadger(f files, dir string) (*badger.DB, error) {
	o, err := f.logOptions(dir)
	if err == nil {
		err = clearLog(f, dir)
	}
	if err != nil {
		return nil, err
	}
	var db *badger.DB
	err = guarded(func() error {
		if free, err := f.Free(dir); err == nil && int64(min(free, 1<<62)) < f.room() {
			o = o.WithNumCompactors(0).WithNumLevelZeroTablesStall(maxTables) // see Catalog.awaken
		}
		db, err = badger.Open(o)
		return err
	})
	if err != nil && strings.Contains(err.Error(), "Cannot acquire directory lock") {
		return nil, inUse(f, dir)
	}
	err = fault(err)
	var errno syscall.Errno
	if err != nil && !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrFiles) && !errors.As(err, &errno) && !errors.Is(err, badger.ErrEncryptionKeyMismatch) {
		err = fmt.Errorf("%w: %w: restore a backup, see docs/durability.md", store.ErrDamaged, err)
	}
	return db, err
}

// inUse says which process has a log open.
func inUse(f files, dir string) error {
	return fmt.Errorf("%w%s: stop it, or talk to it with --server", store.ErrLocked, owner(f, dir))
}

// logOptions are those of a log that is not encrypted.
func logOptions(dir string, b bounds) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(true).            // off by default
		WithDetectConflicts(false).      // one writer, nothing to detect
		WithLogger(nil).                 //
		WithCompression(0).              // vectors do not compress
		WithMemTableSize(b.table).       //
		WithNumMemtables(2).             // not five
		WithBlockCacheSize(b.cache).     //
		WithNumCompactors(b.compactors). //
		WithChecksumVerificationMode(options.OnBlockRead).
		WithValueLogFileSize(64 << 20). // it is mapped twice as large, and nothing is in it
		WithMetricsEnabled(false)
}

// owner names the process that has a log open, as Badger notes it.
func owner(f files, dir string) string {
	b, err := disk.ReadFile(f.FS, filepath.Join(dir, "LOCK"))
	pid, bad := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || bad != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}
