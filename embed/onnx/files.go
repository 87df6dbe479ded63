package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Digest returns a SHA-256, in lower-case hex, that tells the model in a file
// from every other. Of a graph without external data it is the file's own.
// Otherwise it is that of a text in the format of sha256sum(1), one line of
// digest, two spaces and name for each file: first the graph under the name
// "graph", then its files of external data in the order of Graph.External. The
// graph's own name and folder do not matter.
//
// Errors are as Inspect's; a file of external data that is missing, too short
// or a link that leads out of the folder is ErrModel, too. Digest and a later
// OpenFile read the files anew: they say the same of one model only while
// nobody else writes to its folder.
func Digest(path string) (string, error) {
	digest, err := digest(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrModel, err)
	}
	return digest, nil
}

func digest(path string) (string, error) {
	file, size, err := openGraph(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	g, err := inspect(file, size)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	sum, err := sumOf(io.NewSectionReader(file, 0, size))
	if err != nil || len(g.External) == 0 {
		return sum, err
	}
	all := sha256.New()
	fmt.Fprintf(all, "%s  graph\n", sum)
	err = g.visit(filepath.Dir(path), func(name string, f *os.File) error {
		sum, err := sumOf(f)
		fmt.Fprintf(all, "%s  %s\n", sum, name)
		return err
	})
	return hex.EncodeToString(all.Sum(nil)), err
}

func sumOf(r io.Reader) (string, error) {
	hash := sha256.New()
	_, err := io.Copy(hash, r)
	return hex.EncodeToString(hash.Sum(nil)), err
}

// visit opens the files of external data in folder one after the other. Each
// must be a regular file within folder and as long as the graph needs.
func (g Graph) visit(folder string, use func(name string, f *os.File) error) error {
	if len(g.External) == 0 {
		return nil
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, e := range g.External {
		if err := e.visit(root, use); err != nil {
			return fmt.Errorf("external data %s in %s: %w", e.Name, folder, err)
		}
	}
	return nil
}

func (e External) visit(root *os.Root, use func(name string, f *os.File) error) error {
	name := filepath.FromSlash(e.Name)
	info, err := root.Stat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("no regular file")
	}
	if info.Size() < e.Bytes {
		return fmt.Errorf("truncated: it has %d bytes, the graph needs %d", info.Size(), e.Bytes)
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return use(e.Name, f)
}
