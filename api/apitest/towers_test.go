package apitest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nearcase/api/apitest"
	"nearcase/embed"
	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
	"nearcase/embed/text"
)

// towers opens what TwoTowers writes.
func towers(t *testing.T) *embed.Model {
	t.Helper()
	onnxtest.Require(t)
	dir := t.TempDir()
	if err := apitest.TwoTowers(dir); err != nil {
		t.Fatal(err)
	}
	f, err := embed.OpenFolder(dir, inspect)
	if err != nil {
		t.Fatal(err)
	}
	m := f.Manifest
	if m.Text == nil || m.Dimension != apitest.TowerDimension || m.Text.Length != apitest.TowerLength {
		t.Fatalf("manifest %+v with the text tower %+v, want a dimension of %d and %d tokens", m, m.Text, apitest.TowerDimension, apitest.TowerLength)
	}
	pictures, err := onnx.OpenFile(f.Path(m.File), onnx.Options{Input: m.Input, Output: m.Output, Height: apitest.TowerSide, Width: apitest.TowerSide})
	if err != nil {
		t.Fatal(err)
	}
	model, err := embed.NewModel(m, strings.Repeat("0", 64), pictures)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { model.Close() })
	texts, err := onnx.OpenTextFile(f.Path(m.Text.File), onnx.TextOptions{
		InputIDs: m.Text.IDs, AttentionMask: m.Text.Mask, Output: m.Text.Output, Length: apitest.TowerLength,
	})
	if err != nil {
		t.Fatal(err)
	}
	content, config, _, err := f.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	k, err := text.Parse(content)
	if err == nil {
		k, err = k.WithConfig(config)
	}
	if err == nil {
		err = model.SetText(strings.Repeat("0", 64), strings.Repeat("0", 64), texts, k)
	}
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// inspect tells embed what a graph declares.
func inspect(path string) (embed.Graph, error) {
	g, err := onnx.Inspect(path)
	if err != nil {
		return embed.Graph{}, err
	}
	tensors := func(ends []onnx.End) (all []embed.Tensor) {
		for _, e := range ends {
			var shape []int
			for _, d := range e.Shape {
				shape = append(shape, int(d))
			}
			all = append(all, embed.Tensor{Name: e.Name, Shape: shape})
		}
		return all
	}
	return embed.Graph{Inputs: tensors(g.Inputs), Outputs: tensors(g.Outputs)}, nil
}

// plain is a picture of one colour.
func plain(r, g, b byte) *embed.Picture {
	return &embed.Picture{Width: 48, Height: 40, Pix: slices.Repeat([]byte{r, g, b}, 48*40)}
}

func TestATextLiesClosestToItsColour(t *testing.T) {
	m := towers(t)
	names := []string{"red", "green", "blue", "yellow", "dark", "bright"}
	pictures, err := m.EmbedPictures(t.Context(), []*embed.Picture{
		plain(200, 30, 30), plain(40, 180, 20), plain(20, 20, 220), plain(230, 220, 10), plain(9, 9, 9), plain(250, 250, 250),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, prompt := range []string{"%s", "a photo of a %s thing", "  The %s, image!", "%s picture " + strings.Repeat("of a photo ", 30)} {
		for i, name := range names {
			vectors, err := m.EmbedTexts(t.Context(), []string{fmt.Sprintf(prompt, strings.ToUpper(name))})
			if err != nil {
				t.Fatal(err)
			}
			best := 0
			for j := range pictures {
				if dot(vectors[0], pictures[j]) > dot(vectors[0], pictures[best]) {
					best = j
				}
			}
			if c := dot(vectors[0], pictures[i]); best != i || c < .95 {
				t.Errorf("%.40q with %s lies closest to %s, with a cosine of %v to its own colour", prompt, name, names[best], c)
			}
		}
	}
}

func TestATextOfTwoColoursLiesBetweenThem(t *testing.T) {
	m := towers(t)
	vectors, err := m.EmbedTexts(t.Context(), []string{"red and green", "yellow", "", "肺炎 a photo of a"})
	if err != nil {
		t.Fatal(err)
	}
	pictures, err := m.EmbedPictures(t.Context(), []*embed.Picture{plain(255, 255, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if own := dot(vectors[1], pictures[0]); own < .9999 || dot(vectors[0], pictures[0]) > own {
		t.Errorf("yellow has a cosine of %v to yellow, red and green %v", own, dot(vectors[0], pictures[0]))
	}
	for i, v := range vectors[2:] {
		if got := dot(v, v); got < .9999 || got > 1.0001 {
			t.Errorf("text %d without a colour has the squared length %v, want 1", 2+i, got)
		}
	}
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
