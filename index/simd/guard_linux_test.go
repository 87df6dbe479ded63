package simd

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// guarded returns n elements of zero between two pages that fault when touched:
// right behind the first, and right before the last. Their memory is given back
// with the test.
func guarded[T any](t *testing.T, n int) (first, last []T) {
	t.Helper()
	var element T
	page, size := os.Getpagesize(), n*int(unsafe.Sizeof(element))
	inner := (size + page) / page * page
	all, err := syscall.Mmap(-1, 0, page+inner+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(all) })
	for _, outer := range [][]byte{all[:page], all[page+inner:]} {
		if err := syscall.Mprotect(outer, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	at := func(offset int) []T { return unsafe.Slice((*T)(unsafe.Pointer(&all[offset])), n) }
	return at(page), at(page + inner - size)
}

// sides returns v at both ends of a guarded memory.
func sides[T any](t *testing.T, v []T) [2][]T {
	t.Helper()
	first, last := guarded[T](t, len(v))
	copy(first, v)
	copy(last, v)
	return [2][]T{first, last}
}

// Law: no kernel touches memory outside of its arguments.
func TestDotStaysWithinItsVectors(t *testing.T) {
	for n := range 201 {
		a, b := sides(t, sequence(1, n)), sides(t, sequence(2, n))
		for k := range kernels() {
			for i := range a {
				if got, want := Dot(a[i], b[i]), reference(a[i], b[i]); !sameBits(got, want) {
					t.Errorf("%v: Dot of length %d = %x, want %x", k, n, got, want)
				}
			}
		}
	}
}

func TestTheInt8KernelsStayWithinTheirArguments(t *testing.T) {
	for _, n := range []int{64, 128, 192, 512} {
		for count := range 9 {
			t.Run(fmt.Sprintf("%d rows of %d", count, n), func(t *testing.T) {
				checkInt8Guarded(t, n, count)
			})
		}
	}
}

func checkInt8Guarded(t *testing.T, n, count int) {
	t.Helper()
	plain := newTable(3, n, count)
	rows, codes := sides(t, plain.rows), sides(t, plain.codes)
	ids, out := sides(t, plain.ids), sides(t, make([]int32, count))
	for range kernels() {
		for i := range rows {
			q := &Query8{codes: codes[i], bias: bias(codes[i])}
			_, q.words = guarded[int16](t, n)
			q.prepare()
			at := tableOf{rows[i], codes[i], ids[i], q}
			at.check(t, out[i])
		}
	}
}

func TestQuantiseStaysWithinItsSlices(t *testing.T) {
	for n := range 201 {
		src, dst := sides(t, sequence(1, n)), sides(t, make([]uint8, n))
		for k := range kernels() {
			for i := range src {
				Quantise(dst[i], src[i], 127)
				checkQuantised(t, k, dst[i], src[i], 127)
				checkMaxAbs(t, k, src[i])
			}
		}
	}
}

func TestPrefetchMayReachAnyEnd(t *testing.T) {
	for n := range 201 {
		for _, s := range sides(t, make([]byte, n)) {
			Prefetch(s)
		}
	}
	Prefetch[uint64](nil)
	Prefetch([]struct{}{{}})
	Prefetch([]string{"a", "b"})
}
