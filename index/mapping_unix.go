//go:build unix

package index

import (
	"os"
	"runtime"
	"syscall"
)

// mapping is a file in memory. It is unmapped when nothing refers to it any
// more. What is written to it stays in this process: the system copies the page.
type mapping struct{ bytes []byte }

func mapFile(f *os.File, size int) (*mapping, error) {
	b, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	m := &mapping{b}
	runtime.AddCleanup(m, func(b []byte) { _ = syscall.Munmap(b) }, b)
	return m, nil
}
