//go:build !linux

package local

import "nearcase/store/disk"

// nextData returns where the next bytes are in a file, from a place on, and false
// for none.
func nextData(f disk.File, at int64) (from, to int64, ok bool, err error) {
	info, err := f.Stat()
	if err != nil || at >= info.Size() {
		return 0, 0, false, err
	}
	return at, info.Size(), true, nil
}
