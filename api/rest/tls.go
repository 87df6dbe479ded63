package rest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// TLS names the files for connections that nobody else can read. The zero value
// is none. The files are read again when they change.
type TLS struct {
	// Certificate and Key are PEM files: the certificate with those between it
	// and its authority, and its private key.
	Certificate, Key string
	// ClientCA is a PEM file with the authorities of certificates that clients
	// have to have; empty means that they need none.
	ClientCA string
}

// ErrTLS is a certificate or key that cannot be used.
var ErrTLS = errors.New("TLS certificate cannot be used")

// IsSet reports whether there is a certificate.
func (t TLS) IsSet() bool { return t.Certificate != "" || t.Key != "" }

// load reads the files. Versions before TLS 1.2 are refused; suites, curves and
// the order of both are Go's.
func (t TLS) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTLS, err)
	}
	if now := time.Now(); now.After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("%w: %s is over since %s", ErrTLS, t.Certificate, pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if t.ClientCA == "" {
		return c, nil
	}
	authorities, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTLS, err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("%w: %s has no certificates", ErrTLS, t.ClientCA)
	}
	return c, nil
}

// stamps tell whether the files are those that were read.
func (t TLS) stamps() (all []time.Time) {
	for _, path := range []string{t.Certificate, t.Key, t.ClientCA} {
		if info, err := os.Stat(path); err == nil {
			all = append(all, info.ModTime())
		}
	}
	return all
}

// certificates are what connections are made with: the files' as they were
// when they could be used last.
type certificates struct {
	files   TLS
	logger  *slog.Logger
	current atomic.Pointer[tls.Config]

	mu     sync.Mutex
	read   []time.Time // stamps of what was read last
	looked time.Time   // when the stamps were looked at last
}

// looksEvery is how often new connections look at the files.
const looksEvery = time.Second

// openCertificates reads the files.
func openCertificates(t TLS, l *slog.Logger) (*certificates, error) {
	c := &certificates{files: t, logger: l}
	return c, c.reload()
}

// reload reads the files again. If they cannot be used those before stay.
func (c *certificates) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = c.files.stamps()
	config, err := c.files.load()
	if err != nil {
		return err
	}
	c.current.Store(config)
	return nil
}

// isStale reports whether the files have changed since they were read.
func (c *certificates) isStale(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) < looksEvery {
		return false
	}
	c.looked = now
	return !slices.Equal(c.read, c.files.stamps())
}

// config is for a listener: each connection has what is current then.
func (c *certificates) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetConfigForClient: c.latest}
}

// latest is what a connection is made with. Files that have changed are read.
func (c *certificates) latest(*tls.ClientHelloInfo) (*tls.Config, error) {
	if c.isStale(time.Now()) {
		if err := c.reload(); err != nil {
			c.logger.Error("the certificate stays as it was", "error", err)
		} else {
			c.logger.Info("the certificate was read again")
		}
	}
	return c.current.Load(), nil
}
