package rest_test

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearcase/api"
	"nearcase/api/audit"
	"nearcase/api/keys"
	"nearcase/api/rest"
	"nearcase/store"
)

// shelf keeps documents in memory.
type shelf struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (s *shelf) SaveDocument(_ context.Context, _, name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[name] = bytes.Clone(data)
	return nil
}

func (s *shelf) Documents(context.Context, string) (all []store.Document, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.kept)) {
		all = append(all, store.Document{Name: name, Data: s.kept[name]})
	}
	return all, nil
}

// guarded is a world with API keys and an audit log.
type guarded struct {
	*world
	ring *keys.Ring
	seal *audit.Seal
	log  *audit.Log
	dir  string // of the audit log
}

// guard opens a world with a collection "cases" of four images. Nobody needs a
// key until there is one.
func guard(t *testing.T, o rest.Options) *guarded {
	t.Helper()
	ring, err := keys.Open(t.Context(), &shelf{kept: map[string][]byte{}})
	if err != nil {
		t.Fatal(err)
	}
	seal, err := audit.NewSeal(bytes.Repeat([]byte{3}, 32))
	if err != nil {
		t.Fatal(err)
	}
	g := &guarded{ring: ring, seal: seal, dir: filepath.Join(t.TempDir(), "audit")}
	if g.log, err = audit.Open(g.dir, seal, audit.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.log.Close() })
	o.Access.Keys, o.Access.Audit, o.Access.AuditReads = ring, g.log, true
	g.world = open(t, api.Options{Batch: 1}, o)
	g.fill(4)
	return g
}

// key makes a key and returns its token.
func (g *guarded) key(collections []string, scopes ...keys.Scope) string {
	g.t.Helper()
	return g.issue(collections, scopes...).Token
}

func (g *guarded) issue(collections []string, scopes ...keys.Scope) keys.Issued {
	g.t.Helper()
	made, err := g.ring.CreateKey(g.t.Context(), keys.New{Name: "test", Grant: keys.Grant{Scopes: scopes, Collections: collections}})
	if err != nil {
		g.t.Fatal(err)
	}
	return made
}

// as sends a request with a token.
func (g *guarded) as(token, method, path, body string) answer {
	g.t.Helper()
	r := g.request(method, path, "", strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return g.do(r)
}

// recorded returns the lines of the audit log, all of which are written.
func (g *guarded) recorded() (all []audit.Line) {
	g.t.Helper()
	if err := g.log.Commit(g.t.Context(), audit.Entry{Operation: "flush"}); err != nil {
		g.t.Fatal(err)
	}
	for l, err := range audit.Lines(g.dir) {
		if err != nil {
			g.t.Fatal(err)
		}
		if l.Operation != "flush" {
			all = append(all, l)
		}
	}
	return all
}

// last returns the last line of an operation.
func (g *guarded) last(operation string) audit.Line {
	g.t.Helper()
	for _, l := range slices.Backward(g.recorded()) {
		if l.Operation == operation {
			return l
		}
	}
	g.t.Fatalf("the audit log has no line on %s", operation)
	return audit.Line{}
}

// operation is one of the contract, with a path that asks for it.
type operation struct {
	id, method, path, scope string
	spans, ofCollection     bool
}

var placeholders = strings.NewReplacer("{collection}", "cases", "{id}", "i0", "{task}", "finding")

// operations returns those of the contract, sorted.
func operations(t *testing.T) (all []operation) {
	t.Helper()
	for path, item := range document(t).Paths.Map() {
		for method, o := range item.Operations() {
			scope, _ := o.Extensions["x-scope"].(string)
			spans, _ := o.Extensions["x-spans"].(bool)
			concrete := placeholders.Replace(path)
			for strings.Contains(concrete, "{") {
				before, rest, _ := strings.Cut(concrete, "{")
				_, after, _ := strings.Cut(rest, "}")
				concrete = before + "1" + after
			}
			all = append(all, operation{o.OperationID, method, concrete, scope, spans, strings.Contains(path, "{collection}")})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return all
}

// Every operation of the contract takes the scope that it names, of a key for the
// collection, and no other will do.
func TestEveryOperationTakesItsScope(t *testing.T) {
	g := guard(t, rest.Options{})
	g.json(http.MethodPost, "/v1/collections", `{"name":"other","model":"quadrants"}`).want(201)
	tokens := map[keys.Scope]string{}
	for _, s := range keys.Scopes {
		tokens[s] = g.key(nil, s)
	}
	elsewhere := g.key([]string{"other"}, keys.Admin)
	for _, o := range operations(t) {
		if o.scope == "public" {
			if got := g.get(o.path).status; got == 401 || got == 403 {
				t.Errorf("%s without a key: got %d, want that anybody may", o.id, got)
			}
			continue
		}
		if !slices.Contains(keys.Scopes, keys.Scope(o.scope)) {
			t.Fatalf("%s has x-scope %q", o.id, o.scope)
		}
		a := g.do(g.request(o.method, o.path, "", nil))
		if p := a.problem(401, "unauthenticated"); !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s without a key: got %+v and %q, want a challenge", o.id, p, a.header)
		}
		for _, s := range keys.Scopes {
			if s != keys.Scope(o.scope) && s != keys.Admin {
				g.as(tokens[s], o.method, o.path, "").problem(403, "scope_missing")
			}
		}
		switch got := g.as(elsewhere, o.method, o.path, ""); {
		case !o.spans:
			got.problem(403, "collection_forbidden")
		case got.status == 403 || got.status == 401:
			t.Errorf("%s of no collection: got %d, want that it leaves out what the key is not for", o.id, got.status)
		}
	}
	for _, o := range operations(t) {
		if o.scope == "public" {
			continue
		}
		if got := g.as(tokens[keys.Scope(o.scope)], o.method, o.path, "").status; got == 401 || got == 403 || got >= 500 {
			t.Errorf("%s with a key of its scope: got %d", o.id, got)
		}
	}
}
