package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

func TestOnlyTheLoopbackIsListenedOn(t *testing.T) {
	for address, exposed := range map[string]bool{
		"127.0.0.1:8417": false, "127.1.2.3:0": false, "[::1]:80": false, "localhost:80": false, "[::ffff:127.0.0.1]:80": false,
		":8417": true, "0.0.0.0:8417": true, "[::]:80": true, "192.0.2.1:80": true, "cases.example:80": true, "[fe80::1]:80": true,
	} {
		if err := rest.CheckListen(address); errors.Is(err, rest.ErrExposed) != exposed || (err != nil) != exposed {
			t.Errorf("CheckListen(%q): got %v, want exposed: %v", address, err, exposed)
		}
	}
	if err := rest.CheckListen("8417"); err == nil || errors.Is(err, rest.ErrExposed) {
		t.Errorf("CheckListen of a number: got %v, want that it is no address", err)
	}
}

// wide is a listener that others can reach.
type wide struct {
	net.Listener
	closed bool
}

func (*wide) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 80} }
func (w *wide) Close() error { w.closed = true; return nil }

func TestServeRefusesAListenerBeyondTheLoopback(t *testing.T) {
	s, _ := newService(t, t.TempDir(), api.Options{})
	l := &wide{}
	if err := rest.New(s, rest.Options{}).Serve(t.Context(), l); !errors.Is(err, rest.ErrExposed) || !l.closed {
		t.Errorf("Serve: got %v, closed %v, want ErrExposed and the listener closed", err, l.closed)
	}
}

// sending is an upload under way: its body ends when the test says so.
type sending struct {
	writer *multipart.Writer
	body   *io.PipeWriter
	answer chan answer
}

func (w *world) start(path string) *sending {
	r, body := io.Pipe()
	s := &sending{writer: multipart.NewWriter(body), body: body, answer: make(chan answer, 1)}
	request := w.request(http.MethodPost, path, s.writer.FormDataContentType(), r)
	go func() {
		response, err := w.http.Do(request)
		if err != nil {
			s.answer <- answer{t: w.t, asked: err.Error()}
			return
		}
		defer response.Body.Close()
		content, _ := io.ReadAll(response.Body)
		s.answer <- answer{w.t, "upload", response.StatusCode, response.Header, content}
	}()
	return s
}

func (s *sending) image(t *testing.T, seed uint64) {
	t.Helper()
	part, err := s.writer.CreateFormField("image")
	if err == nil {
		_, err = part.Write(picture(t, seed))
	}
	if err == nil { // begins the next part, so that this one has ended
		part, err = s.writer.CreateFormField("metadata")
	}
	if err == nil {
		_, err = part.Write([]byte("{}"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// until asks again until the answer is as wanted or the test runs out of time.
func until(t *testing.T, what string, wanted func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !wanted(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s until %s", what)
		}
	}
}

func (w *world) instances() int {
	c, err := w.service.Collection(context.Background(), "cases")
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Status.Instances
}

func oneByOne(t *testing.T, o rest.Options) *world {
	t.Helper()
	w := open(t, api.Options{Batch: 1}, o)
	w.json(http.MethodPost, "/v1/collections", `{"name":"cases","model":"quadrants"}`).want(201)
	return w
}

// Images are stored while the body still arrives: it is not kept until its end.
func TestAnUploadIsStoredWhileItArrives(t *testing.T) {
	w := oneByOne(t, rest.Options{})
	s := w.start(at + "/instances")
	for i := range 5 {
		s.image(t, uint64(i))
		until(t, "the image is stored", func() bool { return w.instances() == i+1 })
	}
	_ = s.body.CloseWithError(io.ErrUnexpectedEOF) // the sender breaks off
	until(t, "the sender has its error", func() bool { return len(s.answer) == 1 })
	if got := w.instances(); got != 5 {
		t.Errorf("after the sender broke off: got %d instances, want the 5 sent", got)
	}
	until(t, "the request is logged", func() bool { return strings.Contains(w.log.String(), `"status":499`) })
	if log := w.log.String(); strings.Contains(log, "ERROR") {
		t.Errorf("log: got %s, want no error as the sender broke off", log)
	}
}

// An upload that stalls is not waited for for ever, and what was stored before
// is acknowledged.
func TestAnUploadThatStallsAnswersForWhatIsStored(t *testing.T) {
	service, _ := newService(t, t.TempDir(), api.Options{Batch: 1})
	handler := rest.New(service, rest.Options{})
	rest.SetBodyTimeout(handler, 2*time.Second) // within which the first image arrives
	server := httptest.NewServer(handler)
	defer server.Close()
	w := &world{t: t, server: handler, service: service, url: server.URL, http: server.Client()}
	w.json(http.MethodPost, "/v1/collections", `{"name":"cases","model":"quadrants"}`).want(201)
	s := w.start(at + "/instances")
	s.image(t, 1)
	a := <-s.answer
	_ = s.body.Close()
	got := decoded[problem.Batch](a.want(207))
	if got.Counts != (problem.Counts{OK: 1, Failed: 1}) || got.Items[1].Problem.Code != problem.BodyTimeout {
		t.Errorf("an upload that stalls after an image: got %+v, want one stored and body_timeout", got)
	}
}

// A failure of the whole work is answered at once, though the sender has not
// finished and the next image may never come.
func TestAFailureDoesNotWaitForTheSender(t *testing.T) {
	w := oneByOne(t, rest.Options{})
	s := w.start(at + "/instances")
	s.image(t, 1)
	until(t, "the image is stored", func() bool { return w.instances() == 1 })
	if err := w.service.Drop(t.Context(), "cases"); err != nil {
		t.Fatal(err)
	}
	s.image(t, 2)
	a := <-s.answer
	a.want(207)
	got := decoded[problem.Batch](a)
	if got.Counts != (problem.Counts{OK: 1, Failed: 1}) || got.Items[1].Problem.Code != "collection_not_found" {
		t.Errorf("upload into a collection that was dropped: got %+v, want one stored and one collection_not_found", got)
	}
	_ = s.body.Close()
}

func TestRequestsUnderWayAreFinishedAtTheEnd(t *testing.T) {
	w := oneByOne(t, rest.Options{})
	s := w.start(at + "/instances")
	s.image(t, 1)
	until(t, "the image is stored", func() bool { return w.instances() == 1 })
	w.stop()
	until(t, "readiness fails", func() bool { return w.direct("/readyz").status == http.StatusServiceUnavailable })
	p := w.direct("/readyz").problem(503, "not_ready")
	if len(p.Errors) != 1 || p.Errors[0].Name != "serving" {
		t.Errorf("/readyz: got %+v, want the check serving named", p)
	}
	w.direct("/livez").want(200)
	// The part begun for the next image becomes one that is not finished.
	if err := errors.Join(s.writer.Close(), s.body.Close()); err != nil {
		t.Fatal(err)
	}
	(<-s.answer).want(207)
	if err := <-w.served; err != nil {
		t.Errorf("Serve: got %v, want none as all was finished", err)
	}
	if got := w.direct("/livez"); got.status != http.StatusServiceUnavailable {
		t.Errorf("after Serve: got %d, want 503", got.status)
	}
}

// direct asks the handler without a connection.
func (w *world) direct(path string) answer {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "localhost"
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, r)
	return answer{w.t, "GET " + path, recorder.Code, recorder.Header(), recorder.Body.Bytes()}
}

func TestRequestsThatTakeTooLongAreCutOffAtTheEnd(t *testing.T) {
	w := oneByOne(t, rest.Options{Drain: time.Millisecond})
	s := w.start(at + "/instances")
	s.image(t, 1)
	until(t, "the image is stored", func() bool { return w.instances() == 1 })
	w.stop()
	if err := <-w.served; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Serve: got %v, want that requests were cut off", err)
	}
	_ = s.body.Close() // for which net/http waits before it tells of the connection
	if got := <-s.answer; got.status != 0 {
		t.Errorf("the upload: got %d, want no answer", got.status)
	}
}

func TestServeFailsWithItsListener(t *testing.T) {
	s, _ := newService(t, t.TempDir(), api.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := rest.New(s, rest.Options{}).Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve on a closed listener: got %v, want net.ErrClosed", err)
	}
}

// Deadlines of one request do not reach into the next on the same connection.
func TestAConnectionServesRequestAfterRequest(t *testing.T) {
	w := cases(t, 2)
	for i := range 20 {
		w.send(http.MethodPost, at+"/similar", "image/png", string(picture(t, uint64(i)))).want(200)
		if a := w.get(fmt.Sprintf("%s/instances/i%d/original", at, i%2)); a.status != 200 {
			t.Errorf("original: got %d, want 200", a.status)
		}
	}
}
