//go:build cgo && (linux || darwin)

package native

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// with returns a library of its own, without workers yet.
func with(t *testing.T, l *library) *library {
	t.Helper()
	return &library{name: l.name, pkg: l.pkg, env: "NEARCASE_TEST_CODEC", files: []string{absolute(t, l)}, open: l.open,
		patience: l.patience}
}

// end ends the workers that are left.
func (l *library) end() { l.use(opened{}, "") }

// small is what the header of the small images of 1 component of 8 bits says.
var small = request{width: 41, height: 35, components: 1, precision: 8, size: 41 * 35}

// started returns a worker that was never idle.
func started(t *testing.T, l *library) *worker {
	t.Helper()
	o, err := l.load()
	if err != nil {
		t.Fatal(err)
	}
	w, err := startWorker(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// idle returns the worker that is left after an image.
func idle(t *testing.T, l *library, data []byte) *worker {
	t.Helper()
	if _, err := decodeJPEGLS(l, data, Limits{limit}); err != nil {
		t.Fatal(err)
	}
	if len(l.idle) != 1 {
		t.Fatalf("%d idle workers, want 1", len(l.idle))
	}
	return l.idle[0]
}

func signal(t *testing.T, w *worker, s syscall.Signal) {
	t.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// A worker is kept for the next image, but not after one that is damaged.
func TestAWorkerDecodesManyImages(t *testing.T) {
	needs(t, "JPEG-LS")
	l := with(t, &charls)
	defer l.end()
	data := named(t, "1 of 8 bits ")
	damaged := edited(t, data, markSOS, 20, 0xff, 0x7f, 0xff, 0x7f)
	for range 2 {
		first := idle(t, l, data)
		if again := idle(t, l, data); again != first {
			t.Errorf("process %d decodes after process %d, want the same", again.cmd.Process.Pid, first.cmd.Process.Pid)
		}
		if _, err := decodeJPEGLS(l, damaged, Limits{limit}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a damaged image: %v, want %v", err, ErrCorrupt)
		}
		if len(l.idle) != 0 || first.cmd.ProcessState == nil {
			t.Errorf("%d idle workers after a damaged image, want none", len(l.idle))
		}
	}
}

// What ends a worker that was started for an image is the error of the image if
// the library may be what did it, and of no other.
func TestTheEndOfAWorkerIsAnError(t *testing.T) {
	needs(t, "JPEG-LS")
	data := named(t, "1 of 8 bits ")
	for _, c := range []struct {
		signal syscall.Signal
		want   error
		says   string
		again  bool
	}{
		{syscall.SIGSEGV, ErrCorrupt, "segmentation fault", true},
		{syscall.SIGABRT, ErrCorrupt, "abort", true},
		{syscall.SIGXCPU, ErrTooLarge, "more than 2 s", false},
		{syscall.SIGKILL, ErrInterrupted, "killed", true},
		{syscall.SIGUSR1, ErrInterrupted, "user defined signal 1", true},
	} {
		l := with(t, &charls)
		w := started(t, l)
		signal(t, w, c.signal)
		_, again, err := l.try(w, small, data)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || again != c.again {
			t.Errorf("%v: %v, another may try %t; want %v saying %q, %t", c.signal, err, again, c.want, c.says, c.again)
		}
		if _, err := decodeJPEGLS(l, data, Limits{limit}); err != nil {
			t.Errorf("after %v: %v", c.signal, err)
		}
		l.end()
	}
	if !errors.Is(ErrInterrupted, ErrLibrary) || errors.Is(ErrInterrupted, ErrCorrupt) {
		t.Error("ErrInterrupted is not an ErrLibrary")
	}
}

// The end of an idle worker is no image's fault.
func TestTheEndOfAnIdleWorkerIsNoError(t *testing.T) {
	needs(t, "JPEG-LS")
	l := with(t, &charls)
	defer l.end()
	data := named(t, "1 of 8 bits ")
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGXCPU} {
		w := idle(t, l, data)
		signal(t, w, s)
		io.Copy(io.Discard, w.out) // it has ended
		if _, err := decodeJPEGLS(l, data, Limits{limit}); err != nil {
			t.Errorf("after %v: %v", s, err)
		}
	}
}

// An image that was given to an idle worker before its end was seen is decoded
// by a new one.
func TestAnImageIsTriedAgainAfterAnIdleWorker(t *testing.T) {
	needs(t, "JPEG-LS")
	l := with(t, &charls)
	defer l.end()
	data := named(t, "1 of 8 bits ")
	w := idle(t, l, data)
	signal(t, w, syscall.SIGKILL)
	if _, err := decodeJPEGLS(l, data, Limits{limit}); err != nil {
		t.Errorf("killed: %v", err)
	}
	w = idle(t, l, data)
	signal(t, w, syscall.SIGSTOP)
	patience := l.patience
	l.patience = time.Second / 2 // for what has stopped, not for the start of another
	if _, again, err := l.try(l.take(w.of), small, data); err == nil || !again {
		t.Errorf("stopped: %v, another may try %t, want an error and true", err, again)
	}
	l.patience = patience
	if _, err := decodeJPEGLS(l, data, Limits{limit}); err != nil {
		t.Errorf("after it: %v", err)
	}
	if w.cmd.ProcessState == nil || len(l.idle) != 1 || l.idle[0] == w {
		t.Errorf("a stopped worker is left, %d are idle", len(l.idle))
	}
}

func TestIdleWorkersThatEndedAreReaped(t *testing.T) {
	needs(t, "JPEG-LS")
	l := with(t, &charls)
	defer l.end()
	w := idle(t, l, named(t, "1 of 8 bits "))
	if _, err := l.load(); err != nil || len(l.idle) != 1 {
		t.Fatalf("load() = %v with %d idle workers, want the one that waits", err, len(l.idle))
	}
	signal(t, w, syscall.SIGKILL)
	io.Copy(io.Discard, w.out) // it has ended
	if _, err := l.load(); err != nil || len(l.idle) != 0 || w.cmd.ProcessState == nil {
		t.Errorf("load() = %v with %d idle workers, want none after its end", err, len(l.idle))
	}
}

// A worker that hangs is ended by the clock, whether it reads its input or not.
func TestAWorkerThatHangsIsEnded(t *testing.T) {
	needs(t, "JPEG-LS")
	for name, data := range map[string][]byte{
		"an image within a pipe's buffer": named(t, "1 of 8 bits "),
		"an image beyond it":              make([]byte, 1<<20),
	} {
		l := with(t, &charls)
		l.patience = 10 * time.Millisecond
		w := started(t, l)
		signal(t, w, syscall.SIGSTOP)
		_, _, err := l.try(w, small, data)
		if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "too long to decode, more than 30ms") {
			t.Errorf("%s: %v, want %v saying too long", name, err, ErrTooLarge)
		}
		if w.cmd.ProcessState == nil || len(l.idle) != 0 {
			t.Errorf("%s: the worker is left", name)
		}
	}
}

// Other libraries replace the workers also when these hang.
func TestStoppedWorkersEndWithTheirLibrary(t *testing.T) {
	needs(t, "JPEG-LS")
	l := with(t, &charls)
	w := idle(t, l, named(t, "1 of 8 bits "))
	signal(t, w, syscall.SIGSTOP)
	l.end()
	if w.cmd.ProcessState == nil {
		t.Error("a stopped worker is left")
	}
}

// Memory that is not there is an image too large, before and after a worker reads
// the image.
func TestNoMemoryIsAnImageTooLarge(t *testing.T) {
	needs(t, "JPEG-LS")
	l := with(t, &charls)
	defer l.end()
	r := small
	r.size = 1 << 40
	for _, data := range [][]byte{named(t, "1 of 8 bits "), make([]byte, 1<<20)} {
		if _, err := l.decode(r, data); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "no memory") {
			t.Errorf("1 TiB of samples, %d bytes of data: %v, want %v saying no memory", len(data), err, ErrTooLarge)
		}
		if len(l.idle) != 0 {
			t.Error("a worker without memory is kept")
		}
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
