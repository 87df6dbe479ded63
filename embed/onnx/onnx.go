// Package onnx runs frozen networks on ONNX Runtime, a shared library that is
// found and loaded when the process starts, so that building needs none.
//
//	path, err := onnx.Find("")
//	err = onnx.Load(path)
//	session, err := onnx.OpenSession(graph, onnx.Options{Input: "image", Output: "features", Height: 224, Width: 224})
//	output, shape, err := session.Run(ctx, batch, n)
//
// OpenFile is for graphs whose constants lie in other files, OpenText for those
// that take texts. Inspect and Digest need no library.
//
// Every call is synchronous; the package starts no goroutine and writes
// nothing to the standard streams.
package onnx

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Version is the release of ONNX Runtime that is pinned and tested. Later
// releases load as well; earlier ones are refused.
const Version = "1.24.1"

// Variable is the environment variable that names the library's path.
const Variable = "NEARCASE_ONNXRUNTIME"

// oldest is the first release that offers version 24 of the C interface,
// against which onnxruntime_go is compiled.
const oldest = "1.24"

var (
	// ErrLibrary means that the ONNX Runtime library is missing, is not a
	// library or is too old. Its message says what was tried and what to do.
	ErrLibrary = errors.New("onnx: no usable ONNX Runtime library")
	// ErrModel means that a graph is damaged or does not fit its options; the
	// message carries the runtime's own reason where the runtime refused it.
	ErrModel = errors.New("onnx: the model cannot be used")
	// ErrClosed means that the session has been closed.
	ErrClosed = errors.New("onnx: the session is closed")
)

const remedy = "run `make setup`, or name the library by `onnxruntime:` in the configuration or by " + Variable

// loaded is global because the runtime is: one per process, never unloaded.
var loaded struct {
	sync.Mutex
	path string
}

// Load loads the library at path and initialises ONNX Runtime. It does so once
// per process: a further call with the same file does nothing, one with another
// file answers ErrLibrary, as does everything that keeps the file from being
// used. After an error Load may be called again. It is safe for concurrent use.
func Load(path string) error {
	file, err := resolve(path)
	if err != nil {
		return fmt.Errorf("%w: %w; %s", ErrLibrary, err, remedy)
	}
	loaded.Lock()
	defer loaded.Unlock()
	switch loaded.path {
	case file:
		return nil
	case "":
		return initialise(file)
	}
	return fmt.Errorf("%w: %s cannot be loaded because this process runs %s", ErrLibrary, file, loaded.path)
}

func resolve(path string) (string, error) {
	if path == "" {
		return "", errors.New("no path was given")
	}
	// A path without a slash would make the loader search the system's folders.
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(absolute)
}

func initialise(file string) error {
	if err := whole(file); err != nil {
		return fmt.Errorf("%w: %s: %w; %s", ErrLibrary, file, err, remedy)
	}
	ort.SetSharedLibraryPath(file)
	// Failures come back as errors; the runtime's copy of them on standard
	// error would tear structured logs apart.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return fmt.Errorf("%w: load %s: %s; %s", ErrLibrary, file, reason(err), remedy)
	}
	if err := ort.DisableTelemetry(); err != nil {
		err = errors.Join(err, ort.DestroyEnvironment())
		return fmt.Errorf("%w: switch off the telemetry of %s: %w", ErrLibrary, file, err)
	}
	loaded.path = file
	return nil
}

// whole tells whether file is a complete library for this processor. The
// dynamic linker of Linux kills the process by SIGBUS over a truncated one.
func whole(file string) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	library, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("not a whole library: %w", err)
	}
	defer library.Close()
	machine, known := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]
	if known && library.Machine != machine {
		return fmt.Errorf("made for another processor, %v instead of %v", library.Machine, machine)
	}
	return fits(library, file)
}

// fits tells whether every segment of library lies within file.
func fits(library *elf.File, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	for _, p := range library.Progs {
		if size := uint64(info.Size()); p.Off > size || p.Filesz > size-p.Off {
			return fmt.Errorf("truncated: it has %d bytes and needs at least %d more", size, p.Off+p.Filesz-size)
		}
	}
	return nil
}

// reason says what a failure of the loader means. The wrapper reports an
// unknown interface version as a bare number.
func reason(err error) string {
	if strings.Contains(err.Error(), "setting ORT API base") {
		return "it is older than ONNX Runtime " + oldest
	}
	return err.Error()
}

// RuntimeVersion returns the release of the loaded library, such as "1.24.1",
// and "" before Load.
func RuntimeVersion() string {
	if !isLoaded() {
		return ""
	}
	return ort.GetVersion()
}

func isLoaded() bool {
	loaded.Lock()
	defer loaded.Unlock()
	return loaded.path != ""
}
