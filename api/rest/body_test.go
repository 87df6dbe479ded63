package rest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api"
)

// line is a connection whose read deadlines are noted.
type line struct {
	http.ResponseWriter
	mu        sync.Mutex
	deadlines []time.Time
	writes    []time.Time // deadlines of writing
}

func (l *line) SetWriteDeadline(t time.Time) error {
	l.writes = append(l.writes, t)
	return nil
}

func (l *line) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadlines = append(l.deadlines, t)
	return nil
}

// Every read has a deadline of its own, and none is left when it returns: what
// a request takes after its body has come is nobody's delay.
func TestReadsOfABodyHaveDeadlinesOfTheirOwn(t *testing.T) {
	l := &line{ResponseWriter: httptest.NewRecorder()}
	b := &pacedBody{ReadCloser: io.NopCloser(http.NoBody), connection: http.NewResponseController(l)}
	for range 2 {
		if _, err := b.Read(nil); err != io.EOF {
			t.Fatalf("Read: got %v, want EOF", err)
		}
	}
	if n := len(l.deadlines); n != 4 || l.deadlines[2].IsZero() || !l.deadlines[3].IsZero() {
		t.Errorf("deadlines of two reads: got %v, want two, each taken back", l.deadlines)
	}
	b.stop()
	if _, err := b.Read(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read after stop: got %v, want os.ErrDeadlineExceeded", err)
	}
	if last := l.deadlines[len(l.deadlines)-1]; last.IsZero() || last.After(time.Now()) {
		t.Errorf("deadline after stop: got %v, want one that is past", last)
	}
}

// A body that stops coming is answered, and the connection is not kept: neither
// where the body is wanted nor where the answer does not depend on it.
func TestABodyThatStopsComingIsAnswered(t *testing.T) {
	s := New(&api.Service{}, Options{})
	s.bodyTimeout = 20 * time.Millisecond
	server := httptest.NewServer(s)
	defer server.Close()
	for path, want := range map[string]string{"/v1/collections": "408", "/v1/nothing": "404"} {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c) // to the end of the connection
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+want) {
			t.Errorf("half a body for %s: got %q, %v, want %s", path, answer, err, want)
		}
	}
}

// Each piece of an answer has a deadline of its own, so that only one who does
// not read at all is cut off.
func TestPiecesOfAnAnswerHaveDeadlinesOfTheirOwn(t *testing.T) {
	recorder := httptest.NewRecorder()
	l := &line{ResponseWriter: recorder}
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", nil), l)
	n, err := slowly{c}.Write(make([]byte, 200<<10))
	if err != nil || n != 200<<10 || recorder.Body.Len() != n || len(l.writes) != 4 {
		t.Errorf("Write of 200 KiB: got %d, %v with %d deadlines, want all of it with 4", n, err, len(l.writes))
	}
}

// One who asks before sending a body is refused without being told to go on.
func TestABodyThatIsNotWantedIsNotAskedFor(t *testing.T) {
	server := httptest.NewServer(New(&api.Service{}, Options{}))
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.HasPrefix(answer, "HTTP/1.1 404 ") {
		t.Errorf("Expect: 100-continue for no route: got %q, %v, want 404 at once", answer, err)
	}
}
