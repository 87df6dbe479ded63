package webhook_test

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nearcase/api/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The example of the specification, https://github.com/standard-webhooks/standard-webhooks.
func TestASignatureIsThatOfTheStandard(t *testing.T) {
	secret, id, body := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", []byte(`{"test": 2432232314}`)
	at := time.Unix(1614265330, 0)
	got, err := webhook.Sign(id, at, body, secret)
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || got != want {
		t.Errorf("Sign: got %s, %v, want %s", got, err, want)
	}
	both, err := webhook.Sign(id, at, body, webhook.NewSecret(), secret)
	if err != nil || len(strings.Fields(both)) != 2 {
		t.Fatalf("Sign by two: got %q, %v", both, err)
	}
	header := func(signature string) http.Header {
		h := http.Header{}
		h.Set(webhook.HeaderID, id)
		h.Set(webhook.HeaderTimestamp, "1614265330")
		h.Set(webhook.HeaderSignature, signature)
		return h
	}
	for name, c := range map[string]struct {
		signature string
		body      []byte
		now       time.Time
		want      error
	}{
		"its own":                {got, body, at, nil},
		"by two secrets":         {both, body, at.Add(time.Minute), nil},
		"of another body":        {got, []byte("{}"), at, webhook.ErrSignature},
		"too late":               {got, body, at.Add(time.Hour), webhook.ErrSignature},
		"too early":              {got, body, at.Add(-time.Hour), webhook.ErrSignature},
		"none":                   {"", body, at, webhook.ErrSignature},
		"of another version":     {"v2" + got[2:], body, at, webhook.ErrSignature},
		"that is no base64":      {"v1,???", body, at, webhook.ErrSignature},
		"that is right but cut":  {got[:len(got)-4], body, at, webhook.ErrSignature},
		"with others before its": {"v1a,x v1,AAAA " + got, body, at, nil},
	} {
		if err := webhook.Verify(header(c.signature), c.body, secret, c.now, 5*time.Minute); !errors.Is(err, c.want) {
			t.Errorf("Verify of a signature %s: got %v, want %v", name, err, c.want)
		}
	}
	if err := webhook.Verify(http.Header{}, body, secret, at, time.Hour); !errors.Is(err, webhook.ErrSignature) {
		t.Errorf("Verify without headers: got %v, want ErrSignature", err)
	}
}

func TestSecretsThatCannotBe(t *testing.T) {
	encoded := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, secret := range []string{"", "whsec_", encoded(32), "whsec_" + encoded(23), "whsec_" + encoded(65), "whsec_!" + encoded(32)} {
		if err := webhook.CheckSecret(secret); !errors.Is(err, webhook.ErrSecret) {
			t.Errorf("CheckSecret(%q): got %v, want ErrSecret", secret, err)
		}
		if _, err := webhook.Sign("i", time.Now(), nil, secret); !errors.Is(err, webhook.ErrSecret) {
			t.Errorf("Sign by %q: got %v, want ErrSecret", secret, err)
		}
		if err := webhook.Verify(http.Header{}, nil, secret, time.Now(), 0); !errors.Is(err, webhook.ErrSecret) {
			t.Errorf("Verify by %q: got %v, want ErrSecret", secret, err)
		}
	}
	if a, b := webhook.NewSecret(), webhook.NewSecret(); a == b || webhook.CheckSecret(a) != nil {
		t.Errorf("NewSecret: got %s and %s", a, b)
	}
}

func TestOnlyPublicAndAllowedAddressesAreReached(t *testing.T) {
	allowed := webhook.Networks{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}
	for text, public := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "10.20.3.4": true, "::ffff:10.20.3.4": true, "fd00:1::7": true,
		"10.21.0.1": false, "127.0.0.1": false, "::1": false, "0.0.0.0": false, "::": false, "192.168.1.1": false, "172.16.0.1": false,
		"169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "fd00:2::1": false, "100.64.0.1": false, "224.0.0.1": false,
		"ff02::1": false, "255.255.255.255": false, "::ffff:127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
		"::7f00:1": false, "198.18.0.1": false, "240.0.0.1": false, "203.0.113.9": false,
	} {
		if err := allowed.Check(netip.MustParseAddr(text)); public != (err == nil) || err != nil && !errors.Is(err, webhook.ErrAddress) {
			t.Errorf("Check(%s): got %v, want allowed %v", text, err, public)
		}
	}
}

func TestAddressesOfReceivers(t *testing.T) {
	for text, want := range map[string]error{
		"https://example.org/hook?a=b": nil, "https://[2606:4700::1111]:8443/": nil, "https://10.1.2.3/": nil, "http://127.0.0.1:80/x": webhook.ErrAddress,
		"http://example.org/": webhook.ErrURL, "http://10.1.2.3/": webhook.ErrURL, "https://192.168.0.1/": webhook.ErrAddress,
		"https://user:pass@example.org/": webhook.ErrURL, "https://example.org/#x": webhook.ErrURL, "file:///etc/passwd": webhook.ErrURL,
		"https:///x": webhook.ErrURL, "": webhook.ErrURL, "example.org": webhook.ErrURL, "ftp://example.org": webhook.ErrURL,
		"http://localhost:1/": nil, "https://" + strings.Repeat("a", 3000): webhook.ErrURL, "https:example.org": webhook.ErrURL,
	} {
		err := webhook.Networks{netip.MustParsePrefix("10.0.0.0/8")}.CheckURL(text)
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("CheckURL(%.60q): got %v, want %v", text, err, want)
		}
	}
}

// receiver is a server that answers as it is told.
func receiver(t testing.TB, answer http.HandlerFunc) (url string) {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

func loopback() webhook.Networks { return webhook.Networks{netip.MustParsePrefix("127.0.0.0/8")} }

func TestAMessageIsSentSigned(t *testing.T) {
	secret := webhook.NewSecret()
	verified := make(chan error, 1)
	url := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = webhook.Verify(r.Header, body, secret, time.Now(), time.Minute)
		}
		if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("User-Agent") != "me" || r.Header.Get("webhook-id") != "msg_1" {
			t.Errorf("headers: got %v", r.Header)
		}
		verified <- err
		w.WriteHeader(http.StatusNoContent)
	})
	s := webhook.NewSender(loopback(), "me")
	defer s.Close()
	sent, err := s.Send(t.Context(), webhook.Message{URL: url, ID: "msg_1", Time: time.Now(), Body: []byte(`{"a":1}`), Secrets: []string{secret}})
	if err != nil || sent.Status != 204 || sent.Took <= 0 {
		t.Errorf("Send: got %+v, %v", sent, err)
	}
	if err := <-verified; err != nil {
		t.Errorf("Verify: %v", err)
	}
}

func TestWhatAReceiverAnswers(t *testing.T) {
	s := webhook.NewSender(loopback(), "me")
	defer s.Close()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   error
		after  time.Duration
	}{
		"410":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, webhook.ErrGone, 0},
		"500":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, webhook.ErrRefused, 0},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, webhook.ErrRefused, 0},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, webhook.ErrRefused, 0},
		"429 with a time": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(429)
		}, webhook.ErrRefused, 90 * time.Second},
		"503 with no time": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "soon")
			w.WriteHeader(503)
		}, webhook.ErrRefused, 0},
		"an endless body": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, nil, 0},
	} {
		url := receiver(t, c.answer)
		sent, err := s.Send(t.Context(), webhook.Message{URL: url + "/secret", ID: "m", Time: time.Now(), Secrets: []string{webhook.NewSecret()}})
		if !errors.Is(err, c.want) || c.want == nil && err != nil || sent.After != c.after {
			t.Errorf("Send to one that answers %s: got %+v, %v, want %v", name, sent, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "/secret") {
			t.Errorf("the error names the address: %v", err)
		}
	}
}

func TestWhereMessagesAreNotSent(t *testing.T) {
	url := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	for name, s := range map[string]*webhook.Sender{
		"without networks":   webhook.NewSender(nil, "me"),
		"with another's":     webhook.NewSender(webhook.Networks{netip.MustParsePrefix("10.0.0.0/8")}, "me"),
		"with the network 0": webhook.NewSender(webhook.Networks{netip.MustParsePrefix("0.0.0.0/32")}, "me"),
	} {
		for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
			_, err := s.Send(t.Context(), webhook.Message{URL: "http://" + host + ":" + port, ID: "m", Secrets: []string{webhook.NewSecret()}})
			if !errors.Is(err, webhook.ErrAddress) {
				t.Errorf("Send %s to %s: got %v, want ErrAddress", name, host, err)
			}
		}
		s.Close()
	}
}

func TestAnUntrustedReceiverGetsNothing(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	s := webhook.NewSender(loopback(), "me")
	defer s.Close()
	if _, err := s.Send(t.Context(), webhook.Message{URL: server.URL, ID: "m", Secrets: []string{webhook.NewSecret()}}); !errors.Is(err, webhook.ErrRefused) {
		t.Errorf("Send to a certificate of nobody: got %v, want ErrRefused", err)
	}
}

func TestDelaysGrowAndHeedTheReceiver(t *testing.T) {
	r := webhook.Retries{Attempts: 10, First: 5 * time.Second, Longest: time.Hour}
	for attempt, want := range map[int]time.Duration{1: 5 * time.Second, 2: 15 * time.Second, 3: 45 * time.Second, 7: time.Hour, 1000: time.Hour} {
		if got := r.Delay(attempt, 0.5, 0); got != want {
			t.Errorf("Delay(%d): got %s, want %s", attempt, got, want)
		}
	}
	if low, high := r.Delay(1, 0, 0), r.Delay(1, 1, 0); low != 4*time.Second || high != 6*time.Second {
		t.Errorf("Delay spread: got %s to %s, want 4 s to 6 s", low, high)
	}
	if got := r.Delay(1, 0.5, time.Minute); got != time.Minute {
		t.Errorf("Delay asked for: got %s, want a minute", got)
	}
	if got := r.Delay(1, 0.5, 1000*time.Hour); got != time.Hour {
		t.Errorf("Delay asked for beyond the longest: got %s, want an hour", got)
	}
}
