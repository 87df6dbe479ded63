package embed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	manifestName = "manifest.yaml"
	maxGraph     = 2 << 30 // protocol buffers end there
)

// ReadFolder reads a model's folder: manifest.yaml and the ONNX graph that it
// names. digest is the graph's SHA-256 in lower-case hex, checked against the
// manifest's where it gives one. Links that lead out of the folder are not
// followed. A folder, manifest or graph that is missing is fs.ErrNotExist;
// what the manifest gets wrong is ErrManifest.
func ReadFolder(dir string) (m Manifest, graph []byte, digest string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Manifest{}, nil, "", fmt.Errorf("embed: open model folder: %w", err)
	}
	defer root.Close()
	if m, err = readManifest(root); err != nil {
		return Manifest{}, nil, "", fmt.Errorf("model folder %s: %w", dir, err)
	}
	if graph, err = readGraph(root, m.File); err != nil {
		return Manifest{}, nil, "", fmt.Errorf("model folder %s: %w", dir, err)
	}
	sum := sha256.Sum256(graph)
	digest = hex.EncodeToString(sum[:])
	if err := m.matches(digest); err != nil {
		return Manifest{}, nil, "", fmt.Errorf("model folder %s: %w", dir, err)
	}
	return m, graph, digest, nil
}

func readManifest(root *os.Root) (Manifest, error) {
	data, err := readBounded(root, manifestName, maxManifest)
	if err != nil {
		return Manifest{}, err
	}
	return ParseManifest(data)
}

func readGraph(root *os.Root, name string) ([]byte, error) {
	if name == "" {
		return nil, fmt.Errorf("embed: %w: file: missing", ErrManifest)
	}
	graph, err := readBounded(root, filepath.FromSlash(name), maxGraph)
	if err == nil && len(graph) == 0 {
		return nil, fmt.Errorf("embed: %w: file: %s is empty", ErrManifest, name)
	}
	return graph, err
}

// matches returns an ErrManifest if the manifest names another graph.
func (m Manifest) matches(digest string) error {
	if m.SHA256 != "" && m.SHA256 != digest {
		return fmt.Errorf("embed: %w: sha256: the graph %s has %s, the manifest says %s",
			ErrManifest, m.File, digest, m.SHA256)
	}
	return nil
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("embed: read %s: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("embed: read %s: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("embed: %w: %s is no regular file of at most %d bytes", ErrManifest, name, limit)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("embed: read %s: %w", name, err)
	}
	return data, nil
}

// ListFolder returns the manifests of the model folders directly under dir, in
// the order of their names; graphs are not read. Folders without manifest.yaml
// are passed over and a missing dir has none. A manifest must carry the name
// of its folder, so that ReadFolder finds it. The manifests that can be used
// are returned even where others cannot; the error then names those.
func ListFolder(dir string) ([]Manifest, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("embed: list models: %w", err)
	}
	var manifests []Manifest
	var faults []error
	for _, e := range entries {
		m, err := listed(filepath.Join(dir, e.Name()))
		switch {
		case err == nil:
			manifests = append(manifests, m)
		case !errors.Is(err, fs.ErrNotExist):
			faults = append(faults, err)
		}
	}
	return manifests, errors.Join(faults...)
}

// listed returns the manifest of one folder, fs.ErrNotExist where path is no
// folder or has none.
func listed(path string) (Manifest, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return Manifest{}, fs.ErrNotExist
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("embed: open model folder: %w", err)
	}
	defer root.Close()
	m, err := readManifest(root)
	if err != nil {
		return Manifest{}, fmt.Errorf("model folder %s: %w", path, err)
	}
	if m.Name != filepath.Base(path) {
		return Manifest{}, fmt.Errorf("model folder %s: embed: %w: name: %q is not the folder's", path, ErrManifest, m.Name)
	}
	return m, nil
}
