//go:build race

package index

// raced says that the race detector makes everything but the kernels ten to
// twenty times slower.
const raced = true
