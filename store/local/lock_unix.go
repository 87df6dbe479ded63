//go:build unix && !aix && !solaris

package local

import (
	"errors"
	"syscall"

	"nearcase/store"
	"nearcase/store/disk"
)

// lockDir keeps other processes out of a folder until it is closed. Badger's own
// lock is of the folder of the log, which is another after it was compacted. A
// folder that is not the operating system's has no lock but that.
func lockDir(in files, dir string) (disk.File, error) {
	f, err := in.FS.OpenFile(dir, syscall.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	if own, ok := f.(interface{ Fd() uintptr }); ok {
		err = syscall.Flock(int(own.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = store.ErrLocked
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
