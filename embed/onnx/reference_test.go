package onnx_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nearcase/embed"
	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
)

// reference is testdata/reference.json, which testdata/reference.py makes of
// Pillow and NumPy.
type reference struct {
	Images []string
	Models []referenceModel
}

type referenceModel struct {
	Name, File  string
	Config      json.RawMessage
	Side, Patch int
	Output      string
	Shape       []int
	Seed        uint32
	Vectors     [][]float32
}

// Law: a folder as its makers lay it out gives the vectors of its makers'
// preprocessing, for every picture.
func TestFoldersEmbedLikeTheReference(t *testing.T) {
	onnxtest.Require(t)
	var r reference
	if err := json.Unmarshal(read(t, "testdata/reference.json"), &r); err != nil {
		t.Fatal(err)
	}
	pictures := r.pictures(t)
	if len(pictures) != 50 || len(r.Models) < 6 {
		t.Fatalf("%d pictures and %d models, want 50 and at least 6", len(pictures), len(r.Models))
	}
	for _, m := range r.Models {
		t.Run(m.Name, func(t *testing.T) {
			least := 1.0
			for i, v := range m.embed(t, m.open(t, nil), pictures) {
				c := cosine(v, m.Vectors[i])
				if least = min(least, c); !(c >= 0.9999) {
					t.Errorf("%s: cosine %.6f to the reference, want at least 0.9999", r.Images[i], c)
				}
			}
			t.Logf("1 - the least cosine: %.1e", 1-least)
		})
	}
}

// The reference would notice a preprocessing that is slightly off.
func TestReferenceNoticesASlip(t *testing.T) {
	onnxtest.Require(t)
	var r reference
	if err := json.Unmarshal(read(t, "testdata/reference.json"), &r); err != nil {
		t.Fatal(err)
	}
	pictures := r.pictures(t)
	for name, change := range map[string]func(*embed.Manifest){
		"clip": func(m *embed.Manifest) { m.CropOffset = embed.Round }, "vit": func(m *embed.Manifest) { m.Resize.Interpolation = embed.Bicubic },
		"resnet50": func(m *embed.Manifest) { m.Resize.Size++ }, "timm-border": func(m *embed.Manifest) { m.Fill = embed.Colour{} },
		"convnext": func(m *embed.Manifest) { m.Mean[0] += 0.05 }, "dinov2": func(m *embed.Manifest) { m.Std[1] += 0.01 },
		"own": func(m *embed.Manifest) { m.Channels = embed.RGB },
	} {
		m := r.Models[slices.IndexFunc(r.Models, func(m referenceModel) bool { return m.Name == name })]
		noticed := 0
		for i, v := range m.embed(t, m.open(t, change), pictures) {
			if cosine(v, m.Vectors[i]) < 0.9999 {
				noticed++
			}
		}
		if noticed == 0 {
			t.Errorf("%s: no picture shows the slip", name)
		}
	}
}

// pictures decodes the files and draws the others.
func (r reference) pictures(t *testing.T) []*embed.Picture {
	t.Helper()
	var pictures []*embed.Picture
	for _, name := range r.Images {
		var w, h int
		if n, _ := fmt.Sscanf(name, "drawn %dx%d", &w, &h); n == 2 {
			pictures = append(pictures, drawn(w, h))
			continue
		}
		p, err := embed.Decode(read(t, data(t, name)), embed.Limits{})
		if err != nil {
			t.Fatalf("Decode(%s) = %v", name, err)
		}
		pictures = append(pictures, p)
	}
	return pictures
}

// drawn is the script's picture of that size.
func drawn(width, height int) *embed.Picture {
	p := &embed.Picture{Width: width, Height: height}
	for y := range height {
		for x := range width {
			dx, dy := x-width/3, y-height/2
			p.Pix = append(p.Pix, byte((x*7+y*3)/2+x*y/16), byte((dx*dx+dy*dy)/50), byte(x/5*31+y/7*17))
		}
	}
	return p
}

// open lays out the model's folder and opens it as the program does. change
// may alter the manifest first.
func (m referenceModel) open(t *testing.T, change func(*embed.Manifest)) *embed.Model {
	t.Helper()
	dir := t.TempDir()
	files := map[string][]byte{m.File: m.Config, "model.onnx": m.graph()}
	if m.Name == "vit" {
		files["config.json"] = []byte(`{"model_type": "vit"}`)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := embed.OpenFolder(dir, inspected)
	if err != nil {
		t.Fatalf("OpenFolder = %v", err)
	}
	manifest := f.Manifest
	if change != nil {
		change(&manifest)
	}
	path := f.Path(manifest.File)
	digest, err := onnx.Digest(path)
	if err != nil {
		t.Fatalf("Digest = %v", err)
	}
	session, err := onnx.OpenFile(path, onnx.Options{
		Input: manifest.Input, Output: manifest.Output, Height: manifest.Side(), Width: manifest.Side(),
		Layout: manifest.Layout, Dimension: manifest.Dimension,
	})
	if err != nil {
		t.Fatalf("OpenFile = %v", err)
	}
	model, err := embed.NewModel(manifest, digest, session)
	if err != nil {
		t.Fatalf("NewModel = %v", err)
	}
	t.Cleanup(func() {
		if err := model.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return model
}

// inspected is onnx.Inspect in the words of embed.
func inspected(path string) (embed.Graph, error) {
	g, err := onnx.Inspect(path)
	var out embed.Graph
	tensors := func(ends []onnx.End) (tensors []embed.Tensor) {
		for _, e := range ends {
			var shape []int
			for _, n := range e.Shape {
				shape = append(shape, int(n))
			}
			tensors = append(tensors, embed.Tensor{Name: e.Name, Shape: shape})
		}
		return tensors
	}
	out.Inputs, out.Outputs = tensors(g.Inputs), tensors(g.Outputs)
	for _, e := range g.External {
		out.External = append(out.External, e.Name)
	}
	return out, err
}

func (m referenceModel) embed(t *testing.T, model *embed.Model, pictures []*embed.Picture) (vectors [][]float32) {
	t.Helper()
	for some := range slices.Chunk(pictures, 10) {
		got, err := model.EmbedPictures(t.Context(), some)
		if err != nil {
			t.Fatalf("EmbedPictures = %v", err)
		}
		vectors = append(vectors, got...)
	}
	return vectors
}

const filters = 8

// graph is the script's network: patches, filters, bias, ReLU, matrix.
func (m referenceModel) graph() []byte {
	pixels, grid, rows := 3*m.Patch*m.Patch, m.Side/m.Patch, 1
	for _, n := range m.Shape {
		rows *= n
	}
	kernel := make([]float32, 0, filters*pixels)
	for _, w := range referenceWeights(6*pixels/2, m.Seed) {
		kernel = append(kernel, w, -w)
	}
	mean := 1 / float32(m.Patch*m.Patch)
	kernel = append(kernel, slices.Repeat([]float32{mean}, pixels)...)
	kernel = append(kernel, slices.Repeat([]float32{-mean}, pixels)...)
	bias := make([]float32, filters)
	for i := range bias {
		bias[i] = float32(i+1) / 16
	}
	matrix := referenceWeights(filters*grid*grid*rows, m.Seed+1)
	strides := message(5, text(1, "strides"), varint(8, uint64(m.Patch)), varint(8, uint64(m.Patch)), varint(20, 7))
	answer := []int64{-1}
	for _, n := range m.Shape {
		answer = append(answer, int64(n))
	}
	return with(
		[][]byte{
			tensor("kernel", kernel, filters, 3, m.Patch, m.Patch), tensor("bias", bias, filters),
			tensor("matrix", matrix, filters*grid*grid, rows),
		},
		[]node{
			{"Conv", []string{"pixel_values", "kernel", "bias"}, []string{"maps"}, [][]byte{strides}},
			{"Relu", []string{"maps"}, []string{"lit"}, nil},
			{"Flatten", []string{"lit"}, []string{"flat"}, nil},
			{"MatMul", []string{"flat", "matrix"}, []string{"product"}, nil},
			{"Reshape", []string{"product", "shape"}, []string{m.Output}, nil},
		},
		[]end{{"pixel_values", typeFloat, []int64{-1, 3, int64(m.Side), int64(m.Side)}}},
		[]end{{m.Output, typeFloat, answer}},
		map[string][]int64{"shape": answer})
}

// referenceWeights are the script's, from -0.5 to 0.5.
func referenceWeights(n int, seed uint32) []float32 {
	w := make([]float32, n)
	for i := range w {
		h := uint32(i)*2654435761 + seed*40503
		h ^= h >> 15
		h *= 2246822519
		w[i] = float32(float64(h>>8)/(1<<24) - 0.5)
	}
	return w
}
