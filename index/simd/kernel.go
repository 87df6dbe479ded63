// Package simd holds the distance kernels of package index. Every kernel of a
// function returns the same bits on every machine, so that an index ranks the
// same way wherever it runs and whichever path computed a score.
//
// The kernels are written by hand in Go's assembly, and chosen at start-up: cgo
// would add its call to every batch and a C compiler to the build, a generator
// another language to read, and the loops are short. Each has its reference in
// Go, which is the kernel of other machines.
package simd

// A kernel is one way to run this package's functions: the instructions that
// they use. The functions return the same bits under each.
type kernel uint8

const (
	portable    kernel = iota // Go
	avx2                      // amd64
	avx512vnni                // amd64 with AVX-512 F, BW, VL and VNNI
	neon                      // arm64
	neonDotprod               // arm64 with SDOT
)

// chosen is the kernel in use: the last that this machine supports. Only tests
// change it.
var chosen = best(supported())

func best(kernels []kernel) kernel { return kernels[len(kernels)-1] }

// Kernel returns the name of the kernel in use: "avx512vnni", "avx2", "neon",
// "neon-dotprod" or "portable".
func Kernel() string { return chosen.String() }

func (k kernel) String() string {
	return [...]string{"portable", "avx2", "avx512vnni", "neon", "neon-dotprod"}[k]
}
