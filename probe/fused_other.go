//go:build !amd64

package probe

func fusedWiden(dst []float64, src []float32, mean []float64) { fusedWidenGo(dst, src, mean) }

func fusedDots(out, x []float64, stride int, w []float64) { fusedDotsGo(out, x, stride, w) }

func fusedAdd(g, x []float64, stride int, r []float64) { fusedAddGo(g, x, stride, r) }
