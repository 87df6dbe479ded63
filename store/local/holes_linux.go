package local

import (
	"errors"
	"syscall"

	"nearcase/store/disk"
)

// SEEK_DATA and SEEK_HOLE of lseek(2).
const (
	seekData = 3
	seekHole = 4
)

// nextData returns where the next bytes are in a file that are not in a hole, from
// a place on, and false for none.
func nextData(f disk.File, at int64) (from, to int64, ok bool, err error) {
	from, err = f.Seek(at, seekData)
	if errors.Is(err, syscall.ENXIO) {
		return 0, 0, false, nil
	}
	if err == nil {
		to, err = f.Seek(from, seekHole)
	}
	return from, to, err == nil, err
}
