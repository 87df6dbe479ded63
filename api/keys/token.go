package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"hash/crc32"
	"regexp"
	"strings"
)

// A token is nc_<id>_<secret><checksum>: an ID of 40 random bits, a secret of
// 256 and the CRC-32 of all before, in base32 (RFC 4648) of small letters. The
// beginning and the checksum are what scanners for leaked secrets look for: a
// text that passes is a key, and a key with a typing error does not.
const (
	prefix     = "nc_"
	idBytes    = 5
	idLen      = 8
	secretLen  = 32
	secretText = 52
	sumText    = 7
	tokenLen   = len(prefix) + idLen + 1 + secretText + sumText
)

var (
	alphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	pattern  = regexp.MustCompile(`nc_[a-z2-7]{8}_[a-z2-7]{59}`)
)

// newToken returns a token of a key.
func newToken(id string) string {
	secret := make([]byte, secretLen)
	_, _ = rand.Read(secret) // never fails
	text := prefix + id + "_" + alphabet.EncodeToString(secret)
	return text + checksum(text)
}

func newID() string {
	id := make([]byte, idBytes)
	_, _ = rand.Read(id)
	return alphabet.EncodeToString(id)
}

func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	return alphabet.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// parse returns the ID of a token that is one as far as its checksum tells.
func parse(token string) (id string, ok bool) {
	if len(token) != tokenLen || pattern.FindString(token) != token {
		return "", false
	}
	end := tokenLen - sumText
	return token[len(prefix) : len(prefix)+idLen], checksum(token[:end]) == token[end:]
}

// Find returns the IDs of the keys whose tokens are in a text.
func Find(text string) (ids []string) {
	for rest := text; ; {
		at := pattern.FindStringIndex(rest)
		if at == nil {
			return ids
		}
		if id, ok := parse(rest[at[0]:at[1]]); ok {
			ids = append(ids, id)
		}
		rest = rest[at[0]+len(prefix):]
	}
}

// Looks reports whether a text begins as tokens do.
func Looks(text string) bool { return strings.HasPrefix(text, prefix) }

// hash is what is kept of a token. A secret of 112 random bits or more needs
// no salt and no slow hash, as nobody can try them all: NIST SP 800-63B,
// 5.1.2.2.
func hash(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }
