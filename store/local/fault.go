package local

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"nearcase/store"
)

// faults are the errors of the system that callers can act on.
var faults = []struct {
	is    error
	codes []syscall.Errno
}{
	{store.ErrFull, []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT}},
	{store.ErrFiles, []syscall.Errno{syscall.EMFILE, syscall.ENFILE}},
}

// fault returns an error that says what callers can act on: store.ErrFull or
// store.ErrFiles. Of Badger's errors only the text tells what they were.
func fault(err error) error {
	if err == nil {
		return nil
	}
	for _, f := range faults {
		isOne := func(code syscall.Errno) bool {
			return errors.Is(err, code) || strings.Contains(err.Error(), code.Error())
		}
		if !errors.Is(err, f.is) && slices.ContainsFunc(f.codes, isOne) {
			return fmt.Errorf("%w: %w", f.is, err)
		}
	}
	return err
}
