package embed

import (
	"cmp"
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

const manifestName = "manifest.yaml"

// configurations are the files that make a folder a model's, the first that is
// there deciding.
func configurations() []string {
	return []string{manifestName, processorName, openCLIPName, configName}
}

// imageGraphs are where a graph lies unless a manifest says, the first that is
// there deciding: an image tower by itself goes before a whole model. Variants
// such as model_fp16.onnx are taken only if a manifest names them: see
// ManifestFor.
func imageGraphs() []string {
	return []string{"onnx/vision_model.onnx", "vision_model.onnx", "model.onnx", "onnx/model.onnx"}
}

// ManifestFor returns the manifest.yaml of a model of these files, such as a
// repository has, that OpenFolder would not find by itself because its graph is a
// variant like model_fp16.onnx. graphs are that of pictures and, where there is
// one, that of texts. It is nil where no manifest is needed or one is among the
// files, and where no configuration is among them to be its base.
func ManifestFor(name string, graphs, files []string) []byte {
	i := slices.IndexFunc(configurations(), func(c string) bool { return slices.Contains(files, c) })
	if i <= 0 || len(graphs) == 0 || slices.Contains(imageGraphs(), graphs[0]) {
		return nil
	}
	type tower struct {
		File string `yaml:"file"`
	}
	m := struct {
		Name, Base, File string
		Text             *tower `yaml:",omitempty"`
	}{name, configurations()[i], graphs[0], nil}
	if len(graphs) > 1 && slices.Contains(files, tokenizerName) {
		m.Text = &tower{graphs[1]}
	}
	data, _ := encodeManifest(m) // plain values
	return data
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

// As says how a folder is read other than it is. The zero value changes nothing.
type As struct {
	Name     string // of the model, in place of the manifest's and the folder's
	Manifest []byte // in place of the folder's manifest.yaml
}

// OpenFolder reads a model's folder: manifest.yaml, or else the configuration
// that Hugging Face's transformers, open_clip or timm wrote, and what the graph
// declares, which inspect tells of the ONNX file at a path. The model is named
// after its folder unless the manifest says. Nothing is chosen where more than
// one choice is plausible: the error says what to write into manifest.yaml. All
// files must lie within the folder; links that lead out are not followed. A file
// that is missing is fs.ErrNotExist; what does not fit together is ErrManifest
// and names file, field and value.
func OpenFolder(dir string, inspect func(path string) (Graph, error)) (Folder, error) {
	return OpenFolderAs(dir, As{}, inspect)
}

// OpenFolderAs is OpenFolder for a folder as it would be with what as says.
func OpenFolderAs(dir string, as As, inspect func(path string) (Graph, error)) (Folder, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return Folder{}, fmt.Errorf("embed: open model folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Folder{}, fmt.Errorf("embed: open model folder: %w", err)
	}
	defer root.Close()
	f, err := opening{root, as, filepath.Base(absolute), inspect}.folder(dir)
	if err != nil {
		return Folder{}, fmt.Errorf("model folder %s: %w", dir, err)
	}
	return f, nil
}

// Path returns where a file of the folder lies, such as Manifest.File.
func (f Folder) Path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// Files are the files of the folder that the model is made of, but for its
// manifest.yaml and the data that graphs keep outside of themselves.
func (f Folder) Files() []string {
	files := []string{f.Manifest.File}
	var maybe []string
	if f.From != manifestName {
		maybe = append(maybe, f.From, configName)
	}
	if t := f.Manifest.Text; t != nil {
		files = append(files, t.File, t.Tokenizer)
		maybe = append(maybe, t.tokenizerConfig(), configName, openCLIPName)
	}
	for _, name := range maybe {
		if info, err := os.Stat(f.Path(name)); err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// opening is a folder that is being read.
type opening struct {
	root    *os.Root
	as      As
	name    string // the folder's
	inspect func(path string) (Graph, error)
}

func (o opening) folder(dir string) (Folder, error) {
	f := Folder{dir: dir}
	var err error
	if f.Manifest, f.From, err = o.configured(); err != nil {
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
	if f.From != manifestName || m.Text != nil {
		o.tower(m, g)
	}
	if err := o.texts(m, f.From); err != nil {
		return f, err
	}
	*m = m.withDefaults()
	return f, m.Validate()
}

// configured returns what the folder's configuration says, and which file says
// how pictures are preprocessed. A manifest.yaml without base is complete but for
// its text tower.
func (o opening) configured() (m Manifest, from string, err error) {
	from, ok := o.first(configurations())
	if !ok {
		return m, "", fmt.Errorf("embed: none of %s: %w", strings.Join(configurations(), ", "), fs.ErrNotExist)
	}
	data, err := o.read(from)
	if err != nil {
		return m, from, err
	}
	if from != manifestName {
		m, err = o.derived(from, data)
		m.Name = o.named("")
		return m, from, err
	}
	if base := baseOf(data); base != "" {
		return o.based(base, data)
	}
	m, err = o.whole(data)
	return m, from, err
}

// read returns a file that configures, at most maxManifest bytes.
func (o opening) read(name string) ([]byte, error) {
	if name == manifestName && o.as.Manifest != nil {
		return o.as.Manifest, nil
	}
	return readBounded(o.root, name, maxManifest)
}

// named returns the model's name where its manifest says it is name.
func (o opening) named(name string) string { return cmp.Or(o.as.Name, name, o.name) }

// whole reads a manifest without base.
func (o opening) whole(data []byte) (m Manifest, err error) {
	if err := decodeManifest(data, &m); err != nil {
		return m, fmt.Errorf("embed: %w: %w", ErrManifest, err)
	}
	m.Name = o.named(m.Name)
	m = m.withDefaults()
	images := m
	images.Text = nil // it is completed first
	return m, images.Validate()
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
	data, err := o.read(base)
	if err != nil {
		return m, base, err
	}
	if m, err = o.derived(base, data); err != nil {
		return m, base, err
	}
	if err := decodeManifest(manifest, &m); err != nil {
		return m, base, fmt.Errorf("embed: %w: %w", ErrManifest, err)
	}
	m.Base, m.Name = "", o.named(m.Name)
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
	data, err := o.read(name)
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
		location = path.Clean(location)
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
		if name == manifestName && o.as.Manifest != nil {
			return name, true
		}
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
