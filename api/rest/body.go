package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api/problem"
)

// pacedBody reads a request's body as long as some of it keeps arriving.
type pacedBody struct {
	io.ReadCloser
	connection *http.ResponseController
	patience   time.Duration // how long to wait for some more
	last       time.Time     // when the whole request is to be over; zero: never
	taken      atomic.Int64  // bytes read

	mu      sync.Mutex
	ended   bool // all of it has been read
	stopped bool // no more of it will be
}

// paced puts a pacedBody in the place of the request's body.
func (s *Server) paced(c echo.Context) {
	connection := http.NewResponseController(c.Response().Writer)
	// The deadline of an earlier answer on this connection no longer counts.
	// Writers without deadlines, as in tests, are not slow either.
	_ = connection.SetWriteDeadline(time.Time{})
	r := c.Request()
	if r.Body == http.NoBody {
		return
	}
	b := &pacedBody{ReadCloser: r.Body, connection: connection, patience: s.bodyTimeout}
	b.last, _ = r.Context().Deadline()
	// On a copy: net/http looks at the body of its own request to decide
	// whether the rest of it is worth reading.
	r = r.WithContext(r.Context())
	r.Body = b
	c.SetRequest(r)
	c.Set(bodyKey, b)
	c.Response().Before(b.leave)
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	if !b.deadline(b.until(time.Now().Add(b.patience))) {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := b.ReadCloser.Read(p)
	b.taken.Add(int64(n))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		b.stop()
		return n, err
	}
	// What comes after the body may take as long as it likes: net/http reads
	// on to learn whether the sender is still there.
	b.deadline(time.Time{})
	if err == io.EOF {
		b.mu.Lock()
		b.ended = true
		b.mu.Unlock()
	}
	return n, err
}

// until is a time, or when the request is to be over if that is before.
func (b *pacedBody) until(t time.Time) time.Time {
	if !b.last.IsZero() && b.last.Before(t) {
		return b.last
	}
	return t
}

// deadline sets when reading ends, and reports whether it has not ended yet.
func (b *pacedBody) deadline(t time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		_ = b.connection.SetReadDeadline(t)
	}
	return !b.stopped
}

// leave is called before an answer: net/http reads what is left of the body
// before it sends one, and must not wait for it for ever.
func (b *pacedBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended && !b.stopped {
		_ = b.connection.SetReadDeadline(time.Now().Add(b.patience))
	}
}

// stop ends the Read that waits, and every later one.
func (b *pacedBody) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	_ = b.connection.SetReadDeadline(time.Now())
}

// isStopped reports whether reading has ended early. net/http then takes the
// sender for gone and cancels the request's context.
func (b *pacedBody) isStopped() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stopped
}

// limited bounds a request's body and returns it.
func limited(c echo.Context, most int64) io.Reader {
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response().Writer, r.Body, most)
	return r.Body
}

// received returns what a failed read of a body means: it was too large, too
// slow, or fault.
func received(err error, fault problem.Code) *problem.Problem {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem.New(problem.BodyTooLarge, fmt.Sprintf("the limit is %d bytes", large.Limit))
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem.New(problem.BodyTimeout, "")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return problem.New(problem.BodyBroken, "")
	}
	return problem.New(fault, err.Error())
}

// mediaType returns a request's content type, lower-case and without
// parameters; empty if there is none or it cannot be read.
func mediaType(c echo.Context) string {
	t, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	if err != nil {
		return ""
	}
	return t
}

func unacceptable(c echo.Context, accepted string) error {
	return problem.New(problem.MediaTypeUnknown,
		fmt.Sprintf("content type %q, this route takes %s", c.Request().Header.Get(echo.HeaderContentType), accepted))
}

// decode reads a JSON body that is as the contract has it.
func decode(c echo.Context, v any) error {
	body, err := readJSON(c)
	if err != nil {
		return err
	}
	return decodeBody(c, body, v)
}

// readJSON reads a JSON body, which is bounded.
func readJSON(c echo.Context) ([]byte, error) {
	if mediaType(c) != echo.MIMEApplicationJSON {
		return nil, unacceptable(c, echo.MIMEApplicationJSON)
	}
	var b bytes.Buffer
	if n := c.Request().ContentLength; n > 0 {
		b.Grow(int(min(n, 64<<10)) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(limited(c, maxJSON)); err != nil {
		return nil, received(err, problem.JSONInvalid)
	}
	return b.Bytes(), nil
}

// Limits on how many values a JSON body may have, and how many objects and lists
// among them: each takes memory of its own however short its text is.
const (
	maxValues = 2_000_000
	maxNested = 400_000
)

// checkValues counts separators, also those in strings, for values.
func checkValues(body []byte) error {
	nested := bytes.Count(body, []byte("{")) + bytes.Count(body, []byte("["))
	if nested > maxNested || nested+bytes.Count(body, []byte(",")) > maxValues {
		return problem.New(problem.BodyTooLarge, fmt.Sprintf("JSON of so many values; the limits are %d, and %d objects and lists", maxValues, maxNested))
	}
	return nil
}

// decodeBody is decode for a body that has been read.
func decodeBody(c echo.Context, body []byte, v any) error {
	if err := checkValues(body); err != nil {
		return err
	}
	if err := decodeJSON(bytes.NewReader(body), v); err != nil {
		return err
	}
	return conforms(c, body)
}

// decodePart is decode for a JSON part of a form, as large as the form may be.
func decodePart(c echo.Context, part *multipart.Part, v any) error {
	body, err := io.ReadAll(io.LimitReader(part, maxJSON+1))
	if err != nil {
		return received(err, problem.JSONInvalid)
	}
	if len(body) > maxJSON {
		return problem.New(problem.BodyTooLarge, fmt.Sprintf("part %s: the limit is %d bytes", part.FormName(), maxJSON))
	}
	if err := checkValues(body); err != nil {
		return err
	}
	if err := decodeJSON(bytes.NewReader(body), v); err != nil {
		return err
	}
	return conformsPart(c, part.FormName(), body)
}

// decodeAny is decode for a body that may be left out.
func decodeAny(c echo.Context, v any) error {
	if c.Request().ContentLength == 0 {
		return nil
	}
	return decode(c, v)
}

// decodeJSON reads one JSON value and refuses keys that v does not have and
// anything after the value.
func decodeJSON(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return explain(err)
	}
	if _, err := d.Token(); err == nil {
		return problem.New(problem.JSONInvalid, "there is more after the JSON value")
	} else if err != io.EOF {
		return explain(err)
	}
	return nil
}

// explain says what is wrong with JSON in terms of the JSON.
func explain(err error) *problem.Problem {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := "there"
		if wrong.Field != "" {
			where = fmt.Sprintf("under key %q", wrong.Field)
		}
		return problem.New(problem.JSONInvalid, fmt.Sprintf("at byte %d: a %s does not belong %s", wrong.Offset, wrong.Value, where))
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return problem.New(problem.JSONInvalid, fmt.Sprintf("at byte %d: %v", syntax.Offset, syntax))
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return problem.New(problem.JSONInvalid, fmt.Sprintf("unknown key %.100s", field))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return problem.New(problem.JSONInvalid, "it ends early")
	}
	return received(err, problem.JSONInvalid)
}

// reply answers with JSON.
func reply(c echo.Context, status int, v any) error {
	return write(c, status, echo.MIMEApplicationJSON, v)
}

// write answers with JSON of a media type. What cannot be encoded is an error
// before anything is sent.
func write(c echo.Context, status int, mediaType string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	body = append(body, '\n')
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, mediaType)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	c.Response().WriteHeader(status)
	_, err = slowly{c}.Write(body)
	return err
}

// slowly writes an answer as long as some of it keeps being taken.
type slowly struct{ c echo.Context }

// Write implements io.Writer.
func (s slowly) Write(p []byte) (int, error) {
	const piece = 64 << 10
	connection := http.NewResponseController(s.c.Response().Writer)
	written := 0
	for part := range slices.Chunk(p, piece) {
		_ = connection.SetWriteDeadline(time.Now().Add(writeTimeout))
		n, err := s.c.Response().Write(part)
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}
