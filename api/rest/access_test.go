package rest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/audit"
	"nearcase/api/keys"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

// issuer verifies tokens that it knows.
type issuer map[string]keys.Identity

func (i issuer) Verify(_ context.Context, token string) (keys.Identity, error) {
	if token == "later" {
		return keys.Identity{}, fmt.Errorf("%w: in a test", keys.ErrUnverified)
	}
	if found, ok := i[token]; ok {
		return found, nil
	}
	return keys.Identity{}, keys.ErrToken
}

func TestTokensOfAnIssuerAreAsGoodAsKeys(t *testing.T) {
	tokens := issuer{
		"doctor": {Subject: "dr-who", Grant: keys.Grant{Scopes: []keys.Scope{keys.Admin}}},
		"nobody": {Subject: "none"},
	}
	g := guard(t, rest.Options{}) // for its audit log
	w := open(t, api.Options{}, rest.Options{Access: rest.Access{Tokens: tokens, Audit: g.log, AuditReads: true}})
	ask := func(token string) answer {
		r := w.request(http.MethodGet, "/v1/collections", "", nil)
		r.Header.Set("Authorization", "bearer "+token)
		return w.do(r)
	}
	w.get("/v1/collections").problem(401, "unauthenticated")
	ask("doctor").want(200)
	ask("nobody").problem(403, "scope_missing")
	ask("other").problem(401, "key_invalid")
	if a := ask("later"); a.problem(503, "issuer_unavailable").Title == "" || a.header.Get("Retry-After") == "" {
		t.Errorf("an issuer that does not answer: got %v, want Retry-After", a.header)
	}
	w.get("/v1/keys").problem(401, "unauthenticated")
	if l := g.last("listCollections"); l.Key != "" && l.Key != "oidc:none" {
		t.Errorf("audit log: got %+v", l)
	}
	found := false
	for _, l := range g.recorded() {
		found = found || l.Key == "oidc:dr-who" && l.Status == 200
	}
	if !found {
		t.Error("audit log: want a line on oidc:dr-who")
	}
}

// A change that was made and could not be recorded is not acknowledged.
func TestAnAnswerWaitsUntilTheChangeIsRecorded(t *testing.T) {
	g := guard(t, rest.Options{})
	s := g.start(at + "/instances")
	s.image(t, 300)
	until(t, "an image is stored", func() bool { return g.instances() == 5 })
	if err := g.log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.body.Close(); err != nil {
		t.Fatal(err)
	}
	a := <-s.answer
	if p := a.problem(503, "audit_unavailable"); a.header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "was made") {
		t.Errorf("got %+v %v, want that the change was made, and Retry-After", p, a.header)
	}
	if log := g.world.log.String(); !strings.Contains(log, "is not recorded") || !strings.Contains(log, `"status":503`) {
		t.Errorf("log: got %s, want what happened", log)
	}
}

// An answer that goes on while things change has a line when it begins and one
// with all of it when it ends.
func TestAStreamIsRecordedWholly(t *testing.T) {
	g := guard(t, rest.Options{})
	mediaType, body := newForm(t).part("image", string(picture(t, 300))).part("image", string(picture(t, 301))).part("image", "none").close()
	r := g.request(http.MethodPost, at+"/instances", mediaType, strings.NewReader(body))
	r.Header.Set("Accept", "application/x-ndjson")
	if a := g.do(r); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	l := g.last("ingest")
	if l.Counts["instances"] != 2 || l.Counts["failed"] != 1 || len(l.Subjects) != 2 {
		t.Errorf("audit log: got %+v, want two instances and one that failed", l)
	}
}

func TestWhoSawWhatIsFoundByWhoKnowsIt(t *testing.T) {
	g := guard(t, rest.Options{})
	made := g.issue([]string{"cases"}, keys.Read, keys.Label)
	const evaluation = `{"task":"finding","folds":2,"rounds":100,"methods":["nearest"],"without_leak":true,"mistakes":-1,"cases":9}`
	started := decoded[problem.Job](g.as(made.Token, http.MethodPost, at+"/evaluate?background=true", evaluation).want(202))
	g.as(made.Token, http.MethodGet, "/v1/jobs/"+started.ID+"?wait=10s", "").want(200)
	g.as(made.Token, http.MethodPost, at+"/evaluate", evaluation).want(200)
	g.as(made.Token, http.MethodPost, at+"/similar", `{"instance":"i0","k":2}`).want(200)
	g.as(made.Token, http.MethodGet, at+"/instances", "").want(200)
	g.as(made.Token, http.MethodPost, at+"/labels", `{"labels":[{"instance":"i2","task":"finding","classes":["light"]}]}`).want(200)
	g.as(made.Token, http.MethodGet, at+"/instances/i3/history", "").want(200)
	g.as(made.Token, http.MethodPost, at+"/instances/list", `{"filter":{"field":"patient","eq":"p1"}}`).want(200)
	if a := g.as(made.Token, http.MethodPost, at+"/export", `{"filter":{"field":"patient","in":["p1","p2"]},"format":"jsonl"}`); a.status != 200 {
		t.Fatalf("export: got %d %s", a.status, a.body)
	}
	if l := g.last("exportCollectionBy"); l.Counts["instances"] != 2 {
		t.Errorf("audit log of an export: got %+v, want two instances", l)
	}
	if l := g.last("describeJob"); len(l.Subjects) != 4 || l.Counts["instances"] != 4 {
		t.Errorf("audit log of an evaluation in a job: got %+v, want four instances", l)
	}
	for operation, want := range map[string]int{"similar": 2, "listInstances": 4, "listInstancesBy": 1, "evaluate": 4, "label": 1, "listHistory": 1} {
		l := g.last(operation)
		if len(l.Subjects) != want || l.Counts["instances"] != want || l.Key != made.Key.ID || l.Collection != "cases" || l.Status != 200 || l.Request == "" || l.Remote != "127.0.0.1" {
			t.Errorf("audit log of %s: got %+v, want %d instances by %s", operation, l, want, made.Key.ID)
		}
	}
	f := audit.Filter{Subject: g.seal.Instance("i2")}
	if !f.Accepts(g.last("label")) || !f.Accepts(g.last("listInstances")) || f.Accepts(g.last("listHistory")) {
		t.Error("lines on i2: want those of label and listInstances")
	}
}

func TestWhatTakesMuchWaitsForItsTurn(t *testing.T) {
	w := oneByOne(t, rest.Options{Access: rest.Access{Heavy: 1}})
	rest.SetTurn(w.server, time.Millisecond)
	s := w.start(at + "/instances")
	s.image(t, 1)
	until(t, "an image is stored", func() bool { return w.instances() == 1 })
	a := w.send(http.MethodPost, at+"/instances", "image/png", string(picture(t, 2)))
	if a.problem(503, problem.Busy); a.header.Get("Retry-After") != "1" {
		t.Errorf("while one is under way: got %v, want Retry-After", a.header)
	}
	w.get(at).want(200)
	if err := s.body.CloseWithError(fmt.Errorf("the sender left")); err != nil {
		t.Fatal(err)
	}
	<-s.answer
	until(t, "there is room again", func() bool {
		return w.send(http.MethodPost, at+"/instances", "image/png", string(picture(t, 2))).status == 200
	})
}

func TestARequestMayTakeSoLong(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{Timeout: 50 * time.Millisecond})
	if _, err := w.service.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants"}); err != nil {
		t.Fatal(err)
	}
	got := raw(t, w, "POST "+at+"/instances HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 1000\r\nConnection: close\r\n\r\nx")
	if !strings.HasPrefix(got, "HTTP/1.1 408 ") && !strings.HasPrefix(got, "HTTP/1.1 503 ") {
		t.Errorf("a body that never ends: got %.200q, want 408 or 503", got)
	}
}

func TestKeysAreManagedByRequests(t *testing.T) {
	g := guard(t, rest.Options{})
	made := decoded[keys.Issued](g.json(http.MethodPost, "/v1/keys", `{"name":"first","scopes":["admin"]}`).want(201))
	second := decoded[keys.Issued](g.as(made.Token, http.MethodPost, "/v1/keys", `{"name":"scanner","scopes":["write"],"collections":["cases"],"expires":"2099-01-01T00:00:00Z"}`).want(201))
	if second.Key.Collections[0] != "cases" || second.Key.Expires.Year() != 2099 {
		t.Errorf("got %+v", second.Key)
	}
	rotated := decoded[keys.Issued](g.as(made.Token, http.MethodPost, "/v1/keys/"+second.Key.ID+"/rotate", `{"grace_seconds":0}`).want(200))
	if _, err := g.ring.Verify(second.Token); err == nil {
		t.Error("rotated without grace: want the old token to open nothing")
	}
	if _, err := g.ring.Verify(rotated.Token); err != nil {
		t.Errorf("the new token: got %v", err)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		code               problem.Code
	}{
		{http.MethodDelete, "/v1/keys/none", "", 404, "key_not_found"},
		{http.MethodPost, "/v1/keys/none/rotate", "{}", 404, "key_not_found"},
		{http.MethodPost, "/v1/keys", `{"name":"x","scopes":["root"]}`, 422, "invalid"},
		{http.MethodPost, "/v1/keys", `{"name":"x"}`, 400, problem.JSONInvalid},
		{http.MethodPost, "/v1/keys", `{"name":"x","scopes":["read"],"secret":"y"}`, 400, problem.JSONInvalid},
		{http.MethodPost, "/v1/keys", `{"name":"x","scopes":["read"],"expires":"2001-01-01T00:00:00Z"}`, 422, "invalid"},
	} {
		g.as(made.Token, c.method, c.path, c.body).problem(c.status, c.code)
	}
	if listed := g.as(made.Token, http.MethodGet, "/v1/keys", "").want(200); strings.Contains(string(listed.body), made.Token[12:]) || regexp.MustCompile(`"\w*hash\w*":`).Match(listed.body) {
		t.Errorf("GET /v1/keys: got %s, want no secrets", listed.body)
	}
}

// A sender who leaves before the answer has not made a change that nobody knows of.
func TestWhatIsDoneForOneWhoHasLeftIsRecorded(t *testing.T) {
	g := guard(t, rest.Options{})
	s := g.start(at + "/instances")
	s.image(t, 300)
	until(t, "an image is stored", func() bool { return g.instances() == 5 })
	if err := s.body.CloseWithError(errors.New("gone")); err != nil {
		t.Fatal(err)
	}
	<-s.answer
	left := func(l audit.Line) bool { return l.Operation == "ingest" && l.Status == 499 }
	until(t, "it is recorded", func() bool { return slices.ContainsFunc(g.recorded(), left) })
}
