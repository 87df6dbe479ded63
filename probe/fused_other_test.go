//go:build !amd64

package probe

import "testing"

// eachFusedKernel runs f as a subtest under every kernel of this machine.
func eachFusedKernel(t *testing.T, f func(t *testing.T)) { t.Run("go", f) }
