package scatter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func open(t testing.TB) *onnx.Session {
	t.Helper()
	onnxtest.Require(t)
	s, err := onnx.OpenSession(Graph(), onnx.Options{
		Input: input, Output: output, Height: size, Width: size, Dimension: Dimension,
	})
	if err != nil {
		t.Fatalf("OpenSession(Graph()) = %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

// fataler is what testing and rapid have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// features runs the graph on the pictures together.
func features(t fataler, s *onnx.Session, pictures ...[]float32) [][]float32 {
	t.Helper()
	got, shape, err := s.Run(context.Background(), joined(pictures), len(pictures))
	if err != nil || len(shape) != 2 || shape[0] != len(pictures) || shape[1] != Dimension {
		t.Fatalf("Run(%d pictures) = shape %v, %v, want [%[1]d %d]", len(pictures), shape, err, Dimension)
	}
	rows := make([][]float32, len(pictures))
	for i := range rows {
		rows[i] = got[i*Dimension : (i+1)*Dimension]
	}
	return rows
}

func joined(pictures [][]float32) (all []float32) {
	for _, p := range pictures {
		all = append(all, p...)
	}
	return all
}

func dot[A, B float32 | float64](a []A, b []B) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func cosineOf(a, b []float32) float64 {
	return dot(a, b) / math.Sqrt(dot(a, a)*dot(b, b))
}

// The oracle is the definition in float64; the graph computes in float32.
func TestGraphComputesTheDefinition(t *testing.T) {
	s := open(t)
	for name, picture := range map[string][]float32{
		"noise":       noise(1),
		"chest":       paint(chest(0, 0)),
		"smear":       paint(smear(3)),
		"fine waves":  paint(stripes(4, 0.3)),
		"black":       make([]float32, 3*size*size),
		"one dot":     paint(func(x, y float64) [3]float64 { return grey(max(0, 1-math.Hypot(x-40, y-90))) }),
		"even orange": paint(func(_, _ float64) [3]float64 { return [3]float64{0.9, 0.5, 0.1} }),
	} {
		t.Run(name, func(t *testing.T) {
			got, want := features(t, s, picture)[0], referenceFeatures(picture)
			var square float64
			for i, w := range want {
				d := float64(got[i]) - w
				square += d * d
			}
			if e := math.Sqrt(square / dot(want, want)); !(e < 1e-4) {
				t.Errorf("features are off by %.2g of their length, want less than 1e-4", e)
			}
		})
	}
}

func TestGraphIsTheGoldenOnEveryMachine(t *testing.T) {
	const golden = "testdata/graph.sha256"
	digest := sha256.Sum256(Graph())
	got := hex.EncodeToString(digest[:])
	if *update {
		if err := os.WriteFile(golden, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.TrimSpace(string(want)) {
		t.Errorf("SHA-256 of Graph() = %s, want %s; a changed graph needs a new version", got, want)
	}
}

func TestGraphIsTheCallersOwn(t *testing.T) {
	first := Graph()
	want := bytes.Clone(first)
	clear(first)
	if !bytes.Equal(Graph(), want) {
		t.Error("Graph() changed after a caller overwrote an earlier one")
	}
}

func TestManifestFitsTheGraph(t *testing.T) {
	m := Manifest()
	if err := m.Validate(); err != nil {
		t.Errorf("Manifest().Validate() = %v", err)
	}
	if got, want := m.InputLen(), 3*size*size; got != want || m.Dimension != Dimension {
		t.Errorf("Manifest() takes %d floats and gives %d, want %d and %d", got, m.Dimension, want, Dimension)
	}
	if Dimension > 1024 {
		t.Errorf("Dimension = %d, want at most 1024", Dimension)
	}
}

func TestBatchGivesEveryPictureItsOwnRow(t *testing.T) {
	s := open(t)
	pictures := [][]float32{noise(1), paint(chest(0, 0)), paint(smear(1)), noise(2), paint(smear(2))}
	for i, got := range features(t, s, pictures...) {
		alone := features(t, s, pictures[i])[0]
		if c := cosineOf(got, alone); !(c > 1-1e-6) {
			t.Errorf("picture %d in a batch: cosine %v to itself alone, want above 1-1e-6", i, c)
		}
	}
}

func TestShiftedPictureStaysClose(t *testing.T) {
	s := open(t)
	still := features(t, s, paint(chest(0, 0)))[0]
	for _, d := range [][2]float64{{2, 0}, {0, 2}, {-2, 0}, {0, -2}, {1.4, 1.4}, {0.5, -0.5}} {
		moved := features(t, s, paint(chest(d[0], d[1])))[0]
		if c := cosineOf(still, moved); !(c > 0.98) {
			t.Errorf("moved by %v: cosine %.4f, want above 0.98", d, c)
		}
	}
}

// Every texture is drawn twice: another seed or another phase.
func TestTextureIsNearerToItselfThanToOthers(t *testing.T) {
	s := open(t)
	across, down, wide := stripes(6, 0), stripes(6, math.Pi/2), stripes(24, 0)
	later := func(p painter) painter {
		return func(x, y float64) [3]float64 { return p(x+2.5, y+2.5) }
	}
	rows := features(t, s,
		noise(1), noise(2),
		paint(across), paint(later(across)),
		paint(down), paint(later(down)),
		paint(wide), paint(later(wide)),
		paint(smear(1)), paint(smear(2)),
		paint(chest(0, 0)), paint(chest(2.5, 2.5)))
	for i := range rows {
		twin := cosineOf(rows[i], rows[i^1])
		for k := range rows {
			if c := cosineOf(rows[i], rows[k]); k/2 != i/2 && !(c < twin-0.1) {
				t.Errorf("texture %d: cosine %.3f to texture %d, want 0.1 below the %.3f to itself", i/2, c, k/2, twin)
			}
		}
	}
}

func TestEvenPicturesDifferInTheirMeansOnly(t *testing.T) {
	s := open(t)
	dark := features(t, s, paint(func(_, _ float64) [3]float64 { return grey(0.2) }))[0]
	orange := features(t, s, paint(func(_, _ float64) [3]float64 { return [3]float64{0.9, 0.5, 0.1} }))[0]
	for i := range Dimension {
		isMean, d := i >= Dimension-48, math.Abs(float64(dark[i]-orange[i]))
		if isMean && d < 0.05 || !isMean && d > 2e-3 {
			t.Errorf("feature %d of even pictures differs by %v", i, d)
		}
	}
}

func TestGreyHasNoColour(t *testing.T) {
	s := open(t)
	row := features(t, s, paint(chest(0, 0)))[0]
	colour := append(row[Dimension-48-40:Dimension-48:Dimension-48], row[Dimension-32:]...)
	for i, v := range colour {
		if math.Abs(float64(v)) > 2e-3 {
			t.Errorf("colour feature %d of a grey picture = %v, want 0", i, v)
		}
	}
}

// Law: multiplying a picture by g moves every logarithm of an average by at
// most |ln g|, in the same direction for all, hence a row by at most |ln g|
// times the sum of its absolute weights; tempering adds its part of the mean,
// the soft limit shortens.
func TestContrastMovesFeaturesNoMoreThanItsLogarithm(t *testing.T) {
	s := open(t)
	reach := reaches()
	picture := paint(smear(5))
	bright := features(t, s, picture)[0]
	rapid.Check(t, func(t *rapid.T) {
		gain := rapid.Float64Range(0.25, 1).Draw(t, "gain")
		dim := make([]float32, len(picture))
		for i, v := range picture {
			dim[i] = float32(gain) * v
		}
		got := features(t, s, dim)[0]
		for i, r := range reach {
			moved := math.Abs(float64(got[i] - bright[i]))
			if bound := r*-math.Log(gain) + 1e-3; moved > bound {
				t.Fatalf("gain %v moves feature %d by %v, want at most %v", gain, i, moved, bound)
			}
		}
	})
}

// reaches returns, for every feature from the readout, the sum of its weights'
// absolute values.
func reaches() []float64 {
	r := newReadout()
	var out []float64
	for i := range rows {
		var sum float64
		for _, w := range r.weights[i*paths : (i+1)*paths] {
			sum += math.Abs(float64(w))
		}
		cells := grid * grid
		switch {
		case i < levelRows:
			sum *= 1 + temper
		case i >= levelRows+cellRows:
			cells /= 4
		}
		for range cells {
			out = append(out, sum)
		}
	}
	return out
}

func BenchmarkRun(b *testing.B) {
	s := open(b)
	picture := paint(chest(0, 0))
	for b.Loop() {
		features(b, s, picture)
	}
}

func BenchmarkGraph(b *testing.B) {
	for b.Loop() {
		Graph()
	}
}
