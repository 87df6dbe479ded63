package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"nearcase/embed"
	"nearcase/embed/hub"
	"nearcase/embed/onnx"
	"nearcase/embed/scatter"
)

type modelsInspect struct {
	Model string `arg:"" help:"Name of a model, or a folder." placeholder:"NAME|FOLDER"`
}

func (modelsInspect) Help() string {
	return `Shows a model's files, graphs, digest and fingerprint, and its manifest as it is
derived from the folder's configuration. Nothing is run, so that ONNX Runtime
is not needed; nearcase models verify runs the model.

  nearcase models inspect clip-vit-b32
  nearcase models inspect ~/downloads/dinov2-small`
}

// inspected is what is known about a model. Problem says why it cannot be used;
// what could be found out nevertheless is there.
type inspected struct {
	Folder          string         `json:"folder,omitempty"`
	From            string         `json:"from,omitempty"`
	Manifest        embed.Manifest `json:"manifest,omitzero"`
	Image           *graphInfo     `json:"image_graph,omitempty"`
	Text            *graphInfo     `json:"text_graph,omitempty"`
	Fingerprint     string         `json:"fingerprint,omitempty"`
	TextFingerprint string         `json:"text_fingerprint,omitempty"`
	Recorded        bool           `json:"golden_vectors"`
	Source          *hub.Record    `json:"source,omitempty"`
	Files           []hub.File     `json:"files,omitempty"`
	Problem         string         `json:"problem,omitempty"`
}

// graphInfo is what a graph says of itself.
type graphInfo struct {
	File   string     `json:"file"`
	SHA256 string     `json:"sha256"`
	Graph  onnx.Graph `json:"graph"`
}

func (q modelsInspect) Run(_ context.Context, s *session) error {
	c, err := s.configuration()
	if err != nil {
		return err
	}
	i, err := models{config: c}.examine(q.Model)
	if i.Folder == "" && err != nil {
		return err
	}
	if err != nil {
		i.Problem = err.Error()
	}
	return errors.Join(err, s.print(i, i.print))
}

// examine finds out what there is to know. An error is what keeps the model from
// being used.
func (m models) examine(name string) (inspected, error) {
	if name == scatter.Manifest().Name {
		digest := sha256.Sum256(scatter.Graph())
		i := inspected{Manifest: scatter.Manifest(), From: "built in", Recorded: isRecorded(filepath.Join(m.config.Models, name))}
		return i, i.identify(hex.EncodeToString(digest[:]), "", "")
	}
	path := filepath.Join(m.config.Models, name)
	if strings.ContainsRune(name, filepath.Separator) || !filepath.IsLocal(name) || name == "." {
		path = name
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return inspected{}, fmt.Errorf("there is no model folder %s: %w", path, cmp.Or(err, fs.ErrNotExist))
	}
	i := inspected{Folder: path, Files: filesOf(path)}
	if record, ok := hub.ReadRecord(path); ok {
		i.Source = &record
	}
	i.Recorded = isRecorded(path)
	folder, err := embed.OpenFolder(path, inspect)
	i.Manifest, i.From = folder.Manifest, folder.From
	if err != nil {
		return i, err
	}
	return i, i.graphs(folder)
}

// isRecorded reports whether a folder has the vectors recorded of its model.
func isRecorded(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, goldenName))
	return err == nil
}

// graphs looks into the folder's graphs and derives the fingerprints.
func (i *inspected) graphs(f embed.Folder) (err error) {
	if i.Image, err = graphOf(f, f.Manifest.File); err != nil {
		return err
	}
	if f.Manifest.Text == nil {
		return i.identify(i.Image.SHA256, "", "")
	}
	if i.Text, err = graphOf(f, f.Manifest.Text.File); err != nil {
		return err
	}
	_, digest, err := tokenizer(f)
	return errors.Join(err, i.identify(i.Image.SHA256, i.Text.SHA256, digest))
}

func graphOf(f embed.Folder, name string) (*graphInfo, error) {
	g := &graphInfo{File: name}
	var err, bad error
	g.Graph, err = onnx.Inspect(f.Path(name))
	if err == nil {
		g.SHA256, bad = onnx.Digest(f.Path(name))
	}
	return g, errors.Join(err, bad)
}

// unopened stands for networks that are not run.
type unopened struct{ embed.Network }

type unopenedText struct{ embed.TextNetwork }

type untokenized struct{ embed.Tokenizer }

// identify derives the fingerprints from the digests.
func (i *inspected) identify(image, texts, tokens string) error {
	model, err := embed.NewModel(i.Manifest, image, unopened{})
	if err != nil {
		return err
	}
	i.Fingerprint = model.Fingerprint()
	if texts != "" {
		err = model.SetText(texts, tokens, unopenedText{}, untokenized{})
		i.TextFingerprint = model.TextFingerprint()
	}
	return err
}

// filesOf lists the files of a folder with their sizes.
func filesOf(path string) []hub.File {
	var files []hub.File
	_ = filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // what cannot be read cannot be listed
		}
		if info, err := os.Stat(name); err == nil {
			relative, _ := filepath.Rel(path, name)
			files = append(files, hub.File{Path: filepath.ToSlash(relative), Bytes: info.Size()})
		}
		return nil
	})
	return files
}

func (i inspected) print(w io.Writer) {
	t := table(w)
	t.row("model", i.Manifest.Name)
	t.row("folder", cmp.Or(i.Folder, "built in"))
	t.row("configured by", i.From)
	i.source(t)
	for _, g := range []*graphInfo{i.Image, i.Text} {
		if g != nil {
			g.print(t)
		}
	}
	t.row("fingerprint", i.Fingerprint)
	if i.TextFingerprint != "" {
		t.row("fingerprint of text", i.TextFingerprint)
	}
	t.row("golden vectors", map[bool]string{true: "recorded", false: "not recorded: nearcase models verify"}[i.Recorded])
	for _, f := range i.Files {
		t.row("file", fmt.Sprintf("%s, %d bytes", f.Path, f.Bytes))
	}
	t.flush()
	if i.Problem != "" || i.Manifest.Name == "" {
		return
	}
	manifest, _ := yaml.Marshal(i.Manifest) // plain values
	fmt.Fprintf(w, "\nmanifest:\n  %s", strings.ReplaceAll(strings.TrimRight(string(manifest), "\n"), "\n", "\n  ")+"\n")
}

func (i inspected) source(t tabular) {
	if i.Source == nil {
		return
	}
	r := *i.Source
	t.row("source", cmp.Or(r.Page, r.Source))
	if r.Commit != "" {
		t.row("commit", r.Commit)
	}
	t.row("licence", cmp.Or(i.Manifest.Licence, r.Licence, "not stated"))
	const layout = "2006-01-02 15:04:05 MST"
	if !r.Pulled.IsZero() {
		t.row("pulled", r.Pulled.Format(layout))
	}
	if !r.Added.IsZero() {
		t.row("added", r.Added.Format(layout))
	}
}

func (g graphInfo) print(t tabular) {
	t.row("graph", g.File)
	t.row("  sha256", g.SHA256)
	t.row("  parameters", fmt.Sprintf("%d, %d bytes", g.Graph.Parameters, g.Graph.Bytes))
	for _, e := range g.Graph.Inputs {
		t.row("  takes", end(e))
	}
	for _, e := range g.Graph.Outputs {
		t.row("  gives", end(e))
	}
	for _, e := range g.Graph.External {
		t.row("  data in", fmt.Sprintf("%s, at least %d bytes", e.Name, e.Bytes))
	}
}

// end writes an input or output with its type and shape.
func end(e onnx.End) string {
	return fmt.Sprintf("%s %s", tensors([]onnx.End{e})[0], e.Type)
}
