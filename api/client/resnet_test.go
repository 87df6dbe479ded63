package client_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/rest"
	"nearcase/embed"
	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
	"nearcase/store"

	"crypto/sha256"
	"encoding/hex"
)

// openResNet opens the ResNet-18 of the test data.
func openResNet(root string) func(string) (*embed.Model, error) {
	return func(name string) (*embed.Model, error) {
		graph, err := os.ReadFile(filepath.Join(root, "models", "resnet18_layer3_gap256.onnx"))
		if err != nil {
			return nil, err
		}
		session, err := onnx.OpenSession(graph, onnx.Options{Input: "input", Output: "features", Height: 224, Width: 224})
		if err != nil {
			return nil, err
		}
		digest := sha256.Sum256(graph)
		return embed.NewModel(embed.Manifest{
			Name: name, Input: "input", Output: "features", Dimension: 256,
			Resize: embed.Resize{Mode: embed.Shorter, Size: 224, Interpolation: embed.Bilinear}, Crop: 224,
			Mean: [3]float64{.485, .456, .406}, Std: [3]float64{.229, .224, .225},
		}, hex.EncodeToString(digest[:]), session)
	}
}

// radiographs returns n radiographs of each finding, of patients of their own.
func radiographs(t testing.TB, root string, n int) (images []api.Image) {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "cxr", "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	count, patients := map[string]int{}, map[string]bool{}
	for _, row := range rows[1:] {
		file, patient, finding := row[0], row[1], row[2]
		if count[finding] == n || patients[patient] {
			continue
		}
		count[finding]++
		patients[patient] = true
		images = append(images, api.Image{
			Patient: patient, Name: file, Labels: map[string][]string{"finding": {finding}},
			Read: func() ([]byte, error) { return os.ReadFile(filepath.Join(root, "cxr", filepath.FromSlash(file))) },
		})
	}
	if len(images) != 2*n {
		t.Fatalf("radiographs: got %d, want %d", len(images), 2*n)
	}
	return images
}

// The whole way on real images with a real network: what is sent over HTTP is
// found again, classified well, and known to the answer after a label.
func TestRadiographsOverHTTP(t *testing.T) {
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is not set")
	}
	onnxtest.Require(t)
	s := newService(t, openResNet(root))
	c := serve(t, s, rest.Options{})
	ctx := t.Context()
	if _, err := c.Create(ctx, api.NewCollection{Name: "cxr", Model: "resnet18", Tasks: []store.Task{{Name: "finding", Classes: []string{"normal", "pneumonia"}}}}); err != nil {
		t.Fatal(err)
	}
	images := radiographs(t, root, 50)
	var held []api.Image // one in five is asked about and not stored
	for i, item := range ingested(t, c.Ingest(ctx, "cxr", func(yield func(api.Image) bool) {
		for i, image := range images {
			if i%5 == 0 {
				held = append(held, image)
			} else if !yield(image) {
				return
			}
		}
	}, api.IngestOptions{})) {
		if !strings.HasSuffix(item, "created <nil>") {
			t.Errorf("item %d: got %s, want created", i, item)
		}
	}
	votes, probes := 0, 0
	for _, image := range held {
		content, err := image.Read()
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.Classify(ctx, "cxr", api.Query{Image: content, Patient: image.Patient})
		if err != nil {
			t.Fatal(err)
		}
		truth := fmt.Sprint(image.Labels["finding"])
		if fmt.Sprint(a.Tasks[0].Vote) == truth {
			votes++
		}
		if fmt.Sprint(a.Tasks[0].Probe.Prediction) == truth {
			probes++
		}
	}
	t.Logf("of %d radiographs not stored, votes of 80 others tell %d right and the probe %d", len(held), votes, probes)
	if least := len(held) * 7 / 10; votes < least || probes < least {
		t.Errorf("of %d radiographs: got %d right by votes and %d by the probe, want at least %d", len(held), votes, probes, least)
	}
	again := same(t, "Similar", c, s, func(o operations) (api.Similar, error) {
		content, err := images[1].Read()
		if err != nil {
			return api.Similar{}, err
		}
		return unnamed(o.Similar(ctx, "cxr", api.Query{Image: content, K: 5}))
	})
	if !again.Query.Stored || len(again.Cases) != 5 {
		t.Errorf("Similar to a stored radiograph: got %+v, want it known and five others", again.Query)
	}
	before, err := c.Classify(ctx, "cxr", api.Query{Instance: again.Cases[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	labelled, err := c.Label(ctx, "cxr", []api.LabelRequest{{Instance: again.Cases[1].ID, Task: "finding", Remove: true}})
	if err != nil {
		t.Fatal(err)
	}
	after, err := c.Classify(ctx, "cxr", api.Query{Instance: again.Cases[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	was, is := before.Tasks[0].Probe, after.Tasks[0].Probe
	if is.Version != labelled.Watermark || is.Version == was.Version || fmt.Sprint(is.Scores) == fmt.Sprint(was.Scores) {
		t.Errorf("after a label at %d: got probe %+v, before %+v, want another", labelled.Watermark, is, was)
	}
}
