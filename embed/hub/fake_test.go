package hub

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	repo   = "org/model"
	commit = "0123456789abcdef0123456789abcdef01234567"
	token  = "hf_secret"
)

// fake behaves as the hub does: it lists a repository, serves small files itself
// and redirects to another host for large ones.
type fake struct {
	t        *testing.T
	hub, cdn *httptest.Server
	files    map[string][]byte
	gated    bool

	mu   sync.Mutex
	asks []ask
	// fault may answer in place of the server and then returns true.
	fault func(w http.ResponseWriter, r *http.Request, body []byte) bool
	// change alters the list.
	change func(map[string]any)
}

// ask is a request that came.
type ask struct{ host, path, rang, auth string }

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, files: map[string][]byte{
		"config.json":              []byte(`{"model_type": "clip"}`),
		"preprocessor_config.json": []byte(`{"do_resize": true}`),
		"tokenizer.json":           []byte(`{}`),
		"vocab.json":               []byte(`not needed`),
		"README.md":                []byte("# not needed"),
		"pytorch_model.bin":        bytes.Repeat([]byte("no"), 100),
		"onnx/model.onnx":          bytes.Repeat([]byte("both"), 1000),
		"onnx/vision_model.onnx":   pattern(1 << 20),
		"onnx/text_model.onnx":     pattern(600_000),
	}}
	f.hub = httptest.NewTLSServer(http.HandlerFunc(f.serve))
	f.cdn = httptest.NewTLSServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.hub.Close)
	t.Cleanup(f.cdn.Close)
	return f
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return b
}

// options trust the fake and do not wait.
func (f *fake) options() Options {
	pool := x509.NewCertPool()
	pool.AddCert(f.hub.Certificate())
	return Options{
		Endpoint: f.hub.URL, Token: token, TLS: &tls.Config{RootCAs: pool},
		Proxy:    func(*http.Request) (*url.URL, error) { return nil, nil },
		Backoff:  func(int) time.Duration { return time.Millisecond },
		Attempts: 4, Stall: 5 * time.Second,
	}
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asks = append(f.asks, ask{r.Host, r.URL.Path, r.Header.Get("Range"), r.Header.Get("Authorization")})
	fault := f.fault
	f.mu.Unlock()
	resolve, isFile := strings.CutPrefix(r.URL.Path, "/"+repo+"/resolve/"+commit+"/")
	blob, isBlob := strings.CutPrefix(r.URL.Path, "/blobs/")
	switch {
	case f.gated && r.Host == f.host(f.hub) && r.Header.Get("Authorization") != "Bearer granted":
		w.Header().Set("X-Error-Code", "GatedRepo")
		w.WriteHeader(http.StatusForbidden)
	case r.URL.Path == "/api/models/"+repo+"/revision/main" || r.URL.Path == "/api/models/"+repo+"/revision/"+commit:
		if fault == nil || !fault(w, r, nil) {
			f.list(w)
		}
	case isFile && isLarge(resolve):
		http.Redirect(w, r, f.cdn.URL+"/blobs/"+resolve+"?signature=secret", http.StatusFound)
	case isFile || isBlob:
		name := resolve
		if isBlob {
			name = blob
		}
		f.file(w, r, name, fault)
	default:
		w.Header().Set("X-Error-Code", "RepoNotFound")
		http.Error(w, "Not Found", http.StatusUnauthorized)
	}
}

func (f *fake) host(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "https://") }

func (f *fake) file(w http.ResponseWriter, r *http.Request, name string, fault func(http.ResponseWriter, *http.Request, []byte) bool) {
	body, ok := f.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", `"`+digest(body)+`"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	if fault != nil && fault(w, r, body) {
		return
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}

func isLarge(name string) bool {
	return strings.HasSuffix(name, ".onnx") || strings.Contains(name, "_data")
}

func (f *fake) list(w http.ResponseWriter) {
	var siblings []any
	for name, body := range f.files {
		s := map[string]any{"rfilename": name, "size": len(body), "blobId": blob(body)}
		if isLarge(name) {
			s["lfs"] = map[string]any{"sha256": digest(body), "size": len(body), "pointerSize": 134}
		}
		siblings = append(siblings, s)
	}
	answer := map[string]any{
		"sha": commit, "gated": "auto", "tags": []string{"onnx", "license:mit"},
		"cardData": map[string]any{"license": "mit"}, "siblings": siblings,
	}
	if f.change != nil {
		f.change(answer)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func digest(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func blob(b []byte) string {
	s := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(b)), b...))
	return hex.EncodeToString(s[:])
}

// breakAfter sends n bytes of what was asked for and closes the connection.
func breakAfter(w http.ResponseWriter, r *http.Request, body []byte, n int) {
	from := 0
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
		w.Header().Set("Content-Length", fmt.Sprint(len(body)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(http.StatusOK)
	}
	_, _ = w.Write(body[from:min(len(body), from+n)])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// on makes a fault that befalls one file alone.
func on(name string, fault func(http.ResponseWriter, *http.Request, []byte)) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if !strings.HasSuffix(r.URL.Path, "/"+name) {
			return false
		}
		fault(w, r, body)
		return true
	}
}

// once is a fault that befalls the first n requests.
func once(n int, fault func(http.ResponseWriter, *http.Request, []byte) bool) func(http.ResponseWriter, *http.Request, []byte) bool {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		mu.Lock()
		if n <= 0 || !strings.HasSuffix(r.URL.Path, ".onnx") {
			mu.Unlock()
			return false
		}
		n--
		mu.Unlock()
		return fault(w, r, body)
	}
}

// pull resolves and pulls.
func pull(t *testing.T, models, source string, o Options) (Record, error) {
	t.Helper()
	p, err := Resolve(t.Context(), source, o)
	if err != nil {
		return Record{}, err
	}
	return Pull(t.Context(), p, models, p.Name, o)
}

// asked returns what came, and forgets it.
func (f *fake) asked() []ask {
	f.mu.Lock()
	defer f.mu.Unlock()
	asks := f.asks
	f.asks = nil
	return asks
}

// content reads a folder, without the record.
func content(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == RecordName {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		files[filepath.ToSlash(name)] = string(b)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return files
}

// chosen is what a pull of the fake's repository brings.
func (f *fake) chosen() map[string]string {
	want := map[string]string{}
	for _, name := range []string{"config.json", "preprocessor_config.json", "tokenizer.json", "onnx/vision_model.onnx", "onnx/text_model.onnx"} {
		want[name] = string(f.files[name])
	}
	return want
}

func same(a, b map[string]string) bool { return maps.Equal(a, b) }

func names(m map[string]string) string {
	var b strings.Builder
	for name, text := range m {
		fmt.Fprintf(&b, "%s (%d bytes) ", name, len(text))
	}
	return b.String()
}
