package index

import (
	"syscall"
	"unsafe"
)

// hugePage is the size of the pages that huge asks for.
const hugePage = 2 << 20

// huge asks the system to back a large new slice with huge pages: rows are read
// at random, and most of them would miss the cache of page addresses. That it
// may say no does not matter.
func huge[T any](s []T) {
	size := uintptr(cap(s)) * unsafe.Sizeof(*new(T))
	if size < 2*hugePage {
		return
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	skip := (hugePage - from%hugePage) % hugePage
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), size)
	_ = syscall.Madvise(bytes[skip:skip+(size-skip)/hugePage*hugePage], syscall.MADV_HUGEPAGE)
}
