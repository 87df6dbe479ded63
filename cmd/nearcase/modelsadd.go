package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nearcase/embed"
	"nearcase/embed/hub"
	"nearcase/embed/onnx"
)

type modelsAdd struct {
	Path string `arg:"" help:"Folder of a model, or ONNX file." type:"existingpath" placeholder:"FOLDER|FILE.onnx"`
	placed
}

func (modelsAdd) Help() string {
	return `Copies a model of this machine into the models folder, whole or not at all, after
opening it. A folder may be as Hugging Face lays it out or have a manifest.yaml.
An ONNX file alone does not say how pictures are fed to it: give its manifest.

  nearcase models add ~/downloads/clip-vit-base-patch32
  nearcase models add --manifest docs/models/resnet18-layer3/manifest.yaml resnet18_layer3_gap256.onnx`
}

func (q modelsAdd) Run(ctx context.Context, s *session) error {
	if s.Server != "" {
		return errors.New("models add works on this machine, not on --server")
	}
	c, err := s.configuration()
	if err != nil {
		return err
	}
	o, err := q.options(ctx, models{config: c}, s)
	if err != nil {
		return err
	}
	plan, err := q.plan(ctx)
	if err != nil {
		return err
	}
	return q.carryOut(ctx, s, c, plan, o)
}

// plan chooses the files of the model.
func (q modelsAdd) plan(ctx context.Context) (hub.Plan, error) {
	info, err := os.Stat(q.Path)
	if err != nil {
		return hub.Plan{}, err
	}
	if !info.IsDir() {
		return q.file(ctx)
	}
	folder, err := embed.OpenFolder(q.Path, inspect)
	if err != nil {
		return hub.Plan{}, err
	}
	graphs := []string{folder.Manifest.File}
	if t := folder.Manifest.Text; t != nil && t.File != folder.Manifest.File {
		graphs = append(graphs, t.File)
	}
	if t := folder.Manifest.Text; t != nil && t.Tokenizer != "tokenizer.json" {
		graphs = append(graphs, t.Tokenizer)
	}
	return q.local(ctx, q.Path, false, graphs)
}

// file plans to take an ONNX file with its data.
func (q modelsAdd) file(ctx context.Context) (hub.Plan, error) {
	g, err := onnx.Inspect(q.Path)
	if err != nil {
		return hub.Plan{}, err
	}
	name := filepath.Base(q.Path)
	if q.Manifest == "" {
		return hub.Plan{}, fmt.Errorf("%s does not say how pictures are fed to it: give a manifest with --manifest, such as\n\n%s", q.Path, skeleton(name, g))
	}
	p, err := q.local(ctx, filepath.Dir(q.Path), true, []string{name})
	p.Name = strings.TrimSuffix(name, ".onnx")
	return p, err
}

// local plans the graphs with the data that they name themselves.
func (q modelsAdd) local(ctx context.Context, folder string, alone bool, files []string) (hub.Plan, error) {
	for _, file := range slices.Clone(files) {
		if !strings.HasSuffix(file, ".onnx") {
			continue
		}
		g, err := onnx.Inspect(filepath.Join(folder, filepath.FromSlash(file)))
		if err != nil {
			return hub.Plan{}, err
		}
		for _, e := range g.External {
			files = append(files, filepath.ToSlash(filepath.Join(filepath.Dir(file), e.Name)))
		}
	}
	return hub.Local(ctx, folder, alone, files...)
}

// skeleton is a manifest with what the graph tells; the rest is the usual one of
// networks trained on ImageNet, to be corrected.
func skeleton(file string, g onnx.Graph) string {
	input, output, dimension, side := "?", "?", "?", "224"
	if len(g.Inputs) > 0 {
		input = g.Inputs[0].Name
		if shape := g.Inputs[0].Shape; len(shape) == 4 && shape[3] > 3 {
			side = fmt.Sprint(shape[3])
		}
	}
	if len(g.Outputs) > 0 {
		output = g.Outputs[0].Name
		if shape := g.Outputs[0].Shape; len(shape) > 1 && shape[1] > 0 {
			dimension = fmt.Sprint(shape[1])
		}
	}
	return fmt.Sprintf(`name: %s
file: %s
input: %q
output: %q
dimension: %s
resize: {mode: shorter, size: %s, interpolation: bicubic}
crop: %s
mean: [0.485, 0.456, 0.406]
std: [0.229, 0.224, 0.225]
`, strings.TrimSuffix(file, ".onnx"), file, input, output, dimension, side, side)
}
