package hub

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// asPuller makes the test binary pull: endpoint, source and models folder.
const asPuller = "RUN_TEST_BINARY_AS_PULLER"

func TestMain(m *testing.M) {
	task := strings.Split(os.Getenv(asPuller), "|")
	if len(task) != 3 {
		os.Exit(m.Run())
	}
	o := Options{Endpoint: task[0], Backoff: func(int) time.Duration { return time.Millisecond }, Attempts: 3}
	p, err := Resolve(context.Background(), task[1], o)
	if err == nil {
		_, err = Pull(context.Background(), p, task[2], p.Name, o)
	}
	if err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error())
		os.Exit(1)
	}
}

// puller is a process that pulls. It trusts the fake by SSL_CERT_FILE.
func (f *fake) puller(endpoint, models string, environment ...string) *exec.Cmd {
	f.t.Helper()
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	c := exec.CommandContext(f.t.Context(), self)
	c.Env = append(os.Environ(), asPuller+"="+endpoint+"|"+repo+"|"+models, "SSL_CERT_FILE="+f.certificate())
	c.Env = append(c.Env, environment...)
	return c
}

// certificate is a file with the fake's.
func (f *fake) certificate() string {
	path := filepath.Join(f.t.TempDir(), "ca.pem")
	var c *x509.Certificate = f.hub.Certificate()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// A process that is killed leaves what has come, and the next asks for the rest.
func TestAKilledPullGoesOn(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	before := map[string]string{"model.onnx": "the old"}
	write(t, filepath.Join(models, "other"), before)
	sent := make(chan struct{})
	f.fault = once(1, func(w http.ResponseWriter, r *http.Request, b []byte) bool {
		w.Header().Set("Content-Length", "1048576")
		_, _ = w.Write(b[:700_000])
		_ = http.NewResponseController(w).Flush()
		close(sent)
		<-r.Context().Done()
		return true
	})
	c := f.puller(f.hub.URL, models)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-sent
	part := filepath.Join(models, ".pull-model", "model", graphName+partial)
	for {
		if info, err := os.Stat(part); err == nil && info.Size() == 700_000 {
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("the part does not come")
		}
		time.Sleep(time.Millisecond)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	if _, err := os.Stat(filepath.Join(models, "model")); !os.IsNotExist(err) {
		t.Errorf("half a model has its place: %v", err)
	}
	f.asked()
	if out, err := f.puller(f.hub.URL, models).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var ranges []string
	for _, a := range f.asked() {
		if a.host == f.host(f.cdn) {
			ranges = append(ranges, a.path+" "+a.rang)
		}
	}
	if want := "/blobs/" + graphName + " bytes=700000-,/blobs/onnx/text_model.onnx "; strings.Join(ranges, ",") != want {
		t.Errorf("asked %q, want %q", strings.Join(ranges, ","), want)
	}
	if got := content(t, filepath.Join(models, "model")); !same(got, f.chosen()) {
		t.Errorf("pulled %s, want %s", names(got), names(f.chosen()))
	}
}

// proxy answers CONNECT for any host with the fake's hub, as a hospital's proxy
// would with the world.
func (f *fake) proxy(connects *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT alone", http.StatusMethodNotAllowed)
			return
		}
		connects.Add(1)
		target := r.Host
		if target == "example.com:443" { // the name in the fake's certificate
			target = f.host(f.hub)
		}
		there, err := net.Dial("tcp", target)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		w.WriteHeader(http.StatusOK)
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		go func() { _, _ = io.Copy(there, buffered); there.Close() }()
		_, _ = io.Copy(here, there)
	}
}
