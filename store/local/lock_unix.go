//go:build unix && !aix && !solaris

package local

import (
	"errors"
	"os"
	"syscall"

	"nearcase/store"
)

// lockDir keeps other processes out of a folder until it is closed. Badger's own
// lock is of the folder of the log, which is another after it was compacted.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = store.ErrLocked
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
