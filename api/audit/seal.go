package audit

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"sync"
)

// Seal makes and checks what of a record only who has the key can make.
type Seal struct {
	lines, heads, subjects authenticator // with a key for each purpose
}

// authenticator computes HMAC-SHA256 by one key, with hashes that are used again.
type authenticator struct{ hashes *sync.Pool }

func newAuthenticator(key []byte) authenticator {
	return authenticator{&sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (a authenticator) of(data []byte) []byte {
	h := a.hashes.Get().(hash.Hash)
	defer a.hashes.Put(h)
	h.Reset()
	h.Write(data)
	return h.Sum(nil)
}

// NewSeal derives the keys for each purpose from one of 32 bytes or more (HKDF,
// RFC 5869).
func NewSeal(key []byte) (*Seal, error) {
	if len(key) < sha256.Size {
		return nil, ErrKey
	}
	s := &Seal{}
	for purpose, to := range map[string]*authenticator{"line": &s.lines, "head": &s.heads, "subject": &s.subjects} {
		derived, err := hkdf.Expand(sha256.New, key, "nearcase audit "+purpose, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("derive audit keys: %w", err)
		}
		*to = newAuthenticator(derived)
	}
	return s, nil
}

// Instance is the name of an instance in a record: 22 letters of which nothing
// but the same follows.
func (s *Seal) Instance(id string) string { return s.subject("instance", id) }

// Patient is the name of a patient in a record.
func (s *Seal) Patient(id string) string { return s.subject("patient", id) }

// Study is the name of a study in a record.
func (s *Seal) Study(uid string) string { return s.subject("study", uid) }

func (s *Seal) subject(of, id string) string {
	return base64.RawURLEncoding.EncodeToString(s.subjects.of([]byte(of + "\x00" + id))[:16])
}

// The end of a line is this, the MAC of all before it in hex, and "}.
const (
	macKey    = `,"mac":"`
	macEnd    = `"}`
	sumText   = 2 * sha256.Size
	suffixLen = len(macKey) + sumText + len(macEnd)
)

// encode returns a line, without a line feed.
func (s *Seal) encode(l Line) ([]byte, error) {
	b, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encode audit line: %w", err)
	}
	b = b[:len(b)-1] // without its }
	sum := s.lines.of(b)
	b = append(b, macKey...)
	b = hex.AppendEncode(b, sum)
	return append(b, macEnd...), nil
}

// opened checks the MAC of a line.
func (s *Seal) opened(line []byte) bool {
	end := len(line) - suffixLen
	sum, err := hex.DecodeString(string(line[end+len(macKey) : len(line)-len(macEnd)]))
	return err == nil && hmac.Equal(sum, s.lines.of(line[:end]))
}

// decode reads a line for its form alone.
func decode(line []byte) (l Line, err error) {
	end := len(line) - suffixLen
	if end < 1 || !bytes.HasPrefix(line[end:], []byte(macKey)) || !bytes.HasSuffix(line, []byte(macEnd)) {
		return l, fmt.Errorf("%w: a line does not end as lines do", ErrTampered)
	}
	d := json.NewDecoder(bytes.NewReader(append(bytes.Clone(line[:end]), '}')))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, fmt.Errorf("%w: a line is not JSON of an entry: %w", ErrTampered, err)
	}
	if d.InputOffset() != int64(end+1) || len(l.Previous) != sumText {
		return l, fmt.Errorf("%w: a line has more than an entry", ErrTampered)
	}
	return l, nil
}

// digest is how the next line names a line.
func digest(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}
