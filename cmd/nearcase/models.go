package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/embed/hub"
	"nearcase/embed/onnx"
	"nearcase/embed/scatter"
	"nearcase/embed/text"
)

// models are the built-in network and those in the models folder.
type models struct {
	config    config
	measuring *measuring // nil for a command that is over soon: see tune
	refit     api.Refit
	logger    *slog.Logger
	begin     func(ctx context.Context, stage string) (context.Context, func(error))
}

// open loads a model by name into ONNX Runtime, with its text tower if it has one.
func (m models) open(name string) (*embed.Model, error) {
	if name == scatter.Manifest().Name {
		return m.builtin()
	}
	folder, err := m.folder(name)
	if err != nil {
		return nil, err
	}
	if err := m.load(); err != nil {
		return nil, fmt.Errorf("%w: %w", api.ErrRuntime, err)
	}
	return m.assemble(folder)
}

// load loads ONNX Runtime, once.
func (m models) load() error {
	library, err := onnx.Find(m.config.ONNXRuntime)
	if err != nil {
		return err
	}
	return onnx.Load(library)
}

func (m models) builtin() (*embed.Model, error) {
	if err := m.load(); err != nil {
		return nil, fmt.Errorf("%w: %w", api.ErrRuntime, err)
	}
	manifest, graph := scatter.Manifest(), scatter.Graph()
	sum := sha256.Sum256(graph)
	digest := hex.EncodeToString(sum[:])
	session, err := m.session(manifest, digest, func(o onnx.Options) (*onnx.Session, error) { return onnx.OpenSession(graph, o) })
	if err != nil {
		return nil, err
	}
	return own(manifest, digest, session)
}

// folder reads the folder of a model.
func (m models) folder(name string) (embed.Folder, error) {
	if !filepath.IsLocal(name) || filepath.Base(name) != name {
		return embed.Folder{}, fmt.Errorf("%w: %q is not a name", api.ErrModel, name)
	}
	path := filepath.Join(m.config.Models, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return embed.Folder{}, fmt.Errorf("%w in %s; nearcase models lists those there are", api.ErrModel, m.config.Models)
	}
	folder, err := embed.OpenFolder(path, inspect)
	if err == nil && folder.Manifest.Name != name {
		err = fmt.Errorf("%w: the manifest in folder %s names it %s", api.ErrModel, name, folder.Manifest.Name)
	}
	return folder, err
}

// inspect tells what the ONNX file at path declares.
func inspect(path string) (embed.Graph, error) {
	g, err := onnx.Inspect(path)
	if err != nil {
		return embed.Graph{}, err
	}
	declared := embed.Graph{Inputs: tensors(g.Inputs), Outputs: tensors(g.Outputs)}
	for _, e := range g.External {
		declared.External = append(declared.External, e.Name)
	}
	return declared, nil
}

func tensors(ends []onnx.End) []embed.Tensor {
	all := make([]embed.Tensor, len(ends))
	for i, e := range ends {
		all[i].Name = e.Name
		if e.Shape != nil {
			all[i].Shape = make([]int, len(e.Shape))
		}
		for j, n := range e.Shape {
			all[i].Shape[j] = int(n)
		}
	}
	return all
}

// assemble opens a folder's graphs. What does not fit together is an error, also
// a graph that does not answer as the manifest says.
func (m models) assemble(f embed.Folder) (*embed.Model, error) {
	path := f.Path(f.Manifest.File)
	digest, err := onnx.Digest(path)
	if err != nil {
		return nil, err
	}
	session, err := m.session(f.Manifest, digest, func(o onnx.Options) (*onnx.Session, error) { return onnx.OpenFile(path, o) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	model, err := own(f.Manifest, digest, session)
	if err != nil || f.Manifest.Text == nil {
		return model, err
	}
	if err := m.setText(model, f); err != nil {
		return nil, errors.Join(err, model.Close())
	}
	return model, nil
}

// session opens the graph of that digest as it runs best.
func (m models) session(manifest embed.Manifest, digest string, open func(onnx.Options) (*onnx.Session, error)) (*onnx.Session, error) {
	o, err := m.tune(manifest.Name, m.options(manifest), digest, open)
	if err != nil {
		return nil, err
	}
	return open(o)
}

// own makes a model of a session, which is closed if they do not fit.
func own(manifest embed.Manifest, digest string, session *onnx.Session) (*embed.Model, error) {
	model, err := embed.NewModel(manifest, digest, session)
	if err != nil {
		return nil, errors.Join(err, session.Close())
	}
	return model, nil
}

func (m models) options(manifest embed.Manifest) onnx.Options {
	side := manifest.Side()
	return onnx.Options{
		Input: manifest.Input, Output: manifest.Output, Height: side, Width: side, Layout: manifest.Layout,
		Dimension: manifest.Dimension, Providers: m.providers(), Fallback: m.config.Fallback,
	}
}

func (m models) providers() []onnx.Provider {
	providers := make([]onnx.Provider, len(m.config.Providers))
	for i, name := range m.config.Providers {
		providers[i].Name = name
	}
	return providers
}

// setText opens the text tower of a folder.
func (m models) setText(model *embed.Model, f embed.Folder) error {
	t := f.Manifest.Text
	tokenizer, tokenizerDigest, err := tokenizer(f)
	if err != nil {
		return err
	}
	path := f.Path(t.File)
	digest, err := onnx.Digest(path)
	if err != nil {
		return err
	}
	session, err := onnx.OpenTextFile(path, onnx.TextOptions{
		InputIDs: t.IDs, AttentionMask: t.Mask, Output: t.Output, Length: t.Length, Dimension: f.Manifest.Dimension,
		Providers: m.providers(), Fallback: m.config.Fallback,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := model.SetText(digest, tokenizerDigest, session, tokenizer); err != nil {
		return errors.Join(err, session.Close())
	}
	return nil
}

// tokenizer reads a folder's tokenizer with its configuration, and the digest of both.
func tokenizer(f embed.Folder) (*text.Tokenizer, string, error) {
	content, config, digest, err := f.Tokenizer()
	if err != nil {
		return nil, "", err
	}
	t, err := text.Parse(content)
	if err == nil && config != nil {
		t, err = t.WithConfig(config)
	}
	return t, digest, err
}

// list describes the models there are, the built-in one first. Those that cannot
// be used say why.
func (m models) list() ([]api.ModelInfo, error) {
	infos := []api.ModelInfo{describe(scatter.Manifest(), "")}
	infos[0].Builtin, infos[0].Bytes = true, int64(len(scatter.Graph()))
	names, err := m.names()
	for _, name := range names {
		path := filepath.Join(m.config.Models, name)
		folder, err := m.folder(name)
		info := describe(folder.Manifest, path)
		if err != nil {
			info = api.ModelInfo{Name: name, Problem: strings.ReplaceAll(err.Error(), path, name)}
		}
		info.Bytes = sizeOf(path)
		infos = append(infos, info)
	}
	return infos, err
}

// sizeOf is what the files below a folder take, as far as they can be looked at.
func sizeOf(path string) (bytes int64) {
	_ = filepath.WalkDir(path, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() { // through links to a shared file
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

// names lists the folders in the models folder that are meant as models, in order.
func (m models) names() ([]string, error) {
	entries, err := os.ReadDir(m.config.Models)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && e.Name() != scatter.Manifest().Name && isModel(filepath.Join(m.config.Models, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// isModel reports whether a folder has anything that models have.
func isModel(path string) bool {
	for _, pattern := range []string{"manifest.yaml", "*config.json", "*.onnx", "onnx/*.onnx"} {
		if found, _ := filepath.Glob(filepath.Join(path, pattern)); len(found) > 0 {
			return true
		}
	}
	return false
}

func describe(m embed.Manifest, path string) api.ModelInfo {
	info := api.ModelInfo{Name: m.Name, Description: m.Description, Dimension: m.Dimension, Licence: m.Licence, TrainingData: m.TrainingData}
	record, ok := hub.ReadRecord(path)
	if !ok {
		return info
	}
	info.Licence = cmp.Or(info.Licence, record.Licence)
	info.Description = cmp.Or(info.Description, record.Repository)
	if record.Entry != nil {
		info.TrainingData = cmp.Or(info.TrainingData, record.Entry.TrainingData)
	}
	return info
}
