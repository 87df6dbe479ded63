//go:build linux || darwin || freebsd

package disk

import (
	"os"
	"syscall"
)

// free is what the system leaves to who is not root.
func free(name string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(name, &s); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: name, Err: err}
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}
