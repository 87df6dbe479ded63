//go:build !unix || aix || solaris

package local

import "os"

// lockDir opens a folder. Badger's own lock keeps other processes out, but for
// the moment in which the log is exchanged for the one that was compacted.
func lockDir(dir string) (*os.File, error) { return os.Open(dir) }
