package native

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Library is a codec library as this system has it.
type Library struct {
	Name    string // CharLS or OpenJPEG
	Package string // Debian's that holds it
	Path    string // its file, if it was found
	Version string
	Err     error // nil, or an ErrLibrary
}

// Libraries returns what there is of each library, and looks for those that
// were missing.
func Libraries() []Library {
	var all []Library
	for _, l := range []*library{&charls, &openjpeg} {
		o, err := l.load()
		all = append(all, Library{Name: l.name, Package: l.pkg, Path: o.path, Version: o.version, Err: err})
	}
	return all
}

// A process loads a library once, which is why these two are its own.
var (
	charls = library{name: "CharLS", pkg: "libcharls2", env: "NEARCASE_CHARLS", open: openCharLS, patience: 10 * time.Second,
		files: files("libcharls.so.2", "libcharls.2.dylib")}
	openjpeg = library{name: "OpenJPEG", pkg: "libopenjp2-7", env: "NEARCASE_OPENJPEG", open: openOpenJPEG, patience: 10 * time.Second,
		files: files("libopenjp2.so.7", "libopenjp2.7.dylib")}
)

// files returns where a library may be: under its name in the folders of the
// dynamic linker, on macOS in those of Homebrew, too.
func files(linux, darwin string) []string {
	if runtime.GOOS == "darwin" {
		return []string{darwin, "/opt/homebrew/lib/" + darwin, "/usr/local/lib/" + darwin}
	}
	return []string{linux}
}

// library finds a library and keeps it.
type library struct {
	name, pkg string
	env       string // the variable that may name its file, which is then the only one tried
	files     []string
	open      func(file string) (opened, error)
	patience  time.Duration // by the clock, for each second that a decoding may take of the processor, and once more

	mu    sync.Mutex
	named string // what env said when it was found
	found opened
	idle  []*worker // of found
}

// opened is a library in memory. It is never unloaded.
type opened struct {
	kind          byte // as a worker is told, 0 for none
	path, version string
}

// load returns the library, which it looks for until it is found, and again
// when env says something else. Its errors are ErrLibrary. With raised privileges
// nothing is loaded, and env is not read: it may be another user's.
func (l *library) load() (opened, error) {
	if raised() {
		return opened{}, fmt.Errorf("%w: %s: not in a process that has privileges by its program's file "+
			"(set-user-ID, capabilities or a security policy): give it ambient capabilities instead", ErrLibrary, l.name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reap()
	named := os.Getenv(l.env)
	if l.found.kind != 0 && l.named == named {
		return l.found, nil
	}
	files := l.files
	if named != "" {
		files = []string{named}
	}
	var tried []error
	for _, file := range files {
		o, err := l.open(file)
		if err == nil {
			l.use(o, named)
			return o, nil
		}
		tried = append(tried, err)
	}
	return opened{}, fmt.Errorf("%w: %s: install %s (Debian's name), or name its file in %s: %v",
		ErrLibrary, l.name, l.pkg, l.env, errors.Join(tried...))
}

// use takes what was found. Workers of another library end.
func (l *library) use(o opened, named string) {
	for _, w := range l.idle {
		w.end()
	}
	l.found, l.named, l.idle = o, named, nil
}

// reap ends the idle workers that wait no longer: that were killed.
func (l *library) reap() {
	l.idle = slices.DeleteFunc(l.idle, func(w *worker) bool {
		if w.waits() {
			return false
		}
		w.end()
		return true
	})
}
