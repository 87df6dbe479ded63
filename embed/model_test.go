package embed

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// fixed is a network whose output does not depend on its input.
type fixed struct {
	output []float32
	shape  []int
	err    error
}

func (f fixed) Run(context.Context, []float32, int) ([]float32, []int, error) {
	return f.output, f.shape, f.err
}

func (f fixed) Close() error { return f.err }

// means is a network whose output is the mean of each input plane.
type means struct{}

func (means) Run(_ context.Context, batch []float32, n int) ([]float32, []int, error) {
	plane := len(batch) / (3 * n)
	output := make([]float32, 3*n)
	for i, v := range batch {
		output[i/plane] += v / float32(plane)
	}
	return output, []int{n, 3}, nil
}

func (means) Close() error { return nil }

func model(t testing.TB, m Manifest, n Network) *Model {
	t.Helper()
	model, err := NewModel(m, digest(nil), n)
	if err != nil {
		t.Fatalf("NewModel: %v", err)
	}
	return model
}

func TestEmbedPoolsAndNormalises(t *testing.T) {
	for _, c := range []struct {
		pooling string
		shape   []int
		output  []float32
		want    [][]float32
	}{
		{PoolNone, []int{2, 2}, []float32{3, 4, 0, -2}, [][]float32{{0.6, 0.8}, {0, -1}}},
		{PoolNone, []int{1, 2, 1, 1}, []float32{3, 4}, [][]float32{{0.6, 0.8}}},
		{PoolCLS, []int{2, 2, 2}, []float32{3, 4, 9, 9, 5, 12, 9, 9}, [][]float32{{0.6, 0.8}, {5. / 13, 12. / 13}}},
		{PoolTokens, []int{1, 2, 2}, []float32{1, 8, 5, 0}, [][]float32{{0.6, 0.8}}},
		{"skip 1", []int{1, 3, 2}, []float32{9, 9, 1, 8, 5, 0}, [][]float32{{0.6, 0.8}}},
		{PoolAverage, []int{1, 2, 1, 2}, []float32{1, 5, 8, 0}, [][]float32{{0.6, 0.8}}},
		{PoolAverage, []int{2, 2, 1, 1}, []float32{3, 4, 1, 0}, [][]float32{{0.6, 0.8}, {1, 0}}},
		{PoolNone, []int{1, 2}, []float32{3e38, 3e38}, [][]float32{{math.Sqrt2 / 2, math.Sqrt2 / 2}}},
		{PoolNone, []int{1, 2}, []float32{3e-44, 0}, [][]float32{{1, 0}}},
	} {
		m := plain(Fixed, 1, 0)
		m.Dimension, m.Pooling = 2, c.pooling
		if c.pooling == "skip 1" {
			m.Pooling, m.Skip = PoolTokens, 1
		}
		n := c.shape[0]
		got, err := model(t, m, fixed{output: c.output, shape: c.shape}).Embed(t.Context(), make([]float32, 3*n), n)
		if d := cmp.Diff(c.want, got); err != nil || d != "" {
			t.Errorf("Embed of %v %v by %s: %v (-want +got):\n%s", c.shape, c.output, c.pooling, err, d)
		}
	}
}

func TestEmbedRefusesWhatIsNoVector(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name, pooling string
		shape         []int
		output        []float32
		says          string
	}{
		{"zero", PoolNone, []int{1, 2}, []float32{0, 0}, "answer 1 of 1"},
		{"not a number", PoolNone, []int{1, 2}, []float32{1, nan}, "NaN"},
		{"infinite", PoolNone, []int{1, 2}, []float32{1, inf}, "Inf"},
		{"infinities that cancel out", PoolTokens, []int{1, 2, 2}, []float32{inf, 1, -inf, 1}, "NaN"},
		{"another dimension", PoolNone, []int{1, 3}, []float32{1, 2, 3}, "dimension 3, the manifest says 2"},
		{"another dimension of channels", PoolAverage, []int{1, 3, 1, 2}, make([]float32, 6), "dimension 3"},
		{"another rank", PoolNone, []int{1, 2, 3}, make([]float32, 6), "rank 2"},
		{"no tokens", PoolCLS, []int{1, 2}, []float32{1, 2}, "rank 3"},
		{"another batch", PoolNone, []int{2, 2}, []float32{1, 2, 3, 4}, "a batch of 1"},
		{"fewer floats than the shape", PoolNone, []int{1, 2}, []float32{1}, "1 floats for shape [1 2]"},
		{"more floats than the shape", PoolNone, []int{1, 2}, []float32{1, 2, 3}, "3 floats"},
		{"no shape", PoolNone, nil, nil, "shape []"},
		{"a negative shape", PoolTokens, []int{1, -1, 2}, nil, "shape [1 -1 2]"},
		{"a shape beyond all memory", PoolAverage, []int{1, 2, 1 << 31, 1 << 31}, nil, "shape"},
		{"a shape beyond all integers", PoolAverage, []int{1, 2, math.MaxInt32, math.MaxInt32}, nil, "0 floats"},
	} {
		m := plain(Fixed, 1, 0)
		m.Dimension, m.Pooling = 2, c.pooling
		got, err := model(t, m, fixed{output: c.output, shape: c.shape}).Embed(t.Context(), make([]float32, 3), 1)
		if got != nil || !errors.Is(err, ErrNotVector) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: Embed = %v, %v; want %v saying %q", c.name, got, err, ErrNotVector, c.says)
		}
	}
}

func TestEmbedTakesWholeImages(t *testing.T) {
	m := model(t, plain(Fixed, 1, 0), means{})
	for _, c := range []struct{ floats, n int }{{2, 1}, {3, 2}, {3, 0}, {3, -1}} {
		if got, err := m.Embed(t.Context(), make([]float32, c.floats), c.n); err == nil {
			t.Errorf("Embed(%d floats, %d) = %v, want an error", c.floats, c.n, got)
		}
	}
	if got, err := m.Embed(t.Context(), nil, 0); err != nil || len(got) != 0 {
		t.Errorf("Embed(nothing) = %v, %v; want nothing", got, err)
	}
}

func TestErrorsOfTheNetworkComeThrough(t *testing.T) {
	broken := errors.New("broken")
	m := model(t, plain(Fixed, 1, 0), fixed{err: broken})
	if _, err := m.EmbedPictures(t.Context(), []*Picture{noise(1, 1, 1)}); !errors.Is(err, broken) || !strings.Contains(err.Error(), "plain") {
		t.Errorf("EmbedPictures: %v, want %v naming the model", err, broken)
	}
	if err := m.Close(); !errors.Is(err, broken) {
		t.Errorf("Close: %v, want %v", err, broken)
	}
	if _, err := m.EmbedPictures(t.Context(), []*Picture{noise(1, 1, 1), nil}); err == nil || !strings.Contains(err.Error(), "picture 2 of 2") {
		t.Errorf("EmbedPictures: %v, want it to name picture 2 of 2", err)
	}
}

// Law: pictures embedded together have the vectors they have alone, of unit
// length, whoever else embeds at the same time.
func TestEmbeddingsDoNotDependOnCompany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, err := NewModel(plain(Fixed, 4, 0), digest(nil), means{})
		if err != nil {
			t.Fatal(err)
		}
		var pictures []*Picture
		for i := range rapid.IntRange(1, 5).Draw(t, "pictures") {
			pictures = append(pictures, noise(drawSide(t, "width"), drawSide(t, "height"), uint32(i)))
		}
		together, err := m.EmbedPictures(context.Background(), pictures)
		if err != nil {
			t.Fatal(err)
		}
		alone := make([][][]float32, len(pictures))
		var all sync.WaitGroup
		for i := range pictures {
			all.Go(func() { alone[i], _ = m.EmbedPictures(context.Background(), pictures[i:i+1]) })
		}
		all.Wait()
		for i, v := range together {
			if len(alone[i]) != 1 || !cmp.Equal(v, alone[i][0]) {
				t.Fatalf("picture %d has %v together and %v alone", i, v, alone[i])
			}
			if norm := math.Hypot(math.Hypot(float64(v[0]), float64(v[1])), float64(v[2])); math.Abs(norm-1) > 1e-6 {
				t.Fatalf("picture %d has length %v", i, norm)
			}
		}
	})
}

func TestFingerprintChangesExactlyWithTheVector(t *testing.T) {
	base := clip512()
	base.SHA256 = ""
	fingerprint := func(m Manifest, graph string) string {
		model, err := NewModel(m, digest([]byte(graph)), means{})
		if err != nil {
			t.Fatalf("NewModel: %v", err)
		}
		return model.Fingerprint()
	}
	seen := map[string]string{fingerprint(base, "graph"): "the base"}
	if got := fingerprint(base, "other"); seen[got] != "" {
		t.Errorf("another graph has the fingerprint of %s", seen[got])
	}
	for name, change := range map[string]func(*Manifest){
		"input": func(m *Manifest) { m.Input = "x" }, "output": func(m *Manifest) { m.Output = "x" },
		"dimension": func(m *Manifest) { m.Dimension++ }, "mode": func(m *Manifest) { m.Resize.Mode = Fixed },
		"size": func(m *Manifest) { m.Resize.Size++ }, "interpolation": func(m *Manifest) { m.Resize.Interpolation = Box },
		"crop": func(m *Manifest) { m.Crop-- }, "scale": func(m *Manifest) { m.Scale = 1.0 / 256 },
		"mean": func(m *Manifest) { m.Mean[1] = math.Nextafter(m.Mean[1], 1) }, "std": func(m *Manifest) { m.Std[2] = 1 },
		"channels": func(m *Manifest) { m.Channels = BGR }, "layout": func(m *Manifest) { m.Layout = NHWC },
		"pooling": func(m *Manifest) { m.Pooling = PoolCLS },
		"offset":  func(m *Manifest) { m.CropOffset = Floor }, "fill": func(m *Manifest) { m.Fill[1] = 1 },
		"window": func(m *Manifest) { m.Window = 1 },
		"levels": func(m *Manifest) { m.Levels = LevelsFull }, "percentile": func(m *Manifest) { m.Levels = LevelsPercentile },
		"percentiles": func(m *Manifest) { m.Levels, m.Percentiles = LevelsPercentile, Percentiles{1, 99} },
		"tokens":      func(m *Manifest) { m.Pooling = PoolTokens }, "skip": func(m *Manifest) { m.Pooling, m.Skip = PoolTokens, 1 },
	} {
		m := base
		change(&m)
		got := fingerprint(m, "graph")
		if seen[got] != "" {
			t.Errorf("another %s has the fingerprint of %s", name, seen[got])
		}
		seen[got] = "another " + name
	}
	for name, change := range map[string]func(*Manifest){
		"name": func(m *Manifest) { m.Name = "x" }, "description": func(m *Manifest) { m.Description = "x" },
		"licence": func(m *Manifest) { m.Licence = "x" }, "file": func(m *Manifest) { m.File = "x" },
		"defaults": func(m *Manifest) {
			m.Scale, m.Channels, m.Layout, m.Pooling, m.CropOffset, m.Levels = 0, "", "", "", "", ""
		},
		"text": func(m *Manifest) {
			m.Text = &Text{File: "t.onnx", Tokenizer: "t.json", Length: 1, IDs: "ids", Output: "y"}
		},
	} {
		m := base
		change(&m)
		if got := fingerprint(m, "graph"); seen[got] != "the base" {
			t.Errorf("another %s has another fingerprint", name)
		}
	}
}

// A fingerprint is kept with every stored embedding: one that changes without
// a change of preprocessing orphans them all.
func TestFingerprintIsStable(t *testing.T) {
	m := clip512()
	m.SHA256 = ""
	const want = "0d800cafa1e3eca6095dbdfd6a2b389eb49e6761d548832b0c2e03c72d3c580f"
	if got := model(t, m, means{}).Fingerprint(); got != want {
		t.Errorf("Fingerprint() = %s, want %s", got, want)
	}
}

func TestNewModelRefusesWhatDoesNotFit(t *testing.T) {
	good := plain(Fixed, 1, 0)
	pinned := good
	pinned.SHA256 = digest([]byte("another graph"))
	for _, c := range []struct {
		name   string
		m      Manifest
		digest string
	}{
		{"a bad manifest", Manifest{}, digest(nil)},
		{"no digest", good, ""},
		{"a digest in upper case", good, strings.ToUpper(digest(nil))},
		{"another graph than the manifest's", pinned, digest(nil)},
	} {
		if _, err := NewModel(c.m, c.digest, means{}); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: NewModel: %v, want %v", c.name, err, ErrManifest)
		}
	}
	if _, err := NewModel(good, digest(nil), nil); err == nil {
		t.Error("NewModel without a network succeeded")
	}
}

func TestModelTellsWhatItIs(t *testing.T) {
	m := model(t, plain(Fixed, 1, 0), means{})
	if got := m.Manifest(); got.Layout != NCHW || m.Dimension() != 3 {
		t.Errorf("Manifest().Layout = %q, Dimension() = %d; want %q, 3", got.Layout, m.Dimension(), NCHW)
	}
}
