//go:build !linux && !darwin && !freebsd

package disk

import "errors"

// free is not known.
func free(string) (uint64, error) { return 0, errors.ErrUnsupported }
