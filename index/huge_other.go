//go:build !linux

package index

// huge does nothing where huge pages are not to be asked for.
func huge[T any]([]T) {}
