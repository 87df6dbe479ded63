package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nearcase/api/audit"
	"nearcase/api/keys"
	"nearcase/api/oidc"
	"nearcase/api/rest"
)

type tlsConfig struct {
	Certificate       string `yaml:"certificate" env:"CERTIFICATE"`
	Key               string `yaml:"key" env:"KEY"`
	ClientCA          string `yaml:"client_ca" env:"CLIENT_CA"`
	TerminatedByProxy bool   `yaml:"terminated_by_proxy" env:"TERMINATED_BY_PROXY"`
}

type authConfig struct {
	Required bool       `yaml:"required" env:"REQUIRED"`
	OIDC     oidcConfig `yaml:"oidc" envPrefix:"OIDC_"`
}

type oidcConfig struct {
	Issuer           string            `yaml:"issuer" env:"ISSUER"`
	Audience         string            `yaml:"audience" env:"AUDIENCE"`
	Algorithms       []string          `yaml:"algorithms,flow" env:"ALGORITHMS"`
	Skew             time.Duration     `yaml:"skew" env:"SKEW"`
	ScopeClaim       string            `yaml:"scope_claim" env:"SCOPE_CLAIM"`
	Scopes           map[string]string `yaml:"scopes" env:"SCOPES"`
	CollectionsClaim string            `yaml:"collections_claim" env:"COLLECTIONS_CLAIM"`
}

type corsConfig struct {
	Origins []string `yaml:"origins,flow" env:"ORIGINS"`
}

type auditConfig struct {
	Record    string `yaml:"record" env:"RECORD"`
	KeyFile   string `yaml:"key_file" env:"KEY_FILE"`
	FileBytes int64  `yaml:"file_bytes" env:"FILE_BYTES"`
}

// checkAccess returns what is wrong with who may ask what.
func (c config) checkAccess() error {
	_, err := c.access()
	if t := c.TLS; (t.Certificate == "") != (t.Key == "") || t.ClientCA != "" && t.Certificate == "" {
		err = errors.Join(err, errors.New("tls.certificate and tls.key belong together, and tls.client_ca to them"))
	}
	for _, h := range c.Hosts {
		if u, bad := url.Parse("//" + h); bad != nil || u.Hostname() != h && u.Hostname() != strings.Trim(h, "[]") || h == "" {
			err = errors.Join(err, fmt.Errorf("hosts has %q, use names without scheme and port", h))
		}
	}
	return err
}

// access says who may ask what of a server. Its keys and its audit log are in
// the data directory: see openGuards.
func (c config) access() (rest.Access, error) {
	a := rest.Access{
		Required: c.Auth.Required, AuditReads: c.Audit.Record == "all", BehindTLS: c.TLS.TerminatedByProxy, Origins: c.CORS.Origins,
		TLS:   rest.TLS{Certificate: c.TLS.Certificate, Key: c.TLS.Key, ClientCA: c.TLS.ClientCA},
		Quota: rest.Quota{Requests: c.Limits.Requests, Burst: c.Limits.Burst, Bytes: c.Limits.Bytes, Concurrent: c.Limits.Concurrent},
		Heavy: c.Limits.Heavy,
	}
	for _, text := range c.Proxies {
		p, err := network(text)
		if err != nil {
			return a, fmt.Errorf("trusted_proxies: %w", err)
		}
		a.Proxies = append(a.Proxies, p)
	}
	if c.Auth.OIDC.Issuer != "" {
		tokens, err := c.Auth.OIDC.verifier()
		if err != nil {
			return a, fmt.Errorf("auth.oidc: %w", err)
		}
		a.Tokens = tokens
	}
	for _, origin := range c.CORS.Origins {
		if err := rest.CheckOrigin(origin); err != nil {
			return a, fmt.Errorf("cors.origins: %w", err)
		}
	}
	return a, nil
}

func (o oidcConfig) verifier() (*oidc.Verifier, error) {
	scopes := map[string]keys.Scope{}
	for value, scope := range o.Scopes {
		scopes[value] = keys.Scope(scope)
	}
	return oidc.New(oidc.Options{
		Issuer: o.Issuer, Audience: o.Audience, Algorithms: o.Algorithms, Skew: o.Skew,
		ScopeClaim: o.ScopeClaim, Scopes: scopes, CollectionsClaim: o.CollectionsClaim,
	})
}

// network reads a network such as 10.0.0.0/8, or one address.
func network(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Prefix(a.BitLen())
	}
	return netip.ParsePrefix(text)
}

// makeAuditKey makes the key of the audit log in the data directory, if there is
// neither a log nor a key, nor one elsewhere.
func (c config) makeAuditKey() error {
	_, err := os.Stat(c.auditDir())
	_, keyErr := os.Stat(c.auditKeyFile())
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(keyErr, fs.ErrNotExist) || c.Audit.KeyFile != "" {
		return nil // readAuditKey says what is wrong
	}
	_, err = makeKey(c.auditKeyFile())
	return err
}

func (c config) auditKeyFile() string {
	if c.Audit.KeyFile != "" {
		return c.Audit.KeyFile
	}
	return filepath.Join(c.Data, "audit.key")
}

// readAuditKey reads the key of the audit log.
func (c config) readAuditKey() (*audit.Seal, error) {
	path := c.auditKeyFile()
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("audit key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("audit key: %s does not hold %d bytes in hex (make one with: openssl rand -hex %d)", path, keyBytes, keyBytes)
	}
	return audit.NewSeal(key)
}

func (c config) auditDir() string { return filepath.Join(c.Data, "audit") }

// openAudit opens the audit log for writing; nil if nothing is to be recorded.
// The data directory is this process's alone.
func (c config) openAudit() (*audit.Log, error) {
	if c.Audit.Record == "nothing" {
		return nil, nil
	}
	if err := c.makeAuditKey(); err != nil {
		return nil, fmt.Errorf("make audit key: %w", err)
	}
	seal, err := c.readAuditKey()
	if err != nil {
		return nil, err
	}
	log, err := audit.Open(c.auditDir(), seal, audit.Options{MaxFile: c.Audit.FileBytes})
	if errors.Is(err, audit.ErrTampered) {
		return nil, fmt.Errorf("%w: look at it with nearcase audit verify, move the folder elsewhere as evidence, and start again", err)
	}
	return log, err
}

// guards are what a data directory has of who may ask what.
type guards struct {
	ring *keys.Ring
	log  *audit.Log // nil if nothing is to be recorded
}

// openGuards opens the keys and the audit log of a data directory, which is open.
func (c config) openGuards(ctx context.Context, d keys.Documents) (g guards, err error) {
	if g.ring, err = keys.Open(ctx, d); err != nil {
		return g, err
	}
	g.log, err = c.openAudit()
	return g, err
}

func (g guards) close() error {
	if g.log == nil {
		return nil
	}
	return g.log.Close()
}
