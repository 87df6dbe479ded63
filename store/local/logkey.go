package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/ristretto/v2"

	"nearcase/store"
	"nearcase/store/disk"
	"nearcase/store/vault"
)

// A log that is encrypted is so by Badger, under a key of its own that is in its key
// registry, which the vault's key for logs encrypts. That registry is written once
// and never changed: Badger would append further keys to it, of which a crash might
// leave a part. Its copy stands in where it is damaged.
const logRegistryCopy = badger.KeyRegistryFileName + ".copy"

// encryptedFolders are those whose files the vault encrypts.
var encryptedFolders = []string{"originals", "index", "derived", "documents"}

// unlock opens the vault of a data directory that is this process's, or makes that of
// a new one, and returns the files as they are then seen.
func (f files) unlock(dir string) (files, error) {
	master, err := vault.Master(f.FS, dir)
	if err != nil {
		return f, err
	}
	if f.key != nil && master == "" && f.isNew(dir) {
		f.vault, err = vault.Create(f.FS, dir, encryptedFolders, *f.key, vault.Encrypted)
	} else {
		f.vault, err = vault.Open(f.FS, dir, encryptedFolders, f.key)
	}
	if err != nil {
		return f, err
	}
	f.FS, f.below = f.vault.Files(), f.FS
	return f, nil
}

// isNew reports whether nothing has been stored in a data directory yet.
func (f files) isNew(dir string) bool {
	for _, name := range append([]string{logDir}, encryptedFolders...) {
		if _, err := f.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// indexCache bounds what Badger keeps decrypted of its tables' indexes. Without any
// it ends the program.
const indexCache = 16 << 20

// logOptions are those of a log, with the key that it is encrypted with; one that is
// not there yet gets the vault's.
func (f files) logOptions(dir string) (badger.Options, error) {
	o := logOptions(dir, f.bounds).WithSyncWrites(!f.unsynced)
	key, err := f.logKey(dir)
	if err != nil || key == nil {
		return o, err
	}
	return o.WithEncryptionKey(key).WithEncryptionKeyRotationDuration(math.MaxInt64).WithIndexCacheSize(indexCache), nil
}

// logKey returns the key that opens the registry of a log; nil is none.
func (f files) logKey(dir string) ([]byte, error) {
	if f.vault == nil || f.vault.State() == vault.Plain {
		return nil, f.checkPlain(dir)
	}
	keys := f.vault.LogKeys()
	registry, err := f.read(filepath.Join(dir, badger.KeyRegistryFileName))
	copied, _ := f.read(filepath.Join(dir, logRegistryCopy))
	_, missing := f.Stat(filepath.Join(dir, badger.ManifestFilename))
	switch {
	case errors.Is(err, fs.ErrNotExist) && copied == nil && errors.Is(missing, fs.ErrNotExist):
		return keys[0], f.newLogKey(dir, keys[0])
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if key, ok := opens(dir, registry, keys); ok {
		return key, f.copyRegistry(dir, registry, copied)
	}
	if copied != nil {
		if err := f.write(filepath.Join(dir, badger.KeyRegistryFileName), copied); err != nil {
			return nil, err
		}
		if key, ok := opens(dir, copied, keys); ok {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w: no key of this data directory opens %s of its log, nor its copy", store.ErrDamaged, badger.KeyRegistryFileName)
}

// copyRegistry writes the copy where it is not the same. There is none of a log that
// is not encrypted.
func (f files) copyRegistry(dir string, registry, copied []byte) error {
	if bytes.Equal(registry, copied) || len(registry) == plainRegistry {
		return nil
	}
	return f.write(filepath.Join(dir, logRegistryCopy), registry)
}

// plainRegistry is the size of Badger's registry where it holds no keys: 16 random
// bytes and the words that show whether the key is right.
const plainRegistry = 16 + len("Hello Badger")

// opens returns which of some keys a registry is encrypted with.
func opens(dir string, registry []byte, keys [][]byte) ([]byte, bool) {
	if !isRegistry(registry) {
		return nil, false
	}
	for _, key := range keys {
		r, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: dir, ReadOnly: true, EncryptionKey: key})
		if err == nil && r.Close() == nil {
			return key, (key == nil) == (len(registry) == plainRegistry)
		}
	}
	return nil, false
}

// isRegistry reports whether a registry is whole: Badger would believe any length.
func isRegistry(b []byte) bool {
	if len(b) < plainRegistry {
		return false
	}
	for b = b[plainRegistry:]; len(b) > 0; {
		if len(b) < 8 {
			return false
		}
		n, sum := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if b = b[8:]; uint64(n) > uint64(len(b)) || crc32.Checksum(b[:n], castagnoli) != sum {
			return false
		}
		b = b[n:]
	}
	return true
}

// newLogKey gives a log that is to be made a key of its own, under another.
func (f files) newLogKey(dir string, key []byte) error {
	if key == nil {
		return nil
	}
	registry, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{InMemory: true, EncryptionKey: key, EncryptionKeyRotationDuration: 1})
	if err != nil {
		return err
	}
	own, err := registry.LatestDataKey()
	if err == nil && own == nil {
		err = fmt.Errorf("%w: Badger has made no key", store.ErrKey)
	}
	if err == nil {
		err = badger.WriteKeyRegistry(registry, badger.KeyRegistryOptions{Dir: dir, EncryptionKey: key})
	}
	if err != nil {
		return err
	}
	written, err := f.read(filepath.Join(dir, badger.KeyRegistryFileName))
	if err != nil {
		return err
	}
	return disk.WriteAtomic(f.FS, filepath.Join(dir, logRegistryCopy), written)
}

// checkPlain tells a log that is encrypted, in a directory that says nothing of it,
// from one whose registry, which holds nothing then, is damaged: Badger makes
// another.
func (f files) checkPlain(dir string) error {
	path := filepath.Join(dir, badger.KeyRegistryFileName)
	registry, err := f.read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(registry) > plainRegistry {
		return fmt.Errorf("%w: the log is encrypted, and the file %s with the keys is missing: restore it or %s", store.ErrDamaged, vault.Registry, vault.RegistryCopy)
	}
	if _, ok := opens(dir, registry, [][]byte{nil}); ok {
		return nil
	}
	return f.remove(path)
}

// indexes is where Badger keeps the decrypted index of a table that is read; it reads
// the index for every block. The zero value is to be closed.
type indexes struct {
	cache *ristretto.Cache[uint64, *fb.TableIndex]
}

// next is for another table. Badger tells tables from each other by a number that is
// the same for all that are read apart from a log.
func (x *indexes) next() (*ristretto.Cache[uint64, *fb.TableIndex], error) {
	if x.cache != nil {
		x.cache.Clear()
		return x.cache, nil
	}
	var err error
	x.cache, err = ristretto.NewCache(&ristretto.Config[uint64, *fb.TableIndex]{NumCounters: 100, MaxCost: indexCache, BufferItems: 64})
	return x.cache, err
}

func (x *indexes) close() { x.cache.Close() } // which does nothing where there is none
