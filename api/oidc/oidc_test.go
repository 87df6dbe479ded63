package oidc_test

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nearcase/api/keys"
	"nearcase/api/oidc"
	"nearcase/store"
)

func TestTokensOfTheIssuerGrantWhatTheyClaim(t *testing.T) {
	i := newIssuer(t)
	nested := func(o *oidc.Options) { o.ScopeClaim = "realm_access.roles" }
	by := func(o *oidc.Options) { o.CollectionsClaim = "cases" }
	read := keys.Identity{Subject: "dr-who", Grant: keys.Grant{Scopes: []keys.Scope{keys.Read}}}
	for _, c := range []struct {
		fact, kid string
		claims    map[string]any
		options   func(*oidc.Options)
		want      keys.Identity
	}{
		{"signed by RSA", "rsa", nil, nil, read},
		{"signed by ECDSA", "ec", nil, nil, read},
		{"for one audience", "ec", map[string]any{"aud": "nearcase"}, nil, read},
		{"without optional times", "ec", map[string]any{"nbf": nil, "iat": nil}, nil, read},
		{"that ended within the skew", "ec", map[string]any{"exp": time.Now().Add(-30 * time.Second).Unix()}, nil, read},
		{"that begins within the skew", "ec", map[string]any{"nbf": time.Now().Add(30 * time.Second).Unix(), "iat": time.Now().Add(30 * time.Second).Unix()}, nil, read},
		{"without a scope of ours", "ec", map[string]any{"scope": "openid"}, nil, keys.Identity{Subject: "dr-who"}},
		{"without scopes", "ec", map[string]any{"scope": nil}, nil, keys.Identity{Subject: "dr-who"}},
		{"with a scope that is no text", "ec", map[string]any{"scope": 7}, nil, keys.Identity{Subject: "dr-who"}},
		{"with a list of roles", "ec", map[string]any{"realm_access": map[string]any{"roles": []any{"doctor", 3, "x", "doctor"}}}, nested,
			keys.Identity{Subject: "dr-who", Grant: keys.Grant{Scopes: []keys.Scope{keys.Label}}}},
		{"for collections", "ec", map[string]any{"cases": []string{"cxr", "derm"}}, by,
			keys.Identity{Subject: "dr-who", Grant: keys.Grant{Scopes: []keys.Scope{keys.Read}, Collections: []string{"cxr", "derm"}}}},
		{"for no collections", "ec", nil, by, keys.Identity{Subject: "dr-who"}},
	} {
		got, err := i.verifier(c.options).Verify(t.Context(), i.token(c.kid, i.claims(c.claims)))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("a token %s: got %v (-want +got):\n%s", c.fact, err, diff)
		}
	}
}

func TestOtherTokensOpenNothing(t *testing.T) {
	i := newIssuer(t)
	good := i.token("rsa", i.claims(nil))
	part := strings.Split(good, ".")
	public := i.keys["rsa"].Public().(*rsa.PublicKey).N.Bytes()
	change := func(name string, v any) string { return i.token("ec", i.claims(map[string]any{name: v})) }
	for fact, token := range map[string]string{
		"nothing":                     "",
		"an API key":                  "nc_abcdefgh_" + strings.Repeat("a", 59),
		"no signature":                part[0] + "." + part[1] + ".",
		"alg none":                    encode(t, map[string]any{"alg": "none"}) + "." + part[1] + ".",
		"alg none with a signature":   encode(t, map[string]any{"alg": "none", "kid": "rsa"}) + "." + part[1] + "." + part[2],
		"the public key as a secret":  i.withSecret(public, i.claims(nil)),
		"an algorithm that is not on": encode(t, map[string]any{"alg": "RS512", "kid": "rsa"}) + "." + part[1] + "." + part[2],
		"other claims":                part[0] + "." + encode(t, i.claims(map[string]any{"scope": "nearcase.admin"})) + "." + part[2],
		"another issuer":              change("iss", "https://attacker.example"),
		"another audience":            change("aud", "other"),
		"no audience":                 change("aud", nil),
		"one that has expired":        change("exp", time.Now().Add(-2*time.Minute).Unix()),
		"one that never ends":         change("exp", nil),
		"one that ends at a text":     change("exp", "2099-01-01"),
		"one whose time is to come":   change("nbf", time.Now().Add(time.Hour).Unix()),
		"one of the future":           change("iat", time.Now().Add(time.Hour).Unix()),
		"one of nobody":               change("sub", nil),
		"one of a long subject":       change("sub", strings.Repeat("x", 256)),
		"one that is too long":        change("scope", strings.Repeat("x", 20_000)),
		"a key's ID of another key":   signed(t, ecKey(t), "ec", i.claims(nil)),
	} {
		// A verifier for each: one asks the issuer a few times at most.
		if got, err := i.verifier(nil).Verify(t.Context(), token); !errors.Is(err, oidc.ErrToken) {
			t.Errorf("%s: got %+v, %v, want %v", fact, got, err, oidc.ErrToken)
		}
	}
}

func TestTheIssuerMayChangeItsKeys(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(nil)
	if _, err := v.Verify(t.Context(), i.token("rsa", i.claims(nil))); err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	i.keys["new"] = ecKey(t)
	i.mu.Unlock()
	for range 3 {
		if err := askedAnew(t, v, i.token("new", i.claims(nil))); err != nil {
			t.Errorf("by a new key: %v", err)
		}
	}
	if i.fetched != 2 {
		t.Errorf("the issuer was asked for its keys %d times, want 2", i.fetched)
	}
}

func TestKeysThatTheIssuerHasWithdrawnEnd(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(nil)
	token, kept := i.token("rsa", i.claims(nil)), i.token("ec", i.claims(nil))
	verify := func(fact, token string, want error) {
		t.Helper()
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", fact, err, want)
		}
	}
	verify("at first", token, nil)
	i.mu.Lock()
	delete(i.keys, "rsa")
	i.down = true
	i.mu.Unlock()
	v.Age(2 * time.Hour)
	verify("while the issuer does not answer", token, nil)
	i.mu.Lock()
	i.down = false
	asked := i.fetched
	i.mu.Unlock()
	for end, answered := time.Now().Add(10*time.Second), false; !answered; { // who asks at once may be told of the failure once more
		if time.Now().After(end) {
			t.Fatal("the issuer that answers again is not asked")
		}
		verify("by a key that it still has", kept, nil)
		i.mu.Lock()
		answered = i.fetched > asked
		i.mu.Unlock()
	}
	verify("by a key that it has withdrawn", token, oidc.ErrToken)
}

// Anybody can send tokens that name keys nobody has.
func TestTokensOfUnknownKeysDoNotFloodTheIssuer(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(nil)
	if _, err := v.Verify(t.Context(), i.token("ec", i.claims(nil))); err != nil {
		t.Fatal(err)
	}
	stranger := ecKey(t)
	for n := range 50 {
		token := signed(t, stranger, fmt.Sprint("kid", n), i.claims(nil))
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, oidc.ErrToken) && !errors.Is(err, oidc.ErrIssuer) {
			t.Fatalf("a token of an unknown key: got %v, want a refusal", err)
		}
	}
	if i.fetched > 6 {
		t.Errorf("the issuer was asked for its keys %d times, want a few", i.fetched)
	}
	if _, err := v.Verify(t.Context(), i.token("ec", i.claims(nil))); err != nil {
		t.Errorf("a token of a known key meanwhile: %v", err)
	}
}

func TestAnIssuerThatDoesNotAnswerIsNotTheTokensFault(t *testing.T) {
	i := newIssuer(t)
	i.down = true
	v := i.verifier(nil)
	token := i.token("ec", i.claims(nil))
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, oidc.ErrIssuer) {
		t.Errorf("before it has answered: got %v, want %v", err, oidc.ErrIssuer)
	}
	i.mu.Lock()
	i.down = false
	i.mu.Unlock()
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("once it answers: %v", err)
	}
	i.mu.Lock()
	i.down = true
	i.mu.Unlock()
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("by keys that are known: %v", err)
	}
	if err := askedAnew(t, v, signed(t, ecKey(t), "new", i.claims(nil))); !errors.Is(err, oidc.ErrIssuer) {
		t.Errorf("by a key that is not: got %v, want %v", err, oidc.ErrIssuer)
	}
}

// askedAnew returns what is said of a token by a key that the issuer is asked for: for
// a moment after each of its answers it is not asked again.
func askedAnew(t *testing.T, v *oidc.Verifier, token string) error {
	_, err := v.Verify(t.Context(), token)
	for n := 0; n < 1_000_000 && errors.Is(err, oidc.ErrToken); n++ {
		runtime.Gosched()
		_, err = v.Verify(t.Context(), token)
	}
	return err
}

// Those who come while the issuer is asked in vain wait for that one answer.
func TestASilentIssuerIsNotWaitedForInTurn(t *testing.T) {
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	client := &http.Client{Timeout: time.Second}
	v, err := oidc.New(oidc.Options{Issuer: server.URL, Audience: "x", Scopes: map[string]keys.Scope{"a": keys.Read}, Client: client})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	ready := make(chan struct{})
	for range 20 {
		group.Go(func() {
			<-ready
			if _, err := v.Verify(t.Context(), "a.b.c"); !errors.Is(err, oidc.ErrIssuer) {
				t.Errorf("Verify: got %v, want %v", err, oidc.ErrIssuer)
			}
		})
	}
	close(ready)
	group.Wait()
	client.CloseIdleConnections()
	if n := len(asked); n > 3 {
		t.Errorf("the issuer was asked %d times, want once or so", n)
	}
}

func TestAnIssuerOfAnotherNameIsRefused(t *testing.T) {
	i := newIssuer(t)
	i.claimed = "https://attacker.example"
	if _, err := i.verifier(nil).Verify(t.Context(), i.token("ec", i.claims(nil))); !errors.Is(err, oidc.ErrIssuer) {
		t.Errorf("Verify: got %v, want %v", err, oidc.ErrIssuer)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := func() oidc.Options {
		return oidc.Options{Issuer: "https://sso.example/realms/a", Audience: "x", Scopes: map[string]keys.Scope{"a": keys.Read}}
	}
	if _, err := oidc.New(good()); err != nil {
		t.Error(err)
	}
	for fact, change := range map[string]func(*oidc.Options){
		"no issuer":             func(o *oidc.Options) { o.Issuer = "" },
		"an issuer without TLS": func(o *oidc.Options) { o.Issuer = "http://sso.example" },
		"no audience":           func(o *oidc.Options) { o.Audience = "" },
		"an algorithm of none":  func(o *oidc.Options) { o.Algorithms = []string{"none"} },
		"a shared secret":       func(o *oidc.Options) { o.Algorithms = []string{"RS256", "HS256"} },
		"no scopes":             func(o *oidc.Options) { o.Scopes = nil },
		"an unknown scope":      func(o *oidc.Options) { o.Scopes["b"] = "root" },
		"a scope for nothing":   func(o *oidc.Options) { o.Scopes[""] = keys.Admin },
		"a clock far off":       func(o *oidc.Options) { o.Skew = time.Hour },
	} {
		o := good()
		change(&o)
		if _, err := oidc.New(o); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %v, want %v", fact, err, store.ErrInvalid)
		}
	}
}

func FuzzTokens(f *testing.F) {
	v, err := oidc.New(oidc.Options{Issuer: "http://localhost:1", Audience: "x", Scopes: map[string]keys.Scope{"a": keys.Read}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, oidc.ErrToken) && !errors.Is(err, oidc.ErrIssuer) {
			t.Errorf("Verify(%q): got %v, want a refusal", token, err)
		}
	})
}
