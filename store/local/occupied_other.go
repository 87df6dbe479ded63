//go:build !unix

package local

import "io/fs"

// occupied is what a file takes of the disk.
func occupied(info fs.FileInfo) int64 { return info.Size() }
