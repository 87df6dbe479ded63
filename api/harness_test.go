package api_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
	"nearcase/store"
	"nearcase/store/local"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// testdata returns a path below the test data, or skips.
func testdata(t testing.TB, path string) string {
	t.Helper()
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is not set")
	}
	return filepath.Join(root, path)
}

// resnet is the manifest of the ResNet-18 of the test data.
var resnet = embed.Manifest{
	Name: "resnet18", Input: "input", Output: "features", Dimension: 256,
	Resize: embed.Resize{Mode: embed.Shorter, Size: 224, Interpolation: embed.Bilinear}, Crop: 224,
	Mean: [3]float64{.485, .456, .406}, Std: [3]float64{.229, .224, .225},
}

// mobilenet is that of the MobileNetV2.
var mobilenet = embed.Manifest{
	Name: "mobilenetv2", Input: "input", Output: "view", Dimension: 1280,
	Resize: resnet.Resize, Crop: 224, Mean: resnet.Mean, Std: resnet.Std,
}

// files of the real networks by name.
var files = map[string]string{
	"resnet18":    "models/resnet18_layer3_gap256.onnx",
	"mobilenetv2": "models/mobilenetv2_torchvision_dequant_fp32.onnx",
}

// openReal opens a real network, or skips without test data or runtime.
func openReal(t testing.TB, m embed.Manifest) (*onnx.Session, string) {
	t.Helper()
	onnxtest.Require(t)
	graph, err := os.ReadFile(testdata(t, files[m.Name]))
	if err != nil {
		t.Fatal(err)
	}
	session, err := onnx.OpenSession(graph, onnx.Options{Output: m.Output, Height: 224, Width: 224, Dimension: m.Dimension})
	if err != nil {
		t.Fatal(err)
	}
	return session, fmt.Sprintf("%064x", m.Dimension)
}

// means is a network of four features, for tests of what surrounds one: the
// means of the channels over the picture, and a constant.
type means struct{}

func (means) Close() error { return nil }

func (means) Run(_ context.Context, batch []float32, n int) ([]float32, []int, error) {
	plane := len(batch) / n / 3
	out := make([]float32, 0, 4*n)
	for i := range n {
		for c := range 3 {
			var sum float64
			for _, x := range batch[(3*i+c)*plane : (3*i+c+1)*plane] {
				sum += float64(x)
			}
			out = append(out, float32(sum/float64(plane)))
		}
		out = append(out, 0.5)
	}
	return out, []int{n, 4}, nil
}

var small = embed.Manifest{
	Name: "means", Input: "input", Output: "output", Dimension: 4,
	Resize: embed.Resize{Mode: embed.Fixed, Size: 16, Interpolation: embed.Bilinear},
	Std:    [3]float64{1, 1, 1},
}

// newService returns a service on a fresh data directory that knows a real
// network if withResNet, and the small one.
func newService(t testing.TB, withResNet bool) (*api.Service, *local.Catalog) {
	t.Helper()
	catalog, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Options{Catalog: catalog, Refit: api.Refit{When: api.Never}, OpenModel: func(name string) (*embed.Model, error) {
		switch {
		case name == "means":
			return embed.NewModel(small, fmt.Sprintf("%064x", 4), means{})
		case name == "resnet18" && withResNet:
			session, digest := openReal(t, resnet)
			return embed.NewModel(resnet, digest, session)
		case name == "mobilenetv2" && withResNet:
			session, digest := openReal(t, mobilenet)
			return embed.NewModel(mobilenet, digest, session)
		}
		return nil, api.ErrModel
	}})
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, catalog
}

// emptied makes the collection "c" of the small network anew, to be filled with
// vectors rather than pictures, and returns its fingerprint.
func emptied(t testing.TB, s *api.Service, tasks ...store.Task) string {
	t.Helper()
	if err := s.Drop(t.Context(), "c"); err != nil && !errors.Is(err, store.ErrCollection) {
		t.Fatal(err)
	}
	c, err := s.Create(t.Context(), api.NewCollection{Name: "c", Model: "means", Tasks: tasks})
	if err != nil {
		t.Fatal(err)
	}
	return c.Fingerprint
}

func unit(v ...float64) []float32 {
	var square float64
	for _, x := range v {
		square += x * x
	}
	u := make([]float32, len(v))
	for i, x := range v {
		u[i] = float32(x / math.Sqrt(square))
	}
	return u
}

func put(t testing.TB, c store.Catalog, records ...store.Record) {
	t.Helper()
	outcomes, err := c.Put(t.Context(), "c", records)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
}

// ingestAll ingests and fails on any item that fails.
func ingestAll(t testing.TB, s *api.Service, collection string, source api.Source) []api.Item {
	t.Helper()
	var items []api.Item
	for item, err := range s.Ingest(t.Context(), collection, source.Images, api.IngestOptions{Repeats: source.Rows}) {
		if err := errors.Join(err, item.Err); err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	return items
}

// every returns a CSV with each nth row of another, with absolute paths.
func every(t testing.TB, path string, n int) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "labels.csv")
	g, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	w := csv.NewWriter(g)
	for i, row := range rows {
		if i > 0 {
			row[0] = filepath.Join(filepath.Dir(path), row[0])
		}
		if i == 0 || i%n == 0 {
			if err := w.Write(row); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Flush()
	return out
}
