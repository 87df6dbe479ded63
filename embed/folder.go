package embed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	manifestName = "manifest.yaml"
	maxTokenizer = 64 << 20
)

// configurations are the files that make a folder a model's, the first that is
// there deciding.
func configurations() []string {
	return []string{manifestName, processorName, openCLIPName, configName}
}

// imageGraphs are where a graph lies unless a manifest says, the first that is
// there deciding: an image tower by itself goes before a whole model. Variants
// such as model_fp16.onnx are taken only if a manifest names them.
func imageGraphs() []string {
	return []string{"onnx/vision_model.onnx", "vision_model.onnx", "model.onnx", "onnx/model.onnx"}
}

// Folder is a model's folder whose configuration has been read and compared to
// its graphs.
type Folder struct {
	// Manifest is complete and valid. Text is nil where the folder has no text
	// model with a tokenizer.
	Manifest Manifest
	// From is the file that tells the preprocessing: manifest.yaml,
	// preprocessor_config.json, open_clip_config.json or config.json.
	From string

	dir string
}

// OpenFolder reads a model's folder: manifest.yaml, or else the configuration
// that Hugging Face's transformers, open_clip or timm wrote, and what the graph
// declares, which inspect tells of the ONNX file at a path. Nothing is chosen
// where more than one choice is plausible: the error says what to write into
// manifest.yaml. All files must lie within the folder; links that lead out are
// not followed. A file that is missing is fs.ErrNotExist; what does not fit
// together is ErrManifest and names file, field and value.
func OpenFolder(dir string, inspect func(path string) (Graph, error)) (Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Folder{}, fmt.Errorf("embed: open model folder: %w", err)
	}
	defer root.Close()
	f, err := opening{root, inspect}.folder(dir)
	if err != nil {
		return Folder{}, fmt.Errorf("model folder %s: %w", dir, err)
	}
	return f, nil
}

// Path returns where a file of the folder lies, such as Manifest.File.
func (f Folder) Path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// Tokenizer returns the content of the text tower's tokenizer file and its
// SHA-256 in lower-case hex. ErrNoText without a text tower.
func (f Folder) Tokenizer() (content []byte, digest string, err error) {
	if f.Manifest.Text == nil {
		return nil, "", fmt.Errorf("model folder %s: embed: %w", f.dir, ErrNoText)
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, "", fmt.Errorf("embed: open model folder: %w", err)
	}
	defer root.Close()
	content, err = readBounded(root, filepath.FromSlash(f.Manifest.Text.Tokenizer), maxTokenizer)
	if err != nil {
		return nil, "", fmt.Errorf("model folder %s: %w", f.dir, err)
	}
	sum := sha256.Sum256(content)
	return content, hex.EncodeToString(sum[:]), nil
}

// opening is a folder that is being read.
type opening struct {
	root    *os.Root
	inspect func(path string) (Graph, error)
}

func (o opening) folder(dir string) (Folder, error) {
	f := Folder{dir: dir}
	var err error
	if f.Manifest, f.From, err = o.configured(dir); err != nil {
		return f, err
	}
	m := &f.Manifest
	var a architecture
	if f.From != manifestName {
		if a, err = o.architecture(f.From); err != nil {
			return f, err
		}
		if err := o.locate(m, f.From); err != nil {
			return f, err
		}
	}
	g, err := o.image(m, a)
	if err != nil {
		return f, err
	}
	if f.From != manifestName {
		o.tower(m, a, g)
	}
	if err := o.texts(m); err != nil {
		return f, err
	}
	*m = m.withDefaults()
	return f, m.Validate()
}

// configured returns what the folder's configuration says, and which file says
// how pictures are preprocessed. A manifest.yaml without base is complete.
func (o opening) configured(dir string) (m Manifest, from string, err error) {
	from, ok := o.first(configurations())
	if !ok {
		return m, "", fmt.Errorf("embed: none of %s: %w", strings.Join(configurations(), ", "), fs.ErrNotExist)
	}
	data, err := readBounded(o.root, from, maxManifest)
	if err != nil {
		return m, from, err
	}
	if from == manifestName {
		if base := baseOf(data); base != "" {
			return o.based(base, data)
		}
		m, err = ParseManifest(data)
		return m, from, err
	}
	if m, err = o.derived(from, data); err != nil {
		return m, from, err
	}
	absolute, err := filepath.Abs(dir)
	m.Name = filepath.Base(absolute)
	return m, from, err
}

// baseOf returns the base of a manifest, "" if it has none or cannot be read.
func baseOf(manifest []byte) string {
	var m Manifest
	if decodeManifest(manifest, &m) != nil {
		return ""
	}
	return m.Base
}

// based returns the preprocessing of base with a manifest's fields on top.
func (o opening) based(base string, manifest []byte) (m Manifest, from string, err error) {
	if known := configurations()[1:]; !slices.Contains(known, base) {
		return m, base, fmt.Errorf("embed: %w: base: %q is none of %s", ErrManifest, base, strings.Join(known, ", "))
	}
	data, err := readBounded(o.root, base, maxManifest)
	if err != nil {
		return m, base, err
	}
	if m, err = o.derived(base, data); err != nil {
		return m, base, err
	}
	if err := decodeManifest(manifest, &m); err != nil {
		return m, base, fmt.Errorf("embed: %w: %w", ErrManifest, err)
	}
	m.Base = ""
	return m, base, nil
}

// derived returns the preprocessing that a configuration tells.
func (o opening) derived(name string, data []byte) (Manifest, error) {
	a, err := o.architecture(name)
	if err != nil {
		return Manifest{}, err
	}
	return derive(name, data, a.Type)
}

// architecture reads what the configuration says about the network; none is
// the zero value.
func (o opening) architecture(from string) (a architecture, err error) {
	name := configName
	if from == openCLIPName {
		name = openCLIPName
	}
	data, err := readBounded(o.root, name, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	if err := decodeJSON(data, &a); err != nil {
		return a, fmt.Errorf("embed: %w: %s: %w", ErrManifest, name, err)
	}
	return a, nil
}

// locate finds the graph of pictures where the manifest names none.
func (o opening) locate(m *Manifest, from string) error {
	if m.File != "" {
		return nil
	}
	if name, ok := o.first(imageGraphs()); ok {
		m.File = name
		return nil
	}
	var there []string
	for _, pattern := range []string{"*.onnx", "onnx/*.onnx"} {
		names, _ := fs.Glob(o.root.FS(), pattern) // the patterns are well-formed
		there = append(there, names...)
	}
	if len(there) == 0 {
		return fmt.Errorf("embed: none of %s: %w", strings.Join(imageGraphs(), ", "), fs.ErrNotExist)
	}
	return fmt.Errorf("embed: %w: file: none of %s: write %s with base: %s and file: one of %s",
		ErrManifest, strings.Join(imageGraphs(), ", "), manifestName, from, strings.Join(there, ", "))
}

// image completes and checks the manifest by its graph.
func (o opening) image(m *Manifest, a architecture) (g Graph, err error) {
	if m.File == "" {
		return g, fmt.Errorf("embed: %w: file: missing", ErrManifest)
	}
	if g, err = o.graph(m.File); err != nil {
		return g, err
	}
	if err := m.complete(g, a); err != nil {
		return g, fmt.Errorf("embed: %w: %s: %w", ErrManifest, m.File, err)
	}
	return g, nil
}

// graph inspects a graph and checks that its data lies within the folder.
func (o opening) graph(name string) (g Graph, err error) {
	if !localFile(name) {
		return g, fmt.Errorf("embed: %w: file: %q is no path within the manifest's folder", ErrManifest, name)
	}
	if err := o.regular(name); err != nil {
		return g, err
	}
	if g, err = o.inspect(filepath.Join(o.root.Name(), filepath.FromSlash(name))); err != nil {
		return g, fmt.Errorf("embed: inspect %s: %w", name, err)
	}
	for _, location := range g.External {
		if !localFile(location) {
			return g, fmt.Errorf("embed: %w: %s: its data is in %q, which is no path within its folder", ErrManifest, name, location)
		}
		if err := o.regular(path.Join(path.Dir(name), location)); err != nil {
			return g, fmt.Errorf("%s: its data: %w", name, err)
		}
	}
	return g, nil
}

// regular checks that a file of the folder is there and not empty.
func (o opening) regular(name string) error {
	info, err := o.root.Stat(filepath.FromSlash(name))
	switch {
	case err != nil:
		return fmt.Errorf("embed: %s: %w", name, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("embed: %w: file: %s is no regular file", ErrManifest, name)
	case info.Size() == 0:
		return fmt.Errorf("embed: %w: file: %s is empty", ErrManifest, name)
	}
	return nil
}

// first returns the first of the files that is there.
func (o opening) first(names []string) (string, bool) {
	for _, name := range names {
		if _, err := o.root.Lstat(filepath.FromSlash(name)); err == nil {
			return name, true
		}
	}
	return "", false
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
