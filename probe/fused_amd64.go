package probe

import "golang.org/x/sys/cpu"

// A fusedKernel is one way to run the fused functions, which return the same
// bits under each.
type fusedKernel uint8

const (
	fusedGo fusedKernel = iota
	fusedAVX2
	fusedAVX512
)

// fusedChosen is the kernel in use: the last that this machine supports. Only
// tests change it.
var fusedChosen = fusedSupported()[len(fusedSupported())-1]

// fusedSupported returns the kernels that this machine and its operating system
// can run, the fastest last.
func fusedSupported() []fusedKernel {
	kernels := []fusedKernel{fusedGo}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		kernels = append(kernels, fusedAVX2)
		if cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ {
			kernels = append(kernels, fusedAVX512)
		}
	}
	return kernels
}

// The functions in Go assembly. Their lengths are above 0; n is a multiple of
// fusedLanes, and the rows of fusedDots are a multiple of fusedRows.

//go:noescape
func fusedWidenAVX512(dst *float64, src *float32, mean *float64, n int)

//go:noescape
func fusedDotsAVX512(out, x *float64, stride, rows int, w *float64, n int)

//go:noescape
func fusedAddAVX512(to, x *float64, stride, rows int, r *float64, n int)

//go:noescape
func fusedWidenAVX2(dst *float64, src *float32, mean *float64, n int)

//go:noescape
func fusedDotsAVX2(out, x *float64, stride, rows int, w *float64, n int)

//go:noescape
func fusedAddAVX2(to, x *float64, stride, rows int, r *float64, n int)

// fusedWiden leaves the elements after the last eight to Go.
func fusedWiden(dst []float64, src []float32, mean []float64) {
	n := len(src) &^ (fusedLanes - 1)
	if n == 0 || fusedChosen == fusedGo {
		fusedWidenGo(dst, src, mean)
		return
	}
	if fusedChosen == fusedAVX512 {
		fusedWidenAVX512(&dst[0], &src[0], &mean[0], n)
	} else {
		fusedWidenAVX2(&dst[0], &src[0], &mean[0], n)
	}
	fusedWidenGo(dst[n:], src[n:], mean[n:])
}

// fusedDots leaves the rows after the last eight to Go.
func fusedDots(out, x []float64, stride int, w []float64) {
	n := len(out) &^ (fusedRows - 1)
	if n == 0 || len(w) == 0 || fusedChosen == fusedGo {
		fusedDotsGo(out, x, stride, w)
		return
	}
	_ = x[(n-1)*stride:][:len(w)]
	if fusedChosen == fusedAVX512 {
		fusedDotsAVX512(&out[0], &x[0], stride, n, &w[0], len(w))
	} else {
		fusedDotsAVX2(&out[0], &x[0], stride, n, &w[0], len(w))
	}
	if n < len(out) {
		fusedDotsGo(out[n:], x[n*stride:], stride, w)
	}
}

func fusedAdd(g, x []float64, stride int, r []float64) {
	if len(g) == 0 || len(r) == 0 {
		return
	}
	_ = x[(len(r)-1)*stride:][:len(g)]
	switch fusedChosen {
	case fusedAVX512:
		fusedAddAVX512(&g[0], &x[0], stride, len(r), &r[0], len(g))
	case fusedAVX2:
		fusedAddAVX2(&g[0], &x[0], stride, len(r), &r[0], len(g))
	default:
		fusedAddGo(g, x, stride, r)
	}
}
