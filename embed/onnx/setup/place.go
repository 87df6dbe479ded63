package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// largest bounds a library and mostUnpacked what an archive may expand to: the
// real ones have 35 MB and 215 MB.
const (
	largest      = 128 << 20
	mostUnpacked = 1 << 30
)

// holds tells whether the file at path has that digest.
func holds(path, digest string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, file)
	return err == nil && hex.EncodeToString(hash.Sum(nil)) == digest
}

// place puts what fill writes at path if its SHA-256 is digest. Path is either
// replaced by the whole file, on disk, or left as it was; its folder is made.
func place(path, digest string, fill func(io.Writer) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("put %s: %w", path, err), os.Remove(file.Name()))
		}
	}()
	if err := errors.Join(write(file, digest, fill), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func write(file *os.File, digest string, fill func(io.Writer) error) error {
	hash := sha256.New()
	if err := fill(io.MultiWriter(file, hash)); err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != digest {
		return fmt.Errorf("its SHA-256 is %s, but %s is expected; nothing was kept", got, digest)
	}
	return errors.Join(file.Chmod(0o755), file.Sync())
}

// unpack writes the regular file of that name in a gzipped tar archive to w.
// It reads no further than that file. Other names are of no consequence, for
// nothing is written by them.
func unpack(archive io.Reader, name string, w io.Writer) error {
	plain, err := gzip.NewReader(archive)
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	files := tar.NewReader(io.LimitReader(plain, mostUnpacked))
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the archive has no file %s", name)
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if header.Name != name || header.Typeflag != tar.TypeReg {
			continue
		}
		if header.Size > largest {
			return fmt.Errorf("%s has %d bytes, more than %d", name, header.Size, largest)
		}
		if _, err := io.Copy(w, files); err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		return nil
	}
}
