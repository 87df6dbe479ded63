//go:build !unix

package hub

import "os"

// lock does nothing where folders cannot be locked: processes that fetch the same
// model at once disturb each other there, and digests tell.
func lock(*os.File) error { return nil }
