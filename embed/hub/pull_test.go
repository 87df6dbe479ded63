package hub

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAPullBringsWhatAModelNeeds(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	o := f.options()
	var done, total int64
	o.Progress = func(d, n int64) { done, total = d, n }
	r, err := pull(t, models, "hf:"+repo, o)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, filepath.Join(models, "model")), f.chosen(); !same(got, want) {
		t.Errorf("pulled %s, want %s", names(got), names(want))
	}
	if r.Commit != commit || r.Revision != "main" || r.Licence != "mit" || !r.Gated || len(r.Files) != 5 {
		t.Errorf("Pull() = %+v", r)
	}
	if done != total || total != r.Bytes() {
		t.Errorf("progress ended at %d of %d, want %d", done, total, r.Bytes())
	}
	again, ok := ReadRecord(filepath.Join(models, "model"))
	if !ok || again.Commit != commit || again.Files[3].SHA256 != digest(f.files["onnx/vision_model.onnx"]) {
		t.Errorf("ReadRecord() = %+v, %v", again, ok)
	}
	if entries, _ := os.ReadDir(models); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

// The hub redirects to a host that must not learn the token.
func TestTheTokenGoesToTheEndpointAlone(t *testing.T) {
	f := newFake(t)
	if _, err := pull(t, t.TempDir(), repo, f.options()); err != nil {
		t.Fatal(err)
	}
	there := map[string]int{}
	for _, a := range f.asked() {
		want := ""
		if a.host == f.host(f.hub) {
			want = "Bearer " + token
		}
		if a.auth != want {
			t.Errorf("%s %s was told %q, want %q", a.host, a.path, a.auth, want)
		}
		there[a.host]++
	}
	if there[f.host(f.cdn)] == 0 {
		t.Error("nothing was redirected")
	}
}

func TestFaultsOnTheWayAreOvercome(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter, *http.Request, []byte) bool{
		"resets in the middle": once(3, func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			breakAfter(w, r, b, 1<<19)
			return true
		}),
		"unavailable": once(2, func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}),
		"too many requests": once(2, func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}),
		"a server that knows no ranges": once(4, func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			if r.Header.Get("Range") == "" {
				breakAfter(w, r, b, 1<<19)
			}
			_, _ = w.Write(b)
			return true
		}),
		"ranges that are none": once(2, func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			if r.Header.Get("Range") == "" {
				breakAfter(w, r, b, 1<<19)
			}
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return true
		}),
		"another range than was asked for": once(2, func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			if r.Header.Get("Range") == "" {
				breakAfter(w, r, b, 1<<19)
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(b)-1, len(b)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(b)
			return true
		}),
		"a rest that is of another file": once(2, func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			if r.Header.Get("Range") == "" {
				breakAfter(w, r, b, 1<<19)
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", 1<<19, len(b)-1, len(b)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(make([]byte, len(b)-1<<19))
			return true
		}),
		"an end too early without a length": once(1, func(w http.ResponseWriter, _ *http.Request, b []byte) bool {
			_, _ = w.Write(b[:1<<19])
			_ = http.NewResponseController(w).Flush()
			return true
		}),
	} {
		t.Run(name, func(t *testing.T) {
			f, models := newFake(t), t.TempDir()
			f.fault = fault
			if _, err := pull(t, models, repo, f.options()); err != nil {
				t.Fatal(err)
			}
			if got := content(t, filepath.Join(models, "model")); !same(got, f.chosen()) {
				t.Errorf("pulled %s, want %s", names(got), names(f.chosen()))
			}
		})
	}
}

// graph is what the table's faults befall.
const graphName = "onnx/vision_model.onnx"

func TestFailuresHaveTheirOwnErrorsAndLeaveTheModelAsItWas(t *testing.T) {
	for _, c := range []struct {
		fact   string
		source string
		change func(*fake, *Options)
		want   error
		text   string
	}{
		{"wrong bytes", repo, func(f *fake, _ *Options) {
			f.fault = on(graphName, func(w http.ResponseWriter, _ *http.Request, b []byte) { _, _ = w.Write(make([]byte, len(b))) })
		}, ErrDigest, digest(pattern(1 << 20))},
		{"wrong bytes of a small file", repo, func(f *fake, _ *Options) {
			f.fault = on("config.json", func(w http.ResponseWriter, _ *http.Request, b []byte) { _, _ = w.Write(make([]byte, len(b))) })
		}, ErrDigest, "git digest"},
		{"another digest than was named", repo, func(_ *fake, o *Options) { o.SHA256 = digest(nil) }, ErrDigest, digest(nil)},
		{"a digest that is none", repo, func(_ *fake, o *Options) { o.SHA256 = "abc" }, ErrSource, "abc"},
		{"resets without end", repo, func(f *fake, _ *Options) {
			f.fault = on(graphName, func(w http.ResponseWriter, r *http.Request, b []byte) { breakAfter(w, r, b, 100) })
		}, ErrNetwork, "tried 4 times"},
		{"an error of the server without end", repo, func(f *fake, _ *Options) {
			f.fault = on(graphName, func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(502) })
		}, ErrNetwork, "502"},
		{"a wait of hours", repo, func(f *fake, _ *Options) {
			f.fault = on(graphName, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				w.Header().Set("Retry-After", "7200")
				w.WriteHeader(http.StatusTooManyRequests)
			})
		}, ErrNetwork, "2h0m0s"},
		{"a stall", repo, func(f *fake, o *Options) {
			o.Stall, o.Attempts = 50*time.Millisecond, 2
			f.fault = on(graphName, func(_ http.ResponseWriter, r *http.Request, _ []byte) { <-r.Context().Done() })
		}, ErrNetwork, "nothing has arrived"},
		{"a web page", repo, func(f *fake, _ *Options) {
			f.fault = on(graphName, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = w.Write([]byte("<html>Log in</html>"))
			})
		}, ErrAnswer, "web page"},
		{"a web page for a list", repo, func(f *fake, _ *Options) {
			f.fault = on("main", func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				w.Header().Set("Content-Type", "text/html")
				_, _ = w.Write([]byte("<html>Log in</html>"))
			})
		}, ErrAnswer, "web page"},
		{"a length that is not the file's", repo, func(f *fake, _ *Options) {
			f.fault = on(graphName, func(w http.ResponseWriter, _ *http.Request, b []byte) {
				w.Header().Set("Content-Length", fmt.Sprint(2*len(b)))
				_, _ = w.Write(b)
			})
		}, ErrAnswer, "sends 2097152"},
		{"more bytes than the file has", repo, func(f *fake, _ *Options) {
			f.fault = on(graphName, func(w http.ResponseWriter, _ *http.Request, b []byte) {
				_, _ = w.Write(append(b, b...))
			})
		}, ErrTooLarge, "more than"},
		{"a model over the limit", repo, func(_ *fake, o *Options) { o.Bytes = 1000 }, ErrTooLarge, "limit is 1000"},
		{"a setting over the limit", repo, func(f *fake, _ *Options) {
			f.change = func(a map[string]any) {
				a["siblings"] = append(a["siblings"].([]any), map[string]any{"rfilename": "LICENSE.txt", "size": 1 << 30})
			}
		}, ErrTooLarge, "LICENSE.txt"},
		{"a name that leads out", repo, func(f *fake, _ *Options) { f.files["../evil.onnx"] = nil }, ErrInsecure, "../evil.onnx"},
		{"an absolute name", repo, func(f *fake, _ *Options) { f.files["/etc/passwd"] = nil }, ErrInsecure, "/etc/passwd"},
		{"a name with a backslash", repo, func(f *fake, _ *Options) { f.files[`..\evil`] = nil }, ErrInsecure, "evil"},
		{"a device's name", repo, func(f *fake, _ *Options) { f.files["onnx/NUL.json"] = nil }, ErrInsecure, "NUL"},
		{"a gated repository", repo, func(f *fake, o *Options) { f.gated, o.Token = true, "" }, ErrAccess, "HF_TOKEN"},
		{"a gated repository without consent", repo, func(f *fake, _ *Options) { f.gated = true }, ErrAccess, "/org/model"},
		{"an unknown repository", "org/other", nil, ErrNotFound, "401"},
		{"an unknown revision", repo + "@v9", nil, ErrNotFound, ""},
		{"an unknown name", "resnet-152", nil, ErrSource, "--available"},
		{"a model that is on no hub", "medimageinsight", nil, ErrSource, "models add"},
		{"plain http", "http://example.com/model.onnx", nil, ErrInsecure, "not https"},
		{"an endpoint of plain http", repo, func(_ *fake, o *Options) { o.Endpoint = "http://example.com" }, ErrInsecure, "endpoint"},
		{"an address of no model", "https://example.com/model.zip", nil, ErrSource, ".onnx"},
		{"no ONNX file", repo, func(f *fake, _ *Options) {
			for _, name := range []string{"onnx/model.onnx", graphName, "onnx/text_model.onnx"} {
				delete(f.files, name)
			}
		}, ErrNotFound, "no ONNX file"},
		{"a file that is not there", repo, func(_ *fake, o *Options) { o.File = "onnx/model_q4.onnx" }, ErrNotFound, "onnx/vision_model.onnx"},
		{"a redirect to plain http", repo, func(f *fake, _ *Options) {
			f.fault = on(graphName, func(w http.ResponseWriter, r *http.Request, _ []byte) {
				http.Redirect(w, r, "http://127.0.0.1:1/x", http.StatusFound)
			})
		}, ErrInsecure, "plain http"},
		{"redirects without end", repo, func(f *fake, _ *Options) {
			f.fault = on(graphName, func(w http.ResponseWriter, r *http.Request, _ []byte) {
				http.Redirect(w, r, r.URL.Path, http.StatusFound)
			})
		}, ErrAnswer, "redirects"},
		{"a certificate of nobody", repo, func(_ *fake, o *Options) { o.TLS = nil }, ErrInsecure, "certificate"},
		{"a list that is none", repo, func(f *fake, _ *Options) {
			f.fault = on("main", func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = w.Write([]byte("[1")) })
		}, ErrAnswer, "no list"},
		{"a commit that is none", repo, func(f *fake, _ *Options) { f.change = func(a map[string]any) { a["sha"] = "../x" } }, ErrAnswer, "commit"},
		{"a model that is refused", repo, func(_ *fake, o *Options) { o.Check = func(string) error { return errRefused } }, errRefused, ""},
		{"a mirror without the repository", repo, func(_ *fake, o *Options) { o.Endpoint = os.TempDir() }, ErrNotFound, "mirror"},
	} {
		t.Run(c.fact, func(t *testing.T) {
			f, models := newFake(t), t.TempDir()
			before := map[string]string{"model.onnx": "the old"}
			write(t, filepath.Join(models, "model"), before)
			o := f.options()
			o.Force = true
			if c.change != nil {
				c.change(f, &o)
			}
			_, err := pull(t, models, c.source, o)
			if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Errorf("pull = %v, want %v that says %q", err, c.want, c.text)
			}
			if strings.Contains(fmt.Sprint(err), "signature") || strings.Contains(fmt.Sprint(err), token) {
				t.Errorf("pull = %v, which tells a secret", err)
			}
			if got := content(t, filepath.Join(models, "model")); !same(got, before) {
				t.Errorf("the model has become %s", names(got))
			}
		})
	}
}

var errRefused = errors.New("refused")

func write(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}
