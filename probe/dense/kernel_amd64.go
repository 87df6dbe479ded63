package dense

import "golang.org/x/sys/cpu"

// kernel is a set of instructions that the inner loops are written in.
type kernel int

const (
	portable kernel = iota
	avx2
	avx512
)

// fastest returns the best kernel of this machine and its operating system.
func fastest() kernel {
	switch x := &cpu.X86; {
	case x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512VL:
		return avx512
	case x.HasAVX2 && x.HasFMA:
		return avx2
	}
	return portable
}

var chosen = fastest()

//go:noescape
func tileAVX512(k int, a, b, c *float64, stride int)

//go:noescape
func tileAVX2(k int, a, b, c *float64, stride int)

func tile(k int, a, b, c []float64, stride int) {
	switch _ = c[(high-1)*stride+wide-1]; chosen {
	case avx512:
		tileAVX512(k, &a[0], &b[0], &c[0], stride)
	case avx2:
		tileAVX2(k, &a[0], &b[0], &c[0], stride)
		tileAVX2(k, &a[0], &b[wide/2], &c[wide/2], stride)
	default:
		tilePortable(k, a, b, c, stride)
	}
}
