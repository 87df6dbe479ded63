package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/embed/onnx/onnxtest"
	"nearcase/store/local"
)

// process is a server in a process of its own.
type process struct {
	*exec.Cmd
	t     *testing.T
	url   string
	lines chan string // of its log
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	onnxtest.Require(t)
	p := &process{Cmd: program(t.Context(), t, args...), t: t, lines: make(chan string, 1000)}
	stderr, err := p.StderrPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() { _ = p.Process.Kill() })
	_, after, _ := strings.Cut(p.until("msg=serving url="), "url=")
	p.url, _, _ = strings.Cut(after, " ")
	return p
}

// until returns the first line from here on that has a text.
func (p *process) until(text string) string {
	p.t.Helper()
	for line := range p.lines {
		if strings.Contains(line, text) {
			return line
		}
	}
	p.t.Fatalf("the log ended without %q", text)
	return ""
}

// uploading is an upload under way: the image has been sent, and the end has not.
type uploading struct {
	form   *multipart.Writer
	body   *io.PipeWriter
	status chan int // of the answer; 0: none
}

// upload returns once the server has begun to read.
func (p *process) upload() *uploading {
	p.t.Helper()
	r, w := io.Pipe()
	u := &uploading{multipart.NewWriter(w), w, make(chan int, 1)}
	read := make(chan struct{}) // closed once it does
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got100Continue: func() { close(read) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/v1/collections/c/instances", r)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header = http.Header{"Content-Type": {u.form.FormDataContentType()}, "Expect": {"100-continue"}}
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			u.status <- 0
			return
		}
		_ = response.Body.Close()
		u.status <- response.StatusCode
	}()
	part, err := u.form.CreateFormField("image")
	if err == nil {
		_, err = part.Write(onePhantom())
	}
	if err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-read:
	case status := <-u.status:
		p.t.Fatalf("the upload was answered before it was read: %d", status)
	}
	return u
}

// A request under way when the server is told to end is answered, what it stored
// is durable, and the process ends well.
func TestRequestsUnderWayAtTheEndAreAnsweredAndDurable(t *testing.T) {
	onnxtest.Require(t)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "collections", "create", "c")
	p := startProcess(t, "--data", data, "serve", "--listen", "127.0.0.1:0")
	u := p.upload()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.until("stopping")
	if err := errors.Join(u.form.Close(), u.body.Close()); err != nil {
		t.Fatal(err)
	}
	if status := <-u.status; status != http.StatusOK {
		t.Errorf("the upload under way: got %d, want 200", status)
	}
	p.until("msg=stopped")
	for range p.lines { // until it has ended
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the server: %v, want exit status 0", err)
	}
	l, err := local.Open(data, local.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if s, err := l.Status(t.Context(), "c"); err != nil || s.Instances != 1 {
		t.Errorf("after the end: got %d instances, %v, want the one acknowledged", s.Instances, err)
	}
}

func TestASecondSignalEndsTheServerAtOnce(t *testing.T) {
	onnxtest.Require(t)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "collections", "create", "c")
	p := startProcess(t, "--data", data, "serve", "--listen", "127.0.0.1:0")
	u := p.upload()
	defer u.body.Close()
	for _, want := range []string{"stopping", ""} {
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if want != "" {
			p.until(want)
		}
	}
	for range p.lines { // until it has ended
	}
	if _ = p.Wait(); p.ProcessState.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("after two signals: %v, want exit status 143 while a request is under way", p.ProcessState)
	}
}

func TestASignalSwitchesTheLogLevel(t *testing.T) {
	p := startProcess(t, "--data", filepath.Join(t.TempDir(), "data"), "serve", "--listen", "127.0.0.1:0")
	for _, want := range []string{"to=DEBUG", "to=INFO"} {
		if err := p.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		p.until("log level changed\" " + want)
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.until("certificates read again")
}

// inProcess runs a server in this process that opens when release is called.
func inProcess(t *testing.T, c config) (log *journal, release func(), stop func() error) {
	t.Helper()
	log = &journal{listening: make(chan string, 1)}
	s := &session{globals: globals{Quiet: true}, stdout: io.Discard, stderr: log}
	r, err := s.newRunning(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.ending = ctx
	released := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- r.run(ctx, func() (*api.Service, func() error, error) {
			select {
			case <-released:
			case <-ctx.Done():
			}
			return s.openLocal(c, orNew)
		}, nil)
	}()
	stop = sync.OnceValue(func() error {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	return log, sync.OnceFunc(func() { close(released) }), stop
}

// until asks again until the answer is as wanted, or 20 seconds have passed.
func until(t *testing.T, what string, wanted func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !wanted(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s until %s", what)
		}
	}
}

// addressIn waits for the address that a log has after a text.
func addressIn(t *testing.T, log *journal, after string) string {
	t.Helper()
	var address string
	until(t, "the log has "+after, func() bool {
		_, rest, ok := strings.Cut(log.text(), after)
		address, _, _ = strings.Cut(rest, "\n")
		return ok && strings.Contains(rest, "\n")
	})
	return address
}

func status(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// The server answers while its data directory is still being opened, and tells how
// far it is.
func TestTheServerAnswersWhileItOpens(t *testing.T) {
	onnxtest.Require(t)
	c := defaults()
	c.Data, c.Listen, c.Admin.Listen = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0", "127.0.0.1:0"
	c.Limits.DiskFreeBytes = 1 << 50
	log, release, stop := inProcess(t, c)
	url := "http://" + strings.Fields(addressIn(t, log, "msg=listening address="))[0]
	for path, want := range map[string]int{"/livez": 200, "/version": 200, "/readyz": 503, "/v1/collections": 503} {
		if got, body := status(t, url+path); got != want {
			t.Errorf("GET %s while it opens: got %d %s, want %d", path, got, body, want)
		}
	}
	if code, _, stderr := nearcase(t, "health", "--server", url); code != 1 || !strings.Contains(stderr, "catalog: loading") {
		t.Errorf("nearcase health while it opens: got %d %q, want 1 and that the catalog is loading", code, stderr)
	}
	succeed(t, "health", "--live", "--server", url)
	release()
	until(t, "it is ready", func() bool { got, _ := status(t, url+"/readyz"); return got == 200 })
	_, body := status(t, url+"/readyz")
	for _, want := range []string{`"catalog":"ok"`, `"models":"ok"`, `"index":"ok"`, `"serving":"ok"`, `"verification":"ok"`, `"disk":"degraded: `} {
		if !strings.Contains(body, want) {
			t.Errorf("/readyz: got %s, want %s", body, want)
		}
	}
	if got := succeed(t, "health", "--server", url); got != "ready\n" {
		t.Errorf("nearcase health: got %q, want ready", got)
	}
	admin := "http://" + addressIn(t, log, "operate the server\" address=")
	until(t, "the data directory is measured", func() bool {
		_, text := status(t, admin+"/metrics")
		return strings.Contains(text, `nearcase_store_bytes{part="log"} `)
	})
	if _, text := status(t, admin+"/metrics"); !strings.Contains(text, `nearcase_http_request_duration_seconds_count{operation="ready",status="503"} `) ||
		!strings.Contains(text, `nearcase_model_bytes{model="scatter"} `) {
		t.Errorf("/metrics of the admin listener: got %s", text)
	}
	if err := stop(); err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestAnEndWhileItOpensIsNoError(t *testing.T) {
	c := defaults()
	c.Data, c.Listen = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0"
	log, _, stop := inProcess(t, c)
	addressIn(t, log, "msg=listening address=")
	if err := stop(); err != nil {
		t.Errorf("serve that is ended while it opens: got %v, want none", err)
	}
}

// What cannot be opened ends the server, which says why.
func TestADirectoryThatCannotBeOpenedEndsTheServer(t *testing.T) {
	c := defaults()
	c.Data, c.Listen = file(t, "data", []byte("no folder")), "127.0.0.1:0"
	_, release, stop := inProcess(t, c)
	release()
	if err := stop(); err == nil || !strings.Contains(err.Error(), "open data directory") {
		t.Errorf("serve of a file: got %v, want why it cannot be opened", err)
	}
}

func TestTheAdminListenerIsRefusedBeyondTheLoopback(t *testing.T) {
	path := file(t, "config.yaml", []byte("admin: {listen: \"0.0.0.0:0\"}\nlisten: \"127.0.0.1:0\"\n"))
	code, _, stderr := nearcase(t, "serve", "--config", path, "--data", filepath.Join(t.TempDir(), "data"))
	if code != 1 || !strings.Contains(stderr, "admin.listen") {
		t.Errorf("serve with an exposed admin listener: got %d %q, want 1 and its name", code, stderr)
	}
}

// A request is in the log with its ID, and so is what happens deeper for it.
func TestTheLogIsJSONWithRequests(t *testing.T) {
	t.Setenv("NEARCASE_LOG_FORMAT", "json")
	c, err := loadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	c.Data, c.Listen = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0"
	log, release, stop := inProcess(t, c)
	release()
	url, _, _ := strings.Cut(addressIn(t, log, `"url":"`), `"`)
	q, err := http.NewRequest(http.MethodGet, url+"/v1/collections/Jane/instances/1.2.840.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("X-Request-Id", "from-afar")
	response, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	text := log.text()
	if !strings.Contains(text, `"request":"from-afar","operation":"describeInstance","collection":"","status":404`) || strings.Contains(text, "Jane") || strings.Contains(text, "1.2.840") {
		t.Errorf("log: got %s, want the request by its ID and nothing that its path names", text)
	}
	if _, err := os.Stat(c.Data); err != nil {
		t.Error(err)
	}
}
