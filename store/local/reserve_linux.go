package local

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// reserve gives a file, which it makes if it is not there, blocks for its first n
// bytes and leaves its size: what is written to them cannot fail for want of room.
// It is errors.ErrUnsupported where the file system cannot.
func reserve(path string, n int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, n)
	for errors.Is(err, unix.EINTR) {
		err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, n)
	}
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = errors.ErrUnsupported
	} else if err != nil {
		err = fmt.Errorf("reserve %d bytes of %s: %w", n, path, err)
	}
	return errors.Join(err, f.Close())
}

// spareFiles is how many files can be opened at least for a change to be taken:
// tables and a log that Badger may open meanwhile.
const spareFiles = 16

// canOpen returns the system's error if no more than a few files can be opened.
func canOpen() error {
	var opened [spareFiles]int
	var err error
	n := 0
	for ; n < spareFiles && err == nil; n++ {
		opened[n], err = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		n--
	}
	for _, fd := range opened[:n] {
		_ = unix.Close(fd) // never written
	}
	return err
}
