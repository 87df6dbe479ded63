// Package client asks a nearcase server over HTTP. A Client has the methods of
// api.Service, so that a program can work with a data directory or with a
// server alike.
package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"nearcase/api/problem"
	"nearcase/store"
)

var (
	// ErrAddress is a base URL that cannot be used.
	ErrAddress = errors.New("server address is not valid")
	// ErrUnreachable means that nothing accepts connections at the base URL.
	ErrUnreachable = errors.New("no nearcase server")
	// ErrAnswer is an answer that nearcase does not give: another server, or a
	// proxy in between.
	ErrAnswer = errors.New("not the answer of a nearcase server")
)

// Problem is the server's refusal. It matches the error that it stands for:
// errors.Is(err, store.ErrCollection).
type Problem = problem.Problem

// Options of New. The zero value works.
type Options struct {
	// Key is the API key that the server knows; empty where it asks for none. Send
	// one over TLS alone: who can read a request can use its key.
	Key string
	// Retries is how often a request may be sent again: where the server is too
	// busy, and where a connection fails and the request does the same however
	// often it comes. 0 means 4, less means never.
	Retries int
	// Timeout is how long the server may take to begin its answer once it has a
	// request; 0 means that a request's context alone ends the wait.
	Timeout time.Duration
	// UserAgent names the program to the server's log; empty means nearcase.
	UserAgent string
	// TLS is for servers whose certificates other authorities have signed, and for
	// certificates of the client's own; nil means the system's authorities.
	TLS *tls.Config
}

// Client asks one server. Its methods are safe for concurrent use and do what
// those of api.Service of the same name do, with the same errors.
type Client struct {
	options Options
	base    *url.URL // without a slash at the end
	http    *http.Client
	// met tells that the server has answered once: one that cannot be reached is
	// then being started anew, and not where nobody ever listened.
	met atomic.Bool
	// pause waits before a request is sent again.
	pause func(context.Context, time.Duration) error
}

// maxIdle is how many connections are kept for the next requests.
const maxIdle = 100

// New returns a client for a server such as http://127.0.0.1:8417, or for one
// under a path of a proxy. It connects to nothing yet.
func New(base string, o Options) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: %q, use one such as http://127.0.0.1:8417", ErrAddress, u.Redacted())
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	o.Retries, o.UserAgent = cmp.Or(o.Retries, 4), cmp.Or(o.UserAgent, "nearcase")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = maxIdle, maxIdle
	transport.ResponseHeaderTimeout = o.Timeout
	if o.TLS != nil {
		transport.TLSClientConfig = o.TLS.Clone()
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{options: o, base: u, http: &http.Client{Transport: transport, CheckRedirect: stay}, pause: pause}, nil
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// request is what to ask.
type request struct {
	method    string
	path      []string // segments, unescaped
	query     url.Values
	mediaType string // of the body
	body      []byte
	accept    string      // media type of the answer; empty is any
	header    http.Header // more of it
	// key is the Idempotency-Key, so that the request counts once however often it
	// comes; again tells that it changes nothing, or the same each time.
	key   string
	again bool
}

// once returns the request with a key by which the server knows it again.
func (r request) once() request {
	r.key = rand.Text()
	return r
}

// repeatable returns the request as one that asks and changes nothing.
func (r request) repeatable() request {
	r.again = true
	return r
}

// isRepeatable reports whether the request may be sent again when it is not known
// whether it arrived.
func (r request) isRepeatable() bool {
	return r.again || r.key != "" || r.method == http.MethodGet || r.method == http.MethodPut || r.method == http.MethodDelete
}

// patient is how many bytes a body may have to be sent without asking first.
const patient = 64 << 10

// collection is a request about a collection.
func collection(method, name string, path ...string) request {
	return request{method: method, path: append([]string{"v1", "collections", name}, path...)}
}

// with returns the request with a body of JSON.
func (r request) with(v any) (request, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return r, fmt.Errorf("encode request: %w", err)
	}
	return r.carrying("application/json", body), nil
}

func (r request) carrying(mediaType string, body []byte) request {
	r.mediaType, r.body = mediaType, body
	return r
}

// url returns where the request goes. Segments may hold anything, slashes too.
func (c *Client) url(r request) string {
	escaped := make([]string, len(r.path))
	for i, s := range r.path {
		escaped[i] = url.PathEscape(s)
	}
	u := c.base.String() + "/" + strings.Join(escaped, "/")
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	return u
}

// send sends a request, again where that may help, and returns its answer, whose
// body the caller closes. An answer that is a problem is an error.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	if slices.Contains(r.path, "") {
		return nil, fmt.Errorf("ask %s: %w: a name is empty", c.base.Redacted(), store.ErrInvalid)
	}
	for try := 0; ; try++ {
		answer, after, err := c.try(ctx, r, try)
		if err == nil || after < 0 || try >= c.options.Retries || c.pause(ctx, after) != nil {
			return answer, err
		}
	}
}

// try sends a request once. Beside an error it says how long to wait before it may
// be sent again; less than 0 is never.
func (c *Client) try(ctx context.Context, r request, try int) (*http.Response, time.Duration, error) {
	h, err := c.request(ctx, r)
	if err != nil {
		return nil, never, err
	}
	answer, err := c.http.Do(h)
	if err != nil {
		return nil, c.afterSilence(ctx, r, err, try), c.unanswered(err)
	}
	c.met.Store(true)
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		after, err := afterRefusal(answer, try), c.refusal(answer)
		if !r.isRepeatable() && isPerhapsDone(err) {
			after = never
		}
		return nil, after, err
	}
	return answer, 0, nil
}

func (c *Client) request(ctx context.Context, r request) (*http.Request, error) {
	h, err := http.NewRequestWithContext(ctx, r.method, c.url(r), bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	for name, values := range r.header {
		h.Header[name] = values
	}
	for name, value := range map[string]string{
		"Content-Type": r.mediaType, "Accept": r.accept, "Idempotency-Key": r.key, "User-Agent": c.options.UserAgent,
	} {
		if value != "" {
			h.Header.Set(name, value)
		}
	}
	if c.options.Key != "" {
		h.Header.Set("Authorization", "Bearer "+c.options.Key)
	}
	if len(r.body) > patient {
		// A refusal would be lost while the body is still being written.
		h.Header.Set("Expect", "100-continue")
	}
	return h, nil
}

// unanswered says what it means that a request got no answer.
func (c *Client) unanswered(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // without the URL, in which identifiers are
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return fmt.Errorf("%w at %s: start it with `nearcase serve` (%w)", ErrUnreachable, c.base.Redacted(), err)
	}
	return fmt.Errorf("server %s: %w", c.base.Redacted(), err)
}

// maxProblem is how many bytes of a problem are read.
const maxProblem = 64 << 20

// refusal returns the problem that an answer is.
func (c *Client) refusal(answer *http.Response) error {
	defer answer.Body.Close()
	if is(answer, problem.MediaType) {
		p := &Problem{}
		if err := json.NewDecoder(io.LimitReader(answer.Body, maxProblem)).Decode(p); err == nil {
			return p
		}
	}
	return c.strange(answer)
}

// strange is the error of an answer that nearcase does not give.
func (c *Client) strange(answer *http.Response) error {
	err := fmt.Errorf("%s: %w: %s, %s", c.base.Redacted(), ErrAnswer, answer.Status, answer.Header.Get("Content-Type"))
	if id := answer.Header.Get("X-Request-Id"); id != "" {
		err = fmt.Errorf("%w (request %.64q)", err, id)
	}
	return err
}

// is reports whether an answer has a media type.
func is(answer *http.Response, mediaType string) bool {
	t, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	return err == nil && t == mediaType
}

// ask sends a request and decodes its answer.
func ask[T any](ctx context.Context, c *Client, r request) (v T, err error) {
	answer, err := c.send(ctx, r)
	if err != nil {
		return v, err
	}
	return decoded[T](c, answer)
}

// decoded reads an answer of JSON.
func decoded[T any](c *Client, answer *http.Response) (v T, err error) {
	defer answer.Body.Close()
	if !is(answer, "application/json") {
		return v, c.strange(answer)
	}
	if err := json.NewDecoder(answer.Body).Decode(&v); err != nil {
		return v, fmt.Errorf("read answer of %s: %w", c.base.Redacted(), err)
	}
	_, err = io.Copy(io.Discard, answer.Body) // so that the connection can be used again
	return v, err
}

// tell is ask with a body of JSON.
func tell[T any](ctx context.Context, c *Client, r request, body any) (v T, err error) {
	if r, err = r.with(body); err != nil {
		return v, err
	}
	return ask[T](ctx, c, r)
}

// do sends a request whose answer says nothing but that it is done.
func (c *Client) do(ctx context.Context, r request) error {
	answer, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}
