package client_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api/apitest"
	"nearcase/api/rest"
)

// The script of docs/examples works against a server.
func TestTheScriptThatNeedsOnlyRequests(t *testing.T) {
	python := "/usr/bin/python3"
	if err := exec.CommandContext(t.Context(), python, "-c", "import requests").Run(); err != nil {
		t.Skip("python3 has no requests (Debian: python3-requests)")
	}
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	dir, args := t.TempDir(), []string{"../../docs/examples/nearcase.py", c.Address(), "cases", "--model", "quadrants"}
	for n := range 4 {
		path := filepath.Join(dir, fmt.Sprint(n, ".png"))
		if err := os.WriteFile(path, picture(t, uint64(n)), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	bad := filepath.Join(dir, "bad.png")
	if err := os.WriteFile(bad, []byte("no image at all, just text"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), python, append(args, bad)...).CombinedOutput()
	for _, want := range []string{" created ", " failed ", "labelled: 1", "3.png", "nearest to the first image: 3"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("the script: got %v and\n%s\nwant %q in it", err, out, want)
		}
	}
	if got, err := c.Collection(t.Context(), "cases"); err != nil || got.Status.Instances != 4 || got.Status.Labelled["finding"]["normal"] != 1 {
		t.Errorf("stored: got %+v, %v", got.Status, err)
	}
}
