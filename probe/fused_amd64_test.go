package probe

import "testing"

// eachFusedKernel runs f as a subtest under every kernel of this machine.
func eachFusedKernel(t *testing.T, f func(t *testing.T)) {
	was := fusedChosen
	defer func() { fusedChosen = was }()
	for _, k := range fusedSupported() {
		fusedChosen = k
		t.Run([]string{"go", "avx2", "avx512"}[k], f)
	}
}
