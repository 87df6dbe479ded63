//go:build !linux

package main

import "errors"

// mount is of Linux alone.
func mount(string, int64) (unmount func() error, err error) {
	return nil, errors.New("mount a file system in memory: Linux alone can")
}
