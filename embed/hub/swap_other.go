//go:build !linux

package hub

// swap gives folder the name of target.
func swap(folder, target string) error { return swapByName(folder, target) }
