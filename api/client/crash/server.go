package crash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"nearcase/api/client"
)

// server is a process that serves a data directory, or will again.
type server struct {
	program     string
	environment []string
	data        string
	process     *exec.Cmd // nil while there is none
	ended       chan struct{}
	url         string
	client      *client.Client
	told        tail // what it wrote last
}

// Bounds of what a server may take.
const (
	toListen = 30 * time.Second
	toOpen   = 2 * time.Minute
	toEnd    = 2 * time.Minute
)

// settings are what both servers are configured with.
func settings(data string) []string {
	return []string{
		"NEARCASE_PRIVACY_KEY_FILE=" + filepath.Join(data, "patient.key"),
		"NEARCASE_THREADS=1", "NEARCASE_BATCH=8", "NEARCASE_LIMITS_DISK_FREE_BYTES=0",
	}
}

// writeKey makes the key by which both servers call patients alike.
func writeKey(data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(data, "patient.key"), []byte(strings.Repeat("5a", 32)), 0o600)
}

// start starts the server and returns how long it took until it was ready.
func (s *server) start(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if err := s.launch(); err != nil {
		return 0, err
	}
	if err := s.ready(ctx); err != nil {
		return 0, fmt.Errorf("%w: the server does not open what it has stored: %w\n%s", ErrViolated, err, s.told.text())
	}
	var err error
	s.client, err = client.New(s.url, client.Options{Retries: -1})
	return time.Since(began), err
}

// launch starts the process and waits until it listens.
func (s *server) launch() error {
	p := exec.Command(s.program, "--data", s.data, "serve", "--listen", "127.0.0.1:0")
	p.Env = append(os.Environ(), s.environment...)
	p.Env = append(p.Env, "NEARCASE_LOG_LEVEL=info")
	stderr, err := p.StderrPipe()
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	s.process, s.ended, s.url = p, make(chan struct{}), ""
	listening := make(chan string, 1)
	go func(ended chan struct{}) {
		s.read(stderr, listening)
		_ = p.Wait()
		close(ended)
	}(s.ended)
	select {
	case s.url = <-listening:
		return nil
	case <-s.ended:
		return fmt.Errorf("%w: the server ends when it is started\n%s", ErrViolated, s.told.text())
	case <-time.After(toListen):
		return errors.Join(fmt.Errorf("%w: the server does not listen\n%s", ErrViolated, s.told.text()), s.kill())
	}
}

// read keeps what the server writes, and tells the address that it listens on.
func (s *server) read(from io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text := lines.Text()
		if _, after, ok := strings.Cut(text, "msg=listening address="); ok {
			select {
			case listening <- "http://" + strings.Fields(after)[0]:
			default:
			}
		}
		if !strings.Contains(text, "level=INFO") {
			s.told.add(text)
		}
	}
	_, _ = io.Copy(io.Discard, from)
}

// ready waits until the server says that it is.
func (s *server) ready(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, toOpen)
	defer stop()
	said := ""
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			body, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
			said = string(body)
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.ended:
			return fmt.Errorf("it ended; /readyz said %s", said)
		case <-ctx.Done():
			return fmt.Errorf("%w; /readyz says %s", ctx.Err(), said)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *server) signal(what syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Process.Signal(what); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// kill ends the process at once and returns when it has ended.
func (s *server) kill() error {
	if s.process == nil {
		return nil
	}
	err := s.signal(syscall.SIGKILL)
	return errors.Join(err, s.wait())
}

// end asks the process to end, and kills it if it does not.
func (s *server) end() error {
	if s == nil || s.process == nil {
		return nil
	}
	err := s.signal(syscall.SIGTERM)
	if late := s.wait(); late != nil {
		return errors.Join(late, s.kill())
	}
	return err
}

// wait returns when the process has ended.
func (s *server) wait() error {
	select {
	case <-s.ended:
	case <-time.After(toEnd):
		return fmt.Errorf("%w: the server does not end", ErrViolated)
	}
	s.process = nil
	if s.client != nil {
		return s.client.Close()
	}
	return nil
}

// tail keeps the last lines of a text.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > 20 {
		t.lines = t.lines[1:]
	}
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
