//go:build cgo && (linux || darwin)

package native

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
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
)

// worker is a process that decodes for this one, an image at a time. It ends
// when its input does, at the latest with this process.
type worker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
	of  opened
}

// startWorker starts a worker for a library.
func startWorker(o opened) (*worker, error) {
	program := "/proc/self/exe"
	if runtime.GOOS != "linux" {
		var err error
		if program, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	w := &worker{cmd: exec.Command(program), of: o}
	w.cmd.Env = append(os.Environ(), workerVariable+"="+string(o.kind)+o.path)
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if w.out, err = w.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return w, w.cmd.Start()
}

// end ends the worker and returns how it ended.
func (w *worker) end() error {
	w.in.Close()
	w.out.Close()
	return w.cmd.Wait()
}

// worker returns one that is idle, or a new one.
func (l *library) worker(o opened) (*worker, error) {
	l.mu.Lock()
	if n := len(l.idle); n > 0 && l.found == o {
		w := l.idle[n-1]
		l.idle = l.idle[:n-1]
		l.mu.Unlock()
		return w, nil
	}
	l.mu.Unlock()
	w, err := startWorker(o)
	if err != nil {
		return nil, fmt.Errorf("%w: no process for it: %v", ErrLibrary, err)
	}
	return w, nil
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
// samples.
func (l *library) decode(r request, data []byte) ([]byte, error) {
	o, err := l.load()
	if err != nil {
		return nil, err
	}
	w, err := l.worker(o)
	if err != nil {
		return nil, err
	}
	samples, err := w.decode(r, data)
	if errors.Is(err, errEnded) {
		return nil, w.autopsy(r)
	}
	l.release(w)
	return samples, err
}

// errEnded is the end of a worker before its answer.
var errEnded = errors.New("the worker ended")

func (w *worker) decode(r request, data []byte) ([]byte, error) {
	if _, err := w.in.Write(r.encode(len(data))); err != nil {
		return nil, errEnded
	}
	if _, err := w.in.Write(data); err != nil {
		return nil, errEnded
	}
	var result [4 + messageSize]byte
	if _, err := io.ReadFull(w.out, result[:]); err != nil {
		return nil, errEnded
	}
	message, _, _ := strings.Cut(string(result[4:]), "\x00")
	switch binary.NativeEndian.Uint32(result[:]) {
	case answerDecoded:
	case answerDiffers:
		return nil, fmt.Errorf("%w: the library found another image than its header states", ErrCorrupt)
	default:
		return nil, fmt.Errorf("%w: %s", ErrCorrupt, message)
	}
	samples := make([]byte, r.size)
	if _, err := io.ReadFull(w.out, samples); err != nil {
		return nil, errEnded
	}
	return samples, nil
}

// autopsy returns what an image did to a worker.
func (w *worker) autopsy(r request) error {
	err := w.end()
	status, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case !ok || !status.Signaled():
		return fmt.Errorf("%w: its process ended: %v", ErrLibrary, err)
	case status.Signal() == syscall.SIGXCPU:
		return fmt.Errorf("%w: it takes more than %d s to decode", ErrTooLarge, r.seconds())
	}
	return fmt.Errorf("%w: the library failed on it: %v", ErrCorrupt, status.Signal())
}
