package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// client asks one endpoint, and whom its redirects name.
type client struct {
	Options
	base *url.URL
	http *http.Client
}

const redirects = 10

func newClient(base *url.URL, o Options) *client {
	transport := &http.Transport{
		Proxy: o.Proxy, TLSClientConfig: o.TLS, ForceAttemptHTTP2: true, DisableCompression: true,
		DialContext:         (&net.Dialer{Timeout: o.Stall}).DialContext,
		TLSHandshakeTimeout: o.Stall, MaxIdleConnsPerHost: 1, IdleConnTimeout: o.Stall,
	}
	return &client{o, base, &http.Client{
		Transport: bearer{transport, base, o.Token},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= redirects {
				return fmt.Errorf("%w: more than %d redirects", ErrAnswer, redirects)
			}
			if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
				return fmt.Errorf("%w: %s redirects to plain http", ErrInsecure, via[0].URL.Host)
			}
			return secure(r.URL)
		},
	}}
}

// bearer adds the token to requests for one host and port, and to no other: the
// hub redirects to hosts that must not learn it.
type bearer struct {
	next  http.RoundTripper
	base  *url.URL
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" && r.URL.Scheme == b.base.Scheme && r.URL.Host == b.base.Host {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// secure refuses what can be read or changed on the way: all but https, and http
// within this machine.
func secure(u *url.URL) error {
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%w: %s is not https", ErrInsecure, bare(u.String()))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// broken is a failure of the way, not of the thing: another attempt may succeed.
type broken struct {
	err   error
	after time.Duration // that the server asks for
}

func (b broken) Error() string { return b.err.Error() }
func (b broken) Unwrap() error { return b.err }

// wish tells how long the server asks to wait, where that is too long.
func (b broken) wish() string {
	if b.after <= longest {
		return ""
	}
	return fmt.Sprintf(" and asks to wait %v", b.after)
}

// longest bounds what a server may ask to wait.
const longest = 5 * time.Minute

var errStalled = errors.New("nothing has arrived for too long")

// persist runs attempt until it succeeds, fails for good, or fails Attempts times
// in a row without progress.
func (c *client) persist(ctx context.Context, attempt func() (progress bool, err error)) error {
	for n := 1; ; n++ {
		progress, err := attempt()
		if progress {
			n = 1
		}
		var b broken
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &b):
			return err
		case n >= c.Attempts || b.after > longest:
			return fmt.Errorf("%w, tried %d times: %w%s", ErrNetwork, n, b.err, b.wish())
		}
		if err := sleep(ctx, max(b.after, c.Backoff(n))); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// get sends a request and returns a response of status 200, 206 or 416. The
// connection is given up when nothing arrives for Stall: read bodies through alive.
func (c *client) get(ctx context.Context, address string, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header = header
	r.Header.Set("User-Agent", "nearcase")
	r.Header.Set("Accept-Encoding", "identity")
	response, err := c.http.Do(r)
	if err != nil {
		return nil, failure(ctx, err)
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		return response, nil
	}
	response.Body.Close()
	return nil, c.refusal(response)
}

// failure tells what broke on the way from what will not get better. Addresses
// are left out: those of redirects are signed.
func failure(ctx context.Context, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case context.Cause(ctx) == errStalled:
		return broken{err: errStalled}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &certificate):
		return fmt.Errorf("%w: %w", ErrInsecure, err)
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Errorf("%w: %w; is there a proxy (HTTPS_PROXY) or a mirror (--endpoint)?", ErrNetwork, err)
	case errors.Is(err, ErrInsecure), errors.Is(err, ErrAnswer):
		return err
	}
	return broken{err: err}
}

// refusal is the error of a response that is no success.
func (c *client) refusal(r *http.Response) error {
	where := r.Request.URL.Host
	switch code := r.StatusCode; {
	case code == http.StatusNotFound || r.Header.Get("X-Error-Code") == "RepoNotFound":
		return fmt.Errorf("%w: %s answers %s", ErrNotFound, where, reason(r))
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w: %s answers %s", ErrAccess, where, reason(r))
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return broken{fmt.Errorf("%s answers %s", where, reason(r)), after(r.Header.Get("Retry-After"), time.Now())}
	}
	return fmt.Errorf("%w: %s answers %s", ErrAnswer, where, reason(r))
}

// reason is a response's status with the hub's own words, where it has some.
func reason(r *http.Response) string {
	words := r.Header.Get("X-Error-Message")
	if words == "" {
		return r.Status
	}
	return r.Status + ": " + strings.Map(func(c rune) rune {
		if isControl(c) {
			return ' '
		}
		return c
	}, words[:min(300, len(words))])
}

// after reads Retry-After (RFC 9110, 10.2.3): seconds or a date.
func after(value string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(n, 0), 1<<30)) * time.Second
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
