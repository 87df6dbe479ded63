package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"nearcase/api/problem"
	"nearcase/store"
)

// A request that stores may carry an Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header): the first that succeeds is
// remembered with its answer, and the same request with the same key gets that
// answer, to the byte, in place of being done again. Another request with the key
// is refused, and one that comes while the first is being answered waits for it.
const (
	headKey      = "Idempotency-Key"
	headReplayed = "Idempotency-Replayed"
	answerKind   = "idempotency" // of the documents
)

// Bounds of what is remembered. An answer that is not remembered, or no longer, is
// given anew: what the request stores is there already.
const (
	answersFor    = 24 * time.Hour
	maxAnswers    = 10_000
	maxAnswerData = 64 << 20 // bytes of all, compressed
	maxAnswer     = 32 << 20 // bytes of one
)

// answered is what is remembered of a request.
type answered struct {
	// Collection is that of the path; empty for none. The document's name begins
	// with it and a dot.
	Collection string            `json:"collection"`
	Request    string            `json:"request"` // SHA-256 of what was asked
	Created    time.Time         `json:"created"`
	Status     int               `json:"status"`
	Header     map[string]string `json:"header"`
	Body       []byte            `json:"body"` // compressed with gzip
}

// answers are those that are remembered.
type answers struct {
	now func() time.Time

	mu     sync.Mutex
	loaded bool
	all    []remembered // the oldest first
	size   int
	busy   map[string]chan struct{} // closed when the request is answered
}

// remembered is where an answer is.
type remembered struct {
	name    string
	created time.Time
	size    int
}

func newAnswers() *answers {
	return &answers{now: time.Now, busy: map[string]chan struct{}{}}
}

// once answers a request that has an Idempotency-Key once, if its operation takes
// such keys.
func (s *Server) once(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().Header.Get(headKey) == "" || !asked(c).takes(headKey) {
			return next(c)
		}
		return s.idempotent(c, next)
	}
}

// takes reports whether an operation has a header of that name.
func (o *operation) takes(header string) bool {
	return o != nil && slices.ContainsFunc(o.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == header })
}

func (s *Server) idempotent(c echo.Context, next echo.HandlerFunc) error {
	key := c.Request().Header.Get(headKey)
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return problem.New(problem.OnceInvalid, "use printable characters of ASCII")
	}
	ctx := c.Request().Context()
	collection, _ := collectionOf(c)
	who, _ := ctx.Value(callerKey{}).(caller)
	name := answerName(collection, who.name, key)
	if err := s.answers.enter(ctx, name); err != nil {
		return err
	}
	defer s.answers.leave(name)
	before, err := s.answers.find(ctx, s.service.Catalog, name)
	if err != nil {
		return err
	}
	digest := digestRequest(c)
	if before != nil {
		return s.replay(c, before, digest)
	}
	return s.remember(c, next, name, answered{Collection: collection}, digest)
}

// answerName is the name of the document of a key, which each caller has of its
// own.
func answerName(collection, caller, key string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(caller), caller, key))
	return collection + "." + hex.EncodeToString(sum[:20])
}

// replay sends an answer again, if the request is the one that got it.
func (s *Server) replay(c echo.Context, before *answered, digest *requestDigest) error {
	if _, err := io.Copy(digest, limited(c, s.MaxBody)); err != nil {
		return received(err, problem.BodyBroken)
	}
	if digest.sum() != before.Request {
		return problem.New(problem.OnceReused, "it came with another request on "+before.Created.Format(time.RFC3339)+"; use a new key for each")
	}
	body, err := unzipped(before.Body)
	if err != nil {
		return fmt.Errorf("answer that was remembered: %w", err)
	}
	h := c.Response().Header()
	for name, value := range before.Header {
		h.Set(name, value)
	}
	h.Set(headReplayed, "true")
	c.Response().WriteHeader(before.Status)
	_, err = slowly{c}.Write(body)
	return err
}

// remember answers a request, and keeps the answer if it is a success: what was
// refused stored nothing and may be asked again.
func (s *Server) remember(c echo.Context, next echo.HandlerFunc, name string, a answered, digest *requestDigest) error {
	r := c.Request().WithContext(c.Request().Context())
	r.Body = teeBody{io.TeeReader(r.Body, digest), r.Body}
	c.SetRequest(r)
	recorder := &recorder{ResponseWriter: c.Response().Writer}
	c.Response().Writer = recorder
	defer func() { c.Response().Writer = recorder.ResponseWriter }()
	if err := next(c); err != nil || recorder.status < 200 || recorder.status > 299 || recorder.lost {
		return err
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil { // what no handler needed to read
		return nil
	}
	a.Request, a.Created, a.Status = digest.sum(), s.answers.now().UTC(), recorder.status
	a.Header = map[string]string{}
	for _, name := range []string{echo.HeaderContentType, echo.HeaderLocation, "ETag"} {
		if value := c.Response().Header().Get(name); value != "" {
			a.Header[name] = value
		}
	}
	a.Body = zipped(recorder.body.Bytes())
	if err := s.answers.keep(context.WithoutCancel(r.Context()), s.service.Catalog, name, a); err != nil {
		s.failed(c, fmt.Errorf("remember answer: %w", err))
	}
	return nil
}

func zipped(data []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // a level that there is
	_, _ = z.Write(data)                            // a buffer takes all
	_ = z.Close()
	return b.Bytes()
}

func unzipped(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, maxAnswer))
}

// enter waits until no other request of the same name is being answered.
func (a *answers) enter(ctx context.Context, name string) error {
	for {
		a.mu.Lock()
		other, busy := a.busy[name]
		if !busy {
			a.busy[name] = make(chan struct{})
		}
		a.mu.Unlock()
		if !busy {
			return nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (a *answers) leave(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.busy[name])
	delete(a.busy, name)
}

// find returns what is remembered under a name, nil if that is nothing.
func (a *answers) find(ctx context.Context, catalog store.Catalog, name string) (*answered, error) {
	data, err := catalog.Document(ctx, answerKind, name)
	if errors.Is(err, store.ErrDocument) || errors.Is(err, store.ErrDamaged) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := &answered{}
	if err := json.Unmarshal(data, found); err != nil || a.now().Sub(found.Created) > answersFor {
		return nil, nil
	}
	return found, nil
}

// keep makes an answer durable and forgets those that are too old or too many.
func (a *answers) keep(ctx context.Context, catalog store.Catalog, name string, one answered) error {
	data, err := json.Marshal(one)
	if err != nil {
		return err
	}
	if err := a.load(ctx, catalog); err != nil {
		return err
	}
	if err := catalog.SaveDocument(ctx, answerKind, name, data); err != nil {
		return err
	}
	for _, old := range a.add(remembered{name, one.Created, len(data)}) {
		err = errors.Join(err, catalog.DropDocument(ctx, answerKind, old))
	}
	return err
}

// load finds out what an earlier run of the program has kept.
func (a *answers) load(ctx context.Context, catalog store.Catalog) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.loaded {
		return nil
	}
	kept, err := catalog.Documents(ctx, answerKind)
	if err != nil && !errors.Is(err, store.ErrDamaged) { // one that is damaged is not remembered
		return err
	}
	for _, d := range kept {
		var one answered
		_ = json.Unmarshal(d.Data, &one) // what cannot be read is the oldest
		a.all, a.size = append(a.all, remembered{d.Name, one.Created, len(d.Data)}), a.size+len(d.Data)
	}
	slices.SortStableFunc(a.all, func(x, y remembered) int { return x.created.Compare(y.created) })
	a.loaded = true
	return nil
}

// add counts an answer and returns the names of those that are to be forgotten.
func (a *answers) add(one remembered) (old []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at := slices.IndexFunc(a.all, func(r remembered) bool { return r.name == one.name }); at >= 0 {
		a.size -= a.all[at].size
		a.all = slices.Delete(a.all, at, at+1)
	}
	a.all, a.size = append(a.all, one), a.size+one.size
	for len(a.all) > 1 && (len(a.all) > maxAnswers || a.size > maxAnswerData || one.created.Sub(a.all[0].created) > answersFor) {
		old, a.size = append(old, a.all[0].name), a.size-a.all[0].size
		a.all = a.all[1:]
	}
	return old
}

// recorder keeps what is answered, up to maxAnswer.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	lost   bool // more than that
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.ResponseWriter.Write(p)
	if r.lost = r.lost || err != nil || r.body.Len()+n > maxAnswer; r.lost {
		r.body = bytes.Buffer{}
	} else {
		r.body.Write(p[:n])
	}
	return n, err
}

// teeBody is a body that is digested while it is read.
type teeBody struct {
	io.Reader
	io.Closer
}

// requestDigest digests what a request asks. Of a multipart body it leaves the
// delimiters out, which a sender may draw anew each time.
type requestDigest struct {
	hash    hash.Hash
	mark    []byte // what a delimiter begins with; empty for other bodies
	matched int    // bytes of mark that the line begins with so far; -1 within a line
}

func digestRequest(c echo.Context) *requestDigest {
	r := c.Request()
	d := &requestDigest{hash: sha256.New(), matched: -1}
	t, parameters, _ := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	fmt.Fprintf(d.hash, "%s %q %q %q\n", r.Method, r.URL.EscapedPath(), r.URL.RawQuery, t)
	if strings.HasPrefix(t, "multipart/") && parameters["boundary"] != "" {
		d.mark, d.matched = []byte("--"+parameters["boundary"]), 0
	}
	return d
}

// Write implements io.Writer.
func (d *requestDigest) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		p = d.line(p)
	}
	return n, nil
}

// line digests some of what is left of a line and returns the rest.
func (d *requestDigest) line(p []byte) []byte {
	if d.matched < 0 || len(d.mark) == 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 || len(d.mark) == 0 {
			d.hash.Write(p)
			return nil
		}
		d.hash.Write(p[:end+1])
		d.matched = 0
		return p[end+1:]
	}
	if p[0] != d.mark[d.matched] {
		d.hash.Write(d.mark[:d.matched])
		d.matched = -1
		return p
	}
	if d.matched++; d.matched == len(d.mark) {
		d.hash.Write([]byte("--"))
		d.matched = -1
	}
	return p[1:]
}

func (d *requestDigest) sum() string { return hex.EncodeToString(d.hash.Sum(nil)) }
