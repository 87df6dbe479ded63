package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archive is a gzipped tar of files with the same content.
func archive(t testing.TB, content string, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	files := tar.NewWriter(zip)
	for _, name := range names {
		if err := files.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(files.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUnpackTakesTheScriptAlone(t *testing.T) {
	got, err := unpack(bytes.NewReader(archive(t, "script", "../../escape", "package/axe.js", bundled, "later")))
	if err != nil || string(got) != "script" {
		t.Errorf("unpack: got %q, %v, want the script", got, err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	whole := archive(t, strings.Repeat("script", 1000), bundled)
	for name, packed := range map[string][]byte{
		"nothing": nil, "what is no archive": []byte("no archive"), "half of one": whole[:len(whole)/2],
		"one without the script": archive(t, "x", "package/axe.js"), "a script that is too large": archive(t, strings.Repeat("x", largest+1), bundled),
	} {
		if got, err := unpack(bytes.NewReader(packed)); err == nil {
			t.Errorf("unpack of %s: got %d bytes, want an error", name, len(got))
		}
	}
}

func TestOnlyWhatIsExpectedIsPlaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bin", target)
	if err := place(path, []byte("another script")); err == nil || !strings.Contains(err.Error(), digest) {
		t.Errorf("place of another script: got %v, want both digests", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("another script was kept")
	}
}

// Law: unpack ends without a panic, and returns no more than it allows.
func FuzzUnpackAxe(f *testing.F) {
	f.Add([]byte("no archive"))
	f.Add(archive(f, "script", "other", bundled))
	f.Fuzz(func(t *testing.T, packed []byte) {
		if got, err := unpack(bytes.NewReader(packed)); len(got) > largest || err != nil && got != nil {
			t.Errorf("unpack: got %d bytes, %v", len(got), err)
		}
	})
}
