package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nearcase/store/local"
	"nearcase/store/vault"
)

// masterKey writes a key file and returns its path.
func masterKey(t *testing.T, digit string) string {
	t.Helper()
	return file(t, "master.key", []byte(strings.Repeat(digit, 64)))
}

// pngHead is what every image in a PNG file begins with. Less of it is met by chance
// among millions of encrypted bytes.
const pngHead = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"

// readable returns the files below a folder in which one of some texts is to be read.
func readable(t *testing.T, dir string, texts ...string) (in []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, text := range texts {
			if bytes.Contains(b, []byte(text)) {
				in = append(in, path)
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func encryptionOf(t *testing.T, data string) (e local.Encryption) {
	t.Helper()
	if err := json.Unmarshal([]byte(succeed(t, "--data", data, "encryption", "status", "--json")), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// A data directory is encrypted, gets another master key and another data key, and is
// plain again, by the real program: its answers stay, and each key opens it while it
// is the one.
func TestADataDirectoryIsEncryptedAndRotatedAndPlainAgain(t *testing.T) {
	csv := phantoms(t, 4)
	data := filepath.Join(t.TempDir(), "data")
	t.Setenv("NEARCASE_PRIVACY_KEY_FILE", file(t, "patient.key", []byte(strings.Repeat("5a", keyBytes))))
	succeed(t, "--data", data, "ingest", csv)
	want := contentOf(t, data)
	if in := readable(t, data, pngHead, "pneumonia", "normal"); len(in) == 0 {
		t.Fatal("nothing shows in a plain data directory: the test looks for the wrong things")
	}
	if code, _, stderr := nearcase(t, "--data", data, "encryption", "enable"); code != 1 || !strings.Contains(stderr, "openssl rand -hex 32") {
		t.Errorf("enable without a key: %d, %s, want what to do", code, stderr)
	}
	one, two := masterKey(t, "1"), masterKey(t, "2")
	t.Setenv("NEARCASE_ENCRYPTION_KEY_FILE", one)
	if code, _, stderr := nearcase(t, "--data", data, "list"); code != 1 || !strings.Contains(stderr, "encryption enable") {
		t.Errorf("list of a plain directory with a key: %d, %s, want what to do", code, stderr)
	}
	runProgram(t, "--data", data, "encryption", "enable")
	if e := encryptionOf(t, data); e.State != vault.Encrypted || e.Files[0] != 0 || e.Files[1] == 0 {
		t.Errorf("status = %+v, want it encrypted", e)
	}
	if in := readable(t, data, pngHead, "pneumonia", "normal"); len(in) > 0 {
		t.Errorf("something shows in %v", in)
	}
	if diff := cmp.Diff(want, contentOf(t, data)); diff != "" {
		t.Errorf("answers once it is encrypted (-before +after):\n%s", diff)
	}
	runProgram(t, "--data", data, "encryption", "rotate", "--new-key-file", two, "--data-key")
	if code, _, stderr := nearcase(t, "--data", data, "list"); code != 1 || !strings.Contains(stderr, "another key") {
		t.Errorf("list with the former key: %d, %s, want that it is another", code, stderr)
	}
	t.Setenv("NEARCASE_ENCRYPTION_KEY_FILE", "")
	if code, _, stderr := nearcase(t, "--data", data, "list"); code != 1 || !strings.Contains(stderr, "encryption.key_file") {
		t.Errorf("list without a key: %d, %s, want what to do", code, stderr)
	}
	t.Setenv("NEARCASE_ENCRYPTION_KEY", strings.Repeat("2", 64))
	if e := encryptionOf(t, data); e.State != vault.Encrypted || e.Files[1] != 0 || e.Files[2] == 0 {
		t.Errorf("status = %+v, want it encrypted with data key 2", e)
	}
	if diff := cmp.Diff(want, contentOf(t, data)); diff != "" {
		t.Errorf("answers with other keys (-before +after):\n%s", diff)
	}
	runProgram(t, "--data", data, "encryption", "disable")
	t.Setenv("NEARCASE_ENCRYPTION_KEY", "")
	if diff := cmp.Diff(want, contentOf(t, data)); diff != "" {
		t.Errorf("answers once it is plain again (-before +after):\n%s", diff)
	}
}

// contentOf is all that is told of what is stored.
func contentOf(t *testing.T, data string) string {
	t.Helper()
	return succeed(t, "--data", data, "list", "--json")
}

// runProgram runs the real program.
func runProgram(t *testing.T, args ...string) {
	t.Helper()
	if out, err := program(t.Context(), t, args...).CombinedOutput(); err != nil {
		t.Fatalf("nearcase %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// Killed at once again and again, enabling ends, and nothing is lost.
func TestAKilledEnableGoesOn(t *testing.T) {
	csv := phantoms(t, 4)
	data := filepath.Join(t.TempDir(), "data")
	t.Setenv("NEARCASE_PRIVACY_KEY_FILE", file(t, "patient.key", []byte(strings.Repeat("5a", keyBytes))))
	succeed(t, "--data", data, "ingest", csv)
	want := contentOf(t, data)
	t.Setenv("NEARCASE_ENCRYPTION_KEY_FILE", masterKey(t, "3"))
	begun := false
	for kills := 0; ; kills++ {
		c := program(t.Context(), t, "--data", data, "encryption", "enable")
		var stderr bytes.Buffer
		c.Stderr = &stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for !begun { // until there is something to interrupt
			_, err := os.Stat(filepath.Join(data, vault.Registry))
			begun = !errors.Is(err, fs.ErrNotExist)
		}
		if kills < 3 {
			_ = c.Process.Kill()
		}
		if err := c.Wait(); err == nil || strings.Contains(stderr.String(), "already") {
			break
		} else if kills >= 3 {
			t.Fatalf("enable: %v: %s", err, &stderr)
		}
	}
	if e := encryptionOf(t, data); e.State != vault.Encrypted || e.Files[0] != 0 {
		t.Errorf("status = %+v, want it encrypted", e)
	}
	if diff := cmp.Diff(want, contentOf(t, data)); diff != "" {
		t.Errorf("answers once it is encrypted (-before +after):\n%s", diff)
	}
}

func TestANewDataDirectoryIsEncryptedIfThereIsAKey(t *testing.T) {
	csv := phantoms(t, 2)
	data := filepath.Join(t.TempDir(), "data")
	t.Setenv("NEARCASE_ENCRYPTION_KEY_FILE", masterKey(t, "4"))
	runProgram(t, "--data", data, "ingest", csv)
	if in := readable(t, data, pngHead, "pneumonia", "normal"); len(in) > 0 {
		t.Errorf("something shows in %v", in)
	}
}

func TestAKeyThatOthersCanReadIsRefused(t *testing.T) {
	key := masterKey(t, "5")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NEARCASE_ENCRYPTION_KEY_FILE", key)
	code, _, stderr := nearcase(t, "--data", filepath.Join(t.TempDir(), "data"), "collections", "create", "c")
	if code != 1 || !strings.Contains(stderr, "chmod 600") {
		t.Errorf("exit status %d: %s, want a refusal that says chmod 600", code, stderr)
	}
	t.Setenv("NEARCASE_ENCRYPTION_KEY", strings.Repeat("5", 64))
	if code, _, stderr := nearcase(t, "config", "check"); code != 1 || !strings.Contains(stderr, "use one") {
		t.Errorf("two keys: exit status %d: %s, want a refusal", code, stderr)
	}
}

// doctor tells of the key what is wrong with it, and what to do.
func TestDoctorLooksAtTheKey(t *testing.T) {
	data := t.TempDir()
	inside := filepath.Join(data, "master.key")
	one, two := masterKey(t, "6"), masterKey(t, "7")
	for _, c := range []struct {
		name, key string
		want      standing
		says      string
		before    func()
	}{
		{"plain without a key", "", skipped, "none", nil},
		{"a key of nothing", one, failed, "not encrypted", nil},
		{"encrypted", one, fine, "with key", func() { encryptedEmpty(t, data, one) }},
		{"without its key", "", failed, "there is none", nil},
		{"with another", two, failed, "the one named", nil},
		{"no such file", filepath.Join(data, "none"), failed, "no such file", nil},
		{"in the data directory", inside, dubious, "has both", func() {
			if err := os.WriteFile(inside, []byte(strings.Repeat("6", 64)), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		if c.before != nil {
			c.before()
		}
		d := &doctor{c: config{Data: data, Encryption: encryption{KeyFile: c.key}}}
		if f := d.encryption(); f.Status != c.want || !strings.Contains(f.Found, c.says) {
			t.Errorf("%s: got %+v, want %s that says %q", c.name, f, c.want, c.says)
		}
	}
}

// encryptedEmpty makes an encrypted data directory.
func encryptedEmpty(t *testing.T, data, key string) {
	t.Helper()
	k, err := vault.ReadKey(key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(data, local.Options{Key: &k})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
