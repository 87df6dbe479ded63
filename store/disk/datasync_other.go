//go:build !linux

package disk

// SyncData makes the bytes of a file durable, with the size and where they are.
func SyncData(f File) error { return f.Sync() }
