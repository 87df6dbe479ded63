package onnx_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"nearcase/embed"
	"nearcase/embed/onnx"
)

// The sessions are what a model runs.
var (
	_ embed.Network     = (*onnx.Session)(nil)
	_ embed.TextNetwork = (*onnx.TextSession)(nil)
)

func (n network) manifest() embed.Manifest {
	return embed.Manifest{
		Name: strings.TrimSuffix(n.file, ".onnx"), Input: "input", Output: n.output, Dimension: n.dimension,
		Resize: embed.Resize{Mode: embed.Fixed, Size: 224, Interpolation: embed.Bilinear},
		Mean:   [3]float64{.485, .456, .406}, Std: [3]float64{.229, .224, .225},
	}
}

// Law: of the same pixels, a vector is the golden's. The pixels are those from
// which the golden input was made, two pictures of the eight.
func TestPicturesEmbedLikeTheirGoldens(t *testing.T) {
	for _, n := range networks() {
		t.Run(n.file+" "+n.output, func(t *testing.T) {
			pictures := n.pictures(floats(t, data(t, "golden", "input_first2_2x3x224x224.f32le")))
			n.embeds(t, pictures, 0.999999)
		})
	}
}

// pictures undoes the normalisation of tensors.
func (n network) pictures(tensors []float32) []*embed.Picture {
	const pixels = 224 * 224
	var pictures []*embed.Picture
	for ; len(tensors) > 0; tensors = tensors[3*pixels:] {
		p := &embed.Picture{Width: 224, Height: 224, Pix: make([]byte, 3*pixels)}
		for i := range p.Pix {
			c := i % 3
			value := float64(tensors[c*pixels+i/3])*n.manifest().Std[c] + n.manifest().Mean[c]
			p.Pix[i] = byte(math.Round(255 * value))
		}
		pictures = append(pictures, p)
	}
	return pictures
}

// The radiographs are 224 × 224 already: decoding is all that can differ.
func TestRadiographsEmbedLikeTheirGoldens(t *testing.T) {
	for _, n := range networks() {
		t.Run(n.file+" "+n.output, func(t *testing.T) { n.embeds(t, radiographs(t), 0.999999) })
	}
}

// embeds compares the vectors of pictures to the first goldens.
func (n network) embeds(t *testing.T, pictures []*embed.Picture, least float64) {
	t.Helper()
	model, err := embed.NewModel(n.manifest(), strings.Repeat("0", 64), n.open(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := model.EmbedPictures(t.Context(), pictures)
	if err != nil || len(got) != len(pictures) {
		t.Fatalf("EmbedPictures(%d pictures) = %d vectors, %v", len(pictures), len(got), err)
	}
	want := floats(t, data(t, "golden", n.golden))
	for i, vector := range got {
		c := cosine(vector, want[i*n.dimension:(i+1)*n.dimension])
		if len(vector) != n.dimension || !(c >= least) {
			t.Errorf("picture %d: %d values with cosine %v to the golden, want %d and at least %v",
				i, len(vector), c, n.dimension, least)
		}
	}
}

// radiographs decodes the eight images of golden.json.
func radiographs(t *testing.T) []*embed.Picture {
	t.Helper()
	var golden struct{ Images []string }
	if err := json.Unmarshal(read(t, data(t, "golden", "golden.json")), &golden); err != nil {
		t.Fatal(err)
	}
	var pictures []*embed.Picture
	for _, name := range golden.Images {
		p, err := embed.Decode(read(t, data(t, name)), embed.Limits{})
		if err != nil {
			t.Fatalf("Decode(%s) = %v", name, err)
		}
		pictures = append(pictures, p)
	}
	if len(pictures) != 8 {
		t.Fatalf("golden.json names %d images, want 8", len(pictures))
	}
	return pictures
}

// A manifest's layout is handed to a session as it is.
func TestManifestsAndSessionsNameLayoutsAlike(t *testing.T) {
	if onnx.NCHW != embed.NCHW || onnx.NHWC != embed.NHWC {
		t.Errorf("layouts %q, %q, want embed's %q, %q", onnx.NCHW, onnx.NHWC, embed.NCHW, embed.NHWC)
	}
}
