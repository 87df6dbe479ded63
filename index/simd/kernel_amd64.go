package simd

import "golang.org/x/sys/cpu"

// supported returns the kernels that this machine and its operating system can
// run, the fastest last. Package cpu reports AVX-512 only where the system
// saves its registers.
func supported() []kernel {
	kernels := []kernel{portable}
	if !cpu.X86.HasAVX2 {
		return kernels
	}
	kernels = append(kernels, avx2)
	x := &cpu.X86
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512VNNI {
		kernels = append(kernels, avx512vnni)
	}
	return kernels
}
