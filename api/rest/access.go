package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"nearcase/api/audit"
	"nearcase/api/keys"
	"nearcase/api/problem"
)

// Access says who may ask what and how much. The zero value lets everybody on
// this machine ask everything, and nobody else anything.
type Access struct {
	// Keys are the API keys. Once there has been one, whoever asks needs one.
	Keys *keys.Ring
	// Tokens verifies tokens of an issuer, which are as good as keys; nil means
	// that there is none.
	Tokens Tokens
	// Required tells that a key or token is needed even while there is no key.
	Required bool
	// Audit records who saw or changed what; nil means that nothing does.
	Audit *audit.Log
	// AuditReads records who saw something too.
	AuditReads bool
	// TLS is what connections are encrypted by.
	TLS TLS
	// BehindTLS tells that a proxy in front ends TLS, so that addresses beyond
	// loopback may be without.
	BehindTLS bool
	// Proxies are those whose X-Forwarded-For counts.
	Proxies []netip.Prefix
	// Origins are those of pages of other sites that may ask: https://app.example.
	Origins []string
	// Quota is for each caller.
	Quota Quota
	// Heavy is how many requests that decode, embed or go through much may be
	// under way, and how many may wait; 0 means no limit.
	Heavy int
}

// remote says whom a connection is from: its address, or the one that a proxy
// there, if it is one of Proxies, names. What others name does not count.
func (a Access) remote() echo.IPExtractor {
	if len(a.Proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trusted := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range a.Proxies {
		bits := p.Addr().BitLen()
		trusted = append(trusted, echo.TrustIPRange(&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), bits)}))
	}
	return echo.ExtractIPFromXFFHeader(trusted...)
}

// Tokens verifies bearer tokens that are no API keys.
type Tokens interface {
	// Verify returns whose a token is and what it grants: keys.ErrToken if that
	// is nothing, keys.ErrUnverified if it cannot be known just now.
	Verify(ctx context.Context, token string) (keys.Identity, error)
}

// public is the scope of what anybody may ask.
const public = "public"

// changes reports whether an operation may change something.
func (o *operation) changes(method string) bool {
	return o.Scope != public && o.Scope != string(keys.Read) && method != http.MethodGet && method != http.MethodHead
}

// caller is who asks.
type caller struct {
	name string // ID of an API key, or oidc: and a subject; empty if nobody needs one
	keys.Grant
}

// everybody is who asks where nobody needs a key.
var everybody = caller{Grant: keys.Grant{Scopes: []keys.Scope{keys.Admin}}}

// turnPatience is how long a request waits for its turn.
const turnPatience = 5 * time.Second

// gatekeeper decides who may go on.
type gatekeeper struct {
	Access
	logger  *slog.Logger
	meters  *meters // of keys and subjects
	strange *meters // of addresses: however many ask, who has a key keeps a quota
	heavy   gate
	turn    time.Duration // turnPatience save in tests
	denials *rate.Limiter // of the audit log's lines on strangers
	exposed atomic.Bool   // others than this machine can connect
}

func newGatekeeper(a Access, l *slog.Logger) *gatekeeper {
	return &gatekeeper{
		Access: a, logger: l, meters: newMeters(a.Quota), strange: newMeters(a.Quota),
		heavy: newGate(a.Heavy, 4*a.Heavy), turn: turnPatience, denials: rate.NewLimiter(1, 60),
	}
}

// isOpen reports whether nobody needs a key.
func (g *gatekeeper) isOpen() bool {
	return !g.Required && !g.exposed.Load() && g.Tokens == nil && (g.Keys == nil || g.Keys.IsEmpty())
}

// hasKeys reports whether anybody could have one.
func (a Access) hasKeys() bool {
	return a.Tokens != nil || a.Keys != nil && !a.Keys.IsEmpty()
}

// checkAddress refuses a key in the address: addresses are in the logs of every
// proxy on the way and in browsers' histories, so that it counts as known to
// others.
func (g *gatekeeper) checkAddress(c echo.Context) error {
	u := c.Request().URL
	ids := keys.Find(u.Path + "?" + u.RawQuery)
	for _, values := range u.Query() {
		ids = append(ids, keys.Find(strings.Join(values, " "))...)
	}
	if len(ids) == 0 {
		return nil
	}
	g.logger.Warn("an API key was sent in a URL and must count as known to others: rotate or revoke it", "key", ids[0])
	if g.denials.Allow() { // anybody can send what looks like a key
		g.note(c, audit.Entry{Operation: "key.exposed", Key: ids[0], Status: http.StatusBadRequest})
	}
	u.Path, u.RawPath, u.RawQuery = "/", "", "" // the answer names the path
	return problem.New(problem.KeyInURL, fmt.Sprintf("key %s must count as known to others now: rotate it, and send keys as Authorization: Bearer", ids[0]))
}

// authenticate returns who asks. Whoever names a key has to have it, even where
// nobody needs one.
func (g *gatekeeper) authenticate(c echo.Context) (caller, error) {
	named := c.Request().Header.Values(echo.HeaderAuthorization)
	if len(named) == 0 {
		if g.isOpen() {
			return everybody, nil
		}
		challenge(c, "")
		return caller{}, problem.New(problem.Unauthenticated, "send Authorization: Bearer and a key that nearcase keys create has made")
	}
	scheme, token, _ := strings.Cut(named[0], " ")
	if len(named) > 1 || !strings.EqualFold(scheme, "Bearer") {
		challenge(c, "invalid_request")
		return caller{}, problem.New(problem.Unauthenticated, "there is one Authorization header and it is Bearer and a key")
	}
	who, err := g.identify(c.Request().Context(), strings.TrimSpace(token))
	if errors.Is(err, keys.ErrUnverified) {
		g.logger.Warn("tokens cannot be verified", "error", err)
		retryAfter(c, 5*time.Second)
		return who, problem.New(problem.IssuerUnavailable, "")
	}
	if err != nil {
		challenge(c, "invalid_token")
		return who, problem.New(problem.KeyInvalid, whyNot(err))
	}
	return who, nil
}

// identify returns whose a key or token is. With an error it has the name if
// that is certain.
func (g *gatekeeper) identify(ctx context.Context, token string) (caller, error) {
	if g.Keys != nil && keys.Looks(token) {
		k, err := g.Keys.Verify(token)
		return caller{k.ID, k.Grant}, err
	}
	if g.Tokens == nil {
		return caller{}, keys.ErrToken
	}
	i, err := g.Tokens.Verify(ctx, token)
	if err != nil {
		return caller{}, err
	}
	return caller{"oidc:" + i.Subject, i.Grant}, nil
}

// whyNot is what a stranger is told of why a key does not count.
func whyNot(err error) string {
	switch {
	case errors.Is(err, keys.ErrRevoked):
		return keys.ErrRevoked.Error()
	case errors.Is(err, keys.ErrExpired):
		return keys.ErrExpired.Error()
	}
	return keys.ErrToken.Error()
}

// authorize refuses what a caller may not do.
func authorize(c echo.Context, who caller, o *operation) error {
	if !who.Has(keys.Scope(o.Scope)) {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, fmt.Sprintf(`Bearer realm="nearcase", error="insufficient_scope", scope=%q`, o.Scope))
		return problem.New(problem.ScopeMissing, fmt.Sprintf("this takes scope %s, the key has %v", o.Scope, who.Scopes))
	}
	named, is := collectionOf(c)
	if !is && len(who.Collections) > 0 && !o.spans {
		return problem.New(problem.CollectionForbidden, "the key is for single collections and this concerns all")
	}
	if is && !who.Reaches(named) {
		return problem.New(problem.CollectionForbidden, fmt.Sprintf("the key is not for collection %.100q", named))
	}
	return nil
}

// collectionOf returns the collection that a request's path names.
func collectionOf(c echo.Context) (name string, is bool) {
	return pathValue(c, "collection"), slices.Contains(c.ParamNames(), "collection")
}

// pathValue returns a part of the path by its name. Handlers unescape it once,
// if at all, and a collection's name has no %: what they read is this, or no
// collection.
func pathValue(c echo.Context, name string) string {
	escaped := c.Param(name)
	if plain, err := url.PathUnescape(escaped); err == nil {
		return plain
	}
	return escaped
}

// challenge says how to authenticate (RFC 6750, 3).
func challenge(c echo.Context, fault string) {
	text := `Bearer realm="nearcase"`
	if fault != "" {
		text += fmt.Sprintf(", error=%q", fault)
	}
	c.Response().Header().Set(echo.HeaderWWWAuthenticate, text)
}

// retryAfter says when to ask again: in whole seconds, at least one.
func retryAfter(c echo.Context, after time.Duration) {
	c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int(max(1, math.Ceil(after.Seconds())))))
}

// callerKey is the key of the caller in the context of a request.
type callerKey struct{}

func withCaller(c echo.Context, who caller) {
	r := c.Request()
	c.SetRequest(r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
}

// reaches refuses a request that names collections, beside the one of its path, of
// which who asks may not see one.
func reaches(c echo.Context, collections []string) error {
	for _, name := range collections {
		if !visible(c.Request().Context(), name) {
			return problem.New(problem.CollectionForbidden, fmt.Sprintf("the key is not for collection %.100q", name))
		}
	}
	return nil
}

// visible reports whether who asks may see a collection.
func visible(ctx context.Context, collection string) bool {
	who, ok := ctx.Value(callerKey{}).(caller)
	return ok && who.Reaches(collection)
}
