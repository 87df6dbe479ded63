// Package webhook sends signed messages to addresses that others have chosen, as
// Standard Webhooks says (https://www.standardwebhooks.com, specification 1.0.0):
// signed, with a time, and with an identifier that stays the same when a message is
// sent again. It knows nothing of what the messages say.
package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Errors that a caller can act on.
var (
	ErrSecret    = errors.New("webhook secret is not valid")
	ErrSignature = errors.New("webhook signature is not valid")
	ErrURL       = errors.New("webhook address is not valid")
	ErrAddress   = errors.New("address is not allowed for webhooks")
	ErrGone      = errors.New("the receiver wants no more") // it answered 410
	ErrRefused   = errors.New("the receiver did not accept the message")
)

// Headers of a message.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// Secrets begin so; 24 to 64 bytes in base64 follow.
const (
	secretPrefix = "whsec_"
	secretBytes  = 32
	minSecret    = 24
	maxSecret    = 64
)

// NewSecret returns a secret that cannot be guessed.
func NewSecret() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails: see crypto/rand
	return secretPrefix + base64.StdEncoding.EncodeToString(b)
}

// key returns the bytes of a secret, or ErrSecret.
func key(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	b, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(b) < minSecret || len(b) > maxSecret {
		return nil, fmt.Errorf("%w: use %s and %d to %d bytes in base64", ErrSecret, secretPrefix, minSecret, maxSecret)
	}
	return b, nil
}

// CheckSecret reports what is wrong with a secret.
func CheckSecret(secret string) error {
	_, err := key(secret)
	return err
}

// Sign returns the signature header of a message: the HMAC-SHA256 of its ID, its
// time in seconds and its body, separated by dots, by each of the secrets.
func Sign(id string, at time.Time, body []byte, secrets ...string) (string, error) {
	var signatures []string
	for _, secret := range secrets {
		k, err := key(secret)
		if err != nil {
			return "", err
		}
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac(k, id, at.Unix(), body)))
	}
	return strings.Join(signatures, " "), nil
}

func mac(key []byte, id string, seconds int64, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s.%d.", id, seconds)
	h.Write(body)
	return h.Sum(nil)
}

// Verify is for receivers: it reports ErrSignature unless one of the signatures in
// the headers of a message is by the secret, and its time is within tolerance of
// now. It takes as long whatever differs.
func Verify(h http.Header, body []byte, secret string, now time.Time, tolerance time.Duration) error {
	k, err := key(secret)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(h.Get(HeaderTimestamp), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: no time in %s", ErrSignature, HeaderTimestamp)
	}
	if off := now.Sub(time.Unix(seconds, 0)); off > tolerance || off < -tolerance {
		return fmt.Errorf("%w: its time is %s off", ErrSignature, off.Round(time.Second))
	}
	want := mac(k, h.Get(HeaderID), seconds, body)
	for signature := range strings.FieldsSeq(h.Get(HeaderSignature)) {
		text, ok := strings.CutPrefix(signature, "v1,")
		got, err := base64.StdEncoding.DecodeString(text)
		if ok && err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return fmt.Errorf("%w: none is by this secret", ErrSignature)
}
