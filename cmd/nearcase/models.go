package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/embed/onnx"
	"nearcase/embed/scatter"
)

// models are the built-in network and those in the models folder.
type models struct{ config config }

// open loads a model by name into ONNX Runtime.
func (m models) open(name string) (*embed.Model, error) {
	manifest, graph, digest, err := m.read(name)
	if err != nil {
		return nil, err
	}
	if err := m.load(); err != nil {
		return nil, fmt.Errorf("%w: %w", api.ErrRuntime, err)
	}
	side := manifest.Side()
	session, err := onnx.OpenSession(graph, onnx.Options{
		Input: manifest.Input, Output: manifest.Output, Height: side, Width: side, Layout: manifest.Layout,
	})
	if err != nil {
		return nil, err
	}
	model, err := embed.NewModel(manifest, digest, session)
	if err != nil {
		return nil, errors.Join(err, session.Close())
	}
	return model, nil
}

// load loads ONNX Runtime, once.
func (m models) load() error {
	library, err := onnx.Find(m.config.ONNXRuntime)
	if err != nil {
		return err
	}
	return onnx.Load(library)
}

func (m models) read(name string) (embed.Manifest, []byte, string, error) {
	builtin := scatter.Manifest()
	if name == builtin.Name {
		graph := scatter.Graph()
		digest := sha256.Sum256(graph)
		return builtin, graph, hex.EncodeToString(digest[:]), nil
	}
	if !filepath.IsLocal(name) || filepath.Base(name) != name {
		return embed.Manifest{}, nil, "", fmt.Errorf("%w: %q is not a name", api.ErrModel, name)
	}
	manifest, graph, digest, err := embed.ReadFolder(filepath.Join(m.config.Models, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: there is no %s; nearcase models lists those there are: %w",
			api.ErrModel, filepath.Join(m.config.Models, name, "manifest.yaml"), err)
	}
	if err == nil && manifest.Name != name {
		err = fmt.Errorf("%w: the manifest in folder %s names it %s", api.ErrModel, name, manifest.Name)
	}
	return manifest, graph, digest, err
}

// list describes the models there are, the built-in one first.
func (m models) list() ([]api.ModelInfo, error) {
	infos := []api.ModelInfo{describe(scatter.Manifest())}
	infos[0].Builtin = true
	manifests, err := embed.ListFolder(m.config.Models)
	for _, manifest := range manifests {
		infos = append(infos, describe(manifest))
	}
	return infos, err
}

func describe(m embed.Manifest) api.ModelInfo {
	return api.ModelInfo{Name: m.Name, Description: m.Description, Dimension: m.Dimension, Licence: m.Licence, TrainingData: m.TrainingData}
}

type modelsCommand struct{}

func (modelsCommand) Help() string {
	return `A model is a folder with manifest.yaml and an ONNX file; docs/models.md tells
what the manifest says. The model scatter is built in and needs no file.

  nearcase models --models-dir /opt/models`
}

func (modelsCommand) Run(ctx context.Context, s *session) error {
	show := func(infos []api.ModelInfo) error {
		return s.print(infos, func(w io.Writer) {
			t := table(w, "MODEL", "DIMENSION", "LICENCE", "TRAINING DATA", "DESCRIPTION")
			for _, m := range infos {
				t.row(m.Name, m.Dimension, m.Licence, m.TrainingData, m.Description)
			}
			t.flush()
		})
	}
	if s.Server != "" { // a list needs no data directory
		return s.with(existing, func(o operations, _ config) error {
			infos, err := o.ListModels(ctx)
			if err != nil {
				return err
			}
			return show(infos)
		})
	}
	c, err := s.configuration()
	if err != nil {
		return err
	}
	infos, err := models{c}.list()
	if err != nil {
		return err
	}
	return show(infos)
}
