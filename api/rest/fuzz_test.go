package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

// handler is a server with a collection "cases" of one labelled image, without
// a listener.
func handler(t testing.TB) http.Handler {
	t.Helper()
	s, _ := newService(t, t.TempDir(), api.Options{})
	h := rest.New(s, rest.Options{MaxImageBytes: 20_000, MaxBody: 100_000})
	post := func(path, mediaType, body string) {
		if got := serve(h, path, mediaType, body); got.Code > 299 {
			t.Fatalf("%s: got %d %s", path, got.Code, got.Body)
		}
	}
	post("/v1/collections", "application/json", `{"name":"cases","model":"quadrants","tasks":[{"name":"finding","classes":["dark","light"]}]}`)
	mediaType, body := newForm(t).part("metadata", `{"id":"i0","patient":"p0","labels":{"finding":["dark"]}}`).part("image", string(picture(t, 0))).close()
	post(at+"/instances", mediaType, body)
	return h
}

func serve(h http.Handler, path, mediaType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Content-Type", mediaType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// lawful: whatever is sent, the answer is JSON, never a failure of the server,
// and what is refused is refused by a problem with a code.
func lawful(t *testing.T, sent string, got *httptest.ResponseRecorder) {
	t.Helper()
	body, err := io.ReadAll(got.Body)
	if err != nil || got.Code >= 500 || !json.Valid(body) {
		t.Fatalf("%q: got %d %s, want JSON without a failure of the server", sent, got.Code, body)
	}
	var p problem.Problem
	if got.Code < 400 {
		return
	}
	if err := json.Unmarshal(body, &p); err != nil || p.Code == "" || p.Status != got.Code || got.Header().Get("Content-Type") != problem.MediaType {
		t.Fatalf("%q: got %d %s, want a problem with a code", sent, got.Code, body)
	}
}

func FuzzMetadata(f *testing.F) {
	h := handler(f)
	for _, seed := range []string{``, `{}`, `null`, `[]`, `{"id":"a"}`, `{"id":"a/b","patient":"p","study":"s","series":"t","name":"n","labels":{"finding":["dark"]}}`,
		`{"labels":{"finding":["dark","light"]}}`, `{"labels":{"":[""]}}`, `{"id":"\u0000"}`, "{\"id\":\"\xff\"}", `{"ID":"a","id":"b"}`} {
		f.Add(seed, uint64(1))
	}
	f.Fuzz(func(t *testing.T, metadata string, seed uint64) {
		mediaType, body := newForm(t).part("metadata", metadata).part("image", string(picture(t, seed%64))).close()
		lawful(t, metadata, serve(h, at+"/instances", mediaType, body))
	})
}

func FuzzQuery(f *testing.F) {
	h := handler(f)
	for _, seed := range []string{``, `{}`, `null`, `0`, `{"instance":"i0"}`, `{"instance":"i0","k":10000,"min_score":-1,"exact":true,"same_patient":true}`,
		`{"instance":"i0","tasks":["finding"]}`, `{"vector":[1,2],"fingerprint":"x"}`, `{"vector":[]}`, `{"vector":[1e38,null]}`, `{"instance":"i0","min_score":1e-46}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, route := range []string{"/similar", "/classify"} {
			lawful(t, query, serve(h, at+route, "application/json", query))
			mediaType, body := newForm(t).part("query", query).part("image", string(picture(t, 3))).close()
			lawful(t, query, serve(h, at+route, mediaType, body))
		}
	})
}

// FuzzBody sends any bytes to any route that takes some, as any kind.
func FuzzBody(f *testing.F) {
	h := handler(f)
	routes := []string{"", "/tasks", "/instances", "/labels", "/similar", "/classify", "/evaluate", "/reindex"}
	kinds := []string{"application/json", "image/png", "multipart/form-data; boundary=b"}
	for i := range routes {
		for j := range kinds {
			f.Add(uint8(i), uint8(j), []byte("--b\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nx\r\n--b--\r\n"))
			f.Add(uint8(i), uint8(j), []byte(`{"tasks":[{"name":"x","classes":["y"]}],"labels":[{"instance":"i0"}]}`))
		}
	}
	f.Fuzz(func(t *testing.T, route, kind uint8, body []byte) {
		path := at + routes[int(route)%len(routes)]
		if path == at {
			path = "/v1/collections"
		}
		lawful(t, string(body), serve(h, path, kinds[int(kind)%len(kinds)], string(body)))
	})
}

// FuzzRender sends any form and parameters to be shown. A picture is a PNG.
func FuzzRender(f *testing.F) {
	h := handler(f)
	form := "--b\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n" + string(picture(f, 5)) + "\r\n--b--\r\n"
	f.Add(form, "", "")
	f.Add(form, "1e9,0.5,sigmoid", "3,4")
	f.Add(form[:90], "nan,inf", "1")
	f.Fuzz(func(t *testing.T, body, window, viewport string) {
		q := url.Values{"window": {window}, "viewport": {viewport}}
		got := serve(h, "/v1/render?"+q.Encode(), "multipart/form-data; boundary=b", body)
		if got.Code != http.StatusOK {
			lawful(t, body, got)
		} else if !strings.HasPrefix(got.Body.String(), "\x89PNG") {
			t.Fatalf("%q: got %.50q, want a PNG", body, got.Body)
		}
	})
}

// Valid requests with a few bytes changed are never a failure of the server.
func TestSpoiltRequestsNeverFailTheServer(t *testing.T) {
	h := handler(t)
	random := rand.New(rand.NewPCG(1, 2))
	mediaType, upload := newForm(t).part("metadata", `{"id":"x","labels":{"finding":["dark"]}}`).part("image", string(picture(t, 5))).part("image", string(picture(t, 6))).close()
	for range 400 {
		body := []byte(upload)
		for range 1 + random.IntN(4) {
			body[random.IntN(len(body))] = byte(random.Uint32())
		}
		if random.IntN(2) == 0 {
			body = body[:random.IntN(len(body))]
		}
		lawful(t, string(bytes.Clone(body)), serve(h, at+"/instances", mediaType, string(body)))
	}
}
