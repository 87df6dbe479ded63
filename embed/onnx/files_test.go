package onnx_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
)

// raw are the bytes of values in a file of external data.
func raw(values []float32) []byte {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

// linear is a graph that multiplies pictures by weights at a place.
func linear(location string, kind uint64) []byte {
	nodes := []node{
		{operator: "Flatten", inputs: []string{"image"}, outputs: []string{"flat"}},
		{operator: "MatMul", inputs: []string{"flat", "weights"}, outputs: []string{"product"}},
		{operator: "Cast", inputs: []string{"product"}, outputs: []string{"features"}, attributes: [][]byte{integer("to", int(kind))}},
	}
	return with([][]byte{outside("weights", location, 0, 4*18*dimension, 18, dimension)}, nodes,
		[]end{{"image", typeFloat, []int64{-1, 3, 2, 3}}}, []end{{"features", kind, []int64{-1, dimension}}}, nil)
}

func TestExternalDataIsRead(t *testing.T) {
	onnxtest.Require(t)
	for name, kind := range map[string]uint64{"from the file": typeFloat, "beside a part of the graph": typeDouble} {
		t.Run(name, func(t *testing.T) {
			path := file(t, linear("data/weights.bin", kind))
			beside(t, path, "data/weights.bin", raw(weights()))
			s, err := onnx.OpenFile(path, small())
			if err != nil {
				t.Fatalf("OpenFile() = %v", err)
			}
			defer s.Close()
			got, _, err := s.Run(t.Context(), ramp(5*18), 5)
			if err != nil || !near(got, product(ramp(5*18))) {
				t.Errorf("Run(5 pictures) = %v, %v, want %v", got, err, product(ramp(5*18)))
			}
		})
	}
}

func TestAFileIsOpenedLikeItsBytes(t *testing.T) {
	onnxtest.Require(t)
	path := file(t, towers())
	image, err := onnx.OpenFile(path, onnx.Options{Output: "image_embeds", Height: 2, Width: 3})
	if err != nil {
		t.Fatalf("OpenFile() = %v", err)
	}
	defer image.Close()
	if got, _, err := image.Run(t.Context(), ramp(18), 1); err != nil || !near(got, product(ramp(18))) {
		t.Errorf("Run(1 picture) = %v, %v, want %v", got, err, product(ramp(18)))
	}
	texts, err := onnx.OpenTextFile(path, onnx.TextOptions{Output: "text_embeds"})
	if err != nil {
		t.Fatalf("OpenTextFile() = %v", err)
	}
	defer texts.Close()
	ids, mask := somewhat(2, 3)
	if got, _, err := texts.RunText(t.Context(), ids, mask, 2, 3); err != nil || !near(got, mean(ids, mask, 3)) {
		t.Errorf("RunText(2 texts) = %v, %v, want %v", got, err, mean(ids, mask, 3))
	}
}

func TestExternalDataThatCannotBeUsedAreRefused(t *testing.T) {
	onnxtest.Require(t)
	whole := raw(weights())
	for name, c := range map[string]struct {
		location string
		prepare  func(t *testing.T, path string)
		want     string
	}{
		"missing":   {"w.bin", func(*testing.T, string) {}, "w.bin"},
		"truncated": {"w.bin", func(t *testing.T, path string) { beside(t, path, "w.bin", whole[:len(whole)-1]) }, "truncated: it has 287 bytes, the graph needs 288"},
		"a folder":  {"w.bin", func(t *testing.T, path string) { beside(t, path, "w.bin/x", nil) }, "no regular file"},
		"a link that leads out": {"w.bin", func(t *testing.T, path string) {
			other := file(t, whole)
			if err := os.Symlink(other, filepath.Join(filepath.Dir(path), "w.bin")); err != nil {
				t.Fatal(err)
			}
		}, "escapes"},
		"outside the folder":   {"../w.bin", func(t *testing.T, path string) { beside(t, path, "../w.bin", whole) }, "no file in the model's folder"},
		"an address in memory": {"*/_ORT_MEM_ADDR_/*", func(*testing.T, string) {}, "_ORT_MEM_ADDR_"},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, linear(c.location, typeFloat))
			c.prepare(t, path)
			if s, err := onnx.OpenFile(path, small()); !errors.Is(err, onnx.ErrModel) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("OpenFile() = %v, %v, want ErrModel with %q", s, err, c.want)
			}
			if d, err := onnx.Digest(path); !errors.Is(err, onnx.ErrModel) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Digest() = %q, %v, want ErrModel with %q", d, err, c.want)
			}
		})
	}
	if s, err := onnx.OpenSession(linear("w.bin", typeFloat), small()); !errors.Is(err, onnx.ErrModel) || !strings.Contains(err.Error(), "open its file") {
		t.Errorf("OpenSession(a graph with external data) = %v, %v, want ErrModel", s, err)
	}
}

func TestFilesThatAreNotThereAreRefused(t *testing.T) {
	onnxtest.Require(t)
	absent := filepath.Join(t.TempDir(), "absent.onnx")
	_, image := onnx.OpenFile(absent, small())
	_, texts := onnx.OpenTextFile(absent, onnx.TextOptions{})
	_, digest := onnx.Digest(absent)
	for name, err := range map[string]error{"OpenFile": image, "OpenTextFile": texts, "Digest": digest} {
		if !errors.Is(err, onnx.ErrModel) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s(absent) = %v, want ErrModel and fs.ErrNotExist", name, err)
		}
	}
	_, image = onnx.OpenFile("", small())
	_, texts = onnx.OpenTextFile("", onnx.TextOptions{})
	if !errors.Is(image, onnx.ErrModel) || !errors.Is(texts, onnx.ErrModel) {
		t.Errorf("OpenFile, OpenTextFile(no name) = %v, %v, want ErrModel", image, texts)
	}
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

func TestADigestIsThatOfAllFiles(t *testing.T) {
	alone := one("Flatten", []int64{-1, 3, 2, 3}, []int64{-1, 18})
	if got, err := onnx.Digest(file(t, alone)); err != nil || got != sum(alone) {
		t.Errorf("Digest(no external data) = %q, %v, want %q", got, err, sum(alone))
	}
	graph := with([][]byte{outside("b", "b.bin", 0, 4, 1), outside("a", "data/a.bin", 0, 4, 1)}, nil, nil, nil, nil)
	path := file(t, graph)
	beside(t, path, "b.bin", []byte("four"))
	beside(t, path, "data/a.bin", []byte("more than four"))
	want := sum([]byte(sum(graph) + "  graph\n" + sum([]byte("four")) + "  b.bin\n" + sum([]byte("more than four")) + "  data/a.bin\n"))
	if got, err := onnx.Digest(path); err != nil || got != want {
		t.Errorf("Digest() = %q, %v, want %q", got, err, want)
	}
	beside(t, path, "b.bin", []byte("fore"))
	if got, err := onnx.Digest(path); err != nil || got == want {
		t.Errorf("Digest() after a change = %q, %v, want another", got, err)
	}
}

func TestValuesOfEveryTypeAreTakenAndGiven(t *testing.T) {
	image, features := []int64{-1, 3, 2, 3}, []int64{-1, 18}
	typed := func(in, out uint64) []byte {
		return graph([]node{
			{operator: "Flatten", inputs: []string{"image"}, outputs: []string{"flat"}},
			{operator: "Cast", inputs: []string{"flat"}, outputs: []string{"features"}, attributes: [][]byte{integer("to", int(out))}},
		}, []end{{"image", in, image}}, []end{{"features", out, features}}, nil)
	}
	exact := ramp(18)
	third := slices.Repeat([]float32{1. / 3}, 18)
	for name, c := range map[string]struct {
		in, out     uint64
		given, want []float32
	}{
		"float16 in":     {typeFloat16, typeFloat, third, slices.Repeat([]float32{0x1.554p-2}, 18)},
		"float16 out":    {typeFloat, typeFloat16, third, slices.Repeat([]float32{0x1.554p-2}, 18)},
		"float16 both":   {typeFloat16, typeFloat16, exact, exact},
		"bfloat16 in":    {typeBfloat, typeFloat, third, slices.Repeat([]float32{0x1.56p-2}, 18)},
		"bfloat16 both":  {typeBfloat, typeBfloat, exact, exact},
		"float64 out":    {typeFloat, typeDouble, third, third},
		"uint8 in":       {typeUint8, typeFloat, slices.Repeat([]float32{254.6}, 18), slices.Repeat([]float32{255}, 18)},
		"uint8 into 16":  {typeUint8, typeFloat16, slices.Repeat([]float32{-3}, 18), make([]float32, 18)},
		"float32 in out": {typeFloat, typeFloat, third, third},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, typed(c.in, c.out), small())
			batch := slices.Repeat(c.given, 5)
			got, shape, err := s.Run(t.Context(), batch, 5)
			if err != nil || !slices.Equal(shape, []int{5, 18}) || !slices.Equal(got, slices.Repeat(c.want, 5)) {
				t.Errorf("Run(%v) = %v, shape %v, %v, want %v", c.given, got, shape, err, c.want)
			}
		})
	}
}

// Steps of a half are exact in the pictures that are fed.
func TestAQuantisedGraphRuns(t *testing.T) {
	zero := message(5, varint(2, typeUint8), text(8, "zero"), message(9, []byte{0}))
	model := with([][]byte{tensor("step", []float32{0.5}), zero}, []node{
		{operator: "QuantizeLinear", inputs: []string{"image", "step", "zero"}, outputs: []string{"bytes"}},
		{operator: "DequantizeLinear", inputs: []string{"bytes", "step", "zero"}, outputs: []string{"values"}},
		{operator: "Flatten", inputs: []string{"values"}, outputs: []string{"features"}},
	}, []end{{"image", typeFloat, []int64{-1, 3, 2, 3}}}, []end{{"features", typeFloat, []int64{-1, 18}}}, nil)
	s := open(t, model, small())
	if got, _, err := s.Run(t.Context(), ramp(5*18), 5); err != nil || !slices.Equal(got, ramp(5*18)) {
		t.Errorf("Run(5 pictures) = %v, %v, want them", got, err)
	}
}

// The batch is declared open, but the shape within was noted when it was one.
func TestAGraphThatWasTracedWithOnePictureRunsThemOneByOne(t *testing.T) {
	model := graph([]node{{operator: "Reshape", inputs: []string{"image", "shape"}, outputs: []string{"features"}}},
		[]end{{"image", typeFloat, []int64{-1, 3, 2, 3}}}, []end{{"features", typeFloat, []int64{-1, -1}}},
		map[string][]int64{"shape": {1, -1}})
	s := open(t, model, onnx.Options{Height: 2, Width: 3, Dimension: 18, Batch: 8})
	got, shape, err := s.Run(t.Context(), ramp(5*18), 5)
	if err != nil || !slices.Equal(shape, []int{5, 18}) || !slices.Equal(got, ramp(5*18)) || s.Batch() != 1 {
		t.Errorf("Run(5 pictures) = %v, shape %v, %v in batches of %d, want them in batches of 1", got, shape, err, s.Batch())
	}
}
