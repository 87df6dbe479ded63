package rest_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/keys"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

// types are those of changes.
func types(changes []api.Change) (names string) {
	for _, c := range changes {
		names += c.Type + " "
	}
	return strings.TrimSpace(names)
}

func TestChangesOverHTTP(t *testing.T) {
	w := cases(t, 2)
	got := decoded[api.Changes](w.get("/v1/changes").want(200))
	if types(got.Changes) != "collection.created instance.stored label.changed instance.stored label.changed" || got.More || got.Next == "" {
		t.Errorf("changes: got %+v", got)
	}
	if some := decoded[api.Changes](w.get("/v1/changes?collection=cases&limit=2").want(200)); len(some.Changes) != 2 || !some.More {
		t.Errorf("two changes: got %+v, want that there are more", some)
	}
	waiting := make(chan answer, 1)
	go func() { waiting <- w.get("/v1/changes?wait=30s&since=" + got.Next) }()
	w.send(http.MethodDelete, "/v1/collections/cases/instances/i1", "", "").want(204)
	if late := decoded[api.Changes]((<-waiting).want(200)); types(late.Changes) != "instance.deleted" || late.Changes[0].Instance != "i1" {
		t.Errorf("who waits: got %+v, want the deletion", late)
	}
	w.get("/v1/changes?since=abc").problem(400, "cursor_invalid")
	w.get("/v1/changes?limit=0").problem(400, problem.QueryParameter)
	w.get("/v1/changes?limit=1001").problem(400, problem.QueryParameter)
	w.get("/v1/changes?wait=1x").problem(400, problem.QueryParameter)
	w.get("/v1/changes?from=1").problem(400, problem.QueryParameter)
	w.get("/v1/changes?wait=31s").problem(422, "query_invalid")
	w.get("/v1/changes?collection=none").problem(404, "collection_not_found")
}

// Who follows is told line by line, and let go when the server ends.
func TestChangesAreFollowed(t *testing.T) {
	w := cases(t, 1)
	now := decoded[api.Changes](w.get("/v1/changes?since=now").want(200))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/v1/changes?since="+now.Next, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/x-ndjson")
	a, err := w.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("follow: got %d %s", a.StatusCode, a.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(a.Body)
	if !lines.Scan() || lines.Text() != "" {
		t.Errorf("the first line: got %q, want an empty one: there is none", lines.Text())
	}
	w.send(http.MethodDelete, "/v1/collections/cases/instances/i0", "", "").want(204)
	var got struct {
		api.Change
		Next string
	}
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &got) != nil || got.Type != api.InstanceDeleted || got.Next == "" {
		t.Errorf("a line: got %q, want the deletion with a cursor", lines.Text())
	}
	w.stop()
	for lines.Scan() {
		if lines.Text() != "" {
			t.Errorf("a line at the end: got %q", lines.Text())
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the end: %v", err)
	}
}

// Who follows is let go once their key is revoked, and hears of nothing after that.
func TestWhoFollowsWithAKeyThatIsRevokedIsLetGo(t *testing.T) {
	g := guard(t, rest.Options{})
	made := g.issue(nil, keys.Read)
	r := g.request(http.MethodGet, "/v1/changes?since=now", "", nil)
	r.Header.Set("Accept", "application/x-ndjson")
	r.Header.Set("Authorization", "Bearer "+made.Token)
	a, err := g.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	lines := bufio.NewScanner(a.Body)
	if a.StatusCode != 200 || !lines.Scan() {
		t.Fatalf("follow: got %d, %v", a.StatusCode, lines.Err())
	}
	if _, err := g.ring.RevokeKey(t.Context(), made.Key.ID); err != nil {
		t.Fatal(err)
	}
	if err := g.service.Delete(t.Context(), "cases", "i0"); err != nil {
		t.Fatal(err)
	}
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("a line once the key is revoked: got %q, %v, want the end", lines.Text(), lines.Err())
	}
}

// A key for one collection hears of no other.
func TestChangesOfOthersAreLeftOut(t *testing.T) {
	access := rest.Access{}
	var bearerOf [2]string
	w := openWith(t, t.TempDir(), api.Options{}, func(w *world) rest.Options {
		ring, err := keys.Open(t.Context(), w.catalog)
		if err != nil {
			t.Fatal(err)
		}
		for i, grant := range []keys.Grant{{Scopes: []keys.Scope{keys.Admin, keys.Write, keys.Label, keys.Read}}, {Scopes: []keys.Scope{keys.Read}, Collections: []string{"other"}}} {
			issued, err := ring.CreateKey(t.Context(), keys.New{Name: "k", Grant: grant})
			if err != nil {
				t.Fatal(err)
			}
			bearerOf[i] = issued.Token
		}
		access.Keys = ring
		return rest.Options{Access: access}
	})
	bare := w.http.Transport
	w.http.Transport = bearer{bearerOf[0], bare}
	w.fill(2)
	w.http.Transport = bearer{bearerOf[1], bare}
	got := decoded[api.Changes](w.get("/v1/changes").want(200))
	if len(got.Changes) != 0 {
		t.Errorf("changes: got %+v, want none of another collection", got)
	}
	w.get("/v1/changes?collection=cases").problem(403, problem.CollectionForbidden)
	w.get("/v1/webhooks").problem(403, problem.ScopeMissing)
}
