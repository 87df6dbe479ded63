//go:build cgo && (linux || darwin)

package native

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// workerVariable makes a process of this program a worker, before its main.
const workerVariable = "NEARCASE_CODEC_WORKER"

// messageSize is the length of a worker's message, zeros included.
const messageSize = 256

// Answers of a worker.
const (
	answerDecoded = iota
	answerFailed
	answerDiffers
	answerNoMemory
)

// worker is a process that decodes for this one, an image at a time. It ends
// when its input does, at the latest with this process.
type worker struct {
	cmd     *exec.Cmd
	in, out *os.File
	of      opened
}

// startWorker starts a worker for a library. Its errors are ErrLibrary.
func startWorker(o opened) (*worker, error) {
	w := &worker{of: o}
	if err := w.start(); err != nil {
		return nil, fmt.Errorf("%w: no process for it: %v", ErrLibrary, err)
	}
	return w, nil
}

func (w *worker) start() error {
	file, err := program("/proc/self/exe")
	if err != nil {
		return err
	}
	w.cmd = exec.Command(file)
	w.cmd.Env = environment(os.Environ(), w.of)
	in, out, err := w.pipes()
	if err != nil {
		return err
	}
	defer in.Close()
	defer out.Close()
	w.cmd.Stdin, w.cmd.Stdout = in, out
	if err := w.cmd.Start(); err != nil {
		w.close()
		return err
	}
	return nil
}

// pipes opens the worker's ends of its pipes and ours, which alone have
// deadlines.
func (w *worker) pipes() (in, out *os.File, err error) {
	if in, w.in, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	if w.out, out, err = os.Pipe(); err != nil {
		in.Close()
		w.in.Close()
		return nil, nil, err
	}
	return in, out, nil
}

func (w *worker) close() {
	w.in.Close()
	w.out.Close()
}

// program returns this program's file: self, the link that Linux has to it, which
// is right even after the file was replaced, or what it was started by where
// there is no such link.
func program(self string) (string, error) {
	if _, err := os.Stat(self); err == nil {
		return self, nil
	}
	file, err := os.Executable()
	if err != nil && filepath.IsAbs(executed()) {
		return executed(), nil
	}
	return file, err
}

// environment returns what a worker needs of all variables: where the libraries
// of its library are.
func environment(all []string, o opened) []string {
	var some []string
	for _, v := range all {
		if strings.HasPrefix(v, "LD_LIBRARY_PATH=") || strings.HasPrefix(v, "DYLD_") {
			some = append(some, v)
		}
	}
	return append(some, workerVariable+"="+string(o.kind)+strconv.Itoa(os.Getpid())+":"+o.path)
}

// end ends the worker, whatever it does.
func (w *worker) end() {
	w.close()
	w.cmd.Process.Kill() // which changes nothing where it has ended
	w.cmd.Wait()
}

// waits reports whether an idle worker is still there: its output is open, and
// empty.
func (w *worker) waits() bool {
	waits := false
	c, err := w.out.SyscallConn()
	if err != nil {
		return false
	}
	err = c.Control(func(file uintptr) {
		_, err := syscall.Read(int(file), make([]byte, 1)) // which never waits
		waits = err == syscall.EAGAIN
	})
	return waits && err == nil
}

// take returns a worker that is idle, or nil.
func (l *library) take(o opened) *worker {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.idle)
	if n == 0 || l.found != o {
		return nil
	}
	w := l.idle[n-1]
	l.idle = l.idle[:n-1]
	return w
}

// release keeps a worker for the next image, as many as there are processors.
func (l *library) release(w *worker) {
	l.mu.Lock()
	keep := l.found == w.of && len(l.idle) < runtime.GOMAXPROCS(0)
	if keep {
		l.idle = append(l.idle, w)
	}
	l.mu.Unlock()
	if !keep {
		w.end()
	}
}

// seconds is how long a decoding may take: a million samples a second is slow.
func (r request) seconds() int { return 2 + r.width*r.height*r.components/1_000_000 }

func (r request) encode(length int) []byte {
	signed := 0
	if r.signed {
		signed = 1
	}
	var out []byte
	for _, v := range []int{r.width, r.height, r.components, r.precision, signed, r.seconds()} {
		out = binary.NativeEndian.AppendUint32(out, uint32(v))
	}
	out = binary.NativeEndian.AppendUint64(out, uint64(length))
	return binary.NativeEndian.AppendUint64(out, uint64(r.size))
}

// decode has a worker decode data, whose headers are sound, and returns the
// samples. Where an idle worker ends or hangs, a new one tries again.
func (l *library) decode(r request, data []byte) ([]byte, error) {
	o, err := l.load()
	if err != nil {
		return nil, err
	}
	if w := l.take(o); w != nil {
		samples, again, err := l.try(w, r, data)
		if !again {
			return samples, err
		}
	}
	w, err := startWorker(o)
	if err != nil {
		return nil, err
	}
	samples, _, err := l.try(w, r, data)
	return samples, err
}

// try has w decode, and ends it unless it does. It reports whether another worker
// may do better.
func (l *library) try(w *worker, r request, data []byte) (samples []byte, again bool, err error) {
	patience := l.patience * time.Duration(1+r.seconds()) // one for the worker's start
	samples, err = w.decode(r, data, patience)
	if err == nil {
		l.release(w)
		return samples, false, nil
	}
	w.end()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, true, fmt.Errorf("%w: it takes too long to decode, more than %v", ErrTooLarge, patience)
	case errors.Is(err, errEnded):
		again, err = w.autopsy(r)
		return nil, again, err
	}
	return nil, false, err
}

// errEnded is the end of a worker before its answer.
var errEnded = errors.New("the worker ended")

// decode returns the samples, or else errEnded, os.ErrDeadlineExceeded or what
// the worker found wrong with the image.
func (w *worker) decode(r request, data []byte, patience time.Duration) ([]byte, error) {
	deadline := time.Now().Add(patience)
	if err := errors.Join(w.in.SetDeadline(deadline), w.out.SetDeadline(deadline)); err != nil {
		return nil, errEnded
	}
	_, err := w.in.Write(r.encode(len(data)))
	if err == nil {
		_, err = w.in.Write(data)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, err
	}
	// It may have answered without reading everything.
	var result [4 + messageSize]byte
	if err := w.read(result[:]); err != nil {
		return nil, err
	}
	if err := answered(result[:]); err != nil {
		return nil, err
	}
	samples := make([]byte, r.size)
	if err := w.read(samples); err != nil {
		return nil, err
	}
	return samples, nil
}

func (w *worker) read(to []byte) error {
	_, err := io.ReadFull(w.out, to)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return errEnded
	}
	return err
}

// answered returns the error of a result.
func answered(result []byte) error {
	message, _, _ := strings.Cut(string(result[4:]), "\x00")
	switch binary.NativeEndian.Uint32(result) {
	case answerDecoded:
		return nil
	case answerDiffers:
		return fmt.Errorf("%w: the library found another image than its header states", ErrCorrupt)
	case answerNoMemory:
		return fmt.Errorf("%w: no memory to decode it: %s", ErrTooLarge, cmp.Or(message, "of its data and samples"))
	}
	return fmt.Errorf("%w: %s", ErrCorrupt, message)
}

// faults are the signals that a library's fault raises.
var faults = []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGABRT, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP}

// autopsy returns how a worker ended before its answer, and reports whether
// another may do better: the time that it used was for this image alone.
func (w *worker) autopsy(r request) (again bool, err error) {
	status, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case !ok || !status.Signaled():
		return true, fmt.Errorf("%w: its process ended: %v", ErrLibrary, w.cmd.ProcessState)
	case status.Signal() == syscall.SIGXCPU:
		return false, fmt.Errorf("%w: it takes more than %d s to decode", ErrTooLarge, r.seconds())
	case slices.Contains(faults, status.Signal()):
		return true, fmt.Errorf("%w: the library failed on it: %v", ErrCorrupt, status.Signal())
	}
	return true, fmt.Errorf("%w: its process was ended by signal %q", ErrInterrupted, status.Signal().String())
}
