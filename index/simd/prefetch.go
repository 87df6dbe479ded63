package simd

import "unsafe"

// Prefetch asks the processor to load the cache lines of s, and returns at once.
// It does nothing where the architecture has no kernel.
func Prefetch[T any](s []T) {
	var t T
	prefetch(unsafe.Pointer(unsafe.SliceData(s)), len(s)*int(unsafe.Sizeof(t)))
}
