// Package oidc verifies bearer tokens of an OpenID Connect issuer, such as a
// hospital's sign-on, and says what they grant. Tokens are JSON Web Tokens
// that the issuer has signed (RFC 7519, RFC 9068), checked as RFC 8725 says:
// with algorithms that are allowed, of the issuer and for the audience that are
// expected, and within their time.
package oidc

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"nearcase/api/keys"
	"nearcase/store"
)

var (
	// ErrToken is a token that opens nothing. It matches keys.ErrToken.
	ErrToken = fmt.Errorf("%w, nor a valid token of the issuer", keys.ErrToken)
	// ErrIssuer means that the issuer does not answer. It matches
	// keys.ErrUnverified.
	ErrIssuer = fmt.Errorf("%w: the issuer does not answer", keys.ErrUnverified)
)

// Options of New.
type Options struct {
	// Issuer is its URL, with https, whose /.well-known/openid-configuration
	// says where its keys are.
	Issuer string
	// Audience is what tokens have to be for.
	Audience string
	// Algorithms that tokens may be signed by; none means RS256 and ES256.
	Algorithms []string
	// Skew is how far the issuer's clock may be from this one; 0 means a minute.
	Skew time.Duration
	// ScopeClaim has a text or list of texts, of which Scopes says what they
	// grant; empty means scope. A claim in a claim is named with a dot.
	ScopeClaim string
	Scopes     map[string]keys.Scope
	// CollectionsClaim has the names of collections; empty means all.
	CollectionsClaim string
	// Client asks the issuer; it is to have a time
	// limit. nil means one of 5 seconds.
	Client *http.Client
}

// asymmetric are the algorithms that a public key verifies. With others, who
// can verify a token can make one (RFC 8725, 3.1 and 3.2).
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func (o Options) filled() Options {
	if len(o.Algorithms) == 0 {
		o.Algorithms = []string{"RS256", "ES256"}
	}
	if o.Skew == 0 {
		o.Skew = time.Minute
	}
	if o.ScopeClaim == "" {
		o.ScopeClaim = "scope"
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 5 * time.Second}
	}
	return o
}

func (o Options) check() error {
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname()))) {
		return fmt.Errorf("issuer %q: %w: use a URL with https", o.Issuer, store.ErrInvalid)
	}
	if o.Audience == "" {
		return fmt.Errorf("audience of tokens: %w: it is empty", store.ErrInvalid)
	}
	for _, a := range o.Algorithms {
		if !slices.Contains(asymmetric, a) {
			return fmt.Errorf("algorithm %q of tokens: %w: use some of %v", a, store.ErrInvalid, asymmetric)
		}
	}
	for text, s := range o.Scopes {
		if text == "" || !slices.Contains(keys.Scopes, s) {
			return fmt.Errorf("%q grants scope %q: %w: use one of %v", text, s, store.ErrInvalid, keys.Scopes)
		}
	}
	if len(o.Scopes) == 0 || o.Skew < 0 || o.Skew > 10*time.Minute {
		return fmt.Errorf("tokens with %d scopes and a skew of %s: %w: use some scopes and at most 10m", len(o.Scopes), o.Skew, store.ErrInvalid)
	}
	return nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Verifier verifies tokens. Its methods are safe for concurrent use.
type Verifier struct {
	options  Options
	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier // nil until the issuer has answered
	keys     *keySet
	err      error     // of the last try to ask it
	failed   time.Time // when that ended
}

// New returns a verifier. It asks the issuer nothing before there is a token.
// What cannot be is store.ErrInvalid.
func New(o Options) (*Verifier, error) {
	o = o.filled()
	if err := o.check(); err != nil {
		return nil, err
	}
	o.Client = bounded(o.Client)
	return &Verifier{options: o}, nil
}

// maxToken is how many bytes a token may have.
const maxToken = 16 << 10

// Verify returns what a token grants: ErrToken if that is nothing, ErrIssuer if
// it cannot be known just now.
func (v *Verifier) Verify(ctx context.Context, token string) (keys.Identity, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return keys.Identity{}, ErrToken
	}
	verifier, err := v.found(ctx)
	if err != nil {
		return keys.Identity{}, err
	}
	var failed failure
	t, err := verifier.Verify(context.WithValue(ctx, failureKey{}, &failed), token)
	if failed.err != nil {
		return keys.Identity{}, fmt.Errorf("%w: %w", ErrIssuer, failed.err)
	}
	if err != nil {
		return keys.Identity{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	var all map[string]any
	if err := t.Claims(&all); err != nil {
		return keys.Identity{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if err := v.inTime(all, time.Now()); err != nil {
		return keys.Identity{}, err
	}
	return v.granted(t.Subject, all)
}

// found returns what verifies signatures, and finds out from the issuer where
// its keys are if that is not known. Those who wait while it is asked in vain do not
// ask it once more each, one after the other.
func (v *Verifier) found(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	began := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.verifier != nil {
		return v.verifier, nil
	}
	if v.failed.After(began) {
		return nil, v.err
	}
	verifier, err := v.discover(context.WithoutCancel(ctx)) // others wait for it too
	if err != nil {
		v.err, v.failed = err, time.Now()
	}
	return verifier, err
}

// discover asks the issuer where its keys are.
func (v *Verifier) discover(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, v.options.Client), v.options.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIssuer, err)
	}
	var where struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&where); err != nil || where.Keys == "" {
		return nil, fmt.Errorf("%w: it does not say where its keys are: %w", ErrIssuer, err)
	}
	v.keys = newKeySet(where.Keys, v.options.Client)
	v.verifier = oidc.NewVerifier(v.options.Issuer, v.keys, &oidc.Config{
		ClientID: v.options.Audience, SupportedSigningAlgs: v.options.Algorithms, SkipExpiryCheck: true, // see inTime
	})
	return v.verifier, nil
}

// inTime checks the times of a token, with Options.Skew: RFC 7519, 4.1.4 to
// 4.1.6. A token without an end is none.
func (v *Verifier) inTime(claims map[string]any, now time.Time) error {
	ends, ok := seconds(claims["exp"])
	if !ok || !now.Before(ends.Add(v.options.Skew)) {
		return fmt.Errorf("%w: it has expired", ErrToken)
	}
	for _, name := range []string{"nbf", "iat"} {
		if _, has := claims[name]; !has {
			continue
		}
		if begins, ok := seconds(claims[name]); !ok || now.Add(v.options.Skew).Before(begins) {
			return fmt.Errorf("%w: its time has not begun (%s)", ErrToken, name)
		}
	}
	return nil
}

// seconds reads a NumericDate.
func seconds(v any) (time.Time, bool) {
	x, ok := v.(float64)
	if !ok || math.IsNaN(x) || math.Abs(x) > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(x), 0), true
}

// granted reads who a token is of and what it grants, which may be nothing.
func (v *Verifier) granted(subject string, all map[string]any) (keys.Identity, error) {
	if subject == "" || len(subject) > 255 {
		return keys.Identity{}, fmt.Errorf("%w: it has no subject", ErrToken)
	}
	i := keys.Identity{Subject: subject}
	for _, text := range texts(claim(all, v.options.ScopeClaim)) {
		if s, ok := v.options.Scopes[text]; ok && !slices.Contains(i.Scopes, s) {
			i.Scopes = append(i.Scopes, s)
		}
	}
	if v.options.CollectionsClaim == "" {
		return i, nil
	}
	if i.Collections = texts(claim(all, v.options.CollectionsClaim)); len(i.Collections) == 0 {
		i.Scopes = nil // no collections are not all
	}
	return i, nil
}

// claim returns a claim, or one in claims: realm_access.roles.
func claim(all map[string]any, name string) any {
	if v, ok := all[name]; ok {
		return v
	}
	first, rest, _ := strings.Cut(name, ".")
	if inner, ok := all[first].(map[string]any); ok && rest != "" {
		return claim(inner, rest)
	}
	return nil
}

// texts reads a list of texts, or texts with spaces between (RFC 8693, 4.2).
func texts(v any) (all []string) {
	switch v := v.(type) {
	case string:
		return strings.Fields(v)
	case []any:
		for _, one := range v {
			if text, ok := one.(string); ok && text != "" {
				all = append(all, text)
			}
		}
	}
	return all
}
