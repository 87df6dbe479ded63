package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
Vectors that were recorded of the folder's model, or of the one that is replaced,
are kept, so that nearcase models verify compares to them.

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
	o, err := q.options(models{config: c}, s)
	if err != nil {
		return err
	}
	plan, folder, err := q.plan(o.Extra[manifestName])
	if err != nil {
		return err
	}
	return q.carryOut(ctx, s, c, plan, folder, o)
}

// plan chooses the files of the model. folder is where they lie, "" where the graph
// does not lie in a model's folder.
func (q modelsAdd) plan(manifest []byte) (p hub.Plan, folder string, err error) {
	info, err := os.Stat(q.Path)
	if err != nil {
		return p, "", err
	}
	if !info.IsDir() {
		p, err = q.file(manifest)
		return p, "", err
	}
	f, err := embed.OpenFolderAs(q.Path, embed.As{Name: q.Name, Manifest: manifest}, inspect)
	if err != nil {
		return p, "", err
	}
	p, err = hub.Local(q.Path, false, f.Files()...)
	p.Name = f.Manifest.Name
	return p, q.Path, err
}

// file plans to take an ONNX file with what its manifest names beside it.
func (q modelsAdd) file(manifest []byte) (p hub.Plan, err error) {
	folder, name := filepath.Split(q.Path)
	folder = cmp.Or(folder, ".")
	if manifest == nil {
		g, err := onnx.Inspect(q.Path)
		if err != nil {
			return p, err
		}
		return p, fmt.Errorf("%s does not say how pictures are fed to it: give a manifest with --manifest, such as\n\n%s", q.Path, skeleton(name, g))
	}
	called := cmp.Or(q.Name, embed.ManifestName(manifest), strings.TrimSuffix(name, ".onnx"))
	f, err := embed.OpenFolderAs(folder, embed.As{Name: called, Manifest: manifest}, inspect)
	if err != nil {
		return p, err
	}
	if f.Manifest.File != name {
		return p, fmt.Errorf("%s is of %s, not of %s", q.Manifest, f.Manifest.File, name)
	}
	p, err = hub.Local(folder, true, f.Files()...)
	p.Name = called
	return p, err
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
