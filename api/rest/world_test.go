package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/problem"
	"nearcase/api/rest"
	"nearcase/store/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server on a real listener, over a real store.
type world struct {
	t       testing.TB
	server  *rest.Server
	service *api.Service
	catalog *local.Catalog
	dir     string // of the catalog
	url     string
	http    *http.Client
	log     *apitest.Journal
	stop    context.CancelFunc
	served  chan error
}

func newService(t testing.TB, dir string, o api.Options) (*api.Service, *local.Catalog) {
	t.Helper()
	catalog, err := local.Open(dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.Catalog, o.Workers = catalog, 2
	if o.OpenModel == nil {
		o.OpenModel = apitest.OpenModel
	}
	if o.Models == nil {
		o.Models = apitest.Models
	}
	s := api.New(o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, catalog
}

func open(t testing.TB, a api.Options, o rest.Options) *world {
	t.Helper()
	return openIn(t, t.TempDir(), a, o)
}

// openIn is open over what a directory has.
func openIn(t testing.TB, dir string, a api.Options, o rest.Options) *world {
	t.Helper()
	return openWith(t, dir, a, func(*world) rest.Options { return o })
}

// openWith is openIn with options that are made of what the world has before its
// server.
func openWith(t testing.TB, dir string, a api.Options, options func(*world) rest.Options) *world {
	t.Helper()
	w := &world{t: t, log: &apitest.Journal{}, served: make(chan error, 1), dir: dir}
	w.service, w.catalog = newService(t, w.dir, a)
	o := options(w)
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewJSONHandler(w.log, nil))
	}
	w.server = rest.New(w.service, o)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + listener.Addr().String()
	transport := &http.Transport{}
	w.http = &http.Client{Transport: transport}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.served <- w.server.Serve(ctx, listener); close(w.served) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		for err := range w.served {
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		}
	})
	return w
}

// cases is a world with a collection "cases" of n images for one task.
func cases(t testing.TB, n int) *world {
	t.Helper()
	w := open(t, api.Options{Folders: map[string]string{"incoming": incoming(t, 2)}, Backups: api.Backups{Folder: t.TempDir()}}, rest.Options{MaxBody: 200_000, MaxImageBytes: 20_000, MaxFiles: 30})
	w.fill(n)
	return w
}

// hook is a webhook as it is kept. Its address is reached by nothing.
const hook = `{"id":"HOOK","url":"https://192.0.2.1/","types":[],"collections":[],"created":"2026-01-02T03:04:05Z","secret":"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`

// fill makes the collection "cases" of n images.
func (w *world) fill(n int) {
	t := w.t
	t.Helper()
	w.json(http.MethodPost, "/v1/collections", `{"name":"cases","model":"quadrants",
		"tasks":[{"name":"finding","classes":["dark","light"]},{"name":"marks","multi":true,"classes":["a","b"]}]}`).want(201)
	if err := w.catalog.SaveDocument(t.Context(), "webhook", "HOOK", []byte(hook)); err != nil {
		t.Fatal(err)
	}
	f := newForm(t)
	for i := range n {
		class := []string{"dark", "light"}[i%2]
		f.part("metadata", fmt.Sprintf(`{"id":"i%d","patient":"p%d","study":"s%d","labels":{"finding":[%q]}}`, i, i, i, class))
		f.part("image", string(picture(t, uint64(i))))
	}
	if n > 0 {
		w.form("/v1/collections/cases/instances", f).want(200)
	}
}

// answer is what a request got.
type answer struct {
	t      testing.TB
	asked  string
	status int
	header http.Header
	body   []byte
}

// do sends a request and holds the answer to the contract.
func (w *world) do(r *http.Request) answer {
	w.t.Helper()
	response, err := w.http.Do(r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatalf("%s %s: read answer: %v", r.Method, r.URL, err)
	}
	a := answer{w.t, r.Method + " " + r.URL.RequestURI(), response.StatusCode, response.Header, body}
	a.conforms(rest.Asked(r.Method, r.URL))
	return a
}

func (w *world) request(method, path, mediaType string, body io.Reader) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	return r
}

func (w *world) send(method, path, mediaType, body string) answer {
	w.t.Helper()
	return w.do(w.request(method, path, mediaType, strings.NewReader(body)))
}

func (w *world) json(method, path, body string) answer {
	w.t.Helper()
	return w.send(method, path, "application/json", body)
}

func (w *world) get(path string) answer {
	w.t.Helper()
	return w.send(http.MethodGet, path, "", "")
}

func (w *world) form(path string, f *form) answer {
	w.t.Helper()
	mediaType, body := f.close()
	return w.send(http.MethodPost, path, mediaType, body)
}

// want fails the test unless the answer has the status, and JSON in it.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: got %d %s, want %d", a.asked, a.status, a.body, status)
	}
	if status != http.StatusNoContent && !json.Valid(a.body) {
		a.t.Fatalf("%s: got %q, want JSON", a.asked, a.body)
	}
	return a
}

// problem checks that the answer is one, and returns it.
func (a answer) problem(status int, code problem.Code) problem.Problem {
	a.t.Helper()
	a.want(status)
	p := decoded[problem.Problem](a)
	if a.header.Get("Content-Type") != problem.MediaType || p.Code != code || p.Status != status {
		a.t.Errorf("%s: got %s %s, want %s with code %s and status %d", a.asked, a.header.Get("Content-Type"), a.body, problem.MediaType, code, status)
	}
	if p.Title == "" || p.Type == "" || p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		a.t.Errorf("%s: got %s, want a type, a title and the request's ID %q", a.asked, a.body, a.header.Get("X-Request-Id"))
	}
	return p
}

// decoded reads an answer's JSON, and fails for keys that T does not have.
func decoded[T any](a answer) (v T) {
	a.t.Helper()
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		a.t.Fatalf("%s: %s: %v", a.asked, a.body, err)
	}
	return v
}

// form is a multipart body.
type form struct {
	t      testing.TB
	body   bytes.Buffer
	writer *multipart.Writer
}

func newForm(t testing.TB) *form {
	f := &form{t: t}
	f.writer = multipart.NewWriter(&f.body)
	return f
}

func (f *form) part(name, content string) *form {
	f.t.Helper()
	w, err := f.writer.CreatePart(textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q; filename=%q", name, "Mustermann^Max.png")}})
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return f
}

func (f *form) close() (mediaType, body string) {
	f.t.Helper()
	if err := f.writer.Close(); err != nil {
		f.t.Fatal(err)
	}
	return f.writer.FormDataContentType(), f.body.String()
}

// picture returns a PNG that depends on the seed: light for odd ones, dark for
// even.
func picture(t testing.TB, seed uint64) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	m := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for y := range 16 {
		for x := range 16 {
			base := uint8(120 * (seed % 2))
			m.SetRGBA(x, y, color.RGBA{base + uint8(random.IntN(120)), base + uint8(random.IntN(100)), base + uint8(random.IntN(80)), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
