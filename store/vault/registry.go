package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"nearcase/store"
	"nearcase/store/disk"
)

// The names of the registry of data keys, and of its copy, which stands in where the
// first is damaged: without it all is lost.
const (
	Registry     = "keys"
	RegistryCopy = "keys.copy"
)

// State is how far a data directory is encrypted.
type State string

// States of a data directory.
const (
	// Plain is not encrypted.
	Plain State = ""
	// Encrypted is all of one data key.
	Encrypted State = "encrypted"
	// Enabling was plain: what is written is encrypted, and plain files are read.
	Enabling State = "being enabled"
	// Rotating has files of former data keys.
	Rotating State = "rotating"
	// Disabling was encrypted: what is written is plain.
	Disabling State = "being disabled"
)

// registry is what the file holds, encrypted:
//
//	magic | sequence | ID of the master key | nonce | AES-256-GCM of it as JSON | CRC-32C
//
// with the sequence as a little-endian uint64, and what is before the ciphertext as
// additional data.
type registry struct {
	State   State     `json:"state"`
	Current uint64    `json:"current"` // ID of the data key that is written with
	Keys    []dataKey `json:"keys"`
}

// dataKey encrypts files and the log.
type dataKey struct {
	ID      uint64    `json:"id"` // from 1; never used again
	Secret  []byte    `json:"secret"`
	Created time.Time `json:"created"`
}

const (
	registryMagic  = "NCVAULT\x01"
	registryHead   = len(registryMagic) + 8 + 8 + nonceSize
	nonceSize      = 12
	tagSize        = 16
	minRegistry    = registryHead + tagSize + 4
	maxRegistry    = 64 << 10
	maxDataKeys    = 64
	registryPrefix = len(registryMagic) - 1 // what all versions have in common
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// envelope is a registry as a file has it.
type envelope struct {
	sequence uint64
	master   [8]byte
	bytes    []byte
}

// parseEnvelope checks a file for damage, as far as that can be without a key.
func parseEnvelope(b []byte) (e envelope, err error) {
	if len(b) >= registryPrefix+1 && string(b[:registryPrefix]) == registryMagic[:registryPrefix] && b[registryPrefix] > registryMagic[registryPrefix] {
		return e, fmt.Errorf("%w: registry of keys of version %d, this program reads %d", store.ErrFormat, b[registryPrefix], registryMagic[registryPrefix])
	}
	if len(b) < minRegistry || len(b) > maxRegistry || string(b[:len(registryMagic)]) != registryMagic {
		return e, fmt.Errorf("%w: %d bytes are no registry of keys", store.ErrDamaged, len(b))
	}
	if end := len(b) - 4; crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return e, fmt.Errorf("%w: the checksum of the registry of keys differs", store.ErrDamaged)
	}
	at := len(registryMagic)
	return envelope{binary.LittleEndian.Uint64(b[at:]), [8]byte(b[at+8:]), b}, nil
}

// open decrypts the registry. Another key than its own is store.ErrKey.
func (e envelope) open(k Key) (r registry, err error) {
	if !bytes.Equal(e.master[:], k.id()) {
		return r, fmt.Errorf("%w: the data directory is encrypted with another key: its ID is %s, and that of the one given %s", store.ErrKey, hex.EncodeToString(e.master[:]), k.ID())
	}
	head, sealed := e.bytes[:registryHead], e.bytes[registryHead:len(e.bytes)-4]
	text, err := wrapper(k).Open(nil, head[registryHead-nonceSize:], sealed, head)
	if err != nil {
		return r, fmt.Errorf("%w: the registry of keys is not authentic", store.ErrDamaged)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%w: registry of keys: %w", store.ErrDamaged, err)
	}
	return r, r.check()
}

// check returns what cannot be.
func (r *registry) check() error {
	switch r.State {
	case Encrypted, Enabling, Rotating, Disabling:
	default:
		return fmt.Errorf("%w: state %.40q of the registry of keys", store.ErrFormat, r.State)
	}
	if len(r.Keys) > maxDataKeys {
		return fmt.Errorf("%w: %d data keys", store.ErrDamaged, len(r.Keys))
	}
	for i, k := range r.Keys {
		if k.ID == 0 || len(k.Secret) != keySize || i > 0 && k.ID <= r.Keys[i-1].ID {
			return fmt.Errorf("%w: data key %d cannot be", store.ErrDamaged, k.ID)
		}
	}
	if r.key(r.Current) == nil {
		return fmt.Errorf("%w: there is no data key %d", store.ErrDamaged, r.Current)
	}
	return nil
}

// key returns a data key, and nil if there is none of that ID.
func (r *registry) key(id uint64) *dataKey {
	for i := range r.Keys {
		if r.Keys[i].ID == id {
			return &r.Keys[i]
		}
	}
	return nil
}

// add makes a data key, with which is written from then on.
func (r *registry) add() {
	k := dataKey{ID: 1, Secret: random(keySize), Created: time.Now().UTC()}
	if n := len(r.Keys); n > 0 {
		k.ID = r.Keys[n-1].ID + 1
	}
	r.Keys, r.Current = append(r.Keys, k), k.ID
}

// seal encrypts the registry under a master key.
func (r *registry) seal(sequence uint64, k Key) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	b := binary.LittleEndian.AppendUint64([]byte(registryMagic), sequence)
	b = append(append(b, k.id()...), random(nonceSize)...)
	b = wrapper(k).Seal(b, b[registryHead-nonceSize:], text, b[:registryHead:registryHead])
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// wrapper encrypts data keys under a master key.
func wrapper(k Key) cipher.AEAD {
	block, err := aes.NewCipher(derive(k.secret[:], nil, "nearcase registry", keySize))
	if err != nil { // of the key's length
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil { // of the block's length
		panic(err)
	}
	return aead
}

// random returns random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// readRegistry returns the newer of the two files that are intact, and whether both
// are the same. No file is fs.ErrNotExist.
func readRegistry(files disk.FS, dir string) (newest envelope, same bool, err error) {
	first, err := readEnvelope(files, filepath.Join(dir, Registry))
	second, failed := readEnvelope(files, filepath.Join(dir, RegistryCopy))
	switch {
	case errors.Is(err, store.ErrFormat) || errors.Is(failed, store.ErrFormat):
		return newest, false, errors.Join(err, failed)
	case err == nil && failed == nil && second.sequence > first.sequence, err != nil && failed == nil:
		return second, false, nil
	case err == nil:
		return first, failed == nil && bytes.Equal(first.bytes, second.bytes), nil
	case errors.Is(err, fs.ErrNotExist) && errors.Is(failed, fs.ErrNotExist):
		return newest, false, err
	}
	return newest, false, fmt.Errorf("%w: neither %s nor %s can be read: restore one of them: %w", store.ErrDamaged, Registry, RegistryCopy, errors.Join(err, failed))
}

func readEnvelope(files disk.FS, path string) (envelope, error) {
	f, err := files.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return envelope{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRegistry+1))
	if err != nil {
		return envelope{}, err
	}
	return parseEnvelope(b)
}

// writeRegistry writes both files, one after the other.
func writeRegistry(files disk.FS, dir string, b []byte) error {
	if len(b) > maxRegistry {
		return fmt.Errorf("registry of keys of %d bytes: %w: at most %d", len(b), store.ErrInvalid, maxRegistry)
	}
	for _, name := range []string{Registry, RegistryCopy} {
		if err := disk.WriteAtomic(files, filepath.Join(dir, name), b); err != nil {
			return fmt.Errorf("write the registry of keys: %w", err)
		}
	}
	return nil
}
