//go:build cgo && (linux || darwin)

package native

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"unsafe"
)

func openCharLS(file string) (opened, error) {
	return open(file, 'C', func(l *C.struct_loaded, name *C.char) C.int { return C.load_charls(l, name) })
}

func openOpenJPEG(file string) (opened, error) {
	return open(file, 'O', func(l *C.struct_loaded, name *C.char) C.int { return C.load_openjpeg(l, name) })
}

// open loads a library into this process, which asks it for its version alone.
func open(file string, kind byte, load func(*C.struct_loaded, *C.char) C.int) (opened, error) {
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	l := (*C.struct_loaded)(C.calloc(1, C.sizeof_struct_loaded))
	defer C.free(unsafe.Pointer(l))
	if load(l, name) != 0 {
		return opened{}, errors.New(C.GoString(&l.message[0]))
	}
	return opened{kind: kind, path: C.GoString(&l.path[0]), version: C.GoString(&l.version[0])}, nil
}

// raised reports whether this process has privileges by its program's file, which
// the environment must not direct.
func raised() bool { return C.raised() != 0 }

// executed returns the file that was executed, as it was named, "" where the
// system does not tell.
func executed() string { return C.GoString(C.executed()) }
