package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nearcase/api/keys"
	"nearcase/api/oidc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// issuer is an OpenID Connect issuer on this machine.
type issuer struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	keys    map[string]crypto.Signer // by kid
	fetched int                      // how often its keys were asked for
	down    bool
	claimed string // the issuer that it says it is; empty: the one it is
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t, keys: map[string]crypto.Signer{"rsa": rsaKey(t), "ec": ecKey(t)}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", i.configuration)
	mux.HandleFunc("/keys", i.keySet)
	i.server = httptest.NewServer(mux)
	t.Cleanup(i.server.Close)
	return i
}

func rsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (i *issuer) configuration(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	name := i.claimed
	if name == "" {
		name = i.server.URL
	}
	answer(w, map[string]any{"issuer": name, "jwks_uri": i.server.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256", "none"}})
}

func (i *issuer) keySet(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetched++
	if i.down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	all := []map[string]string{}
	for kid, k := range i.keys {
		switch public := k.Public().(type) {
		case *rsa.PublicKey:
			all = append(all, map[string]string{"kty": "RSA", "kid": kid, "n": text(public.N.Bytes()), "e": text(big.NewInt(int64(public.E)).Bytes())})
		case *ecdsa.PublicKey:
			point, err := public.Bytes()
			if err != nil {
				i.t.Error(err)
			}
			all = append(all, map[string]string{"kty": "EC", "kid": kid, "crv": "P-256", "x": text(point[1:33]), "y": text(point[33:])})
		}
	}
	answer(w, map[string]any{"keys": all})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// claims are those of a token that is right, with some changed; nil removes one.
func (i *issuer) claims(change map[string]any) map[string]any {
	all := map[string]any{
		"iss": i.server.URL, "sub": "dr-who", "aud": []string{"other", "nearcase"}, "scope": "openid nearcase.read",
		"iat": time.Now().Unix(), "nbf": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// token signs claims by the key named.
func (i *issuer) token(kid string, claims map[string]any) string {
	i.t.Helper()
	i.mu.Lock()
	k := i.keys[kid]
	i.mu.Unlock()
	return signed(i.t, k, kid, claims)
}

func signed(t *testing.T, k crypto.Signer, kid string, claims map[string]any) string {
	t.Helper()
	algorithm := map[bool]string{true: "RS256", false: "ES256"}[isRSA(k)]
	message := encode(t, map[string]any{"alg": algorithm, "kid": kid, "typ": "at+jwt"}) + "." + encode(t, claims)
	sum := sha256.Sum256([]byte(message))
	if e, ok := k.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, e, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return message + "." + text(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
	signature, err := k.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return message + "." + text(signature)
}

func isRSA(k crypto.Signer) bool { _, ok := k.(*rsa.PrivateKey); return ok }

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text(b)
}

// withSecret is a token by an algorithm in which the public key is the secret.
func (i *issuer) withSecret(secret []byte, claims map[string]any) string {
	message := encode(i.t, map[string]any{"alg": "HS256", "kid": "rsa"}) + "." + encode(i.t, claims)
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(message))
	return message + "." + text(h.Sum(nil))
}

func (i *issuer) verifier(change func(*oidc.Options)) *oidc.Verifier {
	i.t.Helper()
	o := oidc.Options{
		Issuer: i.server.URL, Audience: "nearcase", Client: i.server.Client(),
		Scopes: map[string]keys.Scope{"nearcase.read": keys.Read, "nearcase.admin": keys.Admin, "doctor": keys.Label},
	}
	if change != nil {
		change(&o)
	}
	v, err := oidc.New(o)
	if err != nil {
		i.t.Fatal(err)
	}
	return v
}
