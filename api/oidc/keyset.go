package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"
)

// lifetime is how long the issuer's keys are used before they are asked for
// anew, so that one that it has withdrawn ends. New ones are asked for as soon
// as a token names them.
const lifetime = time.Hour

// keySet are the issuer's keys.
type keySet struct {
	url string
	ctx context.Context // with the client, as go-oidc has it

	mu    sync.Mutex
	keys  *oidc.RemoteKeySet
	since time.Time
	old   *oidc.RemoteKeySet // those before; nil if there were none
}

func newKeySet(url string, client *http.Client) *keySet {
	ctx := oidc.ClientContext(context.Background(), client)
	return &keySet{url: url, ctx: ctx, keys: oidc.NewRemoteKeySet(ctx, url), since: time.Now()}
}

// VerifySignature implements oidc.KeySet. While the issuer does not answer, the
// keys that it had last are used.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	keys, old := k.current()
	payload, err := keys.VerifySignature(ctx, token)
	if errors.Is(err, errFetch) && old != nil {
		payload, err = old.VerifySignature(ctx, token)
	} else if err == nil && old != nil {
		k.forget(old)
	}
	if failed, ok := ctx.Value(failureKey{}).(*failure); ok && errors.Is(err, errFetch) {
		failed.err = err
	}
	return payload, err
}

// failure is where VerifySignature leaves that it could not fetch keys: go-oidc
// returns the text of its errors alone.
type failure struct{ err error }

type failureKey struct{}

func (k *keySet) current() (keys, old *oidc.RemoteKeySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.old == nil && time.Since(k.since) >= lifetime {
		k.old, k.keys, k.since = k.keys, oidc.NewRemoteKeySet(k.ctx, k.url), time.Now()
	}
	return k.keys, k.old
}

// forget ends the use of old keys, once there are new ones.
func (k *keySet) forget(old *oidc.RemoteKeySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.old == old {
		k.old = nil
	}
}

// errFetch is an answer that the issuer did not give.
var errFetch = errors.New("cannot fetch")

// Limits on what is asked of the issuer: tokens with unknown keys, which
// anybody can send, must not make this server flood it.
const (
	fetchEvery = 5 * time.Second
	fetchBurst = 5
	maxFetch   = 1 << 20 // bytes of an answer
)

// bounded returns a client that keeps to the limits, and follows no redirects.
func bounded(c *http.Client) *http.Client {
	b := *c
	if b.Transport == nil {
		b.Transport = http.DefaultTransport
	}
	b.Transport = &boundedTransport{b.Transport, rate.NewLimiter(rate.Every(fetchEvery), fetchBurst)}
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &b
}

type boundedTransport struct {
	http.RoundTripper
	limiter *rate.Limiter
}

// RoundTrip implements http.RoundTripper.
func (t *boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.limiter.Allow() {
		return nil, fmt.Errorf("%w: it was asked too often just now", errFetch)
	}
	answer, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFetch, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%w: status %s", errFetch, answer.Status), answer.Body.Close())
	}
	answer.Body = limited{io.LimitReader(answer.Body, maxFetch), answer.Body}
	return answer, nil
}

type limited struct {
	io.Reader
	io.Closer
}
