//go:build unix

package local

import (
	"io/fs"
	"syscall"
)

// occupied is what a file takes of the disk, which is less than its size where it
// has holes, as logs have.
func occupied(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}
