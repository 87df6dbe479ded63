//go:build unix

package hub

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock keeps f to this process until it is closed; the lock ends with the process.
func lock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
