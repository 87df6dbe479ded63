package simd

import "golang.org/x/sys/cpu"

// supported returns the kernels that this machine can run, the fastest last.
// Every arm64 that Go runs on has NEON; package cpu calls SDOT's extension
// ASIMDDP, as Linux does.
func supported() []kernel {
	if cpu.ARM64.HasASIMDDP {
		return []kernel{portable, neon, neonDotprod}
	}
	return []kernel{portable, neon}
}
