package onnx_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nearcase/embed/onnx"
)

// file writes content to a folder of its own and returns the path.
func file(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	beside(t, path, "model.onnx", content)
	return path
}

// beside writes another file to the folder of path.
func beside(t testing.TB, path, name string, content []byte) {
	t.Helper()
	other := filepath.Join(filepath.Dir(path), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(other), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestInspectTellsWhatAGraphIs(t *testing.T) {
	loop := node{operator: "Loop", inputs: []string{"", "", "flat"}, outputs: []string{"x"},
		attributes: [][]byte{message(5, text(1, "body"), varint(20, 5), message(6,
			node{operator: "Constant", outputs: []string{"c"}, attributes: [][]byte{message(5,
				text(1, "value"), varint(20, 4), message(5, outside("c", "./weights/b.bin", 0, -1, 3)[2:]))}}.encode(),
			end{"inner", typeFloat, nil}.encode(11)))}}
	model := with([][]byte{
		tensor("w", make([]float32, 6), 2, 3), tensor("scalar", make([]float32, 1)), tensor("default", make([]float32, 2), 2),
		outside("a", "weights/a.bin", 64, 40, 10), outside("b", "weights/a.bin", 8, 16, 4),
	}, []node{loop}, []end{
		{"image", typeFloat16, []int64{-1, 3, 2, 3}}, {"default", typeFloat, []int64{2}}, {"ids", typeInt64, []int64{4}},
	}, []end{{"features", typeFloat, []int64{-1, 18}}, {"one", typeDouble, []int64{}}}, nil)
	model = append(model, append(text(2, "exporter"), text(3, "2.1")...)...)
	model = append(model, message(8, text(1, "com.microsoft"), varint(2, 1))...)

	got, err := onnx.Inspect(file(t, model))
	want := onnx.Graph{
		IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}, {Domain: "com.microsoft", Version: 1}},
		Producer: "exporter", ProducerVersion: "2.1",
		Inputs: []onnx.End{
			{Name: "image", Type: "float16", Shape: []int64{-1, 3, 2, 3}, Names: []string{"any", "", "", ""}},
			{Name: "ids", Type: "int64", Shape: []int64{4}, Names: []string{""}},
		},
		Outputs: []onnx.End{
			{Name: "features", Type: "float32", Shape: []int64{-1, 18}, Names: []string{"any", ""}},
			{Name: "one", Type: "float64", Shape: []int64{}},
		},
		Parameters: 6 + 1 + 2 + 10 + 4 + 3, Bytes: 4 * 26,
		External: []onnx.External{{Name: "weights/a.bin", Bytes: 104}, {Name: "weights/b.bin", Bytes: 12}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Inspect() = %v, other than wanted:\n%s", err, diff)
	}
}

// The numbers were counted by the onnx package for Python, version 1.12:
// initializer and attribute tensors through numpy_helper.to_array.
func TestInspectCountsTheParametersOfNetworks(t *testing.T) {
	for name, want := range map[string]struct {
		ir, opset, parameters, bytes int64
		batch                        string
		outputs                      []string
	}{
		"resnet18_layer3_gap256.onnx":               {8, 13, 2780544, 11122176, "N", []string{"features"}},
		"mobilenetv2_torchvision_dequant_fp32.onnx": {10, 18, 3488030, 13952968, "batch_size", []string{"output", "view"}},
	} {
		g, err := onnx.Inspect(data(t, "models", name))
		if err != nil {
			t.Fatalf("Inspect(%s) = %v", name, err)
		}
		var outputs []string
		for _, o := range g.Outputs {
			outputs = append(outputs, o.Name)
		}
		if g.IRVersion != want.ir || g.Opsets[0].Version != want.opset || g.Parameters != want.parameters || g.Bytes != want.bytes {
			t.Errorf("Inspect(%s) = IR %d, opset %d, %d parameters, %d bytes, want %+v", name, g.IRVersion, g.Opsets[0].Version, g.Parameters, g.Bytes, want)
		}
		if g.Inputs[0].Names[0] != want.batch || !cmp.Equal(outputs, want.outputs) || g.External != nil {
			t.Errorf("Inspect(%s) = inputs %+v, outputs %v, external %v, want %+v", name, g.Inputs, outputs, g.External, want)
		}
	}
}

func TestInspectRefuses(t *testing.T) {
	image, features := []int64{-1, 3, 2, 3}, []int64{-1, 18}
	flatten := one("Flatten", image, features)
	constant := func(c []byte) []byte { return with([][]byte{c}, nil, nil, nil, nil) }
	external := func(location string) []byte { return constant(outside("w", location, 0, 8, 2)) }
	deep := []byte{}
	for range 100 {
		deep = message(1, message(5, message(6, deep)))
	}
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"an empty file":                      {nil, "empty"},
		"garbage":                            {[]byte("this is no graph"), "not in the ONNX format"},
		"a web page":                         {[]byte("<!DOCTYPE html><html></html>"), "not in the ONNX format"},
		"half of a graph":                    {flatten[:len(flatten)/2], "truncated"},
		"all but the last byte":              {flatten[:len(flatten)-1], "truncated"},
		"a message without a graph":          {text(2, "producer"), "no graph"},
		"a length beyond the file":           {append([]byte{7<<3 | 2}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), "truncated"},
		"a constant longer than its shape":   {constant(tensor("w", make([]float32, 5), 2, 2)), `"w" has 20 bytes, its dimensions need 16`},
		"a constant shorter than its shape":  {constant(tensor("w", make([]float32, 3), 2, 2)), `"w" has 12 bytes, its dimensions need 16`},
		"a constant of negative length":      {constant(tensor("w", nil, -1)), "impossible length -1"},
		"a constant beyond counting":         {constant(tensor("w", nil, 1<<40, 1<<40)), "too large"},
		"a constant without data":            {constant(message(5, header("w", typeFloat, 1<<40)...)), `"w" has no data, its dimensions need 1099511627776 values`},
		"external data of another length":    {constant(outside("w", "w.bin", 0, 4, 2)), "4 bytes of external data, its dimensions need 8"},
		"external data at a negative offset": {constant(outside("w", "w.bin", -1, 8, 2)), `offset or length "-1"`},
		"external data above the folder":     {external("../w.bin"), `"../w.bin", which is no file in the model's folder`},
		"external data by a detour":          {external("a/../../w.bin"), "no file in the model's folder"},
		"external data at the root":          {external("/etc/passwd"), "no file in the model's folder"},
		"external data with backslashes":     {external(`..\w.bin`), "no file in the model's folder"},
		"external data without a name":       {external(""), "no file in the model's folder"},
		"external data in the folder itself": {external("."), "no file in the model's folder"},
		"external data in two lines":         {external("a\nb"), "no file in the model's folder"},
		"an input of many dimensions":        {one("Flatten", make([]int64, 17), features), "more than 16 dimensions"},
		"a name without end":                 {text(2, strings.Repeat("x", 5000)), "name of 5000 bytes"},
		"graphs within graphs":               {message(7, deep), "nested more than 32 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := onnx.Inspect(file(t, c.content))
			if !errors.Is(err, onnx.ErrModel) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Inspect() = %+v, %v, want ErrModel with %q", g, err, c.want)
			}
		})
	}
}

func TestInspectRefusesWhatIsNoFile(t *testing.T) {
	folder := t.TempDir()
	if _, err := onnx.Inspect(filepath.Join(folder, "absent.onnx")); !errors.Is(err, onnx.ErrModel) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Inspect(absent) = %v, want ErrModel and fs.ErrNotExist", err)
	}
	if _, err := onnx.Inspect(folder); !errors.Is(err, onnx.ErrModel) {
		t.Errorf("Inspect(folder) = %v, want ErrModel", err)
	}
	large := file(t, nil)
	if err := os.Truncate(large, 5<<30); err != nil {
		t.Fatal(err)
	}
	if _, err := onnx.Inspect(large); !errors.Is(err, onnx.ErrModel) || !strings.Contains(err.Error(), "4294967296") {
		t.Errorf("Inspect(5 GiB) = %v, want ErrModel with the limit", err)
	}
}

// A constant of 3 GiB lies in the file, which is sparse; the graph follows it.
func TestInspectHoldsNoTensors(t *testing.T) {
	const size = 3 << 30
	inner := append(append(varint(2, typeFloat), varint(1, size/4)...), 9<<3|2, 0x80, 0x80, 0x80, 0x80, 0x0c)
	tensorSize := len(inner) + size
	outer := append([]byte{5<<3 | 2}, length(tensorSize)...)
	graph := append([]byte{7<<3 | 2}, length(len(outer)+tensorSize)...)
	path := file(t, append(append(graph, outer...), inner...))
	if err := os.Truncate(path, int64(len(graph)+len(outer)+tensorSize)); err != nil {
		t.Fatal(err)
	}
	before := allocated()
	g, err := onnx.Inspect(path)
	if err != nil || g.Parameters != size/4 || g.Bytes != size {
		t.Errorf("Inspect(3 GiB) = %d parameters, %d bytes, %v, want %d, %d", g.Parameters, g.Bytes, err, size/4, size)
	}
	if used := allocated() - before; used > 1<<20 {
		t.Errorf("Inspect(3 GiB) allocated %d bytes, want less than 1 MiB", used)
	}
}

func length(n int) []byte { return varint(0, uint64(n))[1:] }

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// Law: Inspect ends without a panic and allocates no more than 16 MiB and four
// times its input; neither does what takes a graph apart panic.
func FuzzInspect(f *testing.F) {
	f.Add(one("Flatten", []int64{-1, 3, 2, 3}, []int64{-1, 18}))
	f.Add(towers())
	f.Add(with([][]byte{outside("a", "a.bin", 64, 40, 10), tensor("w", []float32{1, 2}, 2)}, nil, nil, nil, nil))
	f.Fuzz(func(t *testing.T, content []byte) {
		before := allocated()
		g, err := onnx.InspectBytes(content)
		if used := allocated() - before; used > 16<<20+4*uint64(len(content)) {
			t.Errorf("Inspect(%d bytes) allocated %d", len(content), used)
		}
		if err != nil {
			return
		}
		for _, o := range g.Outputs {
			_, _ = onnx.Extract(content, o) // what Inspect passes over may be damaged
		}
	})
}
