package rest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/rest"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
	pem         []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t), pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.certificate)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue writes a certificate for this machine, with a serial number, and its key.
func (a *authority) issue(t *testing.T, certificate, key string, serial int64) {
	t.Helper()
	k := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, k.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	put(t, certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// live asks a server over a new connection and returns what it said and by which
// protocol and certificate.
func live(t *testing.T, url string, config *tls.Config) (protocol string, serial int64, header http.Header, err error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return "", 0, nil, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != 200 {
		t.Fatalf("GET /livez: got %d, %v", response.StatusCode, err)
	}
	return response.Proto, response.TLS.PeerCertificates[0].SerialNumber.Int64(), response.Header, nil
}

func TestTLSHasHTTP2AndSaysSo(t *testing.T) {
	url, config, _, _ := secured(t, rest.Access{})
	protocol, _, header, err := live(t, url, config)
	if err != nil || protocol != "HTTP/2.0" || !strings.HasPrefix(header.Get("Strict-Transport-Security"), "max-age=") {
		t.Errorf("got %s, %v, %v, want HTTP/2 and Strict-Transport-Security", protocol, header, err)
	}
	plain := open(t, api.Options{}, rest.Options{})
	if got := plain.get("/livez").header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("without TLS: got Strict-Transport-Security %q, want none", got)
	}
}

// A new certificate counts from the next connection on, and one that cannot be
// used never does.
func TestCertificatesAreReadAgain(t *testing.T) {
	url, config, server, dir := secured(t, rest.Access{})
	certificate, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	another := newAuthority(t)
	config.RootCAs.AddCert(another.certificate)
	serial := func() int64 {
		_, n, _, err := live(t, url, config)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := serial(); got != 1 { // which the server has read before the files change
		t.Errorf("at first: got certificate %d, want 1", got)
	}
	another.issue(t, certificate, key, 2)
	if err := server.Reload(); err != nil || serial() != 2 {
		t.Errorf("Reload: got %v, want certificate 2", err)
	}
	put(t, certificate, []byte("rubbish"))
	if err := server.Reload(); !errors.Is(err, rest.ErrTLS) || serial() != 2 {
		t.Errorf("Reload of rubbish: got %v, want %v and certificate 2", err, rest.ErrTLS)
	}
	another.issue(t, certificate, filepath.Join(dir, "other.pem"), 3) // of another key
	if err := server.Reload(); !errors.Is(err, rest.ErrTLS) || serial() != 2 {
		t.Errorf("Reload with another's key: got %v, want %v and certificate 2", err, rest.ErrTLS)
	}
	another.issue(t, certificate, key, 4)
	if err := os.Chtimes(certificate, time.Time{}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	until(t, "the files are looked at without being asked", func() bool { return serial() == 4 })
}

func TestClientsMayNeedACertificate(t *testing.T) {
	clients := newAuthority(t)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	put(t, ca, clients.pem)
	url, config, _, _ := secured(t, rest.Access{TLS: rest.TLS{ClientCA: ca}})
	if _, _, _, err := live(t, url, config); err == nil {
		t.Error("without a certificate: got an answer")
	}
	for fact, by := range map[string]*authority{"of another authority": newAuthority(t), "": clients} {
		by.issue(t, filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"), 9)
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"))
		if err != nil {
			t.Fatal(err)
		}
		c := config.Clone()
		c.Certificates = []tls.Certificate{pair}
		if _, _, _, err := live(t, url, c); (err == nil) != (by == clients) {
			t.Errorf("with a certificate %s: got %v", fact, err)
		}
	}
}

func TestCertificatesThatCannotBeUsedAreRefusedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "x.pem"), []byte("rubbish"))
	for _, access := range []rest.Access{
		{TLS: rest.TLS{Certificate: filepath.Join(dir, "none.pem"), Key: filepath.Join(dir, "none.pem")}},
		{TLS: rest.TLS{Certificate: filepath.Join(dir, "x.pem"), Key: filepath.Join(dir, "x.pem")}},
	} {
		s, _ := newService(t, t.TempDir(), api.Options{})
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := rest.New(s, rest.Options{Access: access}).Serve(context.Background(), listener); !errors.Is(err, rest.ErrTLS) {
			t.Errorf("Serve with %+v: got %v, want %v", access.TLS, err, rest.ErrTLS)
		}
	}
}
