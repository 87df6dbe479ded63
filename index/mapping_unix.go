//go:build unix

package index

import (
	"io"
	"runtime"
	"syscall"
)

// mapping is a file in memory. It is unmapped when nothing refers to it any
// more. What is written to it stays in this process: the system copies the page.
type mapping struct{ bytes []byte }

// mapFile maps a file of the operating system's, and reads another into memory
// outside of Go's, whose collector would keep as much again free for it.
func mapFile(f File, size int) (*mapping, error) {
	if f, ok := f.(interface{ Fd() uintptr }); ok {
		return mapped(int(f.Fd()), size, syscall.MAP_PRIVATE)
	}
	m, err := mapped(-1, size, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(io.NewSectionReader(f, 0, int64(size)), m.bytes)
	return m, err
}

func mapped(fd, size, flags int) (*mapping, error) {
	b, err := syscall.Mmap(fd, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, flags)
	if err != nil {
		return nil, err
	}
	m := &mapping{b}
	runtime.AddCleanup(m, func(b []byte) { _ = syscall.Munmap(b) }, b)
	return m, nil
}
