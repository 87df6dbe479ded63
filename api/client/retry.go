package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"nearcase/api/problem"
)

const (
	// never is the wait before a request that is not sent again.
	never time.Duration = -1
	// firstPause is the longest wait before the first time, which doubles each time
	// up to longestPause.
	firstPause   = 250 * time.Millisecond
	longestPause = 10 * time.Second
	// longestWait is how long a server may ask to be left alone.
	longestWait = time.Minute
)

// pause waits, or returns why the context has ended.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// backoff is how long to wait before a request is sent for the try-th time again:
// any time up to a bound that doubles, so that those who were refused together do
// not come back together.
func backoff(try int) time.Duration {
	most := min(firstPause<<min(try, 10), longestPause)
	return rand.N(most) + 1
}

// afterRefusal is how long to wait after an answer that is no success. A server
// that is too busy says when to come back; what nearcase refuses without saying so
// waiting does not mend, but a proxy in front of it may say less.
func afterRefusal(answer *http.Response, try int) time.Duration {
	wait, told := retryAfter(answer.Header.Get("Retry-After"))
	switch {
	case answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusServiceUnavailable:
		return never
	case wait > longestWait:
		return never
	case told:
		return wait + backoff(try)/4
	case answer.StatusCode == http.StatusTooManyRequests, !is(answer, problem.MediaType):
		return backoff(try)
	}
	return never
}

// isPerhapsDone reports whether a refusal may be of a request that was done: one
// that the server's audit log could not be told of.
func isPerhapsDone(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Code == problem.AuditUnavailable
}

// retryAfter reads the header of that name (RFC 9110, 10.2.3): seconds or a date.
func retryAfter(text string) (wait time.Duration, told bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0), true
	}
	return 0, false
}

// afterSilence is how long to wait after a request that got no answer. It is sent
// again if it is not known to have arrived or does the same when it comes twice,
// unless the server has never been met: somebody may have mistaken its address.
func (c *Client) afterSilence(ctx context.Context, r request, err error, try int) time.Duration {
	dial, ok := errors.AsType[*net.OpError](err)
	unsent := ok && dial.Op == "dial"
	if ctx.Err() != nil || !c.met.Load() || !(unsent || r.isRepeatable()) {
		return never
	}
	return backoff(try)
}
