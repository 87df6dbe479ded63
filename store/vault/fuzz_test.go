package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"nearcase/store"
	"nearcase/store/disk"
	"nearcase/store/vault"
)

// spoilt is a file with some bytes written over from a place on, cut off to a length.
// Keys are random: only what is made here is worth spoiling.
func spoilt(whole []byte, at uint32, over []byte, length uint32) []byte {
	b := bytes.Clone(whole)
	if int(at) <= len(b) {
		b = append(b[:at], append(bytes.Clone(over), b[min(len(b), int(at)+len(over)):]...)...)
	}
	return b[:min(len(b), int(length))]
}

// Whatever is in the registry's file, it opens as it was, or is refused for a reason.
func FuzzRegistry(f *testing.F) {
	dir, one := f.TempDir(), key(1)
	if _, err := vault.Create(disk.System{}, dir, folders, one, vault.Encrypted); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, vault.Registry)
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(true, uint32(0), []byte{}, uint32(1<<20))
	f.Add(true, uint32(7), []byte{2}, uint32(1<<20))
	f.Add(true, uint32(100), []byte{2, 3}, uint32(100))
	f.Add(false, uint32(0), []byte("NCVAULT\x01"), uint32(1<<20))
	f.Fuzz(func(t *testing.T, spoil bool, at uint32, b []byte, length uint32) {
		if spoil {
			b = spoilt(good, at, b, length)
		}
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, vault.RegistryCopy)), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
		_, err := vault.Open(disk.System{}, dir, folders, &one)
		if known := errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrFormat) || errors.Is(err, store.ErrKey); (err == nil) != bytes.Equal(b, good) || err != nil && !known {
			t.Errorf("Open = %v, want a reason unless it is what was written", err)
		}
	})
}

// Whatever is in a file, it reads as what was written or is damaged.
func FuzzFile(f *testing.F) {
	dir := f.TempDir()
	v, err := vault.Create(disk.System{}, dir, folders, key(1), vault.Encrypted)
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, "a", "x")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		f.Fatal(err)
	}
	raw := map[uint32][]byte{}
	for _, size := range []uint32{0, 10, 70000} {
		if err := disk.WriteAtomic(v.Files(), path, data(int(size))); err != nil {
			f.Fatal(err)
		}
		if raw[size], err = os.ReadFile(path); err != nil {
			f.Fatal(err)
		}
		for _, at := range []uint32{0, 20, 60, 64, 70, 65600, 65640} {
			f.Add(size, at, []byte{1}, uint32(1<<20))
			f.Add(size, at, []byte{}, at)
		}
	}
	f.Fuzz(func(t *testing.T, size, at uint32, over []byte, length uint32) {
		if err := os.WriteFile(path, spoilt(raw[size], at, over, length), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := disk.ReadFile(v.Files(), path)
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			t.Errorf("read = %v, want ErrDamaged", err)
		}
		if err == nil && !bytes.Equal(got, data(int(size))) {
			t.Errorf("read = %d bytes that were never written", len(got))
		}
	})
}
