package vault

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/minio/sio"

	"nearcase/store"
)

// A file is a header and a stream of DARE 2.0 with AES-256-GCM, in packages of 64 KiB.
// What is encrypted is a byte 0 and the data, so that no stream is empty. The header is
//
//	magic | ID of the data key | salt | tag
//
// with the ID as a little-endian uint64. Key and tag are the data key's by HKDF with
// the salt, the tag for the name that the file has in the data directory: one that
// was put in another's place does not open.
const (
	magic      = "NCCRYPT\x01"
	saltSize   = 32
	tagAt      = len(magic) + 8 + saltSize
	headerSize = 64 // tagAt + tagSize

	payloadSize = 64 << 10
	overhead    = 16 + tagSize // of a package
	packageSize = payloadSize + overhead
	maxPackages = 1 << 32
)

// header is the beginning of a file.
type header struct {
	id   uint64 // of the data key
	salt []byte
	tag  []byte
}

// parseHeader returns false where a file is not an encrypted one.
func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerSize || string(b[:len(magic)]) != magic {
		return h, false
	}
	b = bytes.Clone(b[:headerSize])
	at := len(magic) + 8
	return header{binary.LittleEndian.Uint64(b[len(magic):]), b[at:tagAt], b[tagAt:]}, true
}

func (h header) bytes() []byte {
	b := binary.LittleEndian.AppendUint64([]byte(magic), h.id)
	return append(append(b, h.salt...), h.tag...)
}

// newHeader is that of a new file of a name.
func newHeader(k *dataKey, name string) header {
	h := header{id: k.ID, salt: random(saltSize)}
	h.tag = h.tagOf(k, name)
	return h
}

func (h header) tagOf(k *dataKey, name string) []byte {
	return derive(k.Secret, h.salt, "nearcase name\x00"+name, tagSize)
}

// isOf reports whether the header is that of a file with this name.
func (h header) isOf(k *dataKey, name string) bool { return hmac.Equal(h.tag, h.tagOf(k, name)) }

// config is how the stream is encrypted, from a package on.
func (h header) config(k *dataKey, sequence uint32) sio.Config {
	return sio.Config{
		MinVersion: sio.Version20, MaxVersion: sio.Version20, CipherSuites: []byte{sio.AES_256_GCM},
		Key: derive(k.Secret, h.salt, "nearcase file", keySize), SequenceNumber: sequence,
	}
}

// openPackage decrypts one package, and tells whether it is the last.
func openPackage(c sio.Config, sealed []byte) (payload []byte, final bool, err error) {
	if len(sealed) <= overhead || len(sealed) > packageSize {
		return nil, false, fmt.Errorf("%w: package of %d bytes", store.ErrDamaged, len(sealed))
	}
	final = sealed[4]&0x80 != 0 // DARE 2.0: the first bit of the nonce, authentic with it
	r, err := sio.DecryptReader(bytes.NewReader(sealed), c)
	if err != nil {
		return nil, false, err
	}
	payload = make([]byte, payloadSize)
	n, err := r.Read(payload)
	if err != nil && !errors.Is(err, io.EOF) || n != len(sealed)-overhead {
		return nil, false, fmt.Errorf("%w: it is not authentic", store.ErrDamaged)
	}
	return payload[:n], final, nil
}

// dataSize is how much data a whole file of some size has.
func dataSize(size int64) (n int64, ok bool) {
	body := size - headerSize
	if body <= 0 || body/packageSize >= maxPackages || body%packageSize != 0 && body%packageSize <= overhead {
		return 0, false
	}
	packages := (body + packageSize - 1) / packageSize
	return body - packages*overhead - 1, true
}
