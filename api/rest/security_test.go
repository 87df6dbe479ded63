package rest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/audit"
	"nearcase/api/keys"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

// Each row of the security table (docs/security.md) is a test, over a real
// listener.
func TestSecurityTable(t *testing.T) {
	for _, row := range []struct {
		fact string
		test func(t *testing.T)
	}{
		{"no key", noKey},
		{"wrong key", wrongKey},
		{"revoked key", revokedKey},
		{"wrong scope", wrongScope},
		{"other collection", otherCollection},
		{"key in a URL", keyInURL},
		{"oversized body", oversizedBody},
		{"slow body", slowBody},
		{"10,000 headers", manyHeaders},
		{"zip bomb", zipBomb},
		{"zip path traversal", zipTraversal},
		{"symlink in an allowed folder", symlink},
		{"decompression bomb", decompressionBomb},
		{"host header", hostHeader},
		{"forwarded-for spoofing", forwardedFor},
		{"CSRF", crossSite},
		{"script injection", scripts},
		{"TLS below 1.2", oldTLS},
		{"audit log tampered with", tampered},
		{"audit log that cannot be written", unrecorded},
		{"listening beyond loopback", exposed},
	} {
		t.Run(row.fact, row.test)
	}
}

func noKey(t *testing.T) {
	g := guard(t, rest.Options{})
	g.key(nil, keys.Read)
	a := g.get(at)
	if p := a.problem(401, "unauthenticated"); a.header.Get("WWW-Authenticate") != `Bearer realm="nearcase"` || strings.Contains(string(a.body), "quadrants") {
		t.Errorf("got %+v and %q, want a challenge and nothing else", p, a.header.Get("WWW-Authenticate"))
	}
	g.get("/livez").want(200)
	if l := g.last("describeCollection"); l.Status != 401 || l.Key != "" || l.Collection != "cases" {
		t.Errorf("audit log: got %+v, want a stranger who got 401", l)
	}
	required := open(t, api.Options{}, rest.Options{Access: rest.Access{Required: true}})
	required.get("/v1/collections").problem(401, "unauthenticated")
}

func wrongKey(t *testing.T) {
	g := guard(t, rest.Options{})
	good, other := g.key(nil, keys.Read), guard(t, rest.Options{}).key(nil, keys.Admin)
	for fact, header := range map[string]string{
		"another server's": "Bearer " + other, "with a typing error": "Bearer " + strings.Replace(good, "_", "_a", 2),
		"its half": "Bearer " + good[:40], "nothing": "Bearer ", "another scheme": "Basic " + good, "no scheme": good, "a JWT": "Bearer a.b.c",
	} {
		r := g.request(http.MethodGet, at, "", nil)
		r.Header.Set("Authorization", header)
		if a := g.do(r); a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), "error=") {
			t.Errorf("a key that is %s: got %d %q, want 401 and why", fact, a.status, a.header.Get("WWW-Authenticate"))
		}
	}
	r := g.request(http.MethodGet, at, "", nil)
	r.Header["Authorization"] = []string{"Bearer " + good, "Bearer " + other}
	g.do(r).problem(401, "unauthenticated")
	g.as(good, http.MethodGet, at, "").want(200)
	// A key where there is none is not ignored either.
	guard(t, rest.Options{}).as(other, http.MethodGet, at, "").problem(401, "key_invalid")
}

func revokedKey(t *testing.T) {
	g := guard(t, rest.Options{})
	admin, made := g.key(nil, keys.Admin), g.issue(nil, keys.Read)
	g.as(made.Token, http.MethodGet, at, "").want(200)
	g.as(admin, http.MethodDelete, "/v1/keys/"+made.Key.ID, "").want(200)
	if p := g.as(made.Token, http.MethodGet, at, "").problem(401, "key_invalid"); !strings.Contains(p.Detail, "revoked") {
		t.Errorf("got %+v, want that it was revoked", p)
	}
	if l := g.last("describeCollection"); l.Key != made.Key.ID || l.Status != 401 {
		t.Errorf("audit log: got %+v, want that the revoked key was tried", l)
	}
	if l := g.last("revokeKey"); l.Object != made.Key.ID || l.Status != 200 || l.Key == "" {
		t.Errorf("audit log: got %+v, want who revoked %s", l, made.Key.ID)
	}
	// The last key gone does not open the door.
	for _, k := range decoded[struct{ Keys []keys.Key }](g.as(admin, http.MethodGet, "/v1/keys", "").want(200)).Keys {
		if _, err := g.ring.RevokeKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
	}
	g.get(at).problem(401, "unauthenticated")
}

func wrongScope(t *testing.T) {
	g := guard(t, rest.Options{})
	made := g.issue(nil, keys.Read, keys.Label)
	a := g.as(made.Token, http.MethodDelete, at+"/instances/i0", "")
	if p := a.problem(403, "scope_missing"); !strings.Contains(p.Detail, "write") || !strings.Contains(a.header.Get("WWW-Authenticate"), `scope="write"`) {
		t.Errorf("got %+v and %q, want the scope that is missing", p, a.header.Get("WWW-Authenticate"))
	}
	if l := g.last("deleteInstance"); l.Key != made.Key.ID || l.Status != 403 {
		t.Errorf("audit log: got %+v, want that it was tried", l)
	}
	if g.instances() != 4 {
		t.Errorf("got %d instances, want 4", g.instances())
	}
}

func otherCollection(t *testing.T) {
	g := guard(t, rest.Options{})
	g.json(http.MethodPost, "/v1/collections", `{"name":"other","model":"quadrants"}`).want(201)
	token := g.key([]string{"other"}, keys.Admin)
	g.as(token, http.MethodGet, "/v1/collections/other", "").want(200)
	for _, path := range []string{at, "/v1/collections/none", at + "/instances/i0", "/v1/collections/%63ases", "/v1/collections/c%61ses/instances", "/v1/collections/%2563ases"} {
		if p := g.as(token, http.MethodGet, path, "").problem(403, "collection_forbidden"); strings.Contains(p.Detail, "no such") {
			t.Errorf("GET %s: got %+v, want nothing on what there is", path, p)
		}
	}
	g.as(token, http.MethodPost, "/v1/keys", `{"name":"x","scopes":["admin"]}`).problem(403, "collection_forbidden")
	g.as(token, http.MethodPost, "/v1/collections/other/evaluate", `{"task":"finding","collections":["cases"]}`).problem(403, "collection_forbidden")
	shown := decoded[struct{ Collections []api.Collection }](g.as(token, http.MethodGet, "/v1/collections", "").want(200)).Collections
	if len(shown) != 1 || shown[0].Name != "other" {
		t.Errorf("GET /v1/collections: got %v, want other alone", shown)
	}
}

func keyInURL(t *testing.T) {
	g := guard(t, rest.Options{})
	made := g.issue(nil, keys.Admin)
	for _, path := range []string{
		"/v1/collections?key=" + made.Token, at + "/instances/" + made.Token, "/v1/collections?api_key=Bearer%20" + made.Token,
		"/v1/collections?k=" + strings.Replace(made.Token, "n", "%6e", 1), "/%6e" + made.Token[1:], "/livez?" + made.Token,
	} {
		a := g.as(made.Token, http.MethodGet, path, "")
		a.problem(400, "key_in_url")
		if strings.Contains(string(a.body), made.Token) || !strings.Contains(string(a.body), made.Key.ID) {
			t.Errorf("GET %s: got %s, want the key by its ID alone", path, a.body)
		}
	}
	if log := g.world.log.String(); strings.Contains(log, made.Token[20:]) || strings.Count(log, "must count as known to others") != 6 {
		t.Errorf("log: got %s, want six warnings, without the secret", log)
	}
	if l := g.last("key.exposed"); l.Key != made.Key.ID {
		t.Errorf("audit log: got %+v, want key %s", l, made.Key.ID)
	}
}

func oversizedBody(t *testing.T) {
	g := guard(t, rest.Options{MaxBody: 100_000, MaxImageBytes: 20_000})
	token := g.key(nil, keys.Write)
	// Who asks before sending it is told before.
	got := raw(t, g.world, "POST "+at+"/instances HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+token+"\r\nContent-Type: image/png\r\nContent-Length: 1000000000000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 413 ") {
		t.Errorf("a body of a terabyte: got %.200q, want 413", got)
	}
	g.upload(token, "image/png", make([]byte, 100_001)).problem(413, "body_too_large")
	r := g.request(http.MethodPost, at+"/instances", "image/png", endless{strings.NewReader(strings.Repeat("x", 30_000))})
	r.Header.Set("Authorization", "Bearer "+token)
	g.do(r).problem(413, "image_too_large")
	g.as(token, http.MethodGet, "/livez", "").want(200)
}

// raw sends bytes to a server and returns what it answers until it closes the
// connection.
func raw(t *testing.T, w *world, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = io.WriteString(c, request) }()
	got, err := io.ReadAll(c)
	if err != nil && len(got) == 0 {
		t.Fatalf("read answer: %v", err)
	}
	return string(got)
}

// A body that stops coming ends its request; one with a key is no different.
func slowBody(t *testing.T) {
	g := guard(t, rest.Options{})
	token := g.key(nil, keys.Write)
	rest.SetBodyTimeout(g.server, time.Millisecond)
	got := raw(t, g.world, "POST "+at+"/instances HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+token+"\r\nContent-Type: image/png\r\nContent-Length: 1000\r\nConnection: close\r\n\r\nx")
	if !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("got %.200q, want 408", got)
	}
}

func manyHeaders(t *testing.T) {
	g := guard(t, rest.Options{})
	for n, want := range map[int]string{10_000: "HTTP/1.1 431 ", 300: "HTTP/1.1 431 ", 30: "HTTP/1.1 200 "} {
		var all strings.Builder
		for i := range n {
			fmt.Fprintf(&all, "a%d:\r\n", i)
		}
		if got := raw(t, g.world, "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"+all.String()+"\r\n"); !strings.HasPrefix(got, want) {
			t.Errorf("%d headers: got %.100q, want %s", n, got, want)
		}
	}
}

// upload posts a body and returns the answer.
func (g *guarded) upload(token, mediaType string, body []byte) answer {
	g.t.Helper()
	r := g.request(http.MethodPost, at+"/instances", mediaType, bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	return g.do(r)
}

func zipBomb(t *testing.T) {
	g := guard(t, rest.Options{MaxImageBytes: 1 << 20})
	token := g.key(nil, keys.Write)
	for name, body := range apitest.BadArchives(t) {
		if a := g.upload(token, "application/zip", body); a.status < 400 || a.status >= 500 {
			t.Errorf("%s: got %d %s, want that it is refused", name, a.status, a.body)
		}
	}
	bomb := apitest.Zip(t, map[string][]byte{"a.png": make([]byte, 16<<20)}, "a.png")
	if a := g.upload(token, "application/zip", bomb); a.status < 400 || a.status >= 500 || len(bomb) > 1<<15 {
		t.Errorf("16 MiB in %d bytes: got %d %s, want that it is refused", len(bomb), a.status, a.body)
	}
	if g.instances() != 4 {
		t.Errorf("got %d instances, want 4", g.instances())
	}
}

// No file is written by a name of an archive, whatever that is.
func zipTraversal(t *testing.T) {
	g := guard(t, rest.Options{})
	token := g.key(nil, keys.Write)
	names := []string{"../../escaped.png", "/tmp/escaped.png", `..\..\escaped.png`, "a/../../escaped.png"}
	files := map[string][]byte{}
	for i, name := range names {
		files[name] = picture(t, uint64(100+i))
	}
	g.upload(token, "application/zip", apitest.Zip(t, files, names...))
	for _, dir := range []string{g.world.dir, filepath.Dir(g.world.dir), filepath.Dir(filepath.Dir(g.world.dir)), "/tmp", "."} {
		if found, _ := filepath.Glob(filepath.Join(dir, "*escaped*")); len(found) > 0 {
			t.Errorf("written outside: %q", found)
		}
	}
}

// What leads out of a folder is not followed, whether it is named or found.
func symlink(t *testing.T) {
	w := open(t, api.Options{Folders: map[string]string{"incoming": incoming(t, 2)}}, rest.Options{})
	w.fill(0)
	for _, path := range []string{"passwd.png", "out/secret.png", "in.png", "../x", "/etc/passwd"} {
		w.json(http.MethodPost, at+"/imports", fmt.Sprintf(`{"folder":"incoming","path":%q}`, path)).problem(422, "folder_not_allowed")
	}
	w.json(http.MethodPost, at+"/imports", `{"folder":"incoming","recursive":true}`).want(200)
	if got := w.instances(); got != 2 {
		t.Errorf("got %d instances, want the 2 that are there themselves", got)
	}
}

func decompressionBomb(t *testing.T) {
	g := guard(t, rest.Options{})
	token := g.key(nil, keys.Read, keys.Write)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, coding := range []string{"gzip", "br", "deflate", "identity, gzip"} {
		r := g.request(http.MethodPost, at+"/similar", "application/json", bytes.NewReader(zipped.Bytes()))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Encoding", coding)
		g.do(r).problem(415, "encoding_unknown")
	}
	for name, body := range apitest.Bad(t) {
		if a := g.upload(token, "application/octet-stream", body); a.status < 400 || a.status >= 500 {
			t.Errorf("%s: got %d %s, want that it is refused", name, a.status, a.body)
		}
	}
}

func hostHeader(t *testing.T) {
	g := guard(t, rest.Options{Hosts: []string{"cases.hospital.example"}})
	token := g.key(nil, keys.Read)
	for host, status := range map[string]int{
		"cases.hospital.example": 200, "cases.hospital.example:443": 200, "localhost": 200,
		"attacker.example": 421, "192.0.2.1": 421, "cases.hospital.example.attacker.example": 421, "169.254.169.254": 421,
	} {
		r := g.request(http.MethodGet, at, "", nil)
		r.Host = host
		r.Header.Set("Authorization", "Bearer "+token)
		if got := g.do(r).status; got != status {
			t.Errorf("Host: %s: got %d, want %d", host, got, status)
		}
	}
}

// What a request says of whom it is from counts only if a proxy that is trusted
// says it, and only as far as those trusted have said it.
func forwardedFor(t *testing.T) {
	ask := func(g *guarded, forwarded string) int {
		r := g.request(http.MethodGet, "/livez", "", nil)
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		return g.do(r).status
	}
	slow := rest.Quota{Requests: 1e-9, Burst: 7}
	direct := guard(t, rest.Options{Access: rest.Access{Quota: slow}})
	for i := range 7 { // after those that made the collection
		ask(direct, fmt.Sprintf("198.51.100.%d", i))
	}
	r := direct.request(http.MethodGet, "/livez", "", nil)
	r.Header.Set("X-Forwarded-For", "198.51.100.99")
	if a := direct.do(r); a.problem(429, "quota_exceeded").Detail == "" || a.header.Get("Retry-After") == "" {
		t.Errorf("without a proxy, by another name each time: got %v, want Retry-After", a.header)
	}
	proxied := guard(t, rest.Options{Access: rest.Access{Quota: slow, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	for i := range 7 {
		if got := ask(proxied, fmt.Sprintf("203.0.113.%d, 198.51.100.7", i)); got != 200 {
			t.Errorf("request %d of 198.51.100.7: got %d, want 200", i, got)
		}
	}
	if got := ask(proxied, "203.0.113.99, 198.51.100.7"); got != 429 {
		t.Errorf("198.51.100.7, which names another before it: got %d, want 429", got)
	}
	if got := ask(proxied, "198.51.100.8"); got != 200 {
		t.Errorf("198.51.100.8: got %d, want 200", got)
	}
}

func crossSite(t *testing.T) {
	g := guard(t, rest.Options{Access: rest.Access{Origins: []string{"https://viewer.example"}}})
	token := g.key(nil, keys.Admin)
	ask := func(method, origin string, more ...string) answer {
		r := g.request(method, at+"/instances/i0", "", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		for i := 0; i < len(more); i += 2 {
			r.Header.Set(more[i], more[i+1])
		}
		response, err := g.http.Do(r) // the contract has no OPTIONS
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return answer{t, method, response.StatusCode, response.Header, body}
	}
	a := ask(http.MethodDelete, "https://attacker.example")
	a.problem(403, "cross_origin")
	if got := ask(http.MethodGet, "https://attacker.example").header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("another site: got Access-Control-Allow-Origin %q, want none", got)
	}
	if got := ask(http.MethodOptions, "https://attacker.example", "Access-Control-Request-Method", "DELETE"); got.header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("another site asks before: got %v, want nothing allowed", got.header)
	}
	asked := ask(http.MethodOptions, "https://viewer.example", "Access-Control-Request-Method", "DELETE")
	if asked.status != 204 || asked.header.Get("Access-Control-Allow-Origin") != "https://viewer.example" || asked.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("a site that is allowed asks before: got %d %v", asked.status, asked.header)
	}
	if got := ask(http.MethodDelete, "https://viewer.example").status; got != 204 {
		t.Errorf("a change by a site that is allowed: got %d, want 204", got)
	}
}

// What others have written comes back as data and never as a page.
func scripts(t *testing.T) {
	g := guard(t, rest.Options{})
	token := g.key(nil, keys.Admin)
	script := `<script>alert(1)</script>`
	g.as(token, http.MethodPost, at+"/tasks", `{"tasks":[{"name":"odd","classes":["a"]}]}`)
	f := newForm(t).part("metadata", `{"id":"`+`\u003cscript\u003e`+`","name":"<script>alert(1)</script>.png"}`).part("image", string(picture(t, 500)))
	mediaType, body := f.close()
	r := g.request(http.MethodPost, at+"/instances", mediaType, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	answers := []answer{g.do(r)}
	for _, path := range []string{at + "/instances", at, "/v1/collections/" + "%3Cscript%3E", at + "/instances/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/%3Cscript%3E"} {
		answers = append(answers, g.as(token, http.MethodGet, path, ""))
	}
	answers = append(answers, g.as(token, http.MethodPost, at+"/labels", `{"labels":[{"instance":"i0","task":"finding","classes":["`+script+`"]}]}`))
	for _, a := range answers {
		kind := a.header.Get("Content-Type")
		if bytes.Contains(a.body, []byte("<script")) || kind != "application/json" && kind != problem.MediaType {
			t.Errorf("%s: got %s %s, want JSON without a script", a.asked, kind, a.body)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: got %s %q, want %q", a.asked, name, got, want)
			}
		}
		if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: got Content-Security-Policy %q", a.asked, csp)
		}
	}
}

// secured is a server with a certificate, and what its clients trust.
func secured(t *testing.T, access rest.Access) (url string, roots *tls.Config, server *rest.Server, dir string) {
	t.Helper()
	dir = t.TempDir()
	authority := newAuthority(t)
	access.TLS = rest.TLS{Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), ClientCA: access.TLS.ClientCA}
	authority.issue(t, access.TLS.Certificate, access.TLS.Key, 1)
	s, _ := newService(t, t.TempDir(), api.Options{})
	server = rest.New(s, rest.Options{Access: access})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return "https://" + listener.Addr().String(), &tls.Config{RootCAs: authority.pool}, server, dir
}

func oldTLS(t *testing.T) {
	url, config, _, _ := secured(t, rest.Access{})
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c := config.Clone()
		c.MinVersion, c.MaxVersion = version, version
		conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), c)
		if (err == nil) != ok {
			t.Errorf("%s: got %v, want it to work: %v", tls.VersionName(version), err, ok)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

func tampered(t *testing.T) {
	g := guard(t, rest.Options{})
	token := g.key(nil, keys.Admin)
	g.as(token, http.MethodGet, at+"/instances/i0", "").want(200)
	g.as(token, http.MethodDelete, at+"/instances/i1", "").want(204)
	seen, changed := g.last("describeInstance"), g.last("deleteInstance")
	if seen.Subjects[0] != g.seal.Instance("i0") || changed.Subjects[0] != g.seal.Instance("i1") || changed.Status != 204 {
		t.Errorf("audit log: got %+v and %+v, want who saw i0 and deleted i1", seen, changed)
	}
	if err := g.log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.seal.Verify(g.dir, 1); err != nil {
		t.Fatalf("Verify before: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(g.dir, "*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files: %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"\"i0\"", "\"i1\"", token[20:]} {
		if bytes.Contains(whole, []byte(secret)) {
			t.Errorf("audit log has %s", secret)
		}
	}
	forged := bytes.Replace(whole, []byte(`"operation":"deleteInstance"`), []byte(`"operation":"listInstances"`), 1)
	if err := os.WriteFile(files[0], forged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := g.seal.Verify(g.dir, 1); !errors.Is(err, audit.ErrTampered) {
		t.Errorf("Verify: got %v, want %v", err, audit.ErrTampered)
	}
	if _, err := audit.Open(g.dir, g.seal, audit.Options{}); !errors.Is(err, audit.ErrTampered) {
		t.Errorf("Open: got %v, want %v", err, audit.ErrTampered)
	}
}

// Nothing is changed that cannot be recorded, and what can be seen is.
func unrecorded(t *testing.T) {
	g := guard(t, rest.Options{})
	token := g.key(nil, keys.Admin)
	if err := g.log.Close(); err != nil {
		t.Fatal(err)
	}
	a := g.as(token, http.MethodDelete, at+"/instances/i0", "")
	if p := a.problem(503, "audit_unavailable"); a.header.Get("Retry-After") == "" {
		t.Errorf("got %+v without Retry-After", p)
	}
	g.as(token, http.MethodGet, at+"/instances/i0", "").want(200)
	if log := g.world.log.String(); !strings.Contains(log, "audit log") {
		t.Errorf("log: got %s, want that the audit log fails", log)
	}
}

func exposed(t *testing.T) {
	ring, err := keys.Open(t.Context(), &shelf{kept: map[string][]byte{}})
	if err != nil {
		t.Fatal(err)
	}
	none := rest.Access{Keys: ring, BehindTLS: true}
	if err := none.CheckListen("0.0.0.0:1"); !errors.Is(err, rest.ErrExposed) {
		t.Errorf("without keys: got %v, want %v", err, rest.ErrExposed)
	}
	if _, err := ring.CreateKey(t.Context(), keys.New{Name: "x", Grant: keys.Grant{Scopes: keys.Scopes}}); err != nil {
		t.Fatal(err)
	}
	for a, want := range map[*rest.Access]error{
		{Keys: ring}:                                  rest.ErrPlain,
		{Keys: ring, BehindTLS: true}:                 nil,
		{Keys: ring, TLS: rest.TLS{Certificate: "x"}}: nil,
	} {
		if err := a.CheckListen("0.0.0.0:1"); !errors.Is(err, want) {
			t.Errorf("%+v: got %v, want %v", a, err, want)
		}
		if err := a.CheckListen("127.0.0.1:1"); err != nil {
			t.Errorf("%+v on loopback: got %v", a, err)
		}
	}
}
