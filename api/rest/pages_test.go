package rest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/keys"
	"nearcase/api/rest"
)

// browsers is what a browser accepts that opens an address.
const browsers = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

// pagePolicy is written out, so that nothing is allowed by accident.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// accepting sends a GET with headers by turns name and value.
func (w *world) accepting(path string, headers ...string) answer {
	w.t.Helper()
	r := w.request(http.MethodGet, path, "", nil)
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	return w.do(r)
}

// pageFiles are the names of the page's files as they lie in its folder.
func pageFiles(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".go" {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestABrowserGetsThePageAndOthersTheRoutes(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	want, err := os.ReadFile("page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	page := w.accepting("/", "Accept", browsers)
	if page.status != 200 || page.header.Get("Content-Type") != "text/html; charset=utf-8" || string(page.body) != string(want) {
		t.Errorf("/ of a browser: got %d %s with %d bytes, want index.html", page.status, page.header.Get("Content-Type"), len(page.body))
	}
	for _, accept := range []string{"", "*/*", "application/json"} {
		a := w.accepting("/", "Accept", accept).want(200)
		if !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") || !slices.Contains(a.header.Values("Vary"), "Accept") {
			t.Errorf("/ with Accept %q: got %s, Vary %q, want JSON", accept, a.header.Get("Content-Type"), a.header.Values("Vary"))
		}
	}
	if !slices.Contains(page.header.Values("Vary"), "Accept") {
		t.Errorf("/ of a browser: got Vary %q, want Accept", page.header.Values("Vary"))
	}
}

func TestEveryFileOfThePageIsServed(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	types := map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".LICENSE": "text/plain; charset=utf-8"}
	for _, name := range pageFiles(t) {
		content, err := os.ReadFile(filepath.Join("page", name))
		if err != nil {
			t.Fatal(err)
		}
		a := w.get("/page/" + name)
		if a.status != 200 || string(a.body) != string(content) {
			t.Errorf("%s: got %d with %d bytes, want the file's %d", a.asked, a.status, len(a.body), len(content))
		}
		for header, want := range map[string]string{
			"Content-Type": types[filepath.Ext(name)], "X-Content-Type-Options": "nosniff", "Content-Security-Policy": pagePolicy,
			"Cache-Control": "no-cache", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Set-Cookie": "",
		} {
			if got := a.header.Get(header); got != want {
				t.Errorf("%s: got %s %q, want %q", a.asked, header, got, want)
			}
		}
		tag := a.header.Get("ETag")
		if again := w.accepting("/page/"+name, "If-None-Match", tag); tag == "" || again.status != 304 || len(again.body) != 0 || again.header.Get("ETag") != tag {
			t.Errorf("%s with its tag %s: got %d with %d bytes, want 304", a.asked, tag, again.status, len(again.body))
		}
		if other := w.accepting("/page/"+name, "If-None-Match", `"other"`); other.status != 200 {
			t.Errorf("%s with another tag: got %d, want 200", a.asked, other.status)
		}
	}
}

func TestThePageItselfIsCached(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	first := w.accepting("/", "Accept", browsers)
	again := w.accepting("/", "Accept", browsers, "If-None-Match", first.header.Get("ETag"))
	if again.status != 304 || again.header.Get("Content-Security-Policy") != pagePolicy || first.header.Get("Content-Security-Policy") != pagePolicy {
		t.Errorf("/ with its tag: got %d and policies %q, %q", again.status, first.header.Get("Content-Security-Policy"), again.header.Get("Content-Security-Policy"))
	}
	if routes := w.accepting("/", "Accept", "application/json", "If-None-Match", first.header.Get("ETag")); routes.status != 200 {
		t.Errorf("the routes with the page's tag: got %d, want 200", routes.status)
	}
}

// A name is that of a file, whatever it is made to look like.
func TestThePageHasNoOtherFiles(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	for _, name := range []string{"none.js", "page.go", "page_test.go", "APP.JS", "app.js.map", "..%2fpages.go", "%2e%2e%2fopenapi.yaml", "%2fetc%2fpasswd", ".", "app.js%00"} {
		if a := w.get("/page/" + name); a.status != 404 {
			t.Errorf("%s: got %d %s, want 404", a.asked, a.status, a.body)
		}
	}
	w.send(http.MethodPost, "/page/app.js", "", "").problem(405, "method_not_allowed")
}

// Who has no key yet gets the page, which asks for one, and nothing that is stored.
func TestThePageIsPublicAndWhatItShowsIsNot(t *testing.T) {
	g := guard(t, rest.Options{})
	g.key(nil, keys.Read)
	if a := g.accepting("/", "Accept", browsers); a.status != 200 {
		t.Errorf("%s of a browser without a key: got %d, want 200", a.asked, a.status)
	}
	g.get("/").want(200)
	for _, name := range pageFiles(t) {
		if a := g.get("/page/" + name); a.status != 200 {
			t.Errorf("%s without a key: got %d, want 200", a.asked, a.status)
		}
	}
	for _, path := range []string{"/v1/collections", "/v1/models", "/v1/jobs", "/v1/keys", at, at + "/instances", at + "/instances/i0/thumbnail"} {
		g.accepting(path, "Accept", browsers).problem(401, "unauthenticated")
	}
}

// People see that a server is being opened; programs are told to come back.
func TestThePageIsThereBeforeTheServerIsOpen(t *testing.T) {
	w := early(t, rest.Options{})
	page := w.accepting("/", "Accept", browsers)
	if page.status != 200 || page.header.Get("Content-Type") != "text/html; charset=utf-8" || page.header.Get("Content-Security-Policy") != pagePolicy {
		t.Errorf("/ of a browser: got %d %v, want the page", page.status, page.header)
	}
	if again := w.accepting("/", "Accept", browsers, "If-None-Match", page.header.Get("ETag")); again.status != 304 {
		t.Errorf("/ with its tag: got %d, want 304", again.status)
	}
	for _, name := range pageFiles(t) {
		a := w.get("/page/" + name)
		if a.status != 200 || a.header.Get("Content-Security-Policy") != pagePolicy {
			t.Errorf("%s: got %d, want 200", a.asked, a.status)
		}
		if again := w.accepting("/page/"+name, "If-None-Match", a.header.Get("ETag")); again.status != 304 {
			t.Errorf("%s with its tag: got %d, want 304", a.asked, again.status)
		}
	}
	w.get("/page/none.js").problem(404, "route_not_found")
	w.get("/").problem(503, "not_ready")
	w.accepting("/v1/collections", "Accept", browsers).problem(503, "not_ready")
	w.send(http.MethodPost, "/page/app.js", "", "").problem(503, "not_ready")
	service, _ := newService(t, t.TempDir(), api.Options{})
	if err := w.server.Open(service, nil, nil); err != nil {
		t.Fatal(err)
	}
	w.get("/").want(200)
}
