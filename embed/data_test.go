package embed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// shared returns a file of the shared test data, and skips where there is none.
func shared(t testing.TB, name string) []byte {
	t.Helper()
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is unset: no shared test data")
	}
	return file(t, filepath.Join(root, name))
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unmarshal(t testing.TB, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func floats(data []byte) []float32 {
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out
}

func decoded(t testing.TB, data []byte) *Picture {
	t.Helper()
	p, err := Decode(data, Limits{})
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	return p
}

// network returns the manifest of the two networks in the shared data, which
// take ImageNet's preprocessing (torchvision's weights).
func network(name, output string, dimension int) Manifest {
	return Manifest{
		Name: name, File: name + ".onnx", Input: "input", Output: output, Dimension: dimension,
		Resize: Resize{Shorter, 224, Bilinear}, Crop: 224,
		Mean: [3]float64{.485, .456, .406}, Std: [3]float64{.229, .224, .225},
	}
}

func networks() []Manifest {
	return []Manifest{
		network("resnet18_layer3_gap256", "features", 256),
		network("mobilenetv2_torchvision_dequant_fp32", "view", 1280),
	}
}

// noise returns a reproducible picture without any smoothness.
func noise(width, height int, seed uint32) *Picture {
	p := newPicture(width, height)
	for i := range p.Pix {
		seed = seed*1664525 + 1013904223
		p.Pix[i] = byte(seed >> 24)
	}
	return p
}

// drift returns the largest and the mean difference of two pictures' bytes.
func drift(a, b []byte) (worst int, mean float64) {
	for i := range a {
		d := int(a[i]) - int(b[i])
		worst, mean = max(worst, d, -d), mean+math.Abs(float64(d))
	}
	return worst, mean / float64(len(a))
}

// digest returns the SHA-256 of data in hex.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
