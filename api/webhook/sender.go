package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// How long a receiver may take, and how much of what it says is read.
const (
	dialTimeout     = 5 * time.Second
	headerTimeout   = 10 * time.Second
	sendTimeout     = 15 * time.Second // for all of it
	maxResponse     = 16 << 10
	maxHeaders      = 32 << 10
	maxIdlePerHost  = 2
	idleConnTimeout = 30 * time.Second
)

// Message is what is sent.
type Message struct {
	URL string
	// ID is the same for whatever is sent again.
	ID   string
	Time time.Time
	// Body is JSON.
	Body []byte
	// Secrets by each of which it is signed.
	Secrets []string
}

// Sent says how a message was taken.
type Sent struct {
	// Status is that of HTTP; 0 if there was no answer.
	Status int `json:"status,omitempty"`
	// Took is how long the answer took.
	Took time.Duration `json:"took_ns"`
	// After is how long the receiver wants to be left alone; 0 if it does not say.
	After time.Duration `json:"-"`
}

// Sender sends messages. It is safe for concurrent use.
type Sender struct {
	http  *http.Client
	agent string // how it names itself
}

// NewSender returns a sender to public addresses and the networks allowed. What a
// name stands for is checked when it is dialled, so that it cannot change in
// between; no proxy is used and no redirection followed.
func NewSender(allowed Networks, agent string) *Sender {
	d := &net.Dialer{Timeout: dialTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %q", ErrAddress, address)
		}
		return allowed.Check(a.Addr())
	}}
	t := &http.Transport{
		DialContext: d.DialContext, TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: headerTimeout,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxResponseHeaderBytes: maxHeaders,
		MaxIdleConnsPerHost: maxIdlePerHost, IdleConnTimeout: idleConnTimeout, ForceAttemptHTTP2: true,
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Sender{http: &http.Client{Transport: t, CheckRedirect: stay, Timeout: sendTimeout}, agent: agent}
}

// Close closes idle connections.
func (s *Sender) Close() { s.http.CloseIdleConnections() }

// Send sends a message once. It is taken if the answer is of 200 to 299; any other
// is ErrRefused, and 410 ErrGone. Errors do not name the address, in which there
// may be a secret.
func (s *Sender) Send(ctx context.Context, m Message) (sent Sent, err error) {
	r, err := m.request(ctx)
	if err != nil {
		return sent, err
	}
	r.Header.Set("User-Agent", s.agent)
	began := time.Now()
	answer, err := s.http.Do(r)
	sent.Took = time.Since(began)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return sent, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxResponse)) // so that the connection can be used again
	sent.Status, sent.After = answer.StatusCode, retryAfter(answer.Header, time.Now())
	switch {
	case sent.Status == http.StatusGone:
		return sent, ErrGone
	case sent.Status < 200 || sent.Status > 299:
		return sent, fmt.Errorf("%w: it answered %d", ErrRefused, sent.Status)
	}
	return sent, nil
}

// request is the message, signed.
func (m Message) request(ctx context.Context) (*http.Request, error) {
	signature, err := Sign(m.ID, m.Time, m.Body, m.Secrets...)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return nil, ErrURL
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(HeaderID, m.ID)
	r.Header.Set(HeaderTimestamp, strconv.FormatInt(m.Time.Unix(), 10))
	r.Header.Set(HeaderSignature, signature)
	return r, nil
}

// retryAfter reads when to try again (RFC 9110, 10.2.3): seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// Retries says when a message is sent again that was not taken.
type Retries struct {
	// Attempts in all; after the last the message is given up.
	Attempts int
	// First is how long to wait after the first attempt; each further wait is
	// three times as long, up to Longest.
	First, Longest time.Duration
}

// Delay returns how long to wait after an attempt, counted from 1, given a random
// number of 0 to 1 that spreads it by a fifth to both sides. It is no less than
// what the receiver asks for, of which more than Longest is not heeded.
func (r Retries) Delay(attempt int, random float64, asked time.Duration) time.Duration {
	d := r.First
	for ; attempt > 1 && d < r.Longest; attempt-- {
		d *= 3
	}
	d = time.Duration(float64(min(d, r.Longest)) * (0.8 + 0.4*random))
	return max(d, min(asked, r.Longest))
}
