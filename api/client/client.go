// Package client asks a nearcase server over HTTP. A Client has the methods of
// api.Service, so that a program can work with a data directory or with a
// server alike.
package client

import (
	"bytes"
	"context"
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

// Client asks one server. Its methods are safe for concurrent use and do what
// those of api.Service of the same name do, with the same errors.
type Client struct {
	base *url.URL // without a slash at the end
	http *http.Client
}

// New returns a client for a server such as http://127.0.0.1:8417, or for one
// under a path of a proxy. It connects to nothing yet.
func New(base string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: %q, use one such as http://127.0.0.1:8417", ErrAddress, u.Redacted())
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 2 * inFlight
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: u, http: &http.Client{Transport: transport, CheckRedirect: stay}}, nil
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

// send sends a request and returns its answer, whose body the caller closes.
// An answer that is a problem is an error.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	if slices.Contains(r.path, "") {
		return nil, fmt.Errorf("ask %s: %w: a name is empty", c.base.Redacted(), store.ErrInvalid)
	}
	h, err := http.NewRequestWithContext(ctx, r.method, c.url(r), bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if r.mediaType != "" {
		h.Header.Set("Content-Type", r.mediaType)
	}
	if len(r.body) > patient {
		// A refusal would be lost while the body is still being written.
		h.Header.Set("Expect", "100-continue")
	}
	answer, err := c.http.Do(h)
	if err != nil {
		return nil, c.unanswered(err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, c.refusal(answer)
	}
	return answer, nil
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
	return fmt.Errorf("%s: %w: %s, %s", c.base.Redacted(), ErrAnswer, answer.Status, answer.Header.Get("Content-Type"))
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
	defer answer.Body.Close()
	if !is(answer, "application/json") {
		return v, fmt.Errorf("%s: %w: %s", c.base.Redacted(), ErrAnswer, answer.Header.Get("Content-Type"))
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
