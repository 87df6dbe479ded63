//go:build cgo && (linux || darwin)

package native

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// with returns a library of its own, without workers yet.
func with(t *testing.T, l *library) *library {
	t.Helper()
	return &library{name: l.name, pkg: l.pkg, env: "NEARCASE_TEST_CODEC", files: []string{absolute(t, l)}, open: l.open}
}

// end ends the workers that are left.
func (l *library) end() { l.use(opened{}, "") }

// A worker is kept for the next image, also after an image that is damaged.
func TestAWorkerDecodesManyImages(t *testing.T) {
	needs(t, "JPEG-LS")
	l := with(t, &charls)
	defer l.end()
	data := named(t, "1 of 8 bits ")
	damaged := edited(t, data, markSOS, 20, 0xff, 0x7f, 0xff, 0x7f)
	process := 0
	for range 3 {
		if _, err := decodeJPEGLS(l, damaged, Limits{limit}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a damaged image: %v, want %v", err, ErrCorrupt)
		}
		if _, err := decodeJPEGLS(l, data, Limits{limit}); err != nil {
			t.Error(err)
		}
		if len(l.idle) != 1 || process != 0 && l.idle[0].cmd.Process.Pid != process {
			t.Fatalf("%d workers, want the one of before", len(l.idle))
		}
		process = l.idle[0].cmd.Process.Pid
	}
}

// What ends a worker is the error of its image, and of no other.
func TestTheEndOfAWorkerIsAnError(t *testing.T) {
	needs(t, "JPEG-LS")
	data := named(t, "1 of 8 bits ")
	for _, c := range []struct {
		signal syscall.Signal
		want   error
		says   string
	}{
		{syscall.SIGSEGV, ErrCorrupt, "segmentation fault"},
		{syscall.SIGABRT, ErrCorrupt, "abort"},
		{syscall.SIGXCPU, ErrTooLarge, "more than 2 s"},
	} {
		l := with(t, &charls)
		if _, err := decodeJPEGLS(l, data, Limits{limit}); err != nil {
			t.Fatal(err)
		}
		if err := l.idle[0].cmd.Process.Signal(c.signal); err != nil {
			t.Fatal(err)
		}
		if _, err := decodeJPEGLS(l, data, Limits{limit}); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %v saying %q", c.signal, err, c.want, c.says)
		}
		if _, err := decodeJPEGLS(l, data, Limits{limit}); err != nil {
			t.Errorf("after %v: %v", c.signal, err)
		}
		l.end()
	}
}

// Signals that ask the program to end leave its decodings to it.
func TestWorkersOutliveRequestsToEnd(t *testing.T) {
	needs(t, "JPEG-LS")
	l := with(t, &charls)
	defer l.end()
	data := named(t, "1 of 8 bits ")
	for _, s := range []syscall.Signal{0, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if len(l.idle) > 0 {
			if err := l.idle[0].cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := decodeJPEGLS(l, data, Limits{limit}); err != nil {
			t.Errorf("after signal %v: %v", s, err)
		}
	}
}

// No more workers are kept than there are processors.
func TestIdleWorkersAreFew(t *testing.T) {
	needs(t, "JPEG 2000")
	l := with(t, &openjpeg)
	defer l.end()
	data := named(t, "HT 1 of 8 bits")
	var all sync.WaitGroup
	for range 3 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			if _, err := decodeJPEG2000(l, data, Limits{limit}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(l.idle); n < 1 || n > runtime.GOMAXPROCS(0) {
		t.Errorf("%d idle workers on %d processors", n, runtime.GOMAXPROCS(0))
	}
}

// A file that a worker cannot load is a fault of the system.
func TestAWorkerWithoutItsLibraryIsAnError(t *testing.T) {
	needs(t, "JPEG-LS")
	l := with(t, &charls)
	if _, err := l.load(); err != nil {
		t.Fatal(err)
	}
	l.found.path = "nowhere.so"
	if _, err := decodeJPEGLS(l, named(t, "1 of 8 bits "), Limits{limit}); !errors.Is(err, ErrLibrary) {
		t.Errorf("%v, want %v", err, ErrLibrary)
	}
}

// The Go and the C of the protocol agree.
func TestRequestsHaveTheSizeThatWorkersRead(t *testing.T) {
	if got := len(request{}.encode(0)); got != 40 {
		t.Errorf("a request of %d bytes, want 40", got)
	}
}
