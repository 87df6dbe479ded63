package jpeg

import "golang.org/x/sys/cpu"

// vectorised reports whether this machine runs the inverse transform in
// assembly, which gives the same samples as that in Go.
func vectorised() bool { return cpu.X86.HasAVX2 }

// vectorInverse is inversePortable for 8 rows of stride bytes, whatever the
// coefficients: its sums and products wrap around as Go's do. It leaves at zero.
//
//go:noescape
func vectorInverse(dst *byte, at *[64]int32, stride int)

// inverseVector is inversePortable in assembly.
func (b *block) inverseVector(dst []byte, stride int) {
	vectorInverse(&dst[:7*stride+8][0], &b.at, stride)
	b.set = 0
}
