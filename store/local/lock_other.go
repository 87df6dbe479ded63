//go:build !unix || aix || solaris

package local

import "nearcase/store/disk"

// lockDir opens a folder. Badger's own lock keeps other processes out, but for
// the moment in which the log is exchanged for the one that was compacted.
func lockDir(f files, dir string) (disk.File, error) { return f.open(dir) }
