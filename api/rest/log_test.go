package rest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
)

// The log has why the server failed, and not on whose image.
func TestTheLogNamesNoInstance(t *testing.T) {
	w := cases(t, 1)
	digest := decoded[api.Instance](w.get("/v1/collections/cases/instances/i0").want(200)).Digest
	path := filepath.Join(w.dir, "originals", digest[:2], digest)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	w.get("/v1/collections/cases/instances/i0/rendered").problem(500, problem.Internal)
	log := w.log.String()
	if !strings.Contains(log, "is a directory") {
		t.Errorf("log: got %s, want the reason of the failure", log)
	}
	if strings.Contains(log, digest) || strings.Contains(log, `i0`) {
		t.Errorf("log: got %s, want neither the digest %s nor the ID i0", log, digest)
	}
}
