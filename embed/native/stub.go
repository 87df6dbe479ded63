//go:build !cgo || !(linux || darwin)

package native

import "errors"

var errBuild = errors.New("this program was built without cgo, or for a system without it")

func openCharLS(string) (opened, error)   { return opened{}, errBuild }
func openOpenJPEG(string) (opened, error) { return opened{}, errBuild }

// worker is none: no library is ever found.
type worker struct{}

func (*worker) end() {}

func (*worker) waits() bool { return false }

// raised is of no matter without a library.
func raised() bool { return false }

func (l *library) decode(request, []byte) ([]byte, error) {
	_, err := l.load()
	return nil, err
}
