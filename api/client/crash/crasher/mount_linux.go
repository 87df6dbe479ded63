package main

import (
	"fmt"
	"os"
	"syscall"
)

// mount mounts a file system of so many bytes of memory on a folder, which only root
// may.
func mount(dir string, bytes int64) (unmount func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		return nil, fmt.Errorf("mount a file system in memory: %w", err)
	}
	return func() error { return syscall.Unmount(dir, 0) }, nil
}
