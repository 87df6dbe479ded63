package simd

import (
	"iter"
	"slices"
	"testing"
)

// kernels yields every kernel that this machine supports while it is in use.
func kernels() iter.Seq[kernel] {
	return func(yield func(kernel) bool) {
		was := chosen
		defer func() { chosen = was }()
		for _, k := range supported() {
			if chosen = k; !yield(k) {
				return
			}
		}
	}
}

// eachKernel runs f as a subtest under every kernel.
func eachKernel(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for k := range kernels() {
		t.Run(k.String(), f)
	}
}

func TestKernelIsTheFastestSupported(t *testing.T) {
	all := supported()
	if all[0] != portable || !slices.IsSorted(all) {
		t.Errorf("supported() = %v, want portable first, then in order", all)
	}
	if got, want := Kernel(), all[len(all)-1].String(); got != want {
		t.Errorf("Kernel() = %q, want %q", got, want)
	}
	t.Log("supported:", all)
}
