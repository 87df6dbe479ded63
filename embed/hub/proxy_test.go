package hub

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// The environment names the proxy, as for other programs; NO_PROXY excepts hosts.
func TestAPullGoesThroughTheProxy(t *testing.T) {
	f := newFake(t)
	var connects atomic.Int32
	proxy := httptest.NewServer(f.proxy(&connects))
	defer proxy.Close()
	models := t.TempDir()
	out, err := f.puller("https://example.com", models, "HTTPS_PROXY="+proxy.URL, "NO_PROXY=").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := content(t, filepath.Join(models, "model")); !same(got, f.chosen()) || connects.Load() == 0 {
		t.Errorf("pulled %s by %d connections of the proxy", names(got), connects.Load())
	}
	proxy.Close()
	out, err = f.puller("https://example.com", t.TempDir(), "HTTPS_PROXY="+proxy.URL, "NO_PROXY=").CombinedOutput()
	if err == nil || !strings.Contains(string(out), ErrNetwork.Error()) {
		t.Errorf("without its proxy a pull = %v, %s, want %v", err, out, ErrNetwork)
	}
}
