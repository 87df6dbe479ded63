package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nearcase/api"
	"nearcase/store"
)

// privacy returns what is kept of patients, with the key by which they are
// called: that of the file named, or that of the data directory, which is made
// if the directory has none and needs none yet.
func (c config) privacy(ctx context.Context, catalog store.Catalog) (api.Privacy, error) {
	p := api.Privacy{Fields: c.Privacy.Fields, Originals: c.Privacy.Originals, Names: c.Privacy.Names}
	path := c.Privacy.KeyFile
	if path == "" {
		path = filepath.Join(c.Data, "patient.key")
	}
	var err error
	p.Key, err = readKey(path)
	if !errors.Is(err, fs.ErrNotExist) || c.Privacy.KeyFile != "" {
		return p, err
	}
	collections, err := catalog.Collections(ctx)
	if err != nil {
		return p, err
	}
	for _, collection := range collections {
		if collection.Pseudonyms != "" {
			return p, nil // a new key would be a wrong one: what needs it says so
		}
	}
	p.Key, err = makeKey(path)
	return p, err
}

// keyBytes is how long a patient key is.
const keyBytes = 32

// readKey reads a key: 32 bytes in hex.
func readKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("patient key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("patient key: %s does not hold %d bytes in hex (make one with: openssl rand -hex %d)", path, keyBytes, keyBytes)
	}
	return key, nil
}

// makeKey makes a key that only this user can read, and that stays.
func makeKey(path string) ([]byte, error) {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	if err := writeKey(path, key); err != nil {
		return nil, fmt.Errorf("patient key: %w", err)
	}
	return key, nil
}

// writeKey makes the file appear whole, and stay after power loss. The data
// directory is this process's alone.
func writeKey(path string, key []byte) error {
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%x\n", key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
