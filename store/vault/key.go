// Package vault keeps the files of a data directory encrypted. It is a file system
// over another: what is written to some folders is encrypted, and what is read there
// is decrypted and authentic, or is store.ErrDamaged.
//
// A master key, which is not in the data directory, encrypts the data keys, which are
// in its file keys (and once more in keys.copy). A data key encrypts files, each with
// a key of its own, and the log. So the master key can be changed without writing
// anything else anew.
package vault

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"nearcase/store"
)

// keySize is the length of every key in bytes: AES-256.
const keySize = 32

// Key is a master key. It does not show itself when it is printed.
type Key struct{ secret [keySize]byte }

// ParseKey reads a key of 32 bytes in hex. White space around it does not count.
func ParseKey(text string) (k Key, err error) {
	b, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != keySize {
		return k, fmt.Errorf("%w: it is not %d bytes in hex (make one with: openssl rand -hex %d)", store.ErrKey, keySize, keySize)
	}
	k.secret = [keySize]byte(b)
	return k, nil
}

// maxKeyFile bounds a file with a key.
const maxKeyFile = 1 << 10

// ReadKey reads a key from a file, which only this user may be able to read.
func ReadKey(path string) (k Key, err error) {
	f, err := os.Open(path)
	if err != nil {
		return k, fmt.Errorf("%w: %w", store.ErrKey, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return k, fmt.Errorf("%w: %w", store.ErrKey, err)
	}
	if open := openTo(info); open != 0 {
		return k, fmt.Errorf("%w: mode %#o of %s lets other users read it: chmod 600 %s", store.ErrKey, info.Mode().Perm(), path, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return k, fmt.Errorf("%w: %w", store.ErrKey, err)
	}
	if k, err = ParseKey(string(text)); err != nil {
		return k, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// openTo returns what others may do with a file, where the system tells.
func openTo(info fs.FileInfo) fs.FileMode {
	if runtime.GOOS == "windows" {
		return 0
	}
	return info.Mode().Perm() & 0o077
}

// ID tells keys from each other and nothing about them: 16 hex digits.
func (k Key) ID() string { return hex.EncodeToString(k.id()) }

// String is what is printed of a key.
func (k Key) String() string { return "key " + k.ID() }

// GoString implements fmt.GoStringer.
func (k Key) GoString() string { return k.String() }

func (k Key) id() []byte { return derive(k.secret[:], nil, "nearcase master key id", 8) }

// derive returns bytes of a key for one purpose (HKDF-SHA256, RFC 5869).
func derive(secret, salt []byte, purpose string, n int) []byte {
	b, err := hkdf.Key(sha256.New, secret, salt, purpose, n)
	if err != nil { // more than 8160 bytes were asked for, or FIPS mode refuses the key's length: neither can be
		panic(err)
	}
	return b
}
