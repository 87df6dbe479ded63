package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nearcase/api/audit"
	"nearcase/api/keys"
	"nearcase/embed/onnx/onnxtest"
)

var token = regexp.MustCompile(`^nc_[a-z2-7]{8}_[a-z2-7]{59}\n$`)

// made makes an API key in a data directory and returns a file with it and its ID.
func made(t *testing.T, data string, args ...string) (path, id string) {
	t.Helper()
	out := succeed(t, append([]string{"--data", data, "keys", "create", "--name", "test"}, args...)...)
	if !token.MatchString(out) {
		t.Fatalf("keys create: printed %q, want a token alone", out)
	}
	return file(t, "key", []byte(out)), strings.Split(out, "_")[1]
}

func TestKeysOpenAServerAndWhatIsAskedIsRecorded(t *testing.T) {
	onnxtest.Require(t)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "collections", "create", "cxr")
	admin, adminID := made(t, data, "--scope", "admin")
	reader, readerID := made(t, data, "--scope", "read", "--collection", "cxr")
	url, kill := startServer(t.Context(), t, data)
	by := func(key string, args ...string) (int, string, string) {
		return nearcase(t, append([]string{"--server", url, "--key-file", key}, args...)...)
	}
	if code, _, errs := nearcase(t, "--server", url, "collections"); code == 0 || !strings.Contains(errs, "API key is needed") {
		t.Errorf("without a key: got %d %q", code, errs)
	}
	if code, out, errs := by(reader, "collections"); code != 0 || !strings.Contains(out, "cxr") {
		t.Errorf("with a key: got %d %q %q", code, out, errs)
	}
	if code, _, errs := by(reader, "collections", "drop", "cxr", "--confirm", "cxr"); code == 0 || !strings.Contains(errs, "lacks a scope") {
		t.Errorf("with a key that may not: got %d %q", code, errs)
	}
	if code, out, errs := by(admin, "keys", "rotate", readerID, "--grace", "0s"); code != 0 || !token.MatchString(out) {
		t.Errorf("keys rotate: got %d %q %q", code, out, errs)
	}
	if code, _, errs := by(reader, "collections"); code == 0 || !strings.Contains(errs, "not a valid API key") {
		t.Errorf("with the token from before: got %d %q", code, errs)
	}
	if code, out, errs := by(admin, "keys", "revoke", readerID); code != 0 || !strings.Contains(out, readerID) {
		t.Errorf("keys revoke: got %d %q %q", code, out, errs)
	}
	if code, out, _ := by(admin, "keys"); code != 0 || !strings.Contains(out, "revoked") || !strings.Contains(out, "valid") {
		t.Errorf("keys: got %d %q", code, out)
	}
	if code, out, errs := by(admin, "keys", "create", "--name", "third", "--scope", "label", "--collection", "cxr", "--expires", "1h"); code != 0 || !token.MatchString(out) || !strings.Contains(errs, "may label in cxr") {
		t.Errorf("keys create: got %d %q %q", code, out, errs)
	}
	// A server may have the log open while it is looked at.
	succeed(t, "--data", data, "audit", "verify")
	kill()
	if out := succeed(t, "--data", data, "audit", "verify"); !strings.Contains(out, "as it was written") {
		t.Errorf("audit verify: printed %q", out)
	}
	shown := succeed(t, "--data", data, "--json", "audit", "show", "--key", adminID, "--since", "1h")
	if !strings.Contains(shown, `"operation":"revokeKey"`) || !strings.Contains(shown, `"object":"`+readerID+`"`) {
		t.Errorf("audit show: printed %s, want who revoked %s", shown, readerID)
	}
	if out := succeed(t, "--data", data, "audit", "show", "--key", "command"); strings.Count(out, "createKey") != 2 {
		t.Errorf("audit show: printed %s, want the keys that were made", out)
	}
}

func TestAKeyComesFromAFileOrTheEnvironmentAndNotInTheClear(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	key, _ := made(t, data, "--scope", "admin")
	url, _ := startServer(t.Context(), t, data)
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NEARCASE_KEY", strings.TrimSpace(string(text)))
	succeed(t, "--server", url, "collections")
	if code, _, errs := nearcase(t, "--server", "http://cases.example", "collections"); code == 0 || !strings.Contains(errs, "in the clear") {
		t.Errorf("a key to a server without TLS: got %d %q", code, errs)
	}
	if code, _, errs := nearcase(t, "--server", url, "--key-file", "/none", "collections"); code == 0 || !strings.Contains(errs, "/none") {
		t.Errorf("a key file that is not there: got %d %q", code, errs)
	}
	if code, _, _ := nearcase(t, "--server", url, "--key", "nc_x", "collections"); code == 0 {
		t.Error("--key: want no such flag, as other users see it")
	}
}

func TestServeRefusesToBeExposed(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	refused := func(fact, want string, args ...string) {
		t.Helper()
		code, _, errs := nearcase(t, append([]string{"--data", data, "serve", "--listen", "0.0.0.0:0"}, args...)...)
		if code == 0 || !strings.Contains(errs, want) {
			t.Errorf("%s: got %d %q, want %q", fact, code, errs, want)
		}
	}
	refused("without keys", "keys create")
	made(t, data, "--scope", "read")
	refused("without TLS", "tls.certificate")
	refused("with a certificate that is none", "TLS certificate", "--config", file(t, "c.yaml", []byte("tls: {certificate: /none.pem, key: /none.pem}")))
}

func TestAnAuditLogThatWasChangedIsNotGoneOnWith(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	made(t, data, "--scope", "read")
	logs, err := filepath.Glob(filepath.Join(data, "audit", "*.jsonl"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("audit logs: got %v, %v", logs, err)
	}
	b, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(logs[0], bytes.Replace(b, []byte("createKey"), []byte("createkey"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"audit", "verify"}, {"serve", "--listen", "127.0.0.1:0"}, {"keys", "create", "--name", "x", "--scope", "read"}} {
		if code, _, errs := nearcase(t, append([]string{"--data", data}, args...)...); code == 0 || !strings.Contains(errs, audit.ErrTampered.Error()) {
			t.Errorf("%v: got %d %q, want %v", args, code, errs, audit.ErrTampered)
		}
	}
}

func TestKeysAreRefused(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	_, id := made(t, data, "--scope", "read")
	for fact, c := range map[string]struct {
		args []string
		want string
	}{
		"an unknown scope":           {[]string{"create", "--name", "x", "--scope", "root"}, "root"},
		"no scope":                   {[]string{"create", "--name", "x"}, "--scope"},
		"a time that is over":        {[]string{"create", "--name", "x", "--scope", "read", "--expires=-1h"}, "over"},
		"an unknown key":             {[]string{"revoke", "none"}, "no such API key"},
		"a grace that is too long":   {[]string{"rotate", id, "--grace", "10000h"}, "grace"},
		"an unknown key to rotate":   {[]string{"rotate", "none"}, "no such API key"},
		"an argument more":           {[]string{"revoke", id, "x"}, "x"},
		"a name of more than a line": {[]string{"create", "--name", "a\nb", "--scope", "read"}, "printable"},
	} {
		if code, _, errs := nearcase(t, append([]string{"--data", data, "keys"}, c.args...)...); code == 0 || !strings.Contains(errs, c.want) {
			t.Errorf("%s: got %d %q, want %q", fact, code, errs, c.want)
		}
	}
	var all []keys.Key
	if err := json.Unmarshal([]byte(succeed(t, "--data", data, "--json", "keys")), &all); err != nil || len(all) != 1 {
		t.Errorf("keys: got %v, %v, want the one", all, err)
	}
}

func TestAccessIsConfigured(t *testing.T) {
	for fact, c := range map[string]struct{ text, want string }{
		"a proxy that is no network":    {"trusted_proxies: [x]", "trusted_proxies"},
		"an origin with a path":         {"cors: {origins: [https://a.example/]}", "cors.origins"},
		"an origin of all":              {"cors: {origins: ['*']}", "cors.origins"},
		"a host with a port":            {"hosts: ['a.example:443']", "hosts"},
		"a host with a scheme":          {"hosts: ['https://a.example']", "hosts"},
		"a certificate without a key":   {"tls: {certificate: a.pem}", "belong together"},
		"clients' without the server's": {"tls: {client_ca: a.pem}", "belong together"},
		"an issuer without TLS":         {"auth: {oidc: {issuer: 'http://a.example', audience: x, scopes: {a: read}}}", "https"},
		"an issuer without scopes":      {"auth: {oidc: {issuer: 'https://a.example', audience: x}}", "scopes"},
		"an unknown key":                {"auth: {key: x}", "field key not found"},
		"a record of something":         {"audit: {record: some}", "audit.record"},
		"a negative quota":              {"limits: {requests: -1}", "limits.requests"},
	} {
		if _, err := loadConfig(file(t, "c.yaml", []byte(c.text))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", fact, err, c.want)
		}
	}
	t.Setenv("NEARCASE_HOSTS", "a.example,b.example")
	t.Setenv("NEARCASE_AUTH_OIDC_SCOPES", "nearcase.read:read")
	c, err := loadConfig(file(t, "c.yaml", []byte("trusted_proxies: [10.0.0.0/8, '::1']\nauth: {oidc: {issuer: 'https://a.example', audience: x}}")))
	if err != nil || len(c.Hosts) != 2 || c.Auth.OIDC.Scopes["nearcase.read"] != "read" {
		t.Fatalf("got %+v, %v", c.Auth, err)
	}
	if a, err := c.access(); err != nil || len(a.Proxies) != 2 || a.Tokens == nil {
		t.Errorf("access: got %+v, %v", a, err)
	}
	if a, err := defaults().access(); err != nil || a.Tokens != nil || a.Required || !a.AuditReads {
		t.Errorf("access by default: got %+v, %v", a, err)
	}
}
