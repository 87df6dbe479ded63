package rest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
)

const (
	mimeLines = "application/x-ndjson"
	// maxLines is how many lines a request may have.
	maxLines = 100_000
	// maxLine is how many bytes a line may have, whatever an image may have: a larger
	// one is sent as a part of a form.
	maxLine = 64 << 20
)

// lineReader reads a body line by line, in memory for one of them. Lines that are
// empty are passed over.
type lineReader struct {
	body *bufio.Reader
	most int
	line []byte
}

func newLineReader(body io.Reader, most int) *lineReader {
	return &lineReader{body: bufio.NewReaderSize(body, 64<<10), most: most}
}

// next returns the next line, which holds until the next call, and io.EOF after
// the last. One that is too long is passed over, and large says so.
func (l *lineReader) next() (line []byte, large bool, err error) {
	for {
		l.line, large = l.line[:0], false
		more := true
		for more {
			var part []byte
			part, err = l.body.ReadSlice('\n')
			if more = err == bufio.ErrBufferFull; !more && err != nil && err != io.EOF {
				return nil, false, received(err, problem.BodyBroken)
			}
			if large = large || len(l.line)+len(part) > l.most; !large {
				l.line = append(l.line, part...)
			}
		}
		if line = bytes.TrimSpace(l.line); len(line) > 0 || large {
			return line, large, nil
		}
		if err == io.EOF {
			return nil, false, io.EOF
		}
	}
}

// imageLine is an image in a line of a body: its bytes, its vector, or where it
// lies in an allowed folder, and what is known of it.
type imageLine struct {
	metadata
	Image       []byte    `json:"image"`
	Vector      []float32 `json:"vector"`
	Fingerprint string    `json:"fingerprint"`
	Folder      string    `json:"folder"`
	Path        string    `json:"path"`
}

// maxImageLine is how many bytes a line with an image may have.
func (s *Server) maxImageLine() int {
	return int(min(int64(base64.StdEncoding.EncodedLen(int(min(s.MaxImageBytes, maxLine))))+maxMetadata, maxLine))
}

// line returns the next image of a body of lines.
func (u *upload) line() (api.Image, error) {
	text, large, err := u.lines.next()
	if err != nil {
		return api.Image{}, err
	}
	if u.count++; u.count > maxLines {
		return api.Image{}, problem.New(problem.TooManyImages, fmt.Sprintf("the limit is %d lines", maxLines))
	}
	if large {
		return unreadable(api.Image{}, problem.New(problem.ImageTooLarge,
			fmt.Sprintf("a line of more than %d bytes, which is the limit: send the image as a part of a form", u.lines.most))), nil
	}
	var l imageLine
	err = checkValues(text)
	if err == nil {
		rest, vector := cutVector(text)
		if err = decodeJSON(bytes.NewReader(rest), &l); vector != nil {
			l.Vector = vector
		}
	}
	if err != nil {
		return unreadable(l.image(), err), nil
	}
	return u.lineImage(l), nil
}

func (u *upload) lineImage(l imageLine) api.Image {
	i := l.image()
	ways := 0
	for _, given := range []bool{l.Image != nil, l.Vector != nil, l.Folder != "" || l.Path != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1 || (l.Vector != nil) != (l.Fingerprint != ""):
		return unreadable(i, problem.New(problem.JSONInvalid, "a line has one of image, vector with fingerprint, and folder with path"))
	case l.Vector != nil:
		i.Vector, i.Fingerprint = l.Vector, l.Fingerprint
	case l.Image == nil:
		i.Read = u.service.FolderImage(l.Folder, l.Path).Read
	case int64(len(l.Image)) > u.maxImage:
		return unreadable(i, problem.New(problem.ImageTooLarge, fmt.Sprintf("%d bytes, the limit is %d", len(l.Image), u.maxImage)))
	case api.IsArchive(l.Image):
		return unreadable(i, problem.New(problem.JSONInvalid, "an archive in a line: send it as a body or as a part of a form"))
	default:
		i.Read, i.Held = func() ([]byte, error) { return l.Image, nil }, len(l.Image)
	}
	return i
}

// lineWriter answers with lines while the body is still being read. A sender that
// reads nothing before it has sent everything keeps the lines waiting and not the
// reading: there are at most maxLines of them.
type lineWriter struct {
	c    echo.Context
	done chan struct{} // closed when all is written, or nothing more can be

	mu     sync.Mutex
	more   sync.Cond
	lines  bytes.Buffer
	ended  bool
	failed error
}

func newLineWriter(c echo.Context) *lineWriter {
	w := &lineWriter{c: c, done: make(chan struct{})}
	w.more.L = &w.mu
	// Without it, as in tests, the lines come after the body has been read.
	_ = http.NewResponseController(c.Response().Writer).EnableFullDuplex()
	c.Response().Header().Set(echo.HeaderContentType, mimeLines)
	c.Response().WriteHeader(http.StatusOK)
	go w.write()
	return w
}

// add adds a line. The error is that of an earlier one that could not be written.
func (w *lineWriter) add(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines.Write(append(text, '\n'))
	w.more.Signal()
	return w.failed
}

// end waits until all lines are written.
func (w *lineWriter) end() error {
	w.mu.Lock()
	w.ended = true
	w.more.Signal()
	w.mu.Unlock()
	<-w.done
	return w.failed
}

func (w *lineWriter) write() {
	defer close(w.done)
	for {
		lines := w.take()
		if lines == nil {
			return
		}
		_, err := slowly{w.c}.Write(lines)
		if err == nil {
			err = http.NewResponseController(w.c.Response().Writer).Flush()
		}
		if err != nil {
			w.mu.Lock()
			w.failed = err
			w.mu.Unlock()
			return
		}
	}
}

// take waits for lines and returns them, nil at the end.
func (w *lineWriter) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.lines.Len() == 0 && !w.ended {
		w.more.Wait()
	}
	if w.lines.Len() == 0 {
		return nil
	}
	lines := bytes.Clone(w.lines.Bytes())
	w.lines.Reset()
	return lines
}
