package onnx_test

import (
	"context"
	"fmt"
	"math"
	"syscall"
	"testing"

	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
)

// network is one of the pretrained networks of the test data.
type network struct {
	file, input, output, golden string
	dimension                   int
}

func networks() []network {
	const mobilenet = "mobilenetv2_torchvision_dequant_fp32"
	return []network{
		{"resnet18_layer3_gap256.onnx", "input", "features", "resnet18_layer3_gap256.features.8x256.f32le", 256},
		{mobilenet + ".onnx", "", "view", mobilenet + ".view.8x1280.f32le", 1280},
		{mobilenet + ".onnx", "", "output", mobilenet + ".output.8x1000.f32le", 1000},
	}
}

func (n network) open(t testing.TB, threads int) *onnx.Session {
	t.Helper()
	onnxtest.Require(t)
	s, err := onnx.OpenSession(read(t, data(t, "models", n.file)), onnx.Options{
		Output: n.output, Height: 224, Width: 224, Threads: threads, Dimension: n.dimension,
	})
	if err != nil {
		t.Fatalf("OpenSession(%s) = %v", n.file, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

// The goldens were computed by ONNX Runtime under another binding.
func TestNetworksReproduceTheirGoldens(t *testing.T) {
	for _, n := range networks() {
		t.Run(n.file+" "+n.output, func(t *testing.T) {
			s := n.open(t, 1)
			input := floats(t, data(t, "golden", "input_first2_2x3x224x224.f32le"))
			want := floats(t, data(t, "golden", n.golden))[:2*n.dimension]
			got, shape, err := s.Run(context.Background(), input, 2)
			if err != nil || fmt.Sprint(shape) != fmt.Sprint([]int{2, n.dimension}) {
				t.Fatalf("Run(2 pictures) = shape %v, %v, want [2 %d]", shape, err, n.dimension)
			}
			compare(t, got, want, n.dimension)
		})
	}
}

func compare(t *testing.T, got, want []float32, dimension int) {
	t.Helper()
	for i := 0; i < len(want); i += dimension {
		g, w := got[i:i+dimension], want[i:i+dimension]
		if c := cosine(g, w); c < 0.9999 {
			t.Errorf("picture %d: cosine to the golden = %v, want at least 0.9999", i/dimension, c)
		}
		for j := range w {
			// Relative to the value, or to the row's scale where it is near 0.
			if diff := math.Abs(float64(g[j] - w[j])); diff > 1e-4*(math.Abs(float64(w[j]))+0.1) {
				t.Errorf("picture %d, value %d = %v, want %v", i/dimension, j, g[j], w[j])
			}
		}
	}
}

// A fixed work of 48 pictures per operation, so that rates are comparable.
func BenchmarkRun(b *testing.B) {
	for _, n := range networks()[:2] {
		for _, threads := range []int{1, 2} {
			for _, callers := range []int{1, 2} {
				for _, batch := range []int{1, 4, 8, 16} {
					name := fmt.Sprintf("%.6s/threads=%d/callers=%d/batch=%d", n.file, threads, callers, batch)
					b.Run(name, func(b *testing.B) { n.benchmark(b, threads, callers, batch) })
				}
			}
		}
	}
}

func (n network) benchmark(b *testing.B, threads, callers, batch int) {
	s := n.open(b, threads)
	input := floats(b, data(b, "golden", "input_first2_2x3x224x224.f32le"))[:3*224*224]
	var pictures []float32
	for range batch {
		pictures = append(pictures, input...)
	}
	before := processorTime(b)
	b.ResetTimer()
	for range b.N {
		done := make(chan error, callers)
		for range callers {
			go func() { done <- repeat(s, pictures, batch, 48/callers/batch+1) }()
		}
		for range callers {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
	}
	pictureCount := float64(b.N * callers * batch * (48/callers/batch + 1))
	b.ReportMetric(pictureCount/b.Elapsed().Seconds(), "images/s")
	b.ReportMetric(1000*(processorTime(b)-before)/pictureCount, "cpu-ms/image")
}

// processorTime returns the seconds of processor that this process has used:
// unlike the rate, it tells the same on a machine that others use too.
func processorTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func repeat(s *onnx.Session, pictures []float32, batch, times int) error {
	for range times {
		if _, _, err := s.Run(context.Background(), pictures, batch); err != nil {
			return err
		}
	}
	return nil
}
