package dense

import "testing"

// Law: whatever the instructions, the results are right.
func TestEveryKernel(t *testing.T) {
	best := chosen
	defer func() { chosen = best }()
	for k := portable; k <= best; k++ {
		chosen = k
		t.Run([]string{"portable", "AVX2", "AVX-512"}[k], func(t *testing.T) {
			TestMulAddEqualsItsDefinition(t)
			t.Run("Cholesky", TestCholeskySolvesAndInverts)
			t.Run("vectors", TestVectorsAreMultipliedAndAdded)
		})
	}
}
