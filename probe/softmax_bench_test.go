package probe

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
)

// softmaxCrowd returns n unit vectors of d components that share a direction
// and decay over the components as embeddings do, of k classes that overlap.
func softmaxCrowd(n, d, k int) Examples {
	r := rand.New(rand.NewPCG(1, 2))
	means := make([][]float64, k)
	for c := range means {
		means[c] = make([]float64, d)
		for j := range d {
			means[c][j] = r.NormFloat64() / float64(1+j/8)
		}
	}
	e := Examples{}
	for c := range k {
		e.Classes = append(e.Classes, fmt.Sprintf("class %02d", c))
	}
	for i := range n {
		x, y, label := make([]float32, d), make([]float64, k), r.IntN(k)
		length := 0.0
		for j := range x {
			v := (1+0.5*means[label][j]+r.NormFloat64())/float64(1+j/8) + 0.02*r.NormFloat64()
			x[j] = float32(v)
		}
		for _, v := range x {
			length += float64(v) * float64(v)
		}
		for j := range x {
			x[j] /= float32(math.Sqrt(length))
		}
		if r.IntN(20) == 0 { // a wrong label
			label = r.IntN(k)
		}
		y[label] = 1
		e.X, e.Y, e.Patient = append(e.X, x), append(e.Y, y), append(e.Patient, i)
	}
	return e
}

// Each size is fitted cold, warm after a hundredth more labels, and swept by
// five folds over twelve decades with two points each. The peak of memory is
// what the fit takes beside the vectors.
func BenchmarkSoftmax(b *testing.B) {
	for _, size := range []struct{ n, d, k int }{{10000, 512, 7}, {100000, 768, 2}, {100000, 768, 10}} {
		b.Run(fmt.Sprintf("n=%d/d=%d/k=%d", size.n, size.d, size.k), func(b *testing.B) {
			e := softmaxCrowd(size.n, size.d, size.k)
			before := e.Subset(allOf(e)[:size.n*99/100])
			for _, lambda := range []float64{1e-2, 1e-4, 1e-6} {
				benchmarkFits(b, e, before, lambda)
			}
			b.Run("sweep", func(b *testing.B) { benchmarkSweep(b, e) })
		})
	}
}

func benchmarkFits(b *testing.B, e, before Examples, lambda float64) {
	var last *SoftmaxProbe
	o := SoftmaxOptions{Workers: runtime.GOMAXPROCS(0)}
	b.Run(fmt.Sprintf("lambda=%g/cold", lambda), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			last = mustFit(b, e, lambda, o)
		}
		b.ReportMetric(float64(last.Passes), "passes")
	})
	start := mustFit(b, before, lambda, o)
	b.Run(fmt.Sprintf("lambda=%g/warm", lambda), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			last = mustFit(b, e, lambda, SoftmaxOptions{Workers: o.Workers, Warm: start})
		}
		b.ReportMetric(float64(last.Passes), "passes")
	})
}

func benchmarkSweep(b *testing.B, e Examples) {
	fold := make([]int, len(e.X))
	for i := range fold {
		fold[i] = i % 5
	}
	var lambdas []float64
	for l := MinLambda; l <= MaxLambda*1.1; l *= 3.1622776601683795 {
		lambdas = append(lambdas, l)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := SweepSoftmax(b.Context(), e, fold, lambdas, SoftmaxOptions{Workers: runtime.GOMAXPROCS(0), Tolerance: 1e-3}, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(s.Lambdas)), "lambdas")
		b.ReportMetric(s.Lambdas[s.Best]*1e6, "best/1e-6")
	}
}

// softmaxJob is one fit that .ci/bench-softmax asks for.
type softmaxJob struct {
	Vectors   string // float32, little-endian, row by row
	Dimension int
	Classes   []string
	Label     []int // of Classes
	C         float64
	Out       string
}

// BenchmarkSoftmaxJob does the job that NEARCASE_SOFTMAX_JOB names, and writes how
// long the fit took and what came out.
func BenchmarkSoftmaxJob(t *testing.B) {
	path := os.Getenv("NEARCASE_SOFTMAX_JOB")
	if path == "" {
		t.Skip("NEARCASE_SOFTMAX_JOB names no job: see .ci/bench-softmax")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var job softmaxJob
	if err := json.Unmarshal(b, &job); err != nil {
		t.Fatal(err)
	}
	e := job.examples(t)
	lambda := 1 / (job.C * SoftmaxScale(e))
	start := time.Now()
	p := mustFit(t, e, lambda, SoftmaxOptions{})
	out, err := json.Marshal(map[string]any{"seconds": time.Since(start).Seconds(), "probe": p})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(job.Out, out, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (j softmaxJob) examples(t testing.TB) Examples {
	f, err := os.Open(j.Vectors)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x := make([]float32, len(j.Label)*j.Dimension)
	if err := binary.Read(f, binary.LittleEndian, x); err != nil {
		t.Fatal(err)
	}
	e := Examples{Classes: j.Classes}
	i := 0
	for row := range slices.Chunk(x, j.Dimension) {
		y := make([]float64, len(j.Classes))
		y[j.Label[i]] = 1
		e.X, e.Y, e.Patient = append(e.X, row), append(e.Y, y), append(e.Patient, i)
		i++
	}
	return e
}
